"""The facts that a decision is made from: grants, indexed by what they are on. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from lakewarden.permissions.locations import NOWHERE, Locations, is_below
from lakewarden.permissions.model import (
    SELECT,
    CatalogResource,
    CellsFilter,
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
from lakewarden.permissions.tags import UNTAGGED, DatabaseTags

Grants = tuple[Grant, ...]
_Tables = Mapping[str, Mapping[str, Grants]]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What one principal holds. ``tables`` is by database, then by table name; the empty name is the wildcard's.

    It has the grants that bear on reading a table: on it, on columns, and SELECT on data cells filters. ``policies`` are
    the LF-tag policies, ``tagging`` the grants on LF-tags and named expressions themselves.
    """

    catalog: Grants = ()
    databases: Mapping[str, Grants] = field(default_factory=dict)
    tables: _Tables = field(default_factory=dict)
    locations: Grants = ()
    policies: Grants = ()
    tagging: Grants = ()
    filters: Mapping[FilterResource, Grants] = field(default_factory=dict)

    @classmethod
    def of(cls, grants: Iterable[Grant]) -> Self:
        """Index ``grants``, keeping their order."""
        catalog: list[Grant] = []
        databases: dict[str, Grants] = {}
        tables: dict[str, dict[str, Grants]] = defaultdict(dict)
        locations: list[Grant] = []
        policies: list[Grant] = []
        tagging: list[Grant] = []
        filters: dict[FilterResource, Grants] = {}
        for grant in grants:
            of = grant.resource
            if isinstance(of, TableResource | ColumnsResource | FilterResource):
                if isinstance(of, FilterResource):
                    filters[of] = (*filters.get(of, ()), grant)
                if bears_on_reading(of, grant.permissions):
                    inside = tables[of.database]
                    inside[of.table] = (*inside.get(of.table, ()), grant)
            elif isinstance(of, CatalogResource):
                catalog.append(grant)
            elif isinstance(of, DatabaseResource):
                databases[of.database] = (*databases.get(of.database, ()), grant)
            elif isinstance(of, PolicyResource):
                policies.append(grant)
            elif isinstance(of, TagResource | TagExpressionResource):
                tagging.append(grant)
            else:
                locations.append(grant)
        return cls(
            tuple(catalog), databases, dict(tables), tuple(locations), tuple(policies), tuple(tagging), filters
        )  # fmt: skip

    def on_table(self, database: str, table: str) -> Grants:
        """The grants on a table, on columns of it, and on all tables of its database."""
        inside = self.tables.get(database)
        if inside is None:
            return ()
        return inside.get(table, ()) + (inside.get("", ()) if table else ())


NOTHING_HELD = Holdings()


def bears_on_reading(of: Resource, permissions: frozenset[str]) -> bool:
    """Whether a grant is among :attr:`Holdings.tables`."""
    if isinstance(of, FilterResource):
        return SELECT in permissions
    return isinstance(of, TableResource | ColumnsResource)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that decides about one principal.

    ``own`` it holds itself, ``shared`` as every IAM principal of the account (``<account>:IAMPrincipals``).
    ``hybrid`` are the resources that IAMAllowedPrincipals holds a grant on: complete for the database asked about, and
    :class:`CatalogResource` among them when it may create databases. ``opted_in`` are those that the
    principal left IAM's side of the hybrid access mode for. ``registered`` are the locations under Lake
    Formation's control. A ``reader`` is a read-only administrator.
    ``tags`` are the LF-tags within the database asked about, complete for whoever holds a policy; ``named`` are the named
    LF-tag expressions, ``filters`` the data cells filters that any of the grants names.
    """

    administrator: bool = False
    reader: bool = False
    own: Holdings = NOTHING_HELD
    shared: Holdings = NOTHING_HELD
    hybrid: frozenset[Resource] = frozenset()
    opted_in: frozenset[Resource] = frozenset()
    registered: Locations = NOWHERE
    tags: DatabaseTags = UNTAGGED
    named: Mapping[str, Expression] = field(default_factory=dict)
    filters: Mapping[FilterResource, CellsFilter] = field(default_factory=dict)

    @property
    def sees_everything(self) -> bool:
        """Administrators of both kinds may describe whatever there is."""
        return self.administrator or self.reader

    def on_table(self, database: str, table: str) -> Grants:
        """Every grant that bears on a table."""
        return self.own.on_table(database, table) + self.shared.on_table(database, table)

    def on_database(self, database: str) -> Grants:
        """Every grant on the database itself."""
        return self.own.databases.get(database, ()) + self.shared.databases.get(database, ())

    def on_catalog(self) -> Grants:
        """Every grant on the catalog."""
        return self.own.catalog + self.shared.catalog

    def on_location(self, location: str) -> Grants:
        """Every grant on a data location, given as ARN or URI, or on one above it."""
        held = self.own.locations + self.shared.locations
        return tuple(
            grant
            for grant in held
            if isinstance(grant.resource, LocationResource) and is_below(location, grant.resource.arn)
        )

    def policies(self, kind: str) -> Iterator[tuple[Grant, Expression]]:
        """The LF-tag policies on databases, or on tables, with what they match; a vanished name matches nothing."""
        for grant in self.own.policies + self.shared.policies:
            of = grant.resource
            if isinstance(of, PolicyResource) and of.kind == kind:
                yield grant, self.named.get(of.named, ()) if of.named else of.expression

    def on_tag(self, key: str, values: Iterable[str]) -> Grants:
        """Every grant on all of the given values of an LF-tag."""
        wanted = tuple(values)
        return tuple(
            grant
            for grant in self.own.tagging + self.shared.tagging
            if isinstance(grant.resource, TagResource) and grant.resource.key == key and grant.resource.covers(wanted)
        )

    def on_expression(self, name: str) -> Grants:
        """Every grant on a named LF-tag expression."""
        return tuple(
            grant for grant in self.own.tagging + self.shared.tagging if grant.resource == TagExpressionResource(name)
        )

    def on_filter(self, of: FilterResource) -> Grants:
        """Every grant on a data cells filter."""
        return self.own.filters.get(of, ()) + self.shared.filters.get(of, ())

    def tables_held(self, database: str) -> Iterator[str]:
        """Names of the tables in a database that a grant bears on; the empty name for all of them."""
        for holdings in (self.own, self.shared):
            yield from holdings.tables.get(database, ())


NO_FACTS = Facts()
