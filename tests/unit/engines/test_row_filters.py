"""Row filters are barriers: nothing of the user's SQL sees a row before the filter has admitted it."""

from pathlib import Path

import pyarrow as pa
import pytest

from lakewarden import sql
from lakewarden.engines.duckdb import DuckDbEngine
from lakewarden.kernel.lake import ALL_ROWS, NO_ROWS, DataFile, GovernedTable, RowFilter
from lakewarden.sql import model
from tests.unit.engines.lake import Ran, governed, parquet, run, table

_T = table(
    "t", {"id": "bigint", "text": "string", "zero": "int", "doc": "string", "team": "string", "secret": "string"}
)
_VISIBLE = ("id", "text", "zero", "doc")
_ROWS = {
    "id": [1, 2, 3, 4],
    "text": ["10", "20", "poison", "30"],
    "zero": [1, 2, 0, 4],
    "doc": ['{"a":1}', '{"a":2}', "{broken", '{"a":4}'],
    "team": ["a", "a", "b", "a"],
    "secret": ["x", "y", "marked", "z"],
}


@pytest.fixture(scope="session")
def files(root: Path) -> tuple[DataFile, ...]:
    return parquet(root, "filtered", pa.table(_ROWS))


def ask(
    worker: DuckDbEngine, files: tuple[DataFile, ...], text: str, *filters: str, columns: tuple[str, ...] = _VISIBLE
) -> Ran:
    return run(worker, text, {"t": (only(*filters, columns=columns), files)})


def only(*filters: str, columns: tuple[str, ...] = _VISIBLE) -> GovernedTable:
    return governed(_T, columns, RowFilter(all_rows=False, expressions=filters))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT CAST(text AS integer) FROM t ORDER BY 1", ["10", "20", "30"]),
        ("SELECT id FROM t WHERE CAST(text AS integer) > 15 ORDER BY 1", ["2", "4"]),
        ("SELECT 12 / zero FROM t ORDER BY 1", ["3", "6", "12"]),
        ("SELECT id FROM t WHERE 12 / zero > 3 ORDER BY id", ["1", "2"]),
        ("SELECT id FROM t ORDER BY CAST(text AS integer) DESC LIMIT 1", ["4"]),
        ("SELECT json_extract_scalar(json_parse(doc), '$.a') FROM t ORDER BY 1", ["1", "2", "4"]),
        ("SELECT max(CAST(text AS integer)) FROM t", ["30"]),
        (
            "SELECT a.id FROM t a JOIN t b ON CAST(a.text AS integer) = CAST(b.text AS integer) ORDER BY 1",
            ["1", "2", "4"],
        ),
        ("SELECT count(*) FROM t WHERE text LIKE 'p%' OR 1 / zero > 100", ["0"]),
        ("SELECT id FROM (SELECT id, 1 / zero AS x FROM t) WHERE x >= 0 ORDER BY 1", ["1", "2", "4"]),
        ("SELECT count(*) FROM t WHERE EXISTS (SELECT 1 FROM t u WHERE CAST(u.text AS integer) = t.id * 10)", ["2"]),
        ("SELECT sum(1 / zero) OVER () FROM t LIMIT 1", ["1"]),
        ("WITH w AS (SELECT text FROM t) SELECT count(*) FROM w WHERE CAST(text AS bigint) > 0", ["3"]),
        ("SELECT id FROM t WHERE substr('abcd', zero, 1) <> '' AND element_at(ARRAY['a'], zero) IS NOT NULL", ["1"]),
    ],
)
def test_no_expression_sees_a_filtered_row(
    worker: DuckDbEngine, files: tuple[DataFile, ...], text: str, expected: list[str]
) -> None:
    ran = ask(worker, files, text, "team = 'a'")
    assert ran.error == ""
    assert [row[0] for row in ran.rows] == expected


