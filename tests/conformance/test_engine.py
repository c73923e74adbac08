"""What every engine behind ``query.ports.Engine`` must do. DuckDB's workers run it; another engine would add a fixture."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakewarden import sql
from lakewarden.engines.duckdb import DuckDbEngine, Limits
from lakewarden.kernel.lake import ALL_ROWS, AccessMode, Column, DataFile, GovernedTable, Table, TableAccess
from lakewarden.query.errors import QueryCancelled, QueryFailed
from lakewarden.query.ports import Engine, OutputFormat, Scan
from lakewarden.sql import formats
from lakewarden.sql.model import PlannedScan, Select

CROSS_JOIN = "SELECT count(*) FROM {}, {}, {} WHERE x * y + z = 7".format(
    *(f"(SELECT UNNEST(GENERATE_SERIES(1, 10000)) AS {name}) AS {name}_" for name in "xyz")
)

SQUARE = "FROM UNNEST(sequence(1, 3000)) a(x) CROSS JOIN UNNEST(sequence(1, 3000)) b(y)"


def trino(text: str) -> str:
    """The engine's statement for a query over no table."""
    parsed = sql.parse(text, "d")
    assert isinstance(parsed, Select)
    return sql.plan(parsed, {}, text, "d").sql


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module")
def engine(place: Path) -> Iterator[DuckDbEngine]:
    (place / "objects").mkdir()
    made = DuckDbEngine(place / "objects", place / "spill", Limits(workers=2, memory_bytes=512 << 20))
    yield made
    made.close()


def rows(engine: Engine, sql: str, *scans: Scan) -> list[tuple[str | None, ...]]:
    with engine.run(sql, scans, Event()) as result:
        return [
            row for batch in result.batches for row in zip(*(one.to_pylist() for one in batch.columns), strict=True)
        ]


def scan(table: Table, *files: DataFile, relation: str = "scan_0") -> Scan:
    names = tuple(column.name for column in table.all_columns)
    access = TableAccess(AccessMode.LAKE_FORMATION, frozenset({"SELECT"}), names, ALL_ROWS, ("a test",), names)
    return Scan(PlannedScan(relation, GovernedTable(table, access), table.all_columns, ALL_ROWS), files)


def parquet(place: Path, name: str, **columns: list[object]) -> DataFile:
    path = place / "objects" / name
    pq.write_table(pa.table(columns), path)
    return DataFile(f"s3://b/{name}", path.stat().st_size, str(path))


NUMBERS = Table("d", "t", (Column("a", "bigint"), Column("b", "string")), serde=formats.PARQUET)


def test_values_and_types(engine: Engine) -> None:
    with engine.run("SELECT 1 AS a, 'x' AS b, NULL AS c", (), Event()) as result:
        assert [column.type for column in result.columns] == ["integer", "varchar", "integer"]
        [batch] = list(result.batches)
    assert batch.to_pylist() == [{"c0": "1", "c1": "x", "c2": None}]
    assert engine.describe("SELECT 1 AS a, [1.5] AS b, {'x': 1} AS c, now() AS d", (), Event()) == (
        "int", "array<decimal(2,1)>", "struct<x:int>", "",
    )  # fmt: skip


def test_a_column_that_no_file_has_is_null(engine: Engine, place: Path) -> None:
    old, new = parquet(place, "old", a=[1]), parquet(place, "new", a=[2], b=["x"])
    assert rows(engine, "SELECT a, b FROM scan_0 ORDER BY a", scan(NUMBERS, old)) == [("1", None)]
    assert rows(engine, "SELECT a, b FROM scan_0 ORDER BY a", scan(NUMBERS, old, new)) == [("1", None), ("2", "x")]


@pytest.mark.parametrize("serde", [formats.PARQUET, formats.ORC, formats.AVRO, *sorted(formats.JSON_SERDES)])
def test_a_file_of_another_format_or_cut_short_fails_in_athenas_words(engine: Engine, place: Path, serde: str) -> None:
    whole = parquet(place, "whole", a=list(range(1000)), b=["secret-value"] * 1000)
    cut = place / "objects" / "cut"
    cut.write_bytes(Path(whole.path).read_bytes()[:-300])
    odd = place / "objects" / "odd"
    odd.write_bytes(b"secret-value, \x00\xff{{{\n" * 50)
    table = Table("d", "t", NUMBERS.columns, serde=serde)
    for path in (cut, odd):
        bad = DataFile(f"s3://b/{path.name}", path.stat().st_size, str(path))
        with pytest.raises(QueryFailed) as failed:
            rows(engine, "SELECT a, b FROM scan_0", scan(table, bad))
        assert failed.value.text.split(":")[0] in {
            "HIVE_CANNOT_OPEN_SPLIT",
            "HIVE_BAD_DATA",
            "INVALID_FUNCTION_ARGUMENT",
        }
        assert "secret" not in failed.value.text
        assert str(place) not in failed.value.text


