"""What can be asked of an Iceberg table's metadata, as plain values: query, adapters and engines share them."""

import msgspec

Value = int | str | bool | None
"""A partition value as Iceberg keeps it: a date as days, a timestamp as microseconds, a decimal as its text."""


class PartitionBy(msgspec.Struct, frozen=True):
    """A field of a partition spec: ``identity``, ``year``, ``month``, ``day``, ``hour``, ``bucket`` or ``truncate``."""

    column: str
    transform: str
    width: int = 0


class ColumnOf(msgspec.Struct, frozen=True):
    """A column with its Hive type."""

    name: str
    type: str
    comment: str = ""


class NewFile(msgspec.Struct, frozen=True):
    """A file of rows that lies in the lake, and belongs to no snapshot yet. ``deletes``: of positions, not of data."""

    uri: str
    path: str
    size: int
    records: int
    partition: tuple[Value, ...] = ()
    spec_id: int = 0
    deletes: bool = False


class Create(msgspec.Struct, frozen=True, tag=True):
    """A table without rows."""

    location: str
    columns: tuple[ColumnOf, ...]
    partitioned_by: tuple[PartitionBy, ...]
    properties: dict[str, str]


class ChangeRows(msgspec.Struct, frozen=True, tag=True):
    """A snapshot with more files; with ``rewritten`` the new files stand for those, rows unchanged."""

    added: tuple[NewFile, ...]
    operation: str
    rewritten: tuple[str, ...] = ()


class Alter(msgspec.Struct, frozen=True, tag=True):
    """Columns and properties. ``changed`` are pairs of the present name and the column to be."""

    added: tuple[ColumnOf, ...] = ()
    dropped: tuple[str, ...] = ()
    changed: tuple[tuple[str, ColumnOf], ...] = ()
    properties: dict[str, str] = {}
    unset: tuple[str, ...] = ()


VACUUM_AGE, VACUUM_KEEP, VACUUM_METADATA = (
    "vacuum_max_snapshot_age_seconds", "vacuum_min_snapshots_to_keep", "vacuum_max_metadata_files_to_keep",
)  # fmt: skip
"""Properties of a table that say what VACUUM leaves."""


class Expire(msgspec.Struct, frozen=True, tag=True):
    """Forget snapshots that are too old but the newest few, and old metadata files; the table's properties say which.

    Athena's defaults: five days, one snapshot, a hundred metadata files.
    """

    age_seconds: int = 432_000
    keep: int = 1
    metadata_files: int = 100


class Reach(msgspec.Struct, frozen=True, tag=True):
    """Only say which files the table's metadata leads to."""


Work = Create | ChangeRows | Alter | Expire | Reach