def test_the_poison_is_there_for_who_may_see_it(worker: DuckDbEngine, files: tuple[DataFile, ...]) -> None:
    ran = run(worker, "SELECT CAST(text AS integer) FROM t", {"t": (governed(_T, _VISIBLE, ALL_ROWS), files)})
    assert ran.error.startswith("INVALID_CAST_ARGUMENT")
    assert "poison" not in ran.error


def test_several_filters_are_a_union(worker: DuckDbEngine, files: tuple[DataFile, ...]) -> None:
    ran = ask(worker, files, "SELECT id FROM t ORDER BY id", "team = 'b'", "id = 1")
    assert [row[0] for row in ran.rows] == ["1", "3"]


def test_a_filter_may_use_hidden_columns_and_never_shows_them(
    worker: DuckDbEngine, files: tuple[DataFile, ...]
) -> None:
    ran = ask(worker, files, "SELECT * FROM t", "secret = 'marked'", columns=("id",))
    assert (ran.columns[0][0], ran.rows) == ("id", (("3",),))
    assert ask(worker, files, "SELECT secret FROM t", "secret = 'marked'").error.startswith("COLUMN_NOT_FOUND")
    assert ask(worker, files, "SELECT id FROM t WHERE secret = 'marked'", "team = 'a'").error.startswith(
        "COLUMN_NOT_FOUND"
    )


def test_a_row_for_which_the_filter_fails_is_not_admitted(worker: DuckDbEngine, files: tuple[DataFile, ...]) -> None:
    ran = ask(worker, files, "SELECT id FROM t ORDER BY id", "CAST(text AS integer) >= 10")
    assert [row[0] for row in ran.rows] == ["1", "2", "4"]
    both = ask(worker, files, "SELECT id FROM t ORDER BY id", "12 / zero = 3", "id = 3")
    assert [row[0] for row in both.rows] == ["3", "4"]
    null = ask(worker, files, "SELECT id FROM t", "nullif(team, 'a') = 'b' OR nullif(team, 'a') = 'a'")
    assert [row[0] for row in null.rows] == ["3"]


def test_no_filter_at_all_means_no_row(worker: DuckDbEngine, files: tuple[DataFile, ...]) -> None:
    assert run(worker, "SELECT id FROM t", {"t": (governed(_T, _VISIBLE, NO_ROWS), files)}).rows == ()
    assert run(worker, "SELECT count(*) FROM t", {"t": (governed(_T, _VISIBLE, NO_ROWS), files)}).rows == (("0",),)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "1",
        "team = 'a') OR (1 = 1",
        "team = 'a'; DROP TABLE t",
        "team = 'a' UNION SELECT 1",
        "EXISTS (SELECT 1)",
        "id IN (SELECT 1)",
        "max(id) = 1",
        "row_number() OVER () = 1",
        "nosuchcolumn = 1",
        "read_csv('/etc/passwd') = 1",
        "random() > 0.5",
        "team = 'a' GROUP BY id",
        "team = 'a' LIMIT 1",
        "team = 5",
        "team = 'a' -- )",
        "team = 'a' /* ) */",
        "getenv('PATH') = ''",
    ],
)
def test_a_filter_that_cannot_be_enforced_fails_the_query(
    worker: DuckDbEngine, files: tuple[DataFile, ...], expression: str
) -> None:
    ran = ask(worker, files, "SELECT id FROM t", expression)
    assert ran.error == "GENERIC_INTERNAL_ERROR: A row filter of a table cannot be enforced"


def test_a_users_name_cannot_capture_the_filters(worker: DuckDbEngine, files: tuple[DataFile, ...]) -> None:
    text = "WITH scan_0 AS (SELECT 99 AS id), team AS (SELECT 1 AS x) SELECT id FROM t ORDER BY id"
    assert [row[0] for row in ask(worker, files, text, "team = 'a'").rows] == ["1", "2", "4"]


def test_a_count_of_a_filtered_table_reads_no_column(worker: DuckDbEngine, files: tuple[DataFile, ...]) -> None:
    assert ask(worker, files, "SELECT count(*) FROM t", "team = 'a'").rows == (("3",),)


