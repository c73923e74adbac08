"""Hostile statements reach nothing and crash nothing: each is refused, fails in our words, or answers without the secret."""

import random
from pathlib import Path

import pyarrow as pa
import pytest

from lakewarden.engines.duckdb import DuckDbEngine
from lakewarden.kernel.lake import DataFile
from tests.unit.engines.lake import Ran, governed, parquet, run, table

_SECRET = "canary-5b1f"
_T = table("t", {"id": "bigint", "s": "string", "hidden": "string"})

_CALLS = (
    "read_csv('{file}')", "read_text('{file}')", "read_blob('{file}')", "read_parquet('{data}')", "glob('{dir}/*')",
    "parquet_metadata('{data}')", "parquet_scan('{data}')", "read_json('{file}')", "sniff_csv('{file}')", "duckdb_settings()",
    "duckdb_secrets()", "duckdb_functions()", "pragma_database_list()", "getenv('PATH')", "current_setting('temp_directory')",
    "query('SELECT 1')", "query_table('t')", "sql_auto_complete('a')", "json_execute_serialized_sql('x')", "nextval('x')",
    "pg_typeof(1)", "which_secret('a', 'b')", "read_ndjson('{file}')", "arrow_scan(1, 2, 3)", "seq_scan('t')", "summary(t)",
    "write_log('x')", "enable_logging()", "parse_duckdb_log_message('a', 'b')", "system('id')", "shell('id')", "load_aws_credentials()",
    "repeat_row(1, num_rows=9)", "unnest(glob('{dir}/*'))", "list_transform(['{file}'], x -> read_text(x))", "error('boom')",
    "t_subscript(ARRAY[1], 1)", "java_double(1e0)", "current_schemas(true)", "txid_current()", "getvariable('a')", "in_search_path('a','b')",
)  # fmt: skip
_STATEMENTS = (
    "COPY t TO '{dir}/stolen.csv'", "COPY (SELECT 1) TO '{dir}/x.parquet' (FORMAT parquet)", "ATTACH '{dir}/x.db' AS x",
    "DETACH memory", "PRAGMA database_list", "PRAGMA enable_profiling", "SET enable_external_access = true", "SET lock_configuration=false",
    "RESET threads", "INSTALL httpfs", "LOAD '{dir}/x.so'", "EXPORT DATABASE '{dir}'", "IMPORT DATABASE '{dir}'", "CHECKPOINT",
    "CREATE SECRET (TYPE S3)", "CREATE MACRO f() AS 1", "CREATE TABLE x AS SELECT 1", "CALL duckdb_settings()", "VACUUM", "SHOW ALL TABLES",
    "DESCRIBE SELECT 1", "SUMMARIZE t", "FROM t", "PIVOT t ON s", "USE memory", "BEGIN", "EXECUTE x", "PREPARE x AS SELECT 1",
    "SELECT 1; SELECT 2", "SELECT 1; COPY t TO '{dir}/y'", "SELECT * FROM '{file}'", "SELECT * FROM \"{file}\"", "FROM read_csv('{file}')",
    "SELECT * FROM duckdb_tables", "SELECT * FROM sqlite_master", "SELECT * FROM information_schema.tables", "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM memory.main.scan_0", "SELECT * FROM temp.scan_0", "SELECT * FROM scan_0", "SELECT * FROM system.information_schema.tables",
    "SELECT scan_0.hidden FROM t", "SELECT t.hidden FROM t", "SELECT COLUMNS(*) FROM t", "SELECT t FROM t", "SELECT rowid FROM t", "SELECT filename FROM t",
    "SELECT * REPLACE (hidden AS s) FROM t", "SELECT * FROM (SUMMARIZE t)", "SELECT * FROM (DESCRIBE t)", "SELECT * FROM (SHOW TABLES)",
    "SELECT * FROM t POSITIONAL JOIN t", "SELECT * FROM t ASOF JOIN t USING (id)", "SELECT $1", "SELECT ?", "SELECT @x", "SELECT getvariable('x')",
    "WITH scan_0 AS (SELECT hidden FROM t) SELECT * FROM scan_0", "SELECT s FROM t ORDER BY hidden", "SELECT s FROM t GROUP BY hidden, s",
    "SELECT s AS hidden FROM t WHERE hidden = 'x'", "SELECT (SELECT hidden FROM t LIMIT 1)", "SELECT * FROM t u(a, b, c)", "SELECT x FROM t u(a, b, x)",
    "SELECT id FROM t JOIN t u USING (hidden)", "SELECT * FROM t TABLESAMPLE RESERVOIR (5)", "SELECT {{'a': hidden}} FROM t",
    "SELECT row_to_json(t) FROM t", "SELECT to_json(t) FROM t", "SELECT struct_pack(a := hidden) FROM t", "SELECT list(t) FROM t", "SELECT count(t.*) FROM t",
    "SELECT CAST(t AS varchar) FROM t", "SELECT t.* FROM t AS hidden", "SELECT max(hidden) OVER () FROM t", "SELECT 1 FROM t WINDOW w AS (ORDER BY hidden)",
)  # fmt: skip
_SHELLS = (
    "SELECT {x}", "SELECT * FROM {x}", "SELECT id FROM t WHERE s = {x}", "SELECT * FROM t, LATERAL {x}", "WITH a AS (SELECT * FROM {x}) SELECT * FROM a",
    "SELECT (SELECT max(a) FROM {x} AS q(a))", "SELECT id FROM t ORDER BY {x}", "SELECT count(*) FILTER (WHERE {x} IS NOT NULL) FROM t",
    "SELECT * FROM TABLE({x})", "SELECT transform(ARRAY[1], q -> {x})", "SELECT id FROM t UNION SELECT {x}", "SELECT CASE WHEN true THEN {x} END",
    "SELECT * FROM UNNEST({x}) AS q(a)", "SELECT try({x})", "VALUES {x}", "SELECT sum(id) OVER (PARTITION BY {x}) FROM t", "SELECT id FROM t LIMIT {x}",
    "SELECT {x} FROM t GROUP BY ROLLUP ({x})", "SELECT reduce(ARRAY[1], {x}, (a, b) -> a, a -> a)", "SELECT * FROM t JOIN {x} ON true",
)  # fmt: skip
_NOISE = (
    "--", "/*", "*/", "/**/", ";", "'", '"', "`", "$$", "\x00", "\ufeff", "\u200b", "\u202e", "\u00a0", "\uff08", "\u037e", "\u2019", "\\", "(", ")", "[", "{",
    "E'\\x41'", "U&'\\0027'", "x'00'", " UNION ALL ", " -- \n", "\r", "\t", "\v", "::", ":=", "=>", "||", "!", "@", "#", "\U0001f600", "%s", "{{", "NULL", "0x1F",
    " QUALIFY ", " USING SAMPLE 5 ", " EXCLUDE (s) ", " AT (VERSION => 1) ", " COLLATE NOCASE ", " WITH ORDINALITY ", " ESCAPE '", " INTO OUTFILE 'x' ",
)  # fmt: skip


