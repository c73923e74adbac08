"""Snapshots: manifests and manifest lists of what was added, and of what took the place of what."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pyiceberg.avro.codecs import AvroCompressionCodec
from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    FileFormat,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriter,
    ManifestWriterV2,
    read_manifest_list,
    write_manifest_list,
)
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import (
    Operation,
    Snapshot,
    SnapshotSummaryCollector,
    Summary,
    update_snapshot_summaries,
)
from pyiceberg.table.update import AddSnapshotUpdate, SetSnapshotRefUpdate, TableUpdate
from pyiceberg.typedef import Record

from lakewarden.engines.iceberg.files import GivenFiles
from lakewarden.engines.iceberg.statistics import partition_value, statistics
from lakewarden.engines.iceberg.tables import Invalid
from lakewarden.kernel.iceberg import ChangeRows, NewFile

_CODEC: AvroCompressionCodec = "deflate"
_OPERATIONS: Mapping[str, Operation] = {one.value: one for one in Operation}


class _DeleteManifestWriter(ManifestWriterV2):
    """pyiceberg reads manifests of deletes, and has no writer for them."""

    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


class Commit:
    """One snapshot in the making: where its manifests go, and under which id."""

    def __init__(self, base: TableMetadata, files: GivenFiles, place: str, now_ms: int) -> None:
        if base.format_version != 2:
            raise Invalid(f"Iceberg tables of version {base.format_version} are not written here")
        self._base = base
        self._files = files
        self._place = place
        self._now_ms = now_ms
        self._id = base.new_snapshot_id()
        self._uuid = uuid.uuid4()
        self._manifests = 0
        self._summary = SnapshotSummaryCollector()

    def updates(self, work: ChangeRows) -> tuple[TableUpdate, ...]:
        """Write the manifests; answers what makes the snapshot the table's current one."""
        base = self._base
        parent = base.current_snapshot()
        kept = list(read_manifest_list(self._files.new_input(parent.manifest_list))) if parent is not None else []
        if work.rewritten:
            kept = self._without(kept, frozenset(work.rewritten))
        manifests = [*self._added(work.added), *kept]
        sequence = base.next_sequence_number()
        listed = f"{self._place}/snap-{self._id}-0-{self._uuid}.avro"
        with write_manifest_list(
            2, self._files.new_output(listed), self._id, parent.snapshot_id if parent else None, sequence, _CODEC
        ) as writer:
            writer.add_manifests(manifests)
        summary = self._summarised(_OPERATIONS[work.operation], parent)
        snapshot = Snapshot.model_validate(
            {
                "snapshot-id": self._id,
                "parent-snapshot-id": parent.snapshot_id if parent is not None else None,
                "manifest-list": listed,
                "sequence-number": sequence,
                "timestamp-ms": max(self._now_ms, base.last_updated_ms),
                "summary": summary,
                "schema-id": base.current_schema_id,
            }
        )
        reference = {"snapshot-id": self._id, "ref-name": MAIN_BRANCH, "type": "branch"}
        return AddSnapshotUpdate(snapshot=snapshot), SetSnapshotRefUpdate.model_validate(reference)

    def _summarised(self, operation: Operation, parent: Snapshot | None) -> Summary:
        """The new totals. pyiceberg counts them for appends and overwrites only, and they are the same for all."""
        counted = update_snapshot_summaries(
            Summary(operation=Operation.OVERWRITE, **self._summary.build()),
            parent.summary if parent is not None else None,
        )
        return Summary(operation=operation, **counted.additional_properties)

    def _added(self, files: Sequence[NewFile]) -> list[ManifestFile]:
        """A manifest for each kind and spec of the new files."""
        groups: dict[tuple[bool, int], list[NewFile]] = {}
        for file in files:
            groups.setdefault((file.deletes, file.spec_id), []).append(file)
        made = []
        for (deletes, spec_id), members in sorted(groups.items()):
            spec = self._spec(spec_id)
            with self._manifest(spec, deletes=deletes) as writer:
                for file in members:
                    data = self._data_file(file, spec)
                    self._summary.add_file(data, self._base.schema(), spec)
                    writer.add(_entry(self._id, data))
            made.append(writer.to_manifest_file())
        return made

    def _without(self, manifests: Sequence[ManifestFile], gone: frozenset[str]) -> list[ManifestFile]:
        """The manifests with the given files marked as deleted; those that do not name any stay as they are."""
        found: set[str] = set()
        made = []
        for manifest in manifests:
            entries = manifest.fetch_manifest_entry(self._files)
            named = {entry.data_file.file_path for entry in entries} & gone
            if not named:
                made.append(manifest)
                continue
            found |= named
            spec = self._spec(manifest.partition_spec_id)
            with self._manifest(spec, deletes=manifest.content is ManifestContent.DELETES) as writer:
                for entry in entries:
                    if entry.data_file.file_path in gone:
                        self._summary.remove_file(entry.data_file, self._base.schema(), spec)
                        writer.delete(entry)
                    else:
                        writer.existing(entry)
            made.append(writer.to_manifest_file())
        if found != gone:
            raise Invalid("A file that was rewritten is not in the table any more")
        return made

    def _manifest(self, spec: PartitionSpec, *, deletes: bool) -> ManifestWriter:
        kind = _DeleteManifestWriter if deletes else ManifestWriterV2
        location = f"{self._place}/{self._uuid}-m{self._manifests}.avro"
        self._manifests += 1
        return kind(spec, self._base.schema(), self._files.new_output(location), self._id, _CODEC)

    def _spec(self, spec_id: int) -> PartitionSpec:
        found = self._base.specs().get(spec_id)
        if found is None:
            raise Invalid("A partition spec is not the table's")
        return found

    def _data_file(self, file: NewFile, spec: PartitionSpec) -> DataFile:
        types = spec.partition_type(self._base.schema()).fields
        if len(types) != len(file.partition):
            raise Invalid("A partition does not fit the table's spec")
        values = (partition_value(one, of.field_type) for one, of in zip(file.partition, types, strict=True))
        known: Mapping[str, Any] = {} if file.deletes else statistics(file.path, self._base.schema())
        made = DataFile.from_args(
            content=DataFileContent.POSITION_DELETES if file.deletes else DataFileContent.DATA,
            file_path=file.uri,
            file_format=FileFormat.PARQUET,
            partition=Record(*values),
            record_count=file.records,
            file_size_in_bytes=file.size,
            sort_order_id=None,
            equality_ids=None,
            key_metadata=None,
            **known,
        )
        made.spec_id = spec.spec_id
        return made


def _entry(snapshot_id: int, data: DataFile) -> ManifestEntry:
    return ManifestEntry.from_args(
        status=ManifestEntryStatus.ADDED, snapshot_id=snapshot_id, sequence_number=None, file_sequence_number=None,
        data_file=data,
    )  # fmt: skip


def live_entries(files: GivenFiles, snapshot: Snapshot) -> Iterator[tuple[ManifestFile, ManifestEntry]]:
    """Every live file of a snapshot, with the manifest that names it."""
    for manifest in read_manifest_list(files.new_input(snapshot.manifest_list)):
        for entry in manifest.fetch_manifest_entry(files):
            yield manifest, entry