_MANY = table("t", {"id": "bigint", "n": "int", "w": "decimal(18,2)", "v": "bigint", "team": "string"})


@pytest.fixture(scope="session")
def many(root: Path) -> tuple[DataFile, ...]:
    """Dictionaries and vectors in which what the filter admits lies among hidden values that overflow."""
    count = 10_000
    poison = [number % 3 != 0 for number in range(count)]
    columns = {
        "id": pa.array(range(count)),
        "n": pa.array([2147483647 if bad else 5 for bad in poison], pa.int32()),
        "w": pa.array([10**15 if bad else 5 for bad in poison], pa.decimal128(18, 2)),
        "v": pa.array([2**63 - 1 if bad else 5 for bad in poison]),
        "team": pa.array(["b" if bad else "a" for bad in poison]),
    }
    return parquet(root, "many", pa.table(columns))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT max(n + 1) FROM t",
        "SELECT sum(n + n), max(v + 1), sum(w * w) FROM t WHERE id >= 0",
        "SELECT max(w * 1000.00), min(3 * n), avg(-n - 2) FROM t",
        "SELECT n + 1, v + v, w * w FROM t",
        "SELECT n, sum(w * w) FROM t GROUP BY n",
        "SELECT sum(x) FROM (SELECT w * w + n AS x FROM t)",
        "SELECT y, sum(x) FROM (SELECT a.w * b.w AS x, a.n AS y FROM t a JOIN t b ON a.id = b.id WHERE b.n > 0) GROUP BY y",
        "SELECT sum(CASE WHEN id > 5 THEN w * w ELSE 0 END) FROM t WHERE n IN (5, 2147483647)",
        "SELECT sum(w * w) FROM t WHERE EXISTS (SELECT 1 FROM t u WHERE u.id = t.id AND u.w * u.w > 1)",
        "SELECT max(t.v + 1) FROM t LEFT JOIN (SELECT id, max(w * w) AS m FROM t GROUP BY id) u ON t.id = u.id AND u.m > 1",
        "SELECT n + 1 FROM t ORDER BY w",
    ],
)
def test_without_a_barrier_no_hidden_row_fails(worker: DuckDbEngine, many: tuple[DataFile, ...], text: str) -> None:
    """Each of these lets the filter be an ordinary condition, and would fail on any hidden row."""
    of = governed(_MANY, ("id", "n", "w", "v"), RowFilter(all_rows=False, expressions=("team = 'a'",)))
    query = sql.parse(text, "db")
    assert isinstance(query, model.Select)
    assert not any(scan.barrier for scan in sql.plan(query, {("db", "t"): of}, text, "db").scans)
    ran = run(worker, text, {"t": (of, many)})
    assert ran.error == ""
    assert ran.rows
    everything = run(worker, text, {"t": (governed(_MANY, ("id", "n", "w", "v"), ALL_ROWS), many)})
    assert everything.error.startswith("NUMERIC_VALUE_OUT_OF_RANGE")


def test_a_file_of_other_types_gets_its_barrier_all_the_same(worker: DuckDbEngine, root: Path) -> None:
    """Its values become the table's type only after the filter: a hidden one that cannot must not fail the query."""
    data = pa.table({"id": [1, 2], "n": ["5", "poison"], "w": [None, None], "v": [1, 2], "team": ["a", "b"]})
    of = governed(_MANY, ("id", "n"), RowFilter(all_rows=False, expressions=("team = 'a'",)))
    files = parquet(root, "other_types", data)
    for text in (
        "SELECT n FROM t WHERE n = 5",
        "SELECT id FROM t WHERE n > 1",
        "SELECT max(n) FROM t WHERE n < 6 OR id = 2",
    ):
        ran = run(worker, text, {"t": (of, files)})
        assert ran.error == "", text
        assert len(ran.rows) == 1
