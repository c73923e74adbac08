"""The decision, pure and total: facts about a principal, and a table or database, to what it may do.

SEMANTICS, "Lake Formation"; Lake Formation Developer Guide, "Lake Formation permissions reference", "Implicit Lake
Formation permissions" and "Hybrid access mode".
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lakewarden.kernel.lake import (
    ALL_ROWS,
    NO_ACCESS,
    NO_ROWS,
    AccessMode,
    Cells,
    DatabaseAccess,
    Table,
    TableAccess,
    rows_of,
)
from lakewarden.permissions.facts import Facts, Grants
from lakewarden.permissions.locations import Locations
from lakewarden.permissions.model import (
    ALL,
    CREATE_DATABASE,
    CREATE_TABLE,
    DATABASE_PERMISSIONS,
    DESCRIBE,
    GRANT_WITH_EXPRESSION,
    SELECT,
    TABLE_PERMISSIONS,
    CatalogResource,
    ColumnsResource,
    DatabaseResource,
    Expression,
    FilterResource,
    Grant,
    LocationResource,
    PolicyResource,
    Resource,
    TableResource,
    TagExpressionResource,
    TagResource,
)
from lakewarden.permissions.tags import DatabaseTags, covers, matches

_EVERY_TABLE_ACTION = TABLE_PERMISSIONS - {ALL}
_EVERY_DATABASE_ACTION = DATABASE_PERMISSIONS - {ALL}
_ADMINISTRATOR = ("data lake administrator",)


def table_access(facts: Facts, table: Table) -> TableAccess:
    """What the principal may do with ``table``. Never optional: nothing granted means no action, column or row."""
    if _iam_decides_table(facts, table.database, table.name):
        names = _names(table)
        return TableAccess(AccessMode.IAM, _EVERY_TABLE_ACTION, names, ALL_ROWS, ("IAMAllowedPrincipals",), names)
    held = facts.on_table(table.database, table.name)
    tagged = _tagged(facts, table) if facts.own.policies or facts.shared.policies else ()
    if not held and not tagged and not facts.sees_everything:
        return NO_ACCESS
    names = _names(table)
    actions = _table_actions(held)
    whole = bool(actions) or facts.sees_everything
    actions = actions.union(*(one.actions for one in tagged))
    cells = _cells(held, tagged, facts, table, names)
    columns = tuple(name for name in names if any(name in one.columns for one in cells))
    if columns:
        actions |= {SELECT}
    if whole or tagged or actions:
        actions |= {DESCRIBE}
    if not actions:
        return NO_ACCESS
    shown = frozenset(columns).union(*(one.columns for one in tagged))
    return TableAccess(
        # A path that is not registered is not Lake Formation's to open: the grants limit what is read, and IAM on S3
        # must allow the reading.
        AccessMode.LAKE_FORMATION if facts.registered.covers(table.location) else AccessMode.UNREGISTERED,
        actions,
        columns,
        rows_of(cells, columns) if columns else NO_ROWS,
        (*map(str, held), *(str(one.grant) for one in tagged)) or _ADMINISTRATOR,
        names if whole else tuple(name for name in names if name in shown),
        () if all(one.rows.all_rows for one in cells) else cells,
    )


def database_access(facts: Facts, database: str) -> DatabaseAccess:
    """What the principal may do with a database; any right inside reveals it, and nothing else of it."""
    if DatabaseResource(database) in facts.hybrid and DatabaseResource(database) not in facts.opted_in:
        return DatabaseAccess(AccessMode.IAM, _EVERY_DATABASE_ACTION, ("IAMAllowedPrincipals",))
    held = facts.on_database(database)
    actions: frozenset[str] = frozenset()
    by_tag = _tagged_database(facts)
    for grant in (*held, *by_tag):
        actions |= _EVERY_DATABASE_ACTION if ALL in grant.permissions else grant.permissions
    if actions or facts.sees_everything or _holds_inside(facts, database):
        actions |= {DESCRIBE}
    mode = AccessMode.LAKE_FORMATION if actions else AccessMode.NONE
    return DatabaseAccess(mode, actions, tuple(map(str, (*held, *by_tag))))


def visible_tables(facts: Facts, database: str) -> frozenset[str] | None:
    """The only tables of a database that can be visible to the principal; None when any of them can.

    A listing looks at no other table, so that it takes the time of what is permitted and not of what is there.
    """
    if facts.sees_everything:
        return None
    names = frozenset(facts.tables_held(database)) | _hybrid_inside(facts, database)
    expressions = [expression for _, expression in facts.policies("TABLE")]
    if expressions:
        if any(matches(one, facts.tags.own) for one in expressions):
            return None
        names |= frozenset(facts.tags.tagged_tables())
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

    A registered path outside the database's registered location needs a data location permission on it or above. So
    does a path *above* a registered one: what points there reaches all that lies below.

    INVARIANT (no_escalation): a parent counts only where it is registered itself. One that was put above a path before
    that was registered, when nobody asked, opens nothing below.
    """
    if not location or facts.administrator:
        return True
    if facts.registered.covers(parent) and Locations.of((parent,)).covers(location):
        return True
    if not facts.registered.overlaps(location):
        return True
    return bool(facts.on_location(location))


