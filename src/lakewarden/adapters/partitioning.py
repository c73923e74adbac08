"""``query.ports.Partitions``: a table's partitions in the catalog, changed by DDL and by what writes into them."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from lakewarden.adapters.glue_rights import FORWARDED, GlueRights
from lakewarden.catalog.errors import AlreadyExistsException, EntityNotFoundException
from lakewarden.catalog.partitions import PartitionService
from lakewarden.catalog.projection import is_projected
from lakewarden.catalog.service import CatalogService
from lakewarden.guard import Access, Guard
from lakewarden.kernel.arn import s3
from lakewarden.kernel.call import Call
from lakewarden.kernel.lake import AccessMode, DataFile, GovernedTable, Table
from lakewarden.query.errors import QueryFailed
from lakewarden.query.ports import partition_path
from lakewarden.sql.changes import AddPartitions, DropPartitions, PartitionSpec, RenamePartition
from lakewarden.storage.service import StorageService, split_uri

_PAGE = 1000
Values = tuple[str, ...]


class GovernedPartitions:
    """Each method asks IAM for Glue's own action first; the catalog asks Lake Formation for the rest."""

    def __init__(
        self,
        catalog: CatalogService,
        partitions: PartitionService,
        storage: StorageService,
        guard: Guard,
        account: str,
        region: str,
    ) -> None:
        self._catalog = catalog
        self._partitions = partitions
        self._storage = storage
        self._guard = guard
        self._glue = GlueRights(guard, catalog.attached, account, region)

    def require_add(self, call: Call, database: str, name: str) -> None:
        """Raise unless IAM lets the caller add partitions."""
        self._glue.require_table(call, "glue:BatchCreatePartition", database, name)

    def listed(self, call: Call, governed: GovernedTable) -> Sequence[Values]:
        """The values of every partition; raises where the caller may read some of the rows only."""
        table = governed.table
        self._glue.require_table(call, "glue:GetPartitions", table.database, table.name)
        found: list[Values] = []
        token: str | None = None
        while True:
            page, more = self._partitions.page(call.principal, table.database, table.name, token=token, limit=_PAGE)
            found += [one.values for one in page]
            if not more:
                return found
            token = more

    def add(self, call: Call, governed: GovernedTable, change: AddPartitions) -> None:
        """ADD PARTITION."""
        table = governed.table
        self.require_add(call, table.database, table.name)
        storage = self._storage_of(call, table)
        for spec in change.partitions:
            values = _values(table, spec)
            location = spec.location or _location(table, values)
            if not self._create(call, table, storage, values, location) and not change.if_not_exists:
                raise QueryFailed(f"AlreadyExistsException: Partition already exists: {values}", 2, 1301)

    def register(self, call: Call, database: str, name: str, written: Iterable[Values]) -> None:
        """Add the partitions that were written into, where they are not there yet."""
        governed, _ = self._catalog.table(call.principal, database, name)
        table = governed.table
        if is_projected(table):
            return
        storage = self._storage_of(call, table)
        for values in sorted(set(written)):
            self._create(call, table, storage, values, _location(table, values))

    def drop(self, call: Call, governed: GovernedTable, change: DropPartitions) -> None:
        """DROP PARTITION; the data stays."""
        table = governed.table
        self._glue.require_table(call, "glue:DeletePartition", table.database, table.name)
        for spec in change.partitions:
            try:
                self._partitions.delete(call.principal, table.database, table.name, _values(table, spec))
            except EntityNotFoundException:
                if not change.if_exists:
                    raise

    def rename(self, call: Call, governed: GovernedTable, change: RenamePartition) -> None:
        """RENAME TO PARTITION; the data stays where it is."""
        table = governed.table
        self._glue.require_table(call, "glue:UpdatePartition", table.database, table.name)
        old = _values(table, change.old)
        found = self._partitions.get(call.principal, table.database, table.name, old)
        document = {**found.document, "Values": list(_values(table, change.new))}
        self._partitions.update(call.principal, table.database, table.name, old, document)

    def repair(self, call: Call, governed: GovernedTable) -> Sequence[Values]:
        """MSCK REPAIR TABLE: add what folders ``key=value/`` below the location say; answers what was added."""
        table = governed.table
        self.require_add(call, table.database, table.name)
        self._require_listing(call, governed)
        there = set(self.listed(call, governed))
        found = sorted(
            {one.partition for one in in_partitions(table, self._storage.files_under(table.location))} - there
        )
        storage = self._storage_of(call, table)
        return [one for one in found if self._create(call, table, storage, one, _location(table, one))]

    def _create(self, call: Call, table: Table, storage: Mapping[str, Any], values: Values, location: str) -> bool:
        document = {"Values": list(values), "StorageDescriptor": {**storage, "Location": location}}
        try:
            self._partitions.create(call.principal, table.database, table.name, document)
        except AlreadyExistsException:
            return False
        return True

    def _storage_of(self, call: Call, table: Table) -> Mapping[str, Any]:
        _, record = self._catalog.table(call.principal, table.database, table.name)
        return dict(record.document.get("StorageDescriptor") or {})

    def _require_listing(self, call: Call, governed: GovernedTable) -> None:
        """Lake Formation vends the listing of a registered place; elsewhere IAM on S3 decides."""
        if governed.access.mode is AccessMode.LAKE_FORMATION:
            self._guard.require(call, Access("lakeformation:GetDataAccess", "*", FORWARDED))
            return
        bucket, prefix = split_uri(governed.table.location)
        context = {"s3:prefix": prefix.rstrip("/"), **FORWARDED}
        self._guard.require(call, Access("s3:ListBucket", s3(bucket), context, self._storage.policy(bucket)))


def _values(table: Table, spec: PartitionSpec) -> Values:
    """The values in the order of the keys; the statement must name exactly these."""
    keys = tuple(key.name for key in table.partition_keys)
    if frozenset(spec.values) != frozenset(keys):
        raise QueryFailed(f"FAILED: The partition must name the keys {', '.join(keys) or '(none)'}", 2, 1301)
    return tuple(spec.values[key] for key in keys)


def _location(table: Table, values: Values) -> str:
    keys = [key.name for key in table.partition_keys]
    return f"{table.location.rstrip('/')}/{partition_path(keys, values)}"


def in_partitions(table: Table, files: Sequence[DataFile]) -> Iterator[DataFile]:
    """The files that lie in a partition's folder, with its values; Hive's names escape what a path cannot hold."""
    keys = tuple(key.name for key in table.partition_keys)
    base = table.location.rstrip("/") + "/"
    for file in files:
        folders = file.uri.removeprefix(base).split("/")[:-1]
        named = [folder.partition("=") for folder in folders[: len(keys)]]
        if len(folders) >= len(keys) and tuple(unquote(name).lower() for name, _, _ in named) == keys:
            yield dataclasses.replace(file, partition=tuple(unquote(value) for _, _, value in named))
