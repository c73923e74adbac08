"""What ALTER TABLE changes: one frozen value for each of its forms."""

from collections.abc import Mapping
from dataclasses import dataclass

from lakewarden.kernel.lake import Column
from lakewarden.sql.refs import TableRef


@dataclass(frozen=True, slots=True)
class AddColumns:
    """ALTER TABLE ... ADD COLUMNS."""

    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class ReplaceColumns:
    """ALTER TABLE ... REPLACE COLUMNS."""

    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class ChangeColumn:
    """ALTER TABLE ... CHANGE [COLUMN] old new type [COMMENT 'c']."""

    name: str
    column: Column


@dataclass(frozen=True, slots=True)
class SetProperties:
    """ALTER TABLE ... SET TBLPROPERTIES."""

    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class UnsetProperties:
    """ALTER TABLE ... UNSET TBLPROPERTIES, of an Iceberg table."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DropColumn:
    """ALTER TABLE ... DROP COLUMN, of an Iceberg table."""

    name: str


@dataclass(frozen=True, slots=True)
class SetLocation:
    """ALTER TABLE ... SET LOCATION."""

    location: str


@dataclass(frozen=True, slots=True)
class PartitionSpec:
    """``PARTITION (key = 'value', ...) [LOCATION 's3://...']``; names are lower case."""

    values: Mapping[str, str]
    location: str = ""


@dataclass(frozen=True, slots=True)
class AddPartitions:
    """ALTER TABLE ... ADD [IF NOT EXISTS] PARTITION ..."""

    partitions: tuple[PartitionSpec, ...]
    if_not_exists: bool


@dataclass(frozen=True, slots=True)
class DropPartitions:
    """ALTER TABLE ... DROP [IF EXISTS] PARTITION ..."""

    partitions: tuple[PartitionSpec, ...]
    if_exists: bool


@dataclass(frozen=True, slots=True)
class RenamePartition:
    """ALTER TABLE ... PARTITION (...) RENAME TO PARTITION (...)."""

    old: PartitionSpec
    new: PartitionSpec


@dataclass(frozen=True, slots=True)
class RenameTable:
    """ALTER TABLE ... RENAME TO, of an Iceberg table."""

    new: TableRef


Change = (
    AddColumns
    | ReplaceColumns
    | ChangeColumn
    | DropColumn
    | SetProperties
    | UnsetProperties
    | SetLocation
    | AddPartitions
    | DropPartitions
    | RenamePartition
    | RenameTable
)
