"""A governed table on disk and a real worker, without a server: the whole way from text to rows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakewarden import sql
from lakewarden.engines.duckdb import DuckDbEngine, Limits
from lakewarden.kernel.lake import ALL_ROWS, AccessMode, Column, DataFile, GovernedTable, RowFilter, Table, TableAccess
from lakewarden.query.errors import QueryFailed
from lakewarden.query.ports import Scan
from lakewarden.sql import formats, model
from lakewarden.sql.errors import SqlError

LIMITS = Limits(workers=1, memory_bytes=1 << 30, threads=1)
Rows = list[tuple[str | None, ...]]


@dataclass(frozen=True)
class Ran:
    """Everything that a principal gets of a query."""

    columns: tuple[tuple[str, str, int, int], ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()
    error: str = ""


@contextmanager
def engine(root: Path, limits: Limits = LIMITS) -> Iterator[DuckDbEngine]:
    objects = root / "objects"
    objects.mkdir(exist_ok=True)
    made = DuckDbEngine(objects, root / "spill", limits)
    try:
        yield made
    finally:
        made.close()


def parquet(root: Path, name: str, data: pa.Table) -> tuple[DataFile, ...]:
    path = root / "objects" / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(data, path)
    return (DataFile(f"s3://lake/{name}", path.stat().st_size, str(path)),)


def table(name: str, columns: Mapping[str, str], serde: str = formats.PARQUET, **more: Any) -> Table:
    return Table(
        "db",
        name,
        tuple(Column(one, kind) for one, kind in columns.items()),
        serde=serde,
        location=f"s3://lake/{name}",
        **more,
    )


def governed(of: Table, columns: Sequence[str] | None = None, rows: RowFilter = ALL_ROWS) -> GovernedTable:
    names = tuple(columns if columns is not None else (one.name for one in of.all_columns))
    return GovernedTable(of, TableAccess(AccessMode.LAKE_FORMATION, frozenset({"SELECT"}), names, rows))


def run(
    on: DuckDbEngine, text: str, tables: Mapping[str, tuple[GovernedTable, tuple[DataFile, ...]]] | None = None
) -> Ran:
    """Parse, plan, render, check and execute."""
    tables = tables or {}
    try:
        query = sql.parse(text, "db")
        assert isinstance(query, model.Select)
        plan = sql.plan(query, {("db", name): one for name, (one, _) in tables.items()}, text, "db")
        scans = [Scan(planned, tables[planned.governed.table.name][1]) for planned in plan.scans]
        with on.run(plan.sql, scans, Event()) as result:
            rows: Rows = []
            for batch in result.batches:
                rows += zip(*(column.to_pylist() for column in batch.columns), strict=True)
            kinds = tuple(
                (name, one.type, one.precision, one.scale)
                for name, one in zip(plan.columns, result.columns, strict=True)
            )
            return Ran(kinds, tuple(rows))
    except SqlError as error:
        return Ran(error=error.text)
    except QueryFailed as error:
        return Ran(error=error.text)


def shown(ran: Ran) -> str:
    """One line: the error, or the rows as JSON arrays."""
    if ran.error:
        return ran.error
    return " ".join(json.dumps(list(row), ensure_ascii=False) for row in ran.rows)
