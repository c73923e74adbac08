"""Lake Formation: the answers that the catalog and the query engine ask for, and what the catalog reports."""

from collections.abc import Set

import sqlalchemy as sa

from lakewarden.kernel.call import Principal
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.lake import DatabaseAccess, GovernedTable, Table, TableAccess
from lakewarden.permissions.cells import CellFilters
from lakewarden.permissions.errors import InsufficientPermissions, InvalidInputException
from lakewarden.permissions.facts import Facts
from lakewarden.permissions.grants import Defaults, GrantService, merged
from lakewarden.permissions.locations import path_of
from lakewarden.permissions.model import (
    ALL,
    DATABASE_PERMISSIONS,
    TABLE_PERMISSIONS,
    DatabaseResource,
    Grant,
    Settings,
    TableResource,
)
from lakewarden.permissions.ports import CatalogView, Disclosures, Principals, RoleSessions
from lakewarden.permissions.registry import Registry
from lakewarden.permissions.resolve import (
    database_access,
    may_create_database,
    may_create_table,
    may_grant,
    may_place_data,
    table_access,
    visible_tables,
)
from lakewarden.permissions.snapshot import FactBook
from lakewarden.permissions.store import PermissionStore, Records
from lakewarden.permissions.tagging import LakeTags
from lakewarden.permissions.trust import check_supported, is_trusted
from lakewarden.permissions.vending import Vending


