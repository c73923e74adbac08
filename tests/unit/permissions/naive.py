"""A second, deliberately naive resolve: no index, no sets of names, one question at a time, straight from SEMANTICS.

It asks "may this principal do this action", "may it read this column", and puts the answers together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lakewarden.kernel.lake import Table
from lakewarden.permissions.model import (
    CellsFilter,
    ColumnsResource,
    DatabaseResource,
    Expression,
    FilterResource,
    Grant,
    PolicyResource,
    Resource,
    TableResource,
)
from lakewarden.permissions.tags import Assignment

TABLE_ACTIONS = ("ALTER", "DELETE", "DESCRIBE", "DROP", "INSERT", "SELECT")
DATABASE_ACTIONS = ("ALTER", "CREATE_TABLE", "DESCRIBE", "DROP")


@dataclass(frozen=True)
class World:
    """Plain lists. ``grants`` are the principal's own and everyone's alike. Administrators may be read-only ones."""

    administrator: bool
    grants: Sequence[Grant]
    hybrid: Sequence[Resource]
    opted_in: Sequence[Resource]
    assignments: Sequence[Assignment] = ()
    filters: Sequence[CellsFilter] = ()
    named: Sequence[tuple[str, Expression]] = ()


def tag(world: World, key: str, database: str, table: str = "", column: str = "") -> str:
    """The value of a key on a resource: its own, or its parent's; empty where it has none."""
    for one in world.assignments:
        if (one.database, one.table, one.column, one.key) == (database, table, column, key):
            return one.value
    if column:
        return tag(world, key, database, table)
    return tag(world, key, database) if table else ""


def meant(world: World, policy: PolicyResource, database: str, table: str = "", column: str = "") -> bool:
    if policy.named:
        return any(
            name == policy.named and meant(world, PolicyResource(policy.kind, one), database, table, column)
            for name, one in world.named
        )
    return all(tag(world, key, database, table, column) in values for key, values in policy.expression)


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
        if isinstance(resource, PolicyResource) and resource.kind == "TABLE":
            matched = meant(world, resource, table.database, table.name)
            if matched and (action == "DESCRIBE" or (action != "SELECT" and held(grant, action))):
                return True
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


def held(grant: Grant, action: str) -> bool:
    return action in grant.permissions or "ALL" in grant.permissions


def granted(world: World, column: str, table: Table) -> bool:
    return open_in_every_row(world, column, table) or any(limits(world, column, table))


def limits(world: World, column: str, table: Table) -> Iterator[str]:
    """The row filters that give a column."""
    for grant in world.grants:
        for one in world.filters:
            named = FilterResource(one.database, one.table, one.name)
            here = (one.database, one.table) == (table.database, table.name)
            if grant.resource == named and here and "SELECT" in grant.permissions and column in given_by(one, table):
                yield "all" if one.rows.all_rows else one.rows.expressions[0]


def given_by(one: CellsFilter, table: Table) -> list[str]:
    names = [column.name for column in table.all_columns]
    return [name for name in names if (name not in one.exclude if one.wildcard else name in one.include)]


def rows(world: World, column: str, table: Table) -> set[str]:
    """The filters whose union a column is read in; "all" for every row."""
    is_key = column in [one.name for one in table.partition_keys]
    around = [one.name for one in table.all_columns] if is_key else [column]
    if any(open_in_every_row(world, name, table) for name in around):
        return {"all"}
    found = {text for name in around for text in limits(world, name, table)}
    return {"all"} if "all" in found else found


def open_in_every_row(world: World, column: str, table: Table) -> bool:
    for grant in world.grants:
        resource = grant.resource
        if (
            isinstance(resource, PolicyResource)
            and resource.kind == "TABLE"
            and held(grant, "SELECT")
            and meant(world, resource, table.database, table.name, column)
        ):
            return True
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
    on_it = [
        one
        for one in world.grants
        if one.resource == itself
        or (
            isinstance(one.resource, PolicyResource)
            and one.resource.kind == "DATABASE"
            and meant(world, one.resource, database)
        )
    ]
    if any(action in one.permissions or "ALL" in one.permissions for one in on_it):
        return True
    if action != "DESCRIBE":
        return False
    inside = [
        one
        for one in world.grants
        if (isinstance(one.resource, TableResource | ColumnsResource) and one.resource.database == database)
        or (
            isinstance(one.resource, FilterResource)
            and one.resource.database == database
            and "SELECT" in one.permissions
        )
        or (isinstance(one.resource, PolicyResource) and opens_inside(world, one, database))
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


def opens_inside(world: World, grant: Grant, database: str) -> bool:
    policy = grant.resource
    assert isinstance(policy, PolicyResource)
    if policy.kind != "TABLE":
        return False
    if meant(world, policy, database):
        return True
    here = [one for one in world.assignments if one.database == database and one.table]
    return any(
        meant(world, policy, database, one.table, one.column) for one in here if not one.column or held(grant, "SELECT")
    )
