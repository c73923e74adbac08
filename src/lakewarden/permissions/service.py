"""Lake Formation: grants, locations, settings; and the answers that the catalog and the query engine ask for."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lakewarden.kernel.call import Principal
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.lake import DatabaseAccess, Table, TableAccess
from lakewarden.permissions.errors import (
    AlreadyExistsException,
    EntityNotFoundException,
    InsufficientPermissions,
    InvalidInputException,
)
from lakewarden.permissions.model import (
    ALL,
    DATABASE_PERMISSIONS,
    IAM_ALLOWED_PRINCIPALS,
    TABLE_PERMISSIONS,
    CatalogResource,
    ColumnsResource,
    DatabaseResource,
    Facts,
    Grant,
    LocationResource,
    Registration,
    Resource,
    Settings,
    TableResource,
)
from lakewarden.permissions.ports import CatalogView, Principals
from lakewarden.permissions.resolve import database_access, may_grant, table_access
from lakewarden.permissions.store import PermissionStore, Records

Defaults = Sequence[Mapping[str, Any]] | None
"""CreateTableDefaultPermissions and its kind: AWS's list of PrincipalPermissions; None where nothing is said."""


class PermissionService:
    """The rules of one account's lake."""

    def __init__(
        self, store: PermissionStore, catalog: CatalogView, principals: Principals, account: str, clock: Clock
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._principals = principals
        self._account = account
        self._clock = clock
        self._lock = threading.Lock()
        self._held: tuple[int, dict[str, Facts]] = (-1, {})

    # Answers

    def facts(self, principal: Principal) -> Facts:
        """All that decides about a principal.

        INVARIANT (revocation_is_immediate): the store's version is compared on every question.
        """
        arn = principal.grantee_arn
        version = self._store.version()
        held, known = self._held
        if held != version:
            with self._lock:
                known = {}
                self._held = (version, known)
        found = known.get(arn)
        if found is None:
            found = known[arn] = self._load(arn)
        return found

    def _load(self, arn: str) -> Facts:
        with self._store.read() as records:
            everyone = records.grants_of(f"{self._account}:IAMPrincipals") if arn else []
            return Facts(
                administrator=arn in records.settings().administrators,
                grants=tuple(records.grants_of(arn) + everyone) if arn else (),
                iam_allowed=tuple(records.grants_of(IAM_ALLOWED_PRINCIPALS)) if arn else (),
                opted_in=frozenset(resource for _, resource in records.opt_ins(arn)),
            )

    def table_access(self, principal: Principal, table: Table) -> TableAccess:
        """What the principal may do with a table."""
        return table_access(self.facts(principal), table)

    def database_access(self, principal: Principal, database: str) -> DatabaseAccess:
        """What the principal may do with a database."""
        return database_access(self.facts(principal), database)

    def require_create_database(self, principal: Principal, location: str) -> None:
        """Raise unless the principal may create a database there."""
        facts = self.facts(principal)
        allowed = facts.administrator or any(
            isinstance(grant.resource, CatalogResource) and "CREATE_DATABASE" in grant.permissions
            for grant in (*facts.grants, *facts.iam_allowed)
        )
        if not allowed:
            raise InsufficientPermissions("Create Database", "Catalog")
        self._require_location(facts, location, "")

    def require_create_table(self, principal: Principal, database: str, database_location: str, location: str) -> None:
        """Raise unless the principal may create a table in the database, at that location."""
        facts = self.facts(principal)
        if "CREATE_TABLE" not in database_access(facts, database).actions and not facts.administrator:
            raise InsufficientPermissions("Create Table", database)
        self._require_location(facts, location, database_location)

    def _require_location(self, facts: Facts, location: str, database_location: str) -> None:
        """A registered path outside the database's own location needs a data location permission."""
        if not location or facts.administrator or _below(location, database_location):
            return
        with self._store.read() as records:
            registered = [one.arn for one in records.locations() if _below(location, _uri(one.arn))]
        held = [grant.resource.arn for grant in facts.grants if isinstance(grant.resource, LocationResource)]
        if registered and not any(_below(location, _uri(arn)) for arn in held):
            raise InsufficientPermissions("Data Location Access", location)

    def is_registered(self, location: str) -> bool:
        """Whether a table's location is under Lake Formation's control."""
        if not location:
            return False
        with self._store.read() as records:
            return any(_below(location, _uri(one.arn)) for one in records.locations())

    # What the catalog reports

    def database_created(self, principal: Principal, name: str) -> None:
        """The creator holds all on the database, grantable; others what the settings say."""
        resource = DatabaseResource(name)
        with self._store.write() as records:
            records.put_grant(Grant(principal.grantee_arn, resource, DATABASE_PERMISSIONS, DATABASE_PERMISSIONS))
            self._put_defaults(records, resource, records.settings().document.get("CreateDatabaseDefaultPermissions"))

    def table_created(self, principal: Principal, database: str, table: str, defaults: Defaults) -> None:
        """The creator holds all on the table, grantable; others what the database or the settings say."""
        resource = TableResource(database, table)
        with self._store.write() as records:
            records.put_grant(Grant(principal.grantee_arn, resource, TABLE_PERMISSIONS, TABLE_PERMISSIONS))
            if defaults is None:
                defaults = records.settings().document.get("CreateTableDefaultPermissions")
            self._put_defaults(records, resource, defaults)

    def _put_defaults(self, records: Records, resource: Resource, defaults: Defaults) -> None:
        for one in defaults or ():
            principal = (one.get("Principal") or {}).get("DataLakePrincipalIdentifier", "")
            permissions = frozenset(one.get("Permissions") or ()) & resource.permissions
            if principal and permissions:
                records.put_grant(_merged(records, Grant(principal, resource, permissions, frozenset())))

    def database_dropping(self, name: str) -> None:
        """Called before a database goes: no grant may survive into a new one of the same name."""
        with self._store.write() as records:
            records.drop_grants(name)

    def table_dropping(self, database: str, table: str) -> None:
        """The same for a table."""
        with self._store.write() as records:
            records.drop_grants(database, table)

    # Grants

    def grant(self, by: Principal, wanted: Grant) -> None:
        """GrantPermissions; raises InvalidInputException, EntityNotFoundException or AccessDeniedException."""
        columns = self._check(wanted)
        if not wanted.permissions:
            raise InvalidInputException("Permissions must be specified.")
        if not may_grant(self.facts(by), wanted, columns):
            raise InsufficientPermissions("grantable permissions", _named(wanted.resource))
        with self._store.write() as records:
            records.put_grant(_merged(records, wanted))

    def revoke(self, by: Principal, wanted: Grant) -> None:
        """RevokePermissions. Revoking the grant option alone leaves the permission; nothing cascades."""
        columns = self._check(wanted)
        if not may_grant(self.facts(by), wanted, columns):
            raise InsufficientPermissions("grantable permissions", _named(wanted.resource))
        with self._store.write() as records:
            held = next((one for one in records.grants_of(wanted.principal) if one.resource == wanted.resource), None)
            if held is not None:
                left = held.permissions - wanted.permissions
                records.put_grant(replace(held, permissions=left, grantable=(held.grantable - wanted.grantable) & left))
                return
            resource = wanted.resource
            if not (isinstance(resource, ColumnsResource) and _take_columns(records, wanted, resource, columns)):
                raise InvalidInputException(
                    "No permissions revoked. Grantee does not have the permissions on the resource."
                )

    def list_grants(self, principal: str, resource: Resource | None, kind: type[Resource] | None) -> list[Grant]:
        """ListPermissions: each grant in the form in which it was made."""
        with self._store.read() as records:
            found = records.grants_of(principal) if principal else records.grants()
        return [
            grant
            for grant in found
            if (resource is None or _concerns(grant.resource, resource))
            and (kind is None or isinstance(grant.resource, kind))
        ]

    def _check(self, wanted: Grant) -> tuple[str, ...]:
        """Names exist, permissions fit the resource; answers the table's columns."""
        resource = wanted.resource
        odd = (wanted.permissions | wanted.grantable) - resource.permissions
        if odd:
            raise InvalidInputException(f"Permissions modification is invalid: {', '.join(sorted(odd))}")
        if not wanted.grantable <= wanted.permissions and ALL not in wanted.permissions:
            raise InvalidInputException("Grantable permissions must be among the permissions.")
        self._check_principal(wanted.principal)
        if isinstance(resource, DatabaseResource) and not self._catalog.has_database(resource.database):
            raise EntityNotFoundException(f"Database not found: {resource.database}")
        if isinstance(resource, LocationResource):
            with self._store.read() as records:
                if not any(_below(_uri(resource.arn), _uri(one.arn)) for one in records.locations()):
                    raise EntityNotFoundException(f"Resource not registered: {resource.arn}")
        if isinstance(resource, TableResource | ColumnsResource):
            return self._check_table(wanted, resource)
        return ()

    def _check_principal(self, principal: str) -> None:
        if principal in {IAM_ALLOWED_PRINCIPALS, f"{self._account}:IAMPrincipals"}:
            return
        if not self._principals.exists(principal):
            raise InvalidInputException(f"Invalid principal, IAM user or role not found: {principal}")

    def _check_table(self, wanted: Grant, resource: TableResource | ColumnsResource) -> tuple[str, ...]:
        if not self._catalog.has_database(resource.database):
            raise EntityNotFoundException(f"Database not found: {resource.database}")
        if isinstance(resource, TableResource) and not resource.table:
            return ()
        columns = self._catalog.column_names(resource.database, resource.table)
        if columns is None:
            raise EntityNotFoundException(f"Table not found: {resource.database}.{resource.table}")
        if isinstance(resource, ColumnsResource):
            unknown = [name for name in (*resource.include, *resource.exclude) if name not in columns]
            if unknown:
                raise EntityNotFoundException(f"Columns not found: {', '.join(unknown)}")
            if resource.exclude and wanted.grantable:
                raise InvalidInputException("Grant option is not supported with excluded columns.")
        return columns

    # Locations, settings, opt-ins

    def register(self, arn: str, role_arn: str, *, hybrid: bool) -> None:
        """RegisterResource."""
        arn = arn.rstrip("/")
        if not arn.startswith("arn:aws:s3:::") or not arn.removeprefix("arn:aws:s3:::"):
            raise InvalidInputException(f"Not an S3 location: {arn}")
        with self._store.write() as records:
            if records.location(arn) is not None:
                raise AlreadyExistsException("Resource is already registered.")
            records.put_location(Registration(arn, role_arn, hybrid, self._clock().isoformat()))

    def deregister(self, arn: str) -> None:
        """DeregisterResource."""
        with self._store.write() as records:
            if records.location(arn.rstrip("/")) is None:
                raise EntityNotFoundException("Entity not found")
            records.remove_location(arn.rstrip("/"))

    def registration(self, arn: str) -> Registration:
        """DescribeResource."""
        with self._store.read() as records:
            found = records.location(arn.rstrip("/"))
        if found is None:
            raise EntityNotFoundException("Entity not found")
        return found

    def registrations(self) -> list[Registration]:
        """ListResources."""
        with self._store.read() as records:
            return records.locations()

    def settings(self) -> Settings:
        """GetDataLakeSettings."""
        with self._store.read() as records:
            return records.settings()

    def set_settings(self, by: Principal | None, settings: Settings) -> None:
        """PutDataLakeSettings; every administrator must exist. ``by`` None is the server itself at init.

        INVARIANT (no_escalation): only an administrator of the lake can name administrators.
        """
        if by is not None and not self.facts(by).administrator:
            raise InsufficientPermissions("data lake administrator", "Catalog")
        for arn in settings.administrators:
            if not self._principals.exists(arn):
                raise InvalidInputException(f"Invalid principal, IAM user or role not found: {arn}")
        with self._store.write() as records:
            records.put_settings(settings)

    def set_opt_in(self, by: Principal, principal: str, resource: Resource, *, opted_in: bool) -> None:
        """Create or delete an opt-in; for lake administrators."""
        if not self.facts(by).administrator:
            raise InsufficientPermissions("data lake administrator", _named(resource))
        self._check_principal(principal)
        with self._store.write() as records:
            (records.opt_in if opted_in else records.opt_out)(principal, resource)

    def opt_ins(self) -> list[tuple[str, Resource]]:
        """ListLakeFormationOptIns."""
        with self._store.read() as records:
            return records.opt_ins()


def _take_columns(records: Records, wanted: Grant, resource: ColumnsResource, columns: tuple[str, ...]) -> bool:
    """Take columns from grants that were made with a longer list; answers whether there were any."""
    touched = False
    for held in records.grants_of(wanted.principal):
        of = held.resource
        if not isinstance(of, ColumnsResource) or (of.database, of.table) != (resource.database, resource.table):
            continue
        taken = resource.among(columns) & of.among(columns)
        if not taken or not held.permissions & wanted.permissions:
            continue
        touched = True
        records.put_grant(replace(held, permissions=frozenset()))
        left = (
            replace(of, exclude=tuple(sorted({*of.exclude, *taken})))
            if of.wildcard
            else replace(of, include=tuple(name for name in of.include if name not in taken))
        )
        if left.wildcard or left.include:
            records.put_grant(_merged(records, replace(held, resource=left)))
    return touched


def _merged(records: Records, wanted: Grant) -> Grant:
    """``wanted`` together with what the principal holds on the very resource."""
    held: Iterable[Grant] = (one for one in records.grants_of(wanted.principal) if one.resource == wanted.resource)
    for one in held:
        return replace(
            wanted, permissions=one.permissions | wanted.permissions, grantable=one.grantable | wanted.grantable
        )
    return wanted


def _concerns(of: Resource, asked: Resource) -> bool:
    """ListPermissions on a table also tells its column grants, and the wildcard's."""
    if of == asked:
        return True
    if isinstance(asked, TableResource) and isinstance(of, TableResource | ColumnsResource):
        return of.database == asked.database and of.table in {asked.table, ""}
    if isinstance(asked, ColumnsResource) and isinstance(of, ColumnsResource):
        return (of.database, of.table) == (asked.database, asked.table)
    return False


def _uri(arn: str) -> str:
    return "s3://" + arn.removeprefix("arn:aws:s3:::")


def _below(location: str, parent: str) -> bool:
    """Whether an ``s3://`` location is ``parent`` or lies below it."""
    return bool(parent) and (location.rstrip("/") + "/").startswith(parent.rstrip("/") + "/")


def _named(resource: Resource) -> str:
    parts = [getattr(resource, "database", ""), getattr(resource, "table", "")]
    return ".".join(part for part in parts if part) or "Catalog"
