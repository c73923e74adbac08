"""A table's files as a DuckDB relation: exactly the permitted columns, of exactly the given files."""

from collections.abc import Sequence

from lakewarden.engines.duckdb.protocol import ScanRequest
from lakewarden.engines.duckdb.readers import name, reader, type_of
from lakewarden.kernel.lake import Column
from lakewarden.query.errors import QueryFailed
from lakewarden.query.ports import Scan


def scan_request(scan: Scan) -> ScanRequest:
    """The relation of one scan; raises :class:`QueryFailed` for a format that is not read here."""
    planned = scan.planned
    if not planned.rows.all_rows and planned.rows.expressions:
        # INVARIANT (deny_by_default): an engine that cannot enforce a restriction fails the query.
        raise QueryFailed("NOT_SUPPORTED: Row filters are not supported by this engine yet", 2, 1303)
    table = planned.governed.table
    columns = planned.columns
    empty = not scan.files or not planned.rows.all_rows
    select = _empty(columns) if empty else reader(table)(scan, columns)
    return ScanRequest(planned.relation, select, barrier=False)


def _empty(columns: Sequence[Column]) -> str:
    items = ", ".join(f"CAST(NULL AS {type_of(column)}) AS {name(column.name)}" for column in columns)
    return f"SELECT {items or 'NULL AS nothing'} WHERE false"
