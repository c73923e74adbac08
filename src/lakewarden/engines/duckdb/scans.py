"""A table's files as a DuckDB relation: exactly the permitted columns, of exactly the given files."""

from collections.abc import Sequence

from lakewarden.engines.duckdb.protocol import ScanRequest
from lakewarden.engines.duckdb.readers import NO_PARTITION, is_iceberg, name, plain_parquet, reader, type_of
from lakewarden.kernel.lake import Column
from lakewarden.query.ports import Scan
from lakewarden.sql import formats, pruning

_BITS = {"tinyint": 8, "smallint": 16, "int": 32, "integer": 32, "bigint": 64}


def scan_request(scan: Scan) -> ScanRequest:
    """The relation of one scan; raises :class:`QueryFailed` for a format that is not read here."""
    planned = scan.planned
    if planned.rows.all_rows:
        select = _select(scan, planned.columns)
        return ScanRequest(planned.relation, select, barrier=False)
    inner = _select(scan, planned.read) if planned.predicate else _empty(planned.read)
    items = ", ".join(name(column.name) for column in planned.columns) or "1 AS nothing"
    select = f"SELECT {items} FROM ({inner}) AS unfiltered WHERE {planned.predicate or 'false'}"  # noqa: S608 - rendered by sql.filters
    # INVARIANT (non_interference): the permitted rows are materialised before any of the user's SQL can see a row, unless
    # neither that SQL (sql.admission) nor the reading of the files can fail on one.
    if planned.barrier or not _reads_surely(scan):
        return ScanRequest(planned.relation, select, barrier=True)
    data = [column for column in planned.read if column in planned.governed.table.columns]
    types = tuple(type_of(column) for column in data)
    return ScanRequest(planned.relation, select, barrier=False, plain=plain_parquet(scan, data), types=types)


def _reads_surely(scan: Scan) -> bool:
    """Whether no row of the files can fail on its way to the query, once their columns are of the table's types."""
    table = scan.planned.governed.table
    if not scan.files or not scan.planned.predicate or table.serde != formats.PARQUET or is_iceberg(table):
        return False
    values = {file.partition for file in scan.files}
    return all(
        value == NO_PARTITION or _is_of_type(value, key)
        for partition in values
        for value, key in zip(partition, table.partition_keys, strict=False)
    )


def _is_of_type(value: str, key: Column) -> bool:
    found = pruning.value_of(value, key)
    if isinstance(found, int):
        return found.bit_length() < _BITS[key.type.lower()]
    return found is not None


def _select(scan: Scan, columns: Sequence[Column]) -> str:
    return reader(scan.planned.governed.table)(scan, columns) if scan.files else _empty(columns)


def _empty(columns: Sequence[Column]) -> str:
    items = ", ".join(f"CAST(NULL AS {type_of(column)}) AS {name(column.name)}" for column in columns)
    return f"SELECT {items or 'NULL AS nothing'} WHERE false"