class Hostile:
    """Statements made of the above, bent at random."""

    def __init__(self, seed: int, root: Path) -> None:
        self._pick = random.Random(seed)
        data = root / "objects" / "elsewhere.parquet"
        self._names = {"file": str(root / "canary.csv"), "dir": str(root), "data": str(data)}

    def statement(self) -> str:
        made = self._pick.choice((self._whole, self._called, self._deep, self._called, self._whole))()
        for _ in range(self._pick.choice((0, 0, 0, 1, 2, 4))):
            made = self._bent(made)
        return made

    def _whole(self) -> str:
        return self._pick.choice(_STATEMENTS).format(**self._names)

    def _called(self) -> str:
        call = self._pick.choice(_CALLS).format(**self._names)
        if self._pick.random() < 0.3:
            call = self._pick.choice(
                (call.upper(), f'"{call.split("(")[0]}"({call.split("(", 1)[1]}', f"main.{call}", f"system.main.{call}")
            )
        return self._pick.choice(_SHELLS).format(x=call)

    def _deep(self) -> str:
        depth = self._pick.choice((5, 50, 150, 3000))
        opening, closing = self._pick.choice(
            (
                ("(", ")"),
                ("ARRAY[", "]"),
                ("abs(", ")"),
                ("CASE WHEN true THEN ", " END"),
                ("NOT ", ""),
                ("- ", ""),
                ("(SELECT ", ")"),
            )
        )
        return "SELECT " + opening * depth + "1" + closing * depth

    def _bent(self, text: str) -> str:
        place = self._pick.randint(0, len(text))
        match self._pick.randint(0, 4):
            case 0:
                return text[:place] + self._pick.choice(_NOISE) + text[place:]
            case 1:
                return text[:place] + text[place + self._pick.randint(1, 6) :]
            case 2:
                return text[:place] + "/* x */" + text[place:]
            case 3:
                other = self._pick.choice(_STATEMENTS).format(**self._names)
                return text[:place] + self._pick.choice((" ", ";", "\n")) + other
            case _:
                return text.swapcase()


@pytest.fixture(scope="module")
def lake(root: Path) -> tuple[DataFile, ...]:
    (root / "canary.csv").write_text(f"a\n{_SECRET}\n", encoding="utf-8")
    parquet(root, "elsewhere", pa.table({"a": [_SECRET]}))
    return parquet(root, "hostile", pa.table({"id": [1, 2], "s": ["a", "b"], "hidden": [_SECRET, _SECRET]}))


def _attack(worker: DuckDbEngine, files: tuple[DataFile, ...], root: Path, first: int, count: int) -> list[Ran]:
    before = sorted(path.name for path in root.iterdir())
    ran = []
    for seed in range(first, first + count):
        statement = Hostile(seed, root).statement()
        try:
            result = run(worker, statement, {"t": (governed(_T, ("id", "s")), files)})
        except AssertionError:
            continue  # a statement of another kind than SELECT: DDL and SHOW never reach the engine
        assert _SECRET not in repr(result), statement
        assert "GENERIC_INTERNAL_ERROR" not in result.error, (statement, result.error)
        ran.append(result)
    assert sorted(path.name for path in root.iterdir()) == before
    assert run(worker, "SELECT count(*) FROM t", {"t": (governed(_T, ("id", "s")), files)}).rows == (("2",),)
    return ran


def test_hostile_statements_reach_nothing(worker: DuckDbEngine, lake: tuple[DataFile, ...], root: Path) -> None:
    ran = _attack(worker, lake, root, 0, 2_000)
    assert sum(not one.error for one in ran) > 20
    assert sum(bool(one.error) for one in ran) > 1_000


@pytest.mark.long
def test_hostile_statements_reach_nothing_at_length(
    worker: DuckDbEngine, lake: tuple[DataFile, ...], root: Path
) -> None:
    _attack(worker, lake, root, 10_000, 100_000)
