"""A table's files as a DuckDB relation: exactly the permitted columns, of exactly the given files."""

from collections.abc import Sequence

from lakewarden.engines.duckdb.protocol import ScanRequest
from lakewarden.engines.duckdb.readers import name, reader, type_of
from lakewarden.kernel.lake import Column
from lakewarden.query.ports import Scan


def scan_request(scan: Scan) -> ScanRequest:
    """The relation of one scan; raises :class:`QueryFailed` for a format that is not read here."""
    planned = scan.planned
    if planned.rows.all_rows:
        select = _select(scan, planned.columns)
        return ScanRequest(planned.relation, select, barrier=False)
    # INVARIANT (non_interference): the permitted rows are materialised before any of the user's SQL can see a row.
    inner = _select(scan, planned.read) if planned.predicate else _empty(planned.read)
    items = ", ".join(name(column.name) for column in planned.columns) or "1 AS nothing"
    select = f"SELECT {items} FROM ({inner}) AS unfiltered WHERE {planned.predicate or 'false'}"  # noqa: S608 - rendered by sql.filters
    return ScanRequest(planned.relation, select, barrier=True)


def _select(scan: Scan, columns: Sequence[Column]) -> str:
    return reader(scan.planned.governed.table)(scan, columns) if scan.files else _empty(columns)


def _empty(columns: Sequence[Column]) -> str:
    items = ", ".join(f"CAST(NULL AS {type_of(column)}) AS {name(column.name)}" for column in columns)
    return f"SELECT {items or 'NULL AS nothing'} WHERE false"