def test_a_query_is_cancelled_within_a_second(engine: Engine) -> None:
    cancelled = Event()
    threading.Timer(0.5, cancelled.set).start()
    started = time.monotonic()
    with pytest.raises(QueryCancelled):
        engine.run(CROSS_JOIN, (), cancelled).__enter__()
    assert time.monotonic() - started < 1.5
    assert rows(engine, "SELECT 1") == [("1",)]


def test_a_query_is_cancelled_while_it_waits_for_a_worker(engine: Engine) -> None:
    with ExitStack() as taken:
        for _ in range(2):
            taken.enter_context(
                engine.run("SELECT range FROM (SELECT UNNEST(GENERATE_SERIES(1, 1000000)) AS range) AS r", (), Event())
            )
        cancelled = Event()
        threading.Timer(0.2, cancelled.set).start()
        with pytest.raises(QueryCancelled):
            engine.run("SELECT 1", (), cancelled).__enter__()


def test_a_killed_worker_fails_only_its_query(engine: DuckDbEngine) -> None:
    def kill_the_workers() -> None:
        children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
        for pid in {int(pid) for file in children for pid in file.read_text().split()}:
            # Only this engine's own: other tests of this process keep workers as well.
            if Path(f"/proc/{pid}/cwd").resolve().is_relative_to(engine._spill.resolve()):
                os.kill(pid, signal.SIGKILL)
                # A killed process lives on for a moment; the engine itself may have buried it already.
                with suppress(ChildProcessError):
                    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

    killer = threading.Timer(1.0, kill_the_workers)
    killer.start()
    with pytest.raises(QueryFailed, match="The engine stopped"):
        rows(engine, CROSS_JOIN)
    killer.join()
    # The other worker died unseen while it was idle; whoever would have taken it gets a new one.
    assert [rows(engine, "SELECT 1") for _ in range(4)] == [[("1",)]] * 4


def test_memory_is_limited_and_spilled(engine: Engine) -> None:
    """A sort of more than the limit spills; what cannot spill fails with Athena's class, and the worker lives on."""
    assert rows(engine, trino(f"SELECT count(*) AS c FROM (SELECT x, sin(x) AS h {SQUARE} ORDER BY h OFFSET 1)")) == [
        ("8999999",)
    ]
    with pytest.raises(QueryFailed, match=r"EXCEEDED_LOCAL_MEMORY_LIMIT|The engine stopped"):
        rows(
            engine,
            trino(f"SELECT cardinality(array_agg(x * y + z)) AS c {SQUARE} CROSS JOIN UNNEST(sequence(1, 20)) c(z)"),
        )
    assert rows(engine, "SELECT 1") == [("1",)]


def test_time_is_limited(place: Path) -> None:
    engine = DuckDbEngine(place / "objects", place / "spill-time", Limits(workers=1, seconds=0.5))
    try:
        with pytest.raises(QueryFailed, match="EXCEEDED_TIME_LIMIT"):
            rows(engine, CROSS_JOIN)
        assert rows(engine, "SELECT 1") == [("1",)]
    finally:
        engine.close()


def test_a_worker_that_cannot_start_fails_queries_and_hangs_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    engine = DuckDbEngine(place / "objects", place / "spill-bad", Limits(workers=1))
    try:
        for _ in range(2):
            with pytest.raises(QueryFailed, match="engine"):
                rows(engine, "SELECT 1")
        monkeypatch.undo()
        answers = []
        for _ in range(3):
            try:
                answers += rows(engine, "SELECT 1")
            except QueryFailed:
                continue
        assert answers
    finally:
        engine.close()


@pytest.mark.parametrize("form", ["PARQUET", "ORC", "AVRO", "JSON", "TEXTFILE"])
def test_written_files_come_with_their_partitions_and_vanish(engine: Engine, form: str) -> None:
    output = OutputFormat(form, "NONE", (Column("a", "bigint"), Column("k", "string")), 1)
    sql = "SELECT * FROM (VALUES (1, 'x/y'), (2, 'x/y'), (3, NULL)) v(a, k)"
    with engine.write(sql, (), output, Event()) as written:
        assert written.rows == 3
        assert {one.partition for one in written.files} == {("x/y",), ("__HIVE_DEFAULT_PARTITION__",)}
        folders = [Path(f"/proc/self/fd/{one.file.fileno()}").resolve() for one in written.files]
        assert all(one.file.read() for one in written.files)
    assert not any(folder.exists() for folder in folders)


def test_results_stream_in_little_memory(engine: Engine) -> None:
    count = 0
    statement = trino(f"SELECT x AS a, CAST(x * y AS varchar) || '{'x' * 100}' AS b {SQUARE}")
    with engine.run(statement, (), Event()) as result:
        for batch in result.batches:
            count += batch.num_rows
            assert batch.nbytes < 64 << 20
    assert count == 9_000_000
