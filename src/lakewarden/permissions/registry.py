"""Registered locations, the data lake settings and opt-ins to the hybrid access mode."""

from collections.abc import Iterator
from dataclasses import replace

from lakewarden.kernel.call import Principal
from lakewarden.kernel.clock import Clock
from lakewarden.permissions.errors import (
    AlreadyExistsException,
    EntityNotFoundException,
    InsufficientPermissions,
    InvalidInputException,
)
from lakewarden.permissions.grants import Defaults, GrantService
from lakewarden.permissions.locations import path_of
from lakewarden.permissions.model import (
    DATABASE_PERMISSIONS,
    IAM_ALLOWED_PRINCIPALS,
    TABLE_PERMISSIONS,
    DatabaseResource,
    Registration,
    Resource,
    Settings,
    TableResource,
)
from lakewarden.permissions.ports import Principals
from lakewarden.permissions.snapshot import FactBook
from lakewarden.permissions.store import PermissionStore


class Registry:
    """What is under Lake Formation's control, and who administers it."""

    def __init__(
        self, store: PermissionStore, book: FactBook, grants: GrantService, principals: Principals, clock: Clock
    ) -> None:
        self._store = store
        self._book = book
        self._grants = grants
        self._principals = principals
        self._clock = clock

    def register(self, arn: str, role_arn: str, *, hybrid: bool) -> None:
        """RegisterResource; the role must exist unless it is the service's own."""
        arn = arn.rstrip("/")
        if not arn.startswith("arn:aws:s3:::") or not path_of(arn):
            raise InvalidInputException(f"Not an S3 location: {arn}")
        self._check_role(role_arn)
        with self._store.write() as records:
            if records.location(arn) is not None:
                raise AlreadyExistsException("Resource is already registered.")
            records.put_location(Registration(arn, role_arn, hybrid, self._clock().isoformat()))

    def update(self, arn: str, role_arn: str, *, hybrid: bool | None) -> None:
        """UpdateResource: another role, and the hybrid access mode where it is named."""
        self._check_role(role_arn)
        with self._store.write() as records:
            found = records.location(arn.rstrip("/"))
            if found is None:
                raise EntityNotFoundException("Entity not found")
            kept = found.hybrid if hybrid is None else hybrid
            records.put_location(replace(found, role_arn=role_arn, hybrid=kept, modified=self._clock().isoformat()))

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
        return self._book.settings()

    def set_settings(self, by: Principal | None, settings: Settings) -> None:
        """PutDataLakeSettings; every principal named must exist. ``by`` None is the server itself at init.

        INVARIANT (no_escalation): only an administrator of the lake can name administrators. Where there is none (the
        last one gave up, or is gone), IAM alone decides, as on AWS; else nobody could ever name one again.
        """
        with self._store.write() as records:
            present = records.settings().administrators
            administered = any(self._principals.exists(arn) for arn in present)
            if by is not None and administered and by.grantee_arn not in present:
                raise InsufficientPermissions("data lake administrator", "Catalog")
            for arn in {*settings.administrators, *settings.readers}:
                if not self._principals.exists(arn):
                    raise InvalidInputException(f"Invalid principal, IAM user or role not found: {arn}")
            for arn in _default_grantees(settings):
                self._grants.check_principal(arn)
            records.put_settings(settings)

    def set_opt_in(self, by: Principal, principal: str, resource: Resource, *, opted_in: bool) -> None:
        """Create or delete an opt-in; for lake administrators."""
        if not isinstance(resource, DatabaseResource | TableResource):
            raise InvalidInputException("Opt-ins are for databases and tables.")
        if not self._book.facts(by.grantee_arn).administrator:
            raise InsufficientPermissions("data lake administrator", str(resource))
        if principal == IAM_ALLOWED_PRINCIPALS:
            raise InvalidInputException("IAM_ALLOWED_PRINCIPALS cannot opt in.")
        self._grants.check_principal(principal)
        with self._store.write() as records:
            if opted_in:
                self._grants.check_resource(resource)
                records.opt_in(principal, resource)
            elif (principal, resource) in records.opt_ins(principal):
                records.opt_out(principal, resource)
            else:
                raise EntityNotFoundException("Opt-in not found")

    def opt_ins(self) -> list[tuple[str, Resource]]:
        """ListLakeFormationOptIns."""
        with self._store.read() as records:
            return records.opt_ins()

    def _check_role(self, role_arn: str) -> None:
        if "/aws-service-role/lakeformation.amazonaws.com/" in role_arn:
            return
        if not self._principals.exists(role_arn):
            raise InvalidInputException(f"Role not found: {role_arn}")


def _default_grantees(settings: Settings) -> Iterator[str]:
    """The principals of both default permissions; raises when a permission does not fit what it is given on."""
    for member, permitted in (
        ("CreateDatabaseDefaultPermissions", DATABASE_PERMISSIONS),
        ("CreateTableDefaultPermissions", TABLE_PERMISSIONS),
    ):
        defaults: Defaults = settings.document.get(member)
        for one in defaults or ():
            odd = frozenset(one.get("Permissions") or ()) - permitted
            if odd:
                raise InvalidInputException(f"{member}: {', '.join(sorted(odd))}")
            yield (one.get("Principal") or {}).get("DataLakePrincipalIdentifier", "")
