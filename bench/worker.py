"""Processor time of one short query in an engine's worker, beside a new DuckDB instance for each in this process."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import duckdb

from bench.calls import cpu_seconds
from lakewarden.engines.duckdb import DuckDbEngine, Limits
from lakewarden.kernel.lake import ALL_ROWS, AccessMode, Column, DataFile, GovernedTable, Table, TableAccess
from lakewarden.query.ports import Scan
from lakewarden.sql import formats
from lakewarden.sql.model import PlannedScan

ROUNDS = 100
COLUMNS = (Column("id", "bigint"), Column("s", "string"))


def run() -> list[tuple[str, float, str]]:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        (root / "objects").mkdir()
        path = root / "objects" / "t.parquet"
        duckdb.execute(f"COPY (SELECT range AS id, 'a' AS s FROM range(1000)) TO '{path}' (FORMAT parquet)")
        engine = DuckDbEngine(root / "objects", root / "spill", Limits(workers=1, memory_bytes=1 << 30))
        try:
            return [
                *_both("SELECT 1", engine, "SELECT 1 AS a", (), "SELECT 1 AS a"),
                *_both(
                    "a small file, the same table again",
                    engine,
                    "SELECT s, count(*) AS c FROM scan_0 GROUP BY s",
                    (_scan(path),),
                    f"SELECT s, count(*) AS c FROM read_parquet('{path}') GROUP BY s",
                ),
            ]
        finally:
            engine.close()


def _scan(path: Path) -> Scan:
    table = Table("db", "t", COLUMNS, serde=formats.PARQUET, location="s3://lake/t")
    access = TableAccess(AccessMode.LAKE_FORMATION, frozenset({"SELECT"}), ("id", "s"), ALL_ROWS)
    planned = PlannedScan("scan_0", GovernedTable(table, access), COLUMNS, ALL_ROWS)
    return Scan(planned, (DataFile("s3://lake/t", path.stat().st_size, str(path)),))


def _both(
    name: str, engine: DuckDbEngine, sql: str, scans: tuple[Scan, ...], plain: str
) -> list[tuple[str, float, str]]:
    def ask() -> None:
        with engine.run(sql, scans, Event()) as result:
            assert list(result.batches)

    def fresh() -> None:
        with duckdb.connect(":memory:") as connection:
            assert connection.execute(plain).fetchall()

    worker = _spent(ask, lambda: sum(cpu_seconds(pid) for pid in _children()))
    peer = _spent(fresh, time.process_time)
    return [
        (f"{name}, the worker, processor time", worker, "ms"),
        (f"{name}, a new DuckDB instance each, processor time", peer, "ms"),
        (f"{name}, ratio", worker / peer, "x"),
    ]


def _spent(work: Callable[[], None], clock: Callable[[], float]) -> float:
    for _ in range(5):
        work()
    started = clock()
    for _ in range(ROUNDS):
        work()
    return (clock() - started) * 1000 / ROUNDS


def _children() -> list[int]:
    files = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return [int(pid) for file in files for pid in file.read_text().split()]
