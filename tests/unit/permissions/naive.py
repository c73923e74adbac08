"""A second, deliberately naive resolve: no index, no sets of names, one question at a time, straight from SEMANTICS.

It asks "may this principal do this action", "may it read this column", and puts the answers together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lakewarden.kernel.lake import Table
from lakewarden.permissions.model import ColumnsResource, DatabaseResource, Grant, Resource, TableResource

TABLE_ACTIONS = ("ALTER", "DELETE", "DESCRIBE", "DROP", "INSERT", "SELECT")
DATABASE_ACTIONS = ("ALTER", "CREATE_TABLE", "DESCRIBE", "DROP")


@dataclass(frozen=True)
class World:
    """Plain lists. ``grants`` are the principal's own and everyone's alike."""

    administrator: bool
    grants: Sequence[Grant]
    hybrid: Sequence[Resource]
    opted_in: Sequence[Resource]


def iam_decides(world: World, database: str, table: str) -> bool:
    names = ((database, table), (database, ""))
    for resource in world.opted_in:
        if isinstance(resource, TableResource) and (resource.database, resource.table) in names:
            return False
    return any(isinstance(one, TableResource) and (one.database, one.table) in names for one in world.hybrid)


def may(world: World, action: str, table: Table) -> bool:
    if iam_decides(world, table.database, table.name):
        return True
    if action == "DESCRIBE":
        others = [one for one in TABLE_ACTIONS if one != "DESCRIBE"]
        if world.administrator or any(may(world, one, table) for one in others):
            return True
    if action == "SELECT" and any(may_read(world, column.name, table) for column in table.all_columns):
        return True
    for grant in world.grants:
        resource = grant.resource
        if not isinstance(resource, TableResource) or resource.database != table.database:
            continue
        if resource.table not in ("", table.name):
            continue
        if action in grant.permissions or "ALL" in grant.permissions:
            return True
    return False


def may_read(world: World, column: str, table: Table) -> bool:
    if iam_decides(world, table.database, table.name) or granted(world, column, table):
        return True
    is_key = column in [one.name for one in table.partition_keys]
    return is_key and any(granted(world, one.name, table) for one in table.all_columns)


def granted(world: World, column: str, table: Table) -> bool:
    for grant in world.grants:
        resource = grant.resource
        if isinstance(resource, TableResource):
            here = resource.database == table.database and resource.table in ("", table.name)
            if here and ("SELECT" in grant.permissions or "ALL" in grant.permissions):
                return True
        if isinstance(resource, ColumnsResource):
            here = resource.database == table.database and resource.table == table.name
            if here and resource.wildcard and column not in resource.exclude:
                return True
            if here and not resource.wildcard and column in resource.include:
                return True
    return False


def may_on_database(world: World, action: str, database: str) -> bool:
    itself = DatabaseResource(database)
    if itself in world.hybrid and itself not in world.opted_in:
        return True
    on_it = [one for one in world.grants if one.resource == itself]
    if any(action in one.permissions or "ALL" in one.permissions for one in on_it):
        return True
    if action != "DESCRIBE":
        return False
    inside = [
        one
        for one in world.grants
        if isinstance(one.resource, TableResource | ColumnsResource) and one.resource.database == database
    ]
    hybrid = [
        one
        for one in world.hybrid
        if isinstance(one, TableResource)
        and one.database == database
        and one not in world.opted_in
        and TableResource(database, "") not in world.opted_in
    ]
    return bool(world.administrator or on_it or inside or hybrid)
