"""The facts that a decision is made from: grants, indexed by what they are on. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from lakewarden.permissions.locations import NOWHERE, Locations, is_below
from lakewarden.permissions.model import (
    CatalogResource,
    ColumnsResource,
    DatabaseResource,
    Grant,
    LocationResource,
    Resource,
    TableResource,
)

Grants = tuple[Grant, ...]
_Tables = Mapping[str, Mapping[str, Grants]]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What one principal holds. ``tables`` is by database, then by table name; the empty name is the wildcard's."""

    catalog: Grants = ()
    databases: Mapping[str, Grants] = field(default_factory=dict)
    tables: _Tables = field(default_factory=dict)
    locations: Grants = ()

    @classmethod
    def of(cls, grants: Iterable[Grant]) -> Self:
        """Index ``grants``, keeping their order."""
        catalog: list[Grant] = []
        databases: dict[str, Grants] = {}
        tables: dict[str, dict[str, Grants]] = defaultdict(dict)
        locations: list[Grant] = []
        for grant in grants:
            of = grant.resource
            if isinstance(of, CatalogResource):
                catalog.append(grant)
            elif isinstance(of, DatabaseResource):
                databases[of.database] = (*databases.get(of.database, ()), grant)
            elif isinstance(of, TableResource | ColumnsResource):
                inside = tables[of.database]
                inside[of.table] = (*inside.get(of.table, ()), grant)
            else:
                locations.append(grant)
        return cls(tuple(catalog), databases, dict(tables), tuple(locations))

    def on_table(self, database: str, table: str) -> Grants:
        """The grants on a table, on columns of it, and on all tables of its database."""
        inside = self.tables.get(database)
        if inside is None:
            return ()
        return inside.get(table, ()) + (inside.get("", ()) if table else ())


NOTHING_HELD = Holdings()


@dataclass(frozen=True, slots=True)
class Facts:
    """All that decides about one principal.

    ``own`` it holds itself, ``shared`` as every IAM principal of the account (``<account>:IAMPrincipals``).
    ``hybrid`` are the resources that IAMAllowedPrincipals holds a grant on: complete for the database asked about, and
    :class:`CatalogResource` among them when it may create databases. ``opted_in`` are those that the
    principal left IAM's side of the hybrid access mode for. ``registered`` are the locations under Lake
    Formation's control. A ``reader`` is a read-only administrator.
    """

    administrator: bool = False
    reader: bool = False
    own: Holdings = NOTHING_HELD
    shared: Holdings = NOTHING_HELD
    hybrid: frozenset[Resource] = frozenset()
    opted_in: frozenset[Resource] = frozenset()
    registered: Locations = NOWHERE

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

    def tables_held(self, database: str) -> Iterator[str]:
        """Names of the tables in a database that a grant bears on; the empty name for all of them."""
        for holdings in (self.own, self.shared):
            yield from holdings.tables.get(database, ())


NO_FACTS = Facts()
