"""VACUUM and DROP: which snapshots go, and which files nothing leads to any more."""

from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import RemoveSnapshotsUpdate, TableUpdate

from lakewarden.engines.iceberg.files import GivenFiles
from lakewarden.engines.iceberg.snapshots import live_entries
from lakewarden.kernel.iceberg import Expire


def expired(base: TableMetadata, work: Expire) -> tuple[TableUpdate, ...]:
    """Removes the snapshots that are too old; those that a branch or tag names, and the newest ``keep``, stay."""
    line = _line(base)
    kept = {one.snapshot_id for one in line[: max(1, work.keep)]} | {ref.snapshot_id for ref in base.refs.values()}
    gone = [
        one.snapshot_id for one in base.snapshots if one.snapshot_id not in kept and one.timestamp_ms < work.before_ms
    ]
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
