"""Statements that were bent at random: each is read and planned, or refused in Athena's words; nothing else is raised."""

import json
import random
from pathlib import Path

import pytest
import sqlglot
from sqlglot.errors import TokenError

from lakewarden import sql
from lakewarden.kernel.lake import ALL_ROWS, AccessMode, Column, GovernedTable, Table, TableAccess
from lakewarden.sql import explain, model, pruning
from lakewarden.sql.errors import SqlError

_GOLDEN = Path(__file__).parents[2] / "golden"
_COLUMNS = {"a": "bigint", "b": "string", "c": "double", "d": "date", "e": "array<int>", "g": "struct<x:int,y:string>"}
_MORE = (
    "SELECT t.* FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = t.a)", "SELECT e[1], g.x FROM t JOIN u USING (a)",
    "SELECT sum(a) OVER (PARTITION BY b ORDER BY d ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
    "SELECT b, count(*) FROM t GROUP BY GROUPING SETS ((a), (b, c)) HAVING max(a) > 1 ORDER BY 1 LIMIT 3",
    "UNLOAD (SELECT * FROM t) TO 's3://b/c' WITH (format = 'PARQUET')", "EXPLAIN (FORMAT JSON) SELECT * FROM t",
    "CREATE TABLE x WITH (format = 'ORC') AS SELECT a FROM t", "INSERT INTO t (a) SELECT a FROM u",
)  # fmt: skip
_WORDS = (
    "a", "t", "t.a", "*", "NULL", "-1", "''", "ARRAY[]", "ROW(1)", "()", "NOT", "?", '"$path"', "LATERAL", "WITH", "OVER",
    "[", "]", "->", "DISTINCT", "UNNEST", "DATE", "INTERVAL", "U&'\\0041'", "\x00", "::int", "VALUES", "ORDER BY",
)  # fmt: skip


def _statements() -> list[str]:
    pairs = [line.rpartition("; -- ")[0] for path in sorted((_GOLDEN / "sql").glob("*.sql"))
             for line in path.read_text("utf-8").splitlines() if line and not line.startswith("--")]  # fmt: skip
    athena = (_GOLDEN / "athena" / "statements.jsonl").read_text("utf-8").splitlines()
    return [*pairs, *(json.loads(line)["sql"] for line in athena), *_MORE]


def _words(text: str) -> list[str]:
    try:
        return [text[token.start : token.end + 1] for token in sqlglot.tokenize(text, dialect="trino")]
    except TokenError:
        return text.split()


def _bent(words: list[str], pick: random.Random) -> str:
    bent = list(words)
    for _ in range(pick.choice((1, 1, 2, 4))):
        place = pick.randrange(len(bent) + 1)
        match pick.randrange(3):
            case 0:
                del bent[place : place + 1]
            case 1:
                bent.insert(place, pick.choice(_WORDS))
            case _:
                bent[place : place + 1] = [pick.choice(_WORDS)]
    return " ".join(bent)


def _table(name: str) -> GovernedTable:
    table = Table("db", name, tuple(Column(one, kind) for one, kind in _COLUMNS.items()), location="s3://lake/x")
    return GovernedTable(
        table, TableAccess(AccessMode.LAKE_FORMATION, frozenset({"SELECT"}), tuple(_COLUMNS), ALL_ROWS)
    )


def _look(text: str) -> bool:
    """Whether the statement is a query that can be planned; raises what is not a refusal."""
    try:
        sql.output_of(text)
        sql.executed_name(text)
        found = sql.parse(text, "db")
        query = found if isinstance(found, model.Select) else getattr(found, "query", None)
        if not isinstance(query, model.Select):
            return False
        plan = sql.plan(query, {("db", name): _table(name) for name in ("t", "u")}, text, "db")
        explain.text(plan)
        pruning.conditions(plan)
    except SqlError:
        return False
    return True


def _run(seed: int, count: int) -> None:
    pick, pool = random.Random(seed), [_words(text) for text in _statements()]
    planned = 0
    for _ in range(count):
        text = _bent(pick.choice(pool), pick)
        try:
            planned += _look(text)
        except Exception as error:
            raise AssertionError(text) from error
    assert planned > count // 100


def test_generated_statements_are_planned_or_refused() -> None:
    _run(1, 3_000)


@pytest.mark.long
def test_generated_statements_are_planned_or_refused_at_length() -> None:
    for seed in range(2, 52):
        _run(seed, 10_000)
