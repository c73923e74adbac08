"""A locked instance serves again only for the very same reach, and nothing of an earlier query is left in it."""

import io
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakewarden.engines.duckdb import worker
from lakewarden.engines.duckdb.instances import Instances
from lakewarden.engines.duckdb.protocol import LENGTH, OutputRequest, Request, ScanRequest, Settings


@pytest.fixture
def instances(tmp_path: Path) -> Iterator[Instances]:
    made = Instances(Settings(512 << 20, 1, str(tmp_path / "spill"), str(tmp_path)))
    yield made
    made.done(keep=False)


def _over(path: Path, columns: str = "a", where: str = "true", *, barrier: bool = False) -> Request:
    pq.write_table(pa.table({"a": [1, 2], "b": ["x", "secret"]}), path)
    select = f"SELECT {columns} FROM read_parquet(['{path}']) WHERE {where}"
    return Request(
        sql="SELECT * FROM scan_0", scans=(ScanRequest("scan_0", select, barrier=barrier),), paths=(str(path),)
    )


def _database(connection: duckdb.DuckDBPyConnection) -> int:
    """A name of the instance itself: what one connection of it makes for all, another sees."""
    with suppress(duckdb.CatalogException):
        connection.execute("CREATE SEQUENCE mark")
    row = connection.execute("SELECT nextval('mark')").fetchone()
    assert row is not None
    return int(row[0])


def _uses(instances: Instances, request: Request, *, keep: bool = True) -> int:
    connection = instances.connection(request)
    found = _database(connection)
    connection.close()
    instances.done(keep=keep)
    return found


def test_only_the_very_same_reach_is_served_again(instances: Instances, tmp_path: Path) -> None:
    nothing, first = Request(sql="SELECT 1", scans=(), paths=()), _over(tmp_path / "one")
    assert [_uses(instances, nothing) for _ in range(3)] == [1, 2, 3]
    assert [_uses(instances, first) for _ in range(2)] == [1, 2]
    for other in (
        _over(tmp_path / "two"),
        _over(tmp_path / "one", "a, b"),
        _over(tmp_path / "one", where="b = 'x'"),
        _over(tmp_path / "one", barrier=True),
        Request(sql="SELECT 1", scans=(), paths=first.paths),
    ):
        _uses(instances, first)
        assert _uses(instances, other) == 1
    # One of the others is kept at a time, and the one that reaches nothing always.
    assert _uses(instances, first) == 1
    assert _uses(instances, nothing) == 4


def test_an_instance_that_failed_or_wrote_is_not_served_again(instances: Instances, tmp_path: Path) -> None:
    nothing = Request(sql="SELECT 1", scans=(), paths=())
    assert _uses(instances, nothing, keep=False) == 1
    assert _uses(instances, nothing) == 1
    output = OutputRequest(str(tmp_path / "out"), "PARQUET", "NONE", ("a",), ("INTEGER",), 0, "")
    writing = Request(sql="SELECT 1", scans=(), paths=(), output=output)
    assert _uses(instances, writing, keep=False) == 1
    assert _uses(instances, nothing) == 1


_LEFT = (
    "CREATE TEMP TABLE left_over AS SELECT 'secret' AS a",
    "CREATE TEMP VIEW left_view AS SELECT 'secret' AS a",
    "CREATE TEMP MACRO left_macro() AS 'secret'",
    "CREATE TEMP SEQUENCE left_sequence",
    "CREATE TEMP TYPE left_type AS ENUM ('secret')",
    "PREPARE left_statement AS SELECT 'secret'",
    "SET VARIABLE left_variable = 'secret'",
    "SELECT setseed(0.5)",
    "BEGIN TRANSACTION",
)
_FOUND = (
    "SELECT * FROM left_over",
    "SELECT * FROM left_view",
    "SELECT left_macro()",
    "SELECT nextval('left_sequence')",
    "SELECT NULL::left_type",
    "EXECUTE left_statement",
)


def test_nothing_of_an_earlier_query_remains(instances: Instances, tmp_path: Path) -> None:
    """Whatever a hole in both parsers let a query do to its connection is gone with it."""
    request = _over(tmp_path / "one")
    earlier = instances.connection(request)
    assert _database(earlier) == 1
    earlier.register("left_arrow", pa.table({"a": ["secret"]}))
    for statement in _LEFT:
        earlier.execute(statement)
    for statement in (
        "SET lock_configuration = false",
        "SET threads = 7",
        "SET SESSION search_path = 'temp'",
        "PRAGMA x",
    ):
        with pytest.raises(duckdb.Error):
            earlier.execute(statement)
    earlier.close()
    instances.done(keep=True)
    later = instances.connection(request)
    assert _database(later) == 2  # it is the same instance
    for statement in (*_FOUND, "SELECT * FROM left_arrow"):
        with pytest.raises(duckdb.Error):
            later.execute(statement)
    assert later.execute("SELECT getvariable('left_variable')").fetchone() == (None,)
    for catalog in ("duckdb_tables()", "duckdb_views()", "duckdb_types()", "duckdb_functions()", "duckdb_sequences()"):
        named = "sequence_name <> 'mark'" if catalog == "duckdb_sequences()" else "NOT internal"
        rows = later.execute(f"SELECT * FROM {catalog} WHERE {named}").fetchall()
        assert "left_" not in repr(rows)
        assert "secret" not in repr(rows)
    later.close()


def test_a_kept_instance_stays_locked(instances: Instances, tmp_path: Path) -> None:
    request = _over(tmp_path / "one")
    other = tmp_path / "other"
    pq.write_table(pa.table({"a": ["secret"]}), other)
    for _ in range(2):
        connection = instances.connection(request)
        assert connection.execute(f"SELECT count(*) FROM read_parquet('{request.paths[0]}')").fetchone() == (2,)
        for statement in (
            f"SELECT * FROM read_parquet('{other}')",
            f"SET allowed_paths = ['{other}']",
            "SET enable_external_access = true",
            "RESET lock_configuration",
            f"ATTACH '{tmp_path}/x.db'",
            f"COPY (SELECT 1) TO '{tmp_path}/x'",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(statement)
        connection.close()
        instances.done(keep=True)


def test_answers_of_one_worker_do_not_mix(instances: Instances, tmp_path: Path) -> None:
    """The same relation's name over other columns, rows and files, one after the other and again."""
    requests = [
        _over(tmp_path / "one", "a", barrier=True),
        _over(tmp_path / "one", "b"),
        _over(tmp_path / "two", "b", "b = 'x'", barrier=True),
        Request(sql="SELECT 7", scans=(), paths=()),
    ]

    def answers() -> list[bytes]:
        found = []
        for request in requests:
            connection = instances.connection(request)
            sink = io.BytesIO()
            assert worker._answer(connection, request, sink)
            connection.close()
            instances.done(keep=True)
            (size,) = LENGTH.unpack(sink.getvalue()[: LENGTH.size])
            assert len(sink.getvalue()) == LENGTH.size + size  # one message is all
            found.append(sink.getvalue())
        return found

    first = answers()
    assert len(set(first)) == len(requests)
    assert answers() == first
