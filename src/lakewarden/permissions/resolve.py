"""The decision, pure and total: facts about a principal, and a table or database, to what it may do.

SEMANTICS, "Lake Formation"; Lake Formation Developer Guide, "Lake Formation permissions reference".
"""

from collections.abc import Iterable

from lakewarden.kernel.lake import (
    ALL_ROWS,
    NO_ACCESS,
    NO_ROWS,
    AccessMode,
    DatabaseAccess,
    Table,
    TableAccess,
)
from lakewarden.permissions.model import (
    ALL,
    DATABASE_PERMISSIONS,
    DESCRIBE,
    SELECT,
    TABLE_PERMISSIONS,
    ColumnsResource,
    DatabaseResource,
    Facts,
    Grant,
    Resource,
    TableResource,
)

_EVERY_TABLE_ACTION = TABLE_PERMISSIONS - {ALL}
_EVERY_DATABASE_ACTION = DATABASE_PERMISSIONS - {ALL}


def table_access(facts: Facts, table: Table) -> TableAccess:
    """What the principal may do with ``table``. Never optional: nothing granted means no action, column or row."""
    names = tuple(column.name for column in table.all_columns)
    if _iam_decides(facts, (TableResource(table.database, table.name), TableResource(table.database, ""))):
        because = tuple(str(grant) for grant in _on_table(facts.iam_allowed, table))
        return TableAccess(AccessMode.IAM, _EVERY_TABLE_ACTION, names, ALL_ROWS, because, names)
    held = _on_table(facts.grants, table)
    actions = _table_actions(held)
    described = names if actions or facts.administrator else ()
    columns = _columns(held, table, names)
    if columns:
        actions |= {SELECT}
    if actions or facts.administrator:
        actions |= {DESCRIBE}
    if not actions:
        return NO_ACCESS
    return TableAccess(
        AccessMode.LAKE_FORMATION,
        actions,
        columns,
        ALL_ROWS if columns else NO_ROWS,
        tuple(str(grant) for grant in held) or ("administrator",),
        described or columns,
    )


def database_access(facts: Facts, database: str) -> DatabaseAccess:
    """What the principal may do with a database; any grant inside reveals it, and nothing else of it."""
    if _iam_decides(facts, (DatabaseResource(database),)):
        return DatabaseAccess(AccessMode.IAM, _EVERY_DATABASE_ACTION, ("IAMAllowedPrincipals",))
    held = [
        grant
        for grant in facts.grants
        if isinstance(grant.resource, DatabaseResource) and grant.resource.database == database
    ]
    actions: frozenset[str] = frozenset()
    for grant in held:
        actions |= _EVERY_DATABASE_ACTION if ALL in grant.permissions else grant.permissions
    inside = any(
        isinstance(grant.resource, TableResource | ColumnsResource) and grant.resource.database == database
        for grant in facts.grants
    )
    if actions or inside or facts.administrator:
        actions |= {DESCRIBE}
    mode = AccessMode.LAKE_FORMATION if actions else AccessMode.NONE
    return DatabaseAccess(mode, actions, tuple(str(grant) for grant in held))


def may_grant(facts: Facts, wanted: Grant, columns: tuple[str, ...]) -> bool:
    """Whether the principal may give ``wanted`` to others. ``columns`` are the table's, for column grants.

    INVARIANT (no_escalation): who is no administrator can pass on only what it holds with the grant option.
    """
    if facts.administrator:
        return True
    asked = wanted.permissions | wanted.grantable
    return all(_may_pass_on(facts.grants, permission, wanted.resource, columns) for permission in asked)


def _may_pass_on(grants: Iterable[Grant], permission: str, resource: Resource, columns: tuple[str, ...]) -> bool:
    passing = [grant for grant in grants if permission in grant.grantable or ALL in grant.grantable]
    if isinstance(resource, ColumnsResource):
        wanted = resource.among(columns)
        covered: set[str] = set()
        for grant in passing:
            if _covers_table(grant.resource, resource.database, resource.table):
                covered |= set(columns)
            elif isinstance(grant.resource, ColumnsResource) and _same_table(grant.resource, resource):
                covered |= grant.resource.among(columns)
        # A wildcard also means columns that are added later, which only a grant on the whole table covers.
        whole = any(_covers_table(grant.resource, resource.database, resource.table) for grant in passing)
        return bool(wanted) and wanted <= covered and (whole or not resource.wildcard)
    if isinstance(resource, TableResource):
        return any(_covers_table(grant.resource, resource.database, resource.table) for grant in passing)
    return any(grant.resource == resource for grant in passing)


def _same_table(one: ColumnsResource, other: ColumnsResource) -> bool:
    return (one.database, one.table) == (other.database, other.table)


def _covers_table(resource: Resource, database: str, table: str) -> bool:
    return isinstance(resource, TableResource) and resource.database == database and resource.table in {table, ""}


def _iam_decides(facts: Facts, resources: tuple[Resource, ...]) -> bool:
    """Hybrid access mode: IAMAllowedPrincipals holds a grant, and the principal has not opted in."""
    allowed = any(grant.resource in resources and grant.permissions for grant in facts.iam_allowed)
    return allowed and not any(resource in facts.opted_in for resource in resources)


def _on_table(grants: Iterable[Grant], table: Table) -> list[Grant]:
    return [
        grant
        for grant in grants
        if isinstance(grant.resource, TableResource | ColumnsResource)
        and grant.resource.database == table.database
        and (
            grant.resource.table == table.name
            or (isinstance(grant.resource, TableResource) and not grant.resource.table)
        )
    ]


def _table_actions(held: Iterable[Grant]) -> frozenset[str]:
    """Actions from grants on the whole table; a column grant gives no ALTER, DROP, INSERT or DELETE."""
    actions: frozenset[str] = frozenset()
    for grant in held:
        if isinstance(grant.resource, TableResource):
            actions |= _EVERY_TABLE_ACTION if ALL in grant.permissions else grant.permissions
    return actions


def _columns(held: Iterable[Grant], table: Table, names: tuple[str, ...]) -> tuple[str, ...]:
    """The readable columns in table order; partition keys whenever any column is."""
    readable: set[str] = set()
    for grant in held:
        if isinstance(grant.resource, ColumnsResource) and SELECT in grant.permissions:
            readable |= grant.resource.among(names)
        elif isinstance(grant.resource, TableResource) and grant.permissions & {SELECT, ALL}:
            readable |= set(names)
    if readable:
        readable |= {column.name for column in table.partition_keys}
    return tuple(name for name in names if name in readable)
