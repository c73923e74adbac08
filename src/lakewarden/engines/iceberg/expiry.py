"""VACUUM and DROP: which snapshots go, and which files nothing leads to any more."""

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import RemoveSnapshotsUpdate, TableUpdate

from lakewarden.engines.iceberg.files import GivenFiles
from lakewarden.engines.iceberg.snapshots import live_entries
from lakewarden.kernel.iceberg import VACUUM_AGE, VACUUM_KEEP, VACUUM_METADATA, Expire


def settled(base: TableMetadata, work: Expire) -> Expire:
    """The order as the table's own properties have it."""
    return Expire(
        _number(base, VACUUM_AGE, work.age_seconds),
        max(1, _number(base, VACUUM_KEEP, work.keep)),
        max(1, _number(base, VACUUM_METADATA, work.metadata_files)),
    )


def _number(base: TableMetadata, name: str, default: int) -> int:
    text = base.properties.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else default


def expired(base: TableMetadata, work: Expire, now_ms: int) -> tuple[TableUpdate, ...]:
    """Removes the snapshots that are too old; those that a branch or tag names, and the newest few, stay."""
    before = now_ms - work.age_seconds * 1000
    kept = {one.snapshot_id for one in _line(base)[: work.keep]} | {ref.snapshot_id for ref in base.refs.values()}
    gone = [one.snapshot_id for one in base.snapshots if one.snapshot_id not in kept and one.timestamp_ms < before]
    return (RemoveSnapshotsUpdate.model_validate({"snapshot-ids": gone}),) if gone else ()


def _line(base: TableMetadata) -> list[Snapshot]:
    """The current snapshot and what it came from, newest first."""
    found: list[Snapshot] = []
    seen: set[int] = set()
    current = base.current_snapshot()
    while current is not None and current.snapshot_id not in seen:
        seen.add(current.snapshot_id)
        found.append(current)
        parent = current.parent_snapshot_id
        current = base.snapshot_by_id(parent) if parent is not None else None
    return found


def reached(metadata: TableMetadata, files: GivenFiles) -> set[str]:
    """Every file that the table's snapshots lead to: lists, manifests, data and deletes. Lost ones lead nowhere."""
    found: set[str] = set()
    for snapshot in metadata.snapshots:
        found.add(snapshot.manifest_list)
        try:
            for manifest, entry in live_entries(files, snapshot):
                found |= {manifest.manifest_path, entry.data_file.file_path}
        except FileNotFoundError:
            continue
    return found
