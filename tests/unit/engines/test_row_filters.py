"""Row filters are barriers: nothing of the user's SQL sees a row before the filter has admitted it."""

from pathlib import Path

import pyarrow as pa
import pytest

from lakewarden.engines.duckdb import DuckDbEngine
from lakewarden.kernel.lake import ALL_ROWS, NO_ROWS, DataFile, GovernedTable, RowFilter
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
    worker: DuckDbEngine, files: tuple[DataFile, ...], sql: str, *filters: str, columns: tuple[str, ...] = _VISIBLE
) -> Ran:
    return run(worker, sql, {"t": (only(*filters, columns=columns), files)})


def only(*filters: str, columns: tuple[str, ...] = _VISIBLE) -> GovernedTable:
    return governed(_T, columns, RowFilter(all_rows=False, expressions=filters))


@pytest.mark.parametrize(
    ("sql", "expected"),
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
    worker: DuckDbEngine, files: tuple[DataFile, ...], sql: str, expected: list[str]
) -> None:
    ran = ask(worker, files, sql, "team = 'a'")
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
    sql = "WITH scan_0 AS (SELECT 99 AS id), team AS (SELECT 1 AS x) SELECT id FROM t ORDER BY id"
    assert [row[0] for row in ask(worker, files, sql, "team = 'a'").rows] == ["1", "2", "4"]


def test_a_count_of_a_filtered_table_reads_no_column(worker: DuckDbEngine, files: tuple[DataFile, ...]) -> None:
    assert ask(worker, files, "SELECT count(*) FROM t", "team = 'a'").rows == (("3",),)
