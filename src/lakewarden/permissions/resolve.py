"""The decision, pure and total: facts about a principal, and a table or database, to what it may do.

SEMANTICS, "Lake Formation"; Lake Formation Developer Guide, "Lake Formation permissions reference", "Implicit Lake
Formation permissions" and "Hybrid access mode".
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
from lakewarden.permissions.facts import Facts, Grants
from lakewarden.permissions.locations import Locations
from lakewarden.permissions.model import (
    ALL,
    CREATE_DATABASE,
    CREATE_TABLE,
    DATABASE_PERMISSIONS,
    DESCRIBE,
    SELECT,
    TABLE_PERMISSIONS,
    CatalogResource,
    ColumnsResource,
    DatabaseResource,
    Grant,
    LocationResource,
    Resource,
    TableResource,
)

_EVERY_TABLE_ACTION = TABLE_PERMISSIONS - {ALL}
_EVERY_DATABASE_ACTION = DATABASE_PERMISSIONS - {ALL}
_ADMINISTRATOR = ("data lake administrator",)


def table_access(facts: Facts, table: Table) -> TableAccess:
    """What the principal may do with ``table``. Never optional: nothing granted means no action, column or row."""
    if _iam_decides_table(facts, table.database, table.name):
        names = _names(table)
        return TableAccess(AccessMode.IAM, _EVERY_TABLE_ACTION, names, ALL_ROWS, ("IAMAllowedPrincipals",), names)
    held = facts.on_table(table.database, table.name)
    if not held and not facts.sees_everything:
        return NO_ACCESS
    names = _names(table)
    actions = _table_actions(held)
    whole = bool(actions) or facts.sees_everything
    columns = _readable(held, table, names)
    if columns:
        actions |= {SELECT}
    if whole or columns:
        actions |= {DESCRIBE}
    if not actions:
        return NO_ACCESS
    return TableAccess(
        # A path that is not registered is not Lake Formation's to open: the grants limit what is read, and IAM on S3
        # must allow the reading.
        AccessMode.LAKE_FORMATION if facts.registered.covers(table.location) else AccessMode.UNREGISTERED,
        actions,
        columns,
        ALL_ROWS if columns else NO_ROWS,
        tuple(map(str, held)) or _ADMINISTRATOR,
        names if whole else columns,
    )


def database_access(facts: Facts, database: str) -> DatabaseAccess:
    """What the principal may do with a database; any right inside reveals it, and nothing else of it."""
    if DatabaseResource(database) in facts.hybrid and DatabaseResource(database) not in facts.opted_in:
        return DatabaseAccess(AccessMode.IAM, _EVERY_DATABASE_ACTION, ("IAMAllowedPrincipals",))
    held = facts.on_database(database)
    actions: frozenset[str] = frozenset()
    for grant in held:
        actions |= _EVERY_DATABASE_ACTION if ALL in grant.permissions else grant.permissions
    if actions or facts.sees_everything or _holds_inside(facts, database):
        actions |= {DESCRIBE}
    mode = AccessMode.LAKE_FORMATION if actions else AccessMode.NONE
    return DatabaseAccess(mode, actions, tuple(map(str, held)))


def visible_tables(facts: Facts, database: str) -> frozenset[str] | None:
    """The only tables of a database that can be visible to the principal; None when any of them can.

    A listing looks at no other table, so that it takes the time of what is permitted and not of what is there.
    """
    if facts.sees_everything:
        return None
    names = frozenset(facts.tables_held(database)) | _hybrid_inside(facts, database)
    return None if "" in names else names


def may_create_database(facts: Facts) -> bool:
    """Administrators, holders of CREATE_DATABASE, and everybody where IAMAllowedPrincipals holds it."""
    return (
        facts.administrator
        or CatalogResource() in facts.hybrid
        or any(CREATE_DATABASE in grant.permissions for grant in facts.on_catalog())
    )


def may_create_table(facts: Facts, database: str) -> bool:
    """Holders of CREATE_TABLE; an administrator must first grant it to itself."""
    return CREATE_TABLE in database_access(facts, database).actions


def may_place_data(facts: Facts, location: str, parent: str) -> bool:
    """Whether a database or table may be made to point at ``location``; ``parent`` is its database's own location.

    A registered path outside the database's location needs a data location permission on it or above. So
    does a path *above* a registered one: what points there reaches all that lies below.
    """
    if not location or facts.administrator:
        return True
    if Locations.of((parent,)).covers(location):
        return True
    if not facts.registered.overlaps(location):
        return True
    return bool(facts.on_location(location))


def may_grant(facts: Facts, wanted: Grant, columns: tuple[str, ...]) -> bool:
    """Whether the principal may give ``wanted`` to others, or take it. ``columns`` are the table's, for column grants.

    INVARIANT (no_escalation): who is no administrator can pass on only what it holds with the grant option.
    """
    if facts.administrator:
        return True
    asked = wanted.permissions | wanted.grantable
    return bool(asked) and all(_may_pass_on(facts, permission, wanted.resource, columns) for permission in asked)


def _may_pass_on(facts: Facts, permission: str, of: Resource, columns: tuple[str, ...]) -> bool:
    if isinstance(of, CatalogResource):
        return bool(_passing(facts.on_catalog(), permission))
    if isinstance(of, DatabaseResource):
        return bool(_passing(facts.on_database(of.database), permission))
    if isinstance(of, LocationResource):
        return bool(_passing(facts.on_location(of.arn), permission))
    passing = _passing(facts.on_table(of.database, of.table), permission)
    whole = any(isinstance(grant.resource, TableResource) for grant in passing)
    if isinstance(of, TableResource) or whole:
        return whole
    # A wildcard also means the columns that are added later, which only a grant on the whole table covers. Names are
    # compared as asked, so that an absent column and a hidden one are refused alike.
    parts = [grant.resource.among(columns) for grant in passing if isinstance(grant.resource, ColumnsResource)]
    return not of.wildcard and bool(of.include) and frozenset(of.include) <= frozenset[str]().union(*parts)


def _passing(grants: Iterable[Grant], permission: str) -> Grants:
    return tuple(grant for grant in grants if permission in grant.grantable or ALL in grant.grantable)


def _iam_decides_table(facts: Facts, database: str, table: str) -> bool:
    """Hybrid access mode: IAMAllowedPrincipals holds a grant, and the principal has not opted in."""
    if not facts.hybrid:
        return False
    one, every = TableResource(database, table), TableResource(database, "")
    return (one in facts.hybrid or every in facts.hybrid) and not (one in facts.opted_in or every in facts.opted_in)


def _hybrid_inside(facts: Facts, database: str) -> frozenset[str]:
    """Names of the tables on which IAM decides; the empty name for all of them."""
    if TableResource(database, "") in facts.opted_in:
        return frozenset()
    return frozenset(
        one.table
        for one in facts.hybrid
        if isinstance(one, TableResource) and one.database == database and one not in facts.opted_in
    )


def _holds_inside(facts: Facts, database: str) -> bool:
    return any(True for _ in facts.tables_held(database)) or bool(_hybrid_inside(facts, database))


def _names(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.all_columns)


def _table_actions(held: Iterable[Grant]) -> frozenset[str]:
    """Actions from grants on the whole table; a column grant gives no ALTER, DROP, INSERT or DELETE."""
    actions: frozenset[str] = frozenset()
    for grant in held:
        if isinstance(grant.resource, TableResource):
            actions |= _EVERY_TABLE_ACTION if ALL in grant.permissions else grant.permissions
    return actions


def _readable(held: Iterable[Grant], table: Table, names: tuple[str, ...]) -> tuple[str, ...]:
    """The readable columns in table order; partition keys whenever any column is."""
    readable: set[str] = set()
    for grant in held:
        if isinstance(grant.resource, ColumnsResource):
            if SELECT in grant.permissions:
                readable |= grant.resource.among(names)
        elif SELECT in grant.permissions or ALL in grant.permissions:
            return names
    if readable:
        readable |= {column.name for column in table.partition_keys}
    return tuple(name for name in names if name in readable)