class PermissionService:
    """The rules of one account's lake. ``grants``, ``registry``, ``filters`` and ``tags`` are what they are changed with.

    Methods that take a connection write in the caller's transaction, which must move :data:`store.SCOPE`: a table
    and its creator's grant come together, and go together.
    """

    def __init__(
        self, store: PermissionStore, catalog: CatalogView, principals: Principals, account: str, clock: Clock
    ) -> None:
        self._book = FactBook(store, account)
        self.grants = GrantService(store, self._book, catalog, principals, account)
        self.registry = Registry(store, self._book, self.grants, principals, clock)
        self.filters = CellFilters(store, self._book, catalog)
        self.tags = LakeTags(store, self._book, self.grants, catalog)
        self._catalog = catalog
        self._store = store
        self._account = account

    def vending(self, sessions: RoleSessions, disclosures: Disclosures) -> Vending:
        """Credential vending over these rules."""
        return Vending(self._store, self._book, self._catalog, sessions, disclosures, self._account)

    # Answers

    def facts(self, principal: Principal, database: str = "") -> Facts:
        """All that decides about a principal in a database, as of now."""
        return self._book.facts(principal.grantee_arn, database)

    def table_access(self, principal: Principal, table: Table) -> TableAccess:
        """What the principal may do with a table."""
        return table_access(self.facts(principal, table.database), table)

    def database_access(self, principal: Principal, database: str) -> DatabaseAccess:
        """What the principal may do with a database."""
        return database_access(self.facts(principal, database), database)

    def visible_tables(self, principal: Principal, database: str) -> frozenset[str] | None:
        """The only tables that the principal can possibly see in a database; None when any table can be visible."""
        return visible_tables(self.facts(principal, database), database)

    def require_engine(self, principal: Principal, governed: GovernedTable, supported: Set[str]) -> None:
        """Raise unless the principal is a registered engine that enforces what it may read of the table."""
        if not is_trusted(principal, self._book.settings()):
            raise InsufficientPermissions("to be a registered engine for", governed.table.name)
        check_supported(governed, supported)

    def require_create_database(self, principal: Principal, location: str) -> None:
        """Raise unless the principal may create a database there."""
        if not may_create_database(self.facts(principal)):
            raise InsufficientPermissions("Create Database", "Catalog")
        self.require_location(principal, location, "")

    def require_create_table(self, principal: Principal, database: str, database_location: str, location: str) -> None:
        """Raise unless the principal may create a table in the database, at that location."""
        if not may_create_table(self.facts(principal, database), database):
            raise InsufficientPermissions("Create Table", database)
        self.require_location(principal, location, database_location)

    def require_location(self, principal: Principal, location: str, database_location: str) -> None:
        """Raise unless the principal may make a database or table point at ``location``."""
        if not may_place_data(self.facts(principal), location, database_location):
            raise InsufficientPermissions("Data Location Access", location)

    def require_defaults(self, principal: Principal, defaults: Defaults) -> None:
        """Raise unless the principal may set what others get on the tables that are created in its database.

        INVARIANT (no_escalation): who creates or alters a database holds nothing on others' tables in it, and so
        cannot give it away; to take the settings' own defaults, or none, is open to all.
        """
        if not defaults or defaults == self._book.settings().document.get("CreateTableDefaultPermissions"):
            return
        if not self.facts(principal).administrator:
            raise InsufficientPermissions("data lake administrator", "CreateTableDefaultPermissions")

    def require_give_away(self, principal: Principal, database: str, table: str) -> None:
        """Raise unless the principal could grant all of the table to others, as its creator can."""
        everything = frozenset({ALL})
        wanted = Grant(principal.grantee_arn, TableResource(database, table), everything, everything)
        if not may_grant(self.facts(principal, database), wanted, ()):
            raise InsufficientPermissions("All with grant option", table)

    def is_registered(self, location: str) -> bool:
        """Whether a location is under Lake Formation's control."""
        return self._book.registered().covers(location)

    def effective(self, path: str) -> list[Grant]:
        """GetEffectivePermissionsForPath: the grants on the databases and tables whose location is exactly ``path``."""
        wanted = path_of(path)
        if not wanted:
            raise InvalidInputException(f"Not an S3 location: {path}")
        return self.grants.at(
            [(database, table) for database, table, location in self._catalog.located() if path_of(location) == wanted]
        )

    # What the catalog reports

    def database_created(self, connection: sa.Connection, principal: Principal, name: str) -> None:
        """The creator holds all on the database, grantable; others what the settings say."""
        resource = DatabaseResource(name)
        records = Records(connection)
        records.put_grant(Grant(principal.grantee_arn, resource, DATABASE_PERMISSIONS, DATABASE_PERMISSIONS))
        _put_defaults(records, resource, records.settings().document.get("CreateDatabaseDefaultPermissions"))

    def table_created(
        self, connection: sa.Connection, principal: Principal, database: str, table: str, defaults: Defaults
    ) -> None:
        """The creator holds all on the table, grantable; others what the database or else the settings say."""
        resource = TableResource(database, table)
        records = Records(connection)
        records.put_grant(Grant(principal.grantee_arn, resource, TABLE_PERMISSIONS, TABLE_PERMISSIONS))
        if defaults is None:
            defaults = records.settings().document.get("CreateTableDefaultPermissions")
        _put_defaults(records, resource, defaults)

    def database_dropped(self, connection: sa.Connection, name: str) -> None:
        """No grant may survive into a new database of the same name."""
        records = Records(connection)
        records.drop_grants(name)
        records.drop_opt_ins(name)

    def table_dropped(self, connection: sa.Connection, database: str, table: str) -> None:
        """The same for a table."""
        records = Records(connection)
        records.drop_grants(database, table)
        records.drop_opt_ins(database, table)

    # What the server itself sets

    def set_settings(self, by: Principal | None, settings: Settings) -> None:
        """PutDataLakeSettings; ``by`` None is the server itself at init."""
        self.registry.set_settings(by, settings)


def _put_defaults(records: Records, resource: DatabaseResource | TableResource, defaults: Defaults) -> None:
    for one in defaults or ():
        principal = (one.get("Principal") or {}).get("DataLakePrincipalIdentifier", "")
        permissions = frozenset(one.get("Permissions") or ()) & resource.permissions
        if principal and permissions:
            records.put_grant(merged(records, Grant(principal, resource, permissions, frozenset())))