def may_use_location(facts: Facts, location: str) -> bool:
    """Whether the principal holds a registered location: administrators hold all."""
    return facts.registered.covers(location) and (facts.administrator or bool(facts.on_location(location)))


def may_grant(facts: Facts, wanted: Grant, columns: tuple[str, ...]) -> bool:
    """Whether the principal may give ``wanted`` to others, or take it. ``columns`` are the table's, for column grants.

    INVARIANT (no_escalation): who is no administrator can pass on only what it holds with the grant option.
    """
    if facts.administrator:
        return True
    of, asked = wanted.resource, wanted.permissions | wanted.grantable
    return bool(asked) and all(
        _may_pass_on(facts, permission, of, columns)
        or (
            isinstance(of, PolicyResource)
            and permission not in wanted.grantable
            and _grants_with_tags(facts, permission, of)
        )
        for permission in asked
    )


def may_define_filter(facts: Facts, database: str, table: str) -> bool:
    """Whether the principal may make, change or delete data cells filters of a table: who may grant all of it.

    Lake Formation Developer Guide, "Data filtering limitations": SELECT with the grant option on all columns is needed.
    """
    return facts.administrator or _passes_whole(facts, database, table, SELECT)


def may_assign_tags(facts: Facts, resource: Resource) -> bool:
    """Whether the principal may put LF-tags on a database, table or columns: who may give away all of it.

    INVARIANT (no_escalation): a tag opens what it is put on to whoever holds a policy on the tag, and a database's tags
    open its tables.
    """
    if facts.administrator:
        return True
    if isinstance(resource, DatabaseResource):
        own = bool(_passing(facts.on_database(resource.database), ALL))
        return own and _passes_whole(facts, resource.database, "", ALL)
    if isinstance(resource, TableResource | ColumnsResource):
        return _passes_whole(facts, resource.database, resource.table, ALL)
    return False


def _may_pass_on(facts: Facts, permission: str, of: Resource, columns: tuple[str, ...]) -> bool:
    if isinstance(of, CatalogResource):
        return bool(_passing(facts.on_catalog(), permission))
    if isinstance(of, DatabaseResource):
        return bool(_passing(facts.on_database(of.database), permission))
    if isinstance(of, LocationResource):
        return bool(_passing(facts.on_location(of.arn), permission))
    if isinstance(of, TagResource):
        return bool(_passing(facts.on_tag(of.key, of.values), permission))
    if isinstance(of, TagExpressionResource):
        return bool(_passing(facts.on_expression(of.name), permission))
    if isinstance(of, PolicyResource):
        return _passes_policy(facts, permission, of)
    if isinstance(of, FilterResource):
        own = bool(_passing(facts.on_filter(of), permission))
        return own or _passes_whole(facts, of.database, of.table, SELECT)
    passing = _passing(facts.on_table(of.database, of.table), permission)
    whole = any(isinstance(grant.resource, TableResource) for grant in passing)
    if isinstance(of, TableResource) or whole:
        return whole
    # A wildcard also means the columns that are added later, which only a grant on the whole table covers. Names are
    # compared as asked, so that an absent column and a hidden one are refused alike.
    parts = [grant.resource.among(columns) for grant in passing if isinstance(grant.resource, ColumnsResource)]
    return not of.wildcard and bool(of.include) and frozenset(of.include) <= frozenset[str]().union(*parts)


def _passes_whole(facts: Facts, database: str, table: str, permission: str) -> bool:
    passing = _passing(facts.on_table(database, table), permission)
    return any(isinstance(grant.resource, TableResource) for grant in passing)


def _grants_with_tags(facts: Facts, permission: str, of: PolicyResource) -> bool:
    """GRANT_WITH_LF_TAG_EXPRESSION on all values of a policy stands for the grant option on what is held by such policies.

    On AWS it lets its holder give away what it does not hold, which here nothing does.
    """
    return _passes_policy(facts, permission, of, held=True) and all(
        any(GRANT_WITH_EXPRESSION in grant.permissions for grant in facts.on_tag(key, values))
        for key, values in _meant(facts, of)
    )


