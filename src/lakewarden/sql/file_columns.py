"""Athena's hidden columns about the file that a row is in: ``$path``, ``$partition`` and ``$file_size``. Pure.

Athena User Guide, "Getting the file locations for source data in Amazon S3"; Trino's Hive connector, "Special columns".
"""

from collections.abc import Mapping, Sequence

from lakewarden.kernel.lake import Column, DataFile, GovernedTable, Table

PATH = Column("$path", "string")
PARTITION = Column("$partition", "string")
SIZE = Column("$file_size", "bigint")
FILE_COLUMNS = (PATH, PARTITION, SIZE)
NAMES = frozenset(column.name for column in FILE_COLUMNS)
REFUSED = frozenset({"$bucket", "$file_modified_time"})


def of(governed: GovernedTable) -> Sequence[Column]:
    """The hidden columns that exist for the caller.

    INVARIANT (non_interference): a path names partition values, and a size tells of every row and column in the file. They
    exist for who may read the whole table, and for nobody else. Of Iceberg tables and of the server's own there are none.
    """
    access, table = governed.access, governed.table
    whole = access.rows.all_rows and not access.cells and len(access.columns) == len(table.all_columns)
    plain = table.location.startswith("s3://") and table.parameters.get("table_type", "").upper() != "ICEBERG"
    return tuple(one for one in FILE_COLUMNS if one.name not in _own(table)) if whole and plain else ()


def constants(table: Table, file: DataFile) -> Mapping[str, str]:
    """The values of the hidden columns for every row of a file, as texts; a column of the table's own has its own value."""
    return {one.name: _value(one, table, file) for one in FILE_COLUMNS if one.name not in _own(table)}


def _own(table: Table) -> frozenset[str]:
    return frozenset(column.name for column in table.all_columns)


def _value(column: Column, table: Table, file: DataFile) -> str:
    if column.name == PATH.name:
        return file.uri
    if column.name == SIZE.name:
        return str(file.size)
    return "/".join(f"{key.name}={value}" for key, value in zip(table.partition_keys, file.partition, strict=False))
