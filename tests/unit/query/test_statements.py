"""Statements as they are read, one line a case; and parameters that try to be more than values."""

import json
from pathlib import Path

import pytest

from lakewarden import sql
from lakewarden.sql.errors import SqlError
from lakewarden.sql.model import TableRef

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "golden" / "athena" / "statements.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=[case["sql"][:60] for case in CASES])
def test_statements(case: dict[str, str]) -> None:
    assert sql.output_of(case["sql"]) == case["output"]
    if "error" in case:
        with pytest.raises(SqlError) as refused:
            sql.parse(case["sql"], "d")
        assert refused.value.text == case["error"]
        return
    found = sql.parse(case["sql"], "d")
    assert type(found).__name__ == case["is"]
    table = getattr(found, "table", None)
    assert (f"{table.database}.{table.name}" if isinstance(table, TableRef) else None) == case.get("table")


@pytest.mark.parametrize("value", ["1", "-1", "1.5", "1e3", "'x'", "'it''s -- ; x'", "NULL", "true", "DATE '2020-01-01'",
                                   "TIMESTAMP '2020-01-01 00:00:00'", "DECIMAL '1.50'"])  # fmt: skip
def test_literals_are_bound(value: str) -> None:
    bound = sql.parse("SELECT * FROM t WHERE a = ? LIMIT 1", "d", [value])
    written = sql.parse(f"SELECT * FROM t WHERE a = {value} LIMIT 1", "d")
    assert getattr(bound, "tree", 0) == getattr(written, "tree", 1)


@pytest.mark.parametrize(
    "value",
    ["", "a", '"a"', "1; SELECT 2", "1 OR 1=1", "(SELECT 1)", "now()", "'a' || 'b'", "1 -- x\n + 2", "?", "ARRAY[1]",
     "CAST(a AS varchar)", "CAST((SELECT max(b) FROM u) AS varchar)", "x'; DROP TABLE t", "- - 1", "*", "'a' 'b'", "1 2",
     "/*", "'", "1) OR (1=1", "INTERVAL '1' DAY + a", "0x1F; a", "1 UNION SELECT 2"],
)  # fmt: skip
def test_what_is_no_literal_is_refused(value: str) -> None:
    with pytest.raises(SqlError):
        sql.parse("SELECT * FROM t WHERE a = ?", "d", [value])


def test_the_numbers_must_agree() -> None:
    for parameters in ([], ["1", "2"]):
        with pytest.raises(SqlError, match="INVALID_PARAMETER_USAGE"):
            sql.parse("SELECT ? FROM t", "d", parameters)


def test_a_question_mark_within_a_text_is_text() -> None:
    found = sql.parse("SELECT '?' AS a FROM t WHERE b = ?", "d", ["'?'"])
    assert "'?'" in getattr(found, "tree", None).sql()  # type: ignore[union-attr]