def _meant(facts: Facts, of: PolicyResource) -> Expression:
    return facts.named.get(of.named, ()) if of.named else of.expression


def _passes_policy(facts: Facts, permission: str, of: PolicyResource, *, held: bool = False) -> bool:
    """Whether a policy covers ``of`` with the grant option on ``permission``; with ``held``, without it too."""
    wanted = _meant(facts, of)
    return any(
        bool({permission, ALL} & (grant.permissions if held else grant.grantable))
        and bool(wanted)
        and covers(expression, wanted)
        # What a name stands for can be widened later by whoever may alter it, so that it covers no more than itself.
        and (not of.named or grant.resource == of)
        for grant, expression in facts.policies(of.kind)
    )


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
    return (
        any(True for _ in facts.tables_held(database))
        or bool(_hybrid_inside(facts, database))
        or any(_matches_inside(grant, expression, facts.tags) for grant, expression in facts.policies("TABLE"))
    )


def _matches_inside(grant: Grant, expression: Expression, tags: DatabaseTags) -> bool:
    """Whether a policy opens a table of the database, or a column of one."""
    if matches(expression, tags.own) or any(matches(expression, tags.on_table(one)) for one in tags.tables):
        return True
    if not grant.permissions & {SELECT, ALL}:
        return False
    return any(matches(expression, tags.on_column(table, one)) for table in tags.columns for one in tags.columns[table])


@dataclass(frozen=True, slots=True)
class _Tagged:
    """What an LF-tag policy gives on one table: ``columns`` are those that match, ``readable`` whether to be read."""

    grant: Grant
    actions: frozenset[str]
    columns: frozenset[str]
    readable: bool


def _tagged(facts: Facts, table: Table) -> tuple[_Tagged, ...]:
    tags = facts.tags
    on_table = tags.on_table(table.name)
    overridden = tags.columns.get(table.name, {})
    if not on_table and not overridden:
        return ()
    names = _names(table)
    found = []
    for grant, expression in facts.policies("TABLE"):
        whole = matches(expression, on_table)
        columns = frozenset(
            name
            for name in names
            if (matches(expression, tags.on_column(table.name, name)) if name in overridden else whole)
        )
        actions = _EVERY_TABLE_ACTION if ALL in grant.permissions else grant.permissions
        readable = SELECT in actions
        # Only SELECT goes by columns: a policy that matches some columns gives nothing on the table as a whole.
        if whole or (columns and readable):
            given = actions - {SELECT} if whole else frozenset[str]()
            found.append(_Tagged(grant, given, columns, readable))
    return tuple(found)


def _tagged_database(facts: Facts) -> Grants:
    if not facts.tags.own:
        return ()
    return tuple(grant for grant, expression in facts.policies("DATABASE") if matches(expression, facts.tags.own))


def _names(table: Table) -> tuple[str, ...]:
    return tuple(column.name for column in table.all_columns)


def _table_actions(held: Iterable[Grant]) -> frozenset[str]:
    """Actions from grants on the whole table; a column grant gives no ALTER, DROP, INSERT or DELETE."""
    actions: frozenset[str] = frozenset()
    for grant in held:
        if isinstance(grant.resource, TableResource):
            actions |= _EVERY_TABLE_ACTION if ALL in grant.permissions else grant.permissions
    return actions


def _cells(
    held: Grants, tagged: tuple[_Tagged, ...], facts: Facts, table: Table, names: tuple[str, ...]
) -> tuple[Cells, ...]:
    """The readable cells, grant by grant; grants without a row filter are one. Partition keys come with any column."""
    keys = frozenset(column.name for column in table.partition_keys)
    open_columns: set[str] = set()
    found: list[Cells] = []
    for grant in held:
        of = grant.resource
        if isinstance(of, ColumnsResource):
            if SELECT in grant.permissions:
                open_columns |= of.among(names)
        elif isinstance(of, FilterResource):
            limit = facts.filters.get(of)
            given = limit.among(names) if limit is not None else frozenset()
            if limit is not None and limit.rows.all_rows:
                open_columns |= given
            elif limit is not None and given:
                found.append(Cells(given | keys, limit.rows))
        elif SELECT in grant.permissions or ALL in grant.permissions:
            # All of the table: no other grant can add to it.
            return (Cells(frozenset(names), ALL_ROWS),)
    for one in tagged:
        if one.readable:
            open_columns |= one.columns
    if open_columns:
        found.append(Cells(frozenset(open_columns) | keys, ALL_ROWS))
    return tuple(found)
