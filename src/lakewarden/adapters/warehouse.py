"""``query.ports.Warehouse``: where a query's files go, with the caller's own rights."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from lakewarden.adapters.glue_rights import FORWARDED, GlueRights
from lakewarden.catalog.errors import EntityNotFoundException, InsufficientPermissions
from lakewarden.catalog.service import CatalogService
from lakewarden.guard import Access, Guard
from lakewarden.kernel.arn import s3
from lakewarden.kernel.call import Call
from lakewarden.kernel.lake import AccessMode, GovernedTable
from lakewarden.permissions.service import PermissionService
from lakewarden.query.errors import QueryFailed
from lakewarden.query.ports import WrittenFile
from lakewarden.sql.model import TableRef
from lakewarden.storage.service import Attributes, StorageService, split_uri

_CHUNK = 1 << 20


class GovernedWarehouse:
    """INVARIANT (no_escalation): Lake Formation's INSERT or CREATE_TABLE opens a registered location, and nothing but
    IAM's s3:PutObject, asked for each object, opens any other."""

    def __init__(
        self,
        catalog: CatalogService,
        permissions: PermissionService,
        storage: StorageService,
        guard: Guard,
        account: str,
        region: str,
    ) -> None:
        self._catalog = catalog
        self._permissions = permissions
        self._storage = storage
        self._guard = guard
        self._glue = GlueRights(guard, catalog.attached, account, region)

    def require_create(self, call: Call, table: TableRef, location: str) -> bool:
        """Raise unless the caller may create the table with its data there; answers whether access is vended."""
        self._glue.require_table(call, "glue:CreateTable", table.database, table.name)
        try:
            parent = self._catalog.database(call.principal, table.database)
        except (EntityNotFoundException, InsufficientPermissions):
            raise QueryFailed(
                f"SCHEMA_NOT_FOUND: line {table.line}:{table.column}: Schema '{table.database}' does not exist", 2, 1004
            ) from None
        self._permissions.require_create_table(call.principal, table.database, parent.location, location)
        vended = self._permissions.is_registered(location)
        self._require_write(call, location, vended=vended)
        self._require_empty(location)
        return vended

    def require_insert(self, call: Call, governed: GovernedTable) -> bool:
        """Raise unless the caller may add files to the table; answers whether access is vended."""
        if "INSERT" not in governed.access.actions:
            raise InsufficientPermissions("Insert", governed.table.name)
        vended = governed.access.mode is AccessMode.LAKE_FORMATION
        self._require_write(call, governed.table.location, vended=vended)
        return vended

    def require_unload(self, call: Call, location: str) -> bool:
        """Raise unless the caller may put objects there; never vended."""
        self._require_write(call, location, vended=False)
        self._require_empty(location)
        return False

    def store(
        self, call: Call, location: str, names: Sequence[str], files: Sequence[WrittenFile], *, vended: bool, owner: str
    ) -> int:
        """Store each file under ``location`` and its name, all or none; answers the bytes."""
        bucket, prefix = split_uri(location)
        done: list[str] = []
        size = 0
        try:
            for name, one in zip(names, files, strict=True):
                if not vended:
                    self._require_put(call, bucket, prefix + name)
                size += self._storage.put(bucket, prefix + name, _chunks(one.file), Attributes(owner=owner)).size
                done.append(name)
        except BaseException:
            self.discard(location, done)
            raise
        return size

    def discard(self, location: str, names: Sequence[str]) -> None:
        """Remove what was stored."""
        bucket, prefix = split_uri(location)
        for name in names:
            self._storage.delete(bucket, prefix + name)

    def _require_write(self, call: Call, location: str, *, vended: bool) -> None:
        if vended:
            self._guard.require(call, Access("lakeformation:GetDataAccess", "*", FORWARDED))
            return
        bucket, prefix = split_uri(location)
        self._require_put(call, bucket, f"{prefix.rstrip('/')}/*")

    def _require_put(self, call: Call, bucket: str, key: str) -> None:
        policy = self._storage.policy(bucket)
        self._guard.require(call, Access("s3:PutObject", s3(f"{bucket}/{key}"), FORWARDED, policy))

    def _require_empty(self, location: str) -> None:
        bucket, prefix = split_uri(location)
        if self._storage.find_bucket(bucket) is None:
            raise QueryFailed(f"HIVE_METASTORE_ERROR: The bucket of {location} does not exist", 2, 1301)
        if self._storage.list(bucket, prefix, "", "", 1).objects:
            raise QueryFailed(f"HIVE_PATH_ALREADY_EXISTS: Target directory already exists: {location}", 2, 1103)


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_CHUNK):
        yield piece
