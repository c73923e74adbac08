"""``query.iceberg_ports.IcebergLake``: Iceberg tables in catalog and storage, with the caller's own rights."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import BinaryIO

from lakewarden.adapters.glue_rights import FORWARDED, GlueRights
from lakewarden.adapters.warehouse import GovernedWarehouse
from lakewarden.catalog.errors import ConcurrentModificationException, InsufficientPermissions
from lakewarden.catalog.iceberg import IcebergCommits, require_actions, table_input
from lakewarden.catalog.service import CatalogService
from lakewarden.guard import Access, Guard
from lakewarden.kernel.arn import s3
from lakewarden.kernel.call import Call
from lakewarden.kernel.iceberg import ColumnOf, NewFile
from lakewarden.kernel.lake import AccessMode, DataFile, GovernedTable
from lakewarden.sql.model import TableRef
from lakewarden.storage.service import Attributes, StorageService, split_uri

_CHUNK = 1 << 20


class GovernedIceberg:
    """INVARIANT (no_escalation): Lake Formation's permissions open a registered table to be written, and IAM's
    s3:PutObject and s3:DeleteObject, asked for each object, any other; IAM's glue:UpdateTable is asked for either way."""

    def __init__(
        self,
        catalog: CatalogService,
        commits: IcebergCommits,
        warehouse: GovernedWarehouse,
        storage: StorageService,
        guard: Guard,
        account: str,
        region: str,
    ) -> None:
        self._catalog = catalog
        self._commits = commits
        self._warehouse = warehouse
        self._storage = storage
        self._guard = guard
        self._glue = GlueRights(guard, catalog.attached, account, region)

    def require_create(self, call: Call, table: TableRef, location: str) -> bool:
        """Raise unless the caller may create the table with its data there; answers whether access is vended."""
        return self._warehouse.require_create(call, table, location)

    def require_change(self, call: Call, governed: GovernedTable, actions: frozenset[str]) -> bool:
        """Raise unless the caller holds ``actions`` on all of the table; answers whether access is vended."""
        require_actions(governed, actions)
        self._require_glue(call, "glue:UpdateTable", governed)
        return self._require_object(call, governed, "s3:PutObject")

    def require_drop(self, call: Call, governed: GovernedTable) -> bool:
        """Raise unless the caller may drop the table and delete its data."""
        require_actions(governed, frozenset({"DROP"}))
        self._require_glue(call, "glue:DeleteTable", governed)
        return self._require_object(call, governed, "s3:DeleteObject")

    def require_remove(self, call: Call, governed: GovernedTable, *, vended: bool) -> None:
        """Raise unless the caller may delete the table's objects."""
        if not vended:
            self._require_object(call, governed, "s3:DeleteObject")

    def current(self, call: Call, governed: GovernedTable) -> GovernedTable:
        """The table as it is now."""
        table = governed.table
        found = self._catalog.find(call.principal, table.database, table.name)
        if found is None or found.table.table_id != table.table_id:
            raise ConcurrentModificationException("The table was changed by another call.")
        return found

    def files(self, call: Call, governed: GovernedTable) -> Sequence[DataFile]:
        """The objects below the table's location; those that belong to somebody else are not there."""
        return self._storage.files_under(governed.table.location, call.principal.grantee_arn)

    def create(
        self, call: Call, table: TableRef, location: str, metadata: str, columns: Sequence[ColumnOf], comment: str
    ) -> None:
        """Name the table in the catalog."""
        document = table_input(table.name, location, metadata, columns, comment)
        self._catalog.create_table(call.principal, table.database, document)

    def rename(self, call: Call, governed: GovernedTable, new: TableRef) -> None:
        """Give the table another name."""
        self._require_glue(call, "glue:DeleteTable", governed)
        renamed = replace(governed, table=replace(governed.table, database=new.database, name=new.name))
        self._require_glue(call, "glue:CreateTable", renamed)
        parent = self._catalog.database(call.principal, new.database)
        self._commits.rename(call.principal, governed, parent, new.name)

    def commit(
        self,
        call: Call,
        governed: GovernedTable,
        actions: frozenset[str],
        metadata: str,
        columns: Sequence[ColumnOf] | None,
    ) -> bool:
        """Make ``metadata`` the table's; False when another commit came first."""
        return self._commits.commit(call.principal, governed, actions, metadata, columns)

    def store(self, call: Call, folder: str, files: Mapping[str, BinaryIO], *, vended: bool) -> Sequence[NewFile]:
        """Store each file, all or none. Nothing that is there is replaced."""
        bucket, prefix = split_uri(folder)
        done: list[NewFile] = []
        try:
            for name, file in files.items():
                key = f"{prefix}/{name}"
                if not vended:
                    self._require(call, "s3:PutObject", bucket, key)
                stored = self._storage.put(bucket, key, _chunks(file), Attributes(), _absent)
                path = str(self._storage.path(stored))
                done.append(NewFile(f"s3://{bucket}/{key}", path, stored.size, 0))
        except BaseException:
            self.discard([one.uri for one in done])
            raise
        return done

    def discard(self, uris: Sequence[str]) -> None:
        """Remove what was stored."""
        for uri in uris:
            self._storage.delete(*split_uri(uri))

    def remove(self, call: Call, governed: GovernedTable, uris: Sequence[str], *, vended: bool) -> int:
        """Delete objects of the table.

        INVARIANT (least_reach): metadata is data that somebody wrote; it can name what is to be deleted among the
        table's own objects only, and none that belong to somebody else.
        """
        own = {one.uri for one in self.files(call, governed)}
        gone = [uri for uri in uris if uri in own]
        for uri in gone:
            bucket, key = split_uri(uri)
            if not vended:
                self._require(call, "s3:DeleteObject", bucket, key)
            self._storage.delete(bucket, key)
        return len(gone)

    def _require_object(self, call: Call, governed: GovernedTable, action: str) -> bool:
        if governed.access.mode is AccessMode.LAKE_FORMATION:
            self._guard.require(call, Access("lakeformation:GetDataAccess", "*", FORWARDED))
            return True
        if not governed.table.location:
            raise InsufficientPermissions("a location", governed.table.name)
        bucket, prefix = split_uri(governed.table.location)
        self._require(call, action, bucket, f"{prefix.rstrip('/')}/*")
        return False

    def _require(self, call: Call, action: str, bucket: str, key: str) -> None:
        access = Access(action, s3(f"{bucket}/{key}"), FORWARDED, self._storage.policy(bucket))
        self._guard.require(call, access)

    def _require_glue(self, call: Call, action: str, governed: GovernedTable) -> None:
        self._glue.require_table(call, action, governed.table.database, governed.table.name)


def _absent(present: object) -> None:
    if present is not None:
        raise ConcurrentModificationException("An object of that name is there already.")


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(_CHUNK):
        yield piece
