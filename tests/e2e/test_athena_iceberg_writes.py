"""Iceberg tables written through Athena SQL, and read again by Athena and by pyiceberg."""

import json
import random
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from lakewarden.demo.walkthrough import LIMITED
from tests.e2e.conftest import Lake, Ran


@pytest.fixture
def table(lake: Lake) -> Iterator[str]:
    name = f"w_{secrets.token_hex(4)}"
    yield name
    lake.query("admin", f"DROP TABLE IF EXISTS {name}")


def ok(ran: Ran) -> Ran:
    assert ran.state == "SUCCEEDED", ran.reason
    return ran


def place(lake: Lake, table: str) -> str:
    return f"s3://{lake.results}/ice-written/{table}/"


def create(lake: Lake, table: str, columns: str = "id bigint, name string", clauses: str = "") -> None:
    ok(
        lake.query(
            "admin",
            f"CREATE TABLE {table} ({columns}) {clauses} LOCATION '{place(lake, table)}' "
            "TBLPROPERTIES ('table_type' = 'ICEBERG')",
        )
    )


def rows(lake: Lake, table: str, columns: str = "*") -> list[list[str | None]]:
    return ok(lake.query("admin", f"SELECT {columns} FROM {table} ORDER BY 1")).rows[1:]


def test_rows_are_inserted_updated_deleted_and_merged(lake: Lake, table: str) -> None:
    create(lake, table)
    assert rows(lake, table) == []
    done = ok(lake.query("admin", f"INSERT INTO {table} VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, NULL)"))
    statistics = done.execution["Statistics"]
    assert done.execution["SubstatementType"] == "INSERT"
    assert statistics["DataManifestLocation"].endswith("-manifest.csv")
    assert rows(lake, table) == [["1", "a"], ["2", "b"], ["3", "c"], ["4", None]]
    ok(lake.query("admin", f"DELETE FROM {table} WHERE id = 2"))
    ok(lake.query("admin", f"UPDATE {table} SET name = upper(name) || '!' WHERE id > 2"))
    assert rows(lake, table) == [["1", "a"], ["3", "C!"], ["4", None]]
    ok(
        lake.query(
            "admin",
            f"MERGE INTO {table} AS t USING (VALUES (1, 'x'), (3, 'gone'), (9, 'new')) AS s(id, name) ON t.id = s.id "
            "WHEN MATCHED AND s.name = 'gone' THEN DELETE WHEN MATCHED THEN UPDATE SET name = s.name "
            "WHEN NOT MATCHED THEN INSERT (id, name) VALUES (s.id, s.name)",
        )
    )
    assert rows(lake, table) == [["1", "x"], ["4", None], ["9", "new"]]
    ok(lake.query("admin", f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK"))
    ok(lake.query("admin", f"VACUUM {table}"))
    assert rows(lake, table) == [["1", "x"], ["4", None], ["9", "new"]]


def test_the_past_is_read_with_todays_columns(lake: Lake, table: str) -> None:
    create(lake, table, "id bigint, secret string")
    ok(lake.query("admin", f"INSERT INTO {table} VALUES (1, 'old')"))
    first = snapshots(lake, table)[-1]
    ok(lake.query("admin", f"UPDATE {table} SET id = 2"))
    ok(lake.query("admin", f"ALTER TABLE {table} CHANGE COLUMN secret hidden string"))
    ok(lake.query("admin", f"ALTER TABLE {table} ADD COLUMNS (secret string)"))
    past = f"{table} FOR VERSION AS OF {first['snapshot-id']}"
    found = ok(lake.query("admin", f"SELECT p.id, p.hidden, p.secret, t.id FROM {past} AS p CROSS JOIN {table} AS t"))
    # The column that is called so today never held what another held under its name.
    assert found.rows[1:] == [["1", "old", None, "2"]]
    moment = datetime.fromtimestamp(first["timestamp-ms"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC")
    assert rows(lake, f"{table} FOR TIMESTAMP AS OF TIMESTAMP '{moment}'", "id") == [["1"]]
    assert rows(lake, f"{table} FOR TIMESTAMP AS OF current_timestamp", "id") == [["2"]]
    before = lake.query("admin", f"SELECT * FROM {table} FOR TIMESTAMP AS OF TIMESTAMP '2001-01-01 00:00:00 UTC'")
    assert before.reason.startswith("INVALID_ARGUMENTS")
    other = lake.query("admin", f"SELECT * FROM {lake.dataset.table} FOR VERSION AS OF 1")
    assert other.reason.startswith("NOT_SUPPORTED: Time travel")
    hidden = lake.query(LIMITED, f"SELECT * FROM {past}")
    assert hidden.reason.startswith("TABLE_NOT_FOUND")
    assert str(first["snapshot-id"]) not in hidden.reason


def metadata(lake: Lake, table: str) -> dict[str, Any]:
    glue, s3 = lake.client("admin", "glue"), lake.client("admin", "s3")
    found = glue.get_table(DatabaseName=lake.dataset.database, Name=table)["Table"]
    bucket, _, key = found["Parameters"]["metadata_location"].removeprefix("s3://").partition("/")
    document: dict[str, Any] = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return document


def snapshots(lake: Lake, table: str) -> list[Any]:
    found: list[Any] = metadata(lake, table)["snapshots"]
    return found


def test_partitions_columns_and_properties(lake: Lake, table: str) -> None:
    create(
        lake, table, "id bigint, day date, name string, at timestamp, price decimal(9,2)",
        "PARTITIONED BY (day, truncate(2, name), bucket(8, id), month(at), price)",
    )  # fmt: skip
    ok(
        lake.query(
            "admin",
            f"INSERT INTO {table} SELECT n, DATE '2024-01-01' + (n % 3) * INTERVAL '1' DAY, 'name' || CAST(n AS varchar), "
            "TIMESTAMP '2024-02-03 04:05:06.123456', CAST(1.5 AS decimal(9,2)) FROM UNNEST(sequence(1, 9)) AS s(n)",
        )
    )
    ok(lake.query("admin", f"INSERT INTO {table} (id) VALUES (10)"))
    ok(lake.query("admin", f"DELETE FROM {table} WHERE id IN (1, 10)"))
    assert [row[0] for row in rows(lake, table, "id")] == [str(one) for one in range(2, 10)]
    assert rows(lake, table, "count(*), min(price), count(DISTINCT day)") == [["8", "1.50", "3"]]
    too_many = lake.query("admin", f"INSERT INTO {table} (id, name) SELECT n, CAST(n + 10 AS varchar) "
                          "FROM UNNEST(sequence(1, 400)) AS s(n)")  # fmt: skip
    assert too_many.reason.startswith("ICEBERG_TOO_MANY_OPEN_PARTITIONS")
    assert "partitions are made by" in lake.query("admin", f"ALTER TABLE {table} DROP COLUMN day").reason
    ok(lake.query("admin", f"ALTER TABLE {table} SET TBLPROPERTIES ('vacuum_max_snapshot_age_seconds' = '0')"))
    assert metadata(lake, table)["properties"]["vacuum_max_snapshot_age_seconds"] == "0"
    assert len(snapshots(lake, table)) == 3
    ok(lake.query("admin", f"VACUUM {table}"))
    assert len(snapshots(lake, table)) == 1
    ok(lake.query("admin", f"OPTIMIZE {table} REWRITE DATA USING BIN_PACK"))
    assert rows(lake, table, "count(*)") == [["8"]]
    refused = lake.query("admin", f"ALTER TABLE {table} SET TBLPROPERTIES ('metadata_location' = 's3://x/y')")
    assert refused.reason.startswith("NOT_SUPPORTED")


def test_tables_are_made_of_queries(lake: Lake, table: str) -> None:
    made = ok(
        lake.query(
            "admin",
            f"CREATE TABLE {table} WITH (table_type = 'ICEBERG', is_external = false, location = '{place(lake, table)}', "
            "partitioning = ARRAY['bucket(id, 2)'], format = 'PARQUET') AS "
            "SELECT CAST(1 AS smallint) AS id, 'a' AS name UNION ALL SELECT CAST(2 AS smallint), NULL",
        )
    )
    assert made.execution["SubstatementType"] == "CREATE_TABLE_AS_SELECT"
    assert rows(lake, table) == [["1", "a"], ["2", None]]
    again = lake.query("admin", f"CREATE TABLE {table} WITH (table_type = 'ICEBERG', is_external = false, "
                       f"location = '{place(lake, table)}other') AS SELECT 1 AS a")  # fmt: skip
    assert again.reason.startswith("TABLE_ALREADY_EXISTS")
    taken = lake.query("admin", f"CREATE TABLE {table}_2 WITH (table_type = 'ICEBERG', is_external = false, "
                       f"location = '{place(lake, table)}') AS SELECT 1 AS a")  # fmt: skip
    assert taken.reason.startswith("HIVE_PATH_ALREADY_EXISTS")
    within = lake.query("admin", f"CREATE TABLE {table}_3 WITH (table_type = 'ICEBERG', is_external = false, "
                        f"location = 's3://{lake.results}/admin/x/') AS SELECT 1 AS a")  # fmt: skip
    assert within.reason.startswith("NOT_SUPPORTED: An Iceberg table among query results")


def test_parameters_are_values(lake: Lake, table: str) -> None:
    create(lake, table)
    ok(lake.query("admin", f"INSERT INTO {table} VALUES (1, 'a'), (2, 'b')"))
    athena = lake.client("admin", "athena")
    context = {
        "QueryExecutionContext": {"Database": lake.dataset.database},
        "ResultConfiguration": {"OutputLocation": f"s3://{lake.results}/admin/"},
    }
    ok(lake.query("admin", f"PREPARE {table} FROM UPDATE {table} SET name = ? WHERE id = ?"))
    for sql, parameters in (
        (f"EXECUTE {table} USING 'x', 1", []),
        (f"DELETE FROM {table} WHERE name = ?", ["'b'' OR 1=1'"]),
    ):
        more = {"ExecutionParameters": parameters} if parameters else {}
        started = athena.start_query_execution(QueryString=sql, **context, **more)["QueryExecutionId"]
        while True:
            status = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
            if status["State"] in {"SUCCEEDED", "FAILED", "CANCELLED"}:
                break
        assert status["State"] == "SUCCEEDED", status
    assert rows(lake, table) == [["1", "x"], ["2", "b"]]
    ok(lake.query("admin", f"DEALLOCATE PREPARE {table}"))


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("UPDATE {t} SET id = 'x'", "TYPE_MISMATCH"),
        ("UPDATE {t} SET none = 1", "COLUMN_NOT_FOUND"),
        ("UPDATE {t} SET \"$iceberg_row\" = 1", "COLUMN_NOT_FOUND"),
        ("DELETE FROM {t} WHERE \"$iceberg_file\" LIKE 's3%'", "COLUMN_NOT_FOUND"),
        ("DELETE FROM {t} WHERE none = 1", "COLUMN_NOT_FOUND"),
        ("DELETE FROM \"{t}$rows\"", "TABLE_NOT_FOUND"),
        ("INSERT INTO {t} VALUES (1)", "TYPE_MISMATCH"),
        ("INSERT INTO {t} SELECT 1, name FROM \"{t}$snapshots\"", "TABLE_NOT_FOUND"),
        ("MERGE INTO {t} USING (VALUES 1, 1) AS s(id) ON {t}.id = s.id WHEN MATCHED THEN DELETE", "MERGE_TARGET_ROW"),
        ("MERGE INTO {t} USING (VALUES 1) AS s(id) ON {t}.id = s.id WHEN NOT MATCHED THEN INSERT (none) VALUES (1)", "COLUMN_"),
        ("ALTER TABLE {t} ADD COLUMNS (small tinyint)", "NOT_SUPPORTED"),
        ("ALTER TABLE {t} CHANGE COLUMN id id int", "INVALID_TABLE_PROPERTY"),
        ("ALTER TABLE {t} REPLACE COLUMNS (id bigint)", "NOT_SUPPORTED"),
    ],
)  # fmt: skip
def test_what_does_not_fit_changes_nothing(lake: Lake, kept: str, sql: str, reason: str) -> None:
    ran = lake.query("admin", sql.format(t=kept))
    assert ran.state == "FAILED"
    assert ran.reason.startswith(reason), ran.reason
    assert rows(lake, kept) == [["1", "a"]]


@pytest.fixture(scope="module")
def kept(lake: Lake) -> Iterator[str]:
    name = f"k_{secrets.token_hex(4)}"
    create(lake, name)
    ok(lake.query("admin", f"INSERT INTO {name} VALUES (1, 'a')"))
    yield name
    lake.query("admin", f"DROP TABLE {name}")


def test_any_sequence_of_changes_leaves_what_a_plain_table_holds(lake: Lake, table: str) -> None:
    """The same statements, drawn at random, on the Iceberg table and on a table of DuckDB's own."""
    pick, plain = random.Random(7), duckdb.connect(":memory:")
    plain.execute("CREATE TABLE plain (id bigint, name varchar, part bigint)")
    create(lake, table, "id bigint, name string, part bigint", "PARTITIONED BY (part, bucket(3, id))")
    told: list[str] = []
    for number in range(16):
        low, high = sorted((pick.randrange(40), pick.randrange(40)))
        part = pick.randrange(3)
        made = {
            "insert": f"INSERT INTO {{t}} SELECT n, 'r{number}', n % 3 FROM UNNEST(sequence({low}, {high})) AS s(n)",
            "delete": f"DELETE FROM {{t}} WHERE id BETWEEN {low} AND {high} AND part = {part}",
            "update": f"UPDATE {{t}} SET name = name || 'u', part = (part + 1) % 3 WHERE id % 4 = {part}",
            "self": f"DELETE FROM {{t}} WHERE id IN (SELECT id FROM {{t}} GROUP BY id HAVING count(*) > {1 + part})",
            "merge": f"MERGE INTO {{t}} USING (SELECT n AS id, n % 3 AS part FROM UNNEST(sequence({low}, {high})) AS s(n)) AS s "
            f"ON {{t}}.id = s.id AND {{t}}.name IS NOT NULL WHEN MATCHED AND s.part = {part} THEN DELETE "
            f"WHEN MATCHED THEN UPDATE SET name = 'm{number}' WHEN NOT MATCHED THEN INSERT (id, part) VALUES (s.id, s.part)",
            "tidy": "OPTIMIZE {t} REWRITE DATA USING BIN_PACK",
        }
        kind = pick.choice(list(made) if number else ["insert"])
        told.append(made[kind])
        ok(lake.query("admin", made[kind].format(t=table)))
        if kind != "tidy":
            same = made[kind].format(t="plain")
            same = re.sub(r"UNNEST\(sequence\((\d+), (\d+)\)\)", r"range(\1, \2 + 1)", same)
            plain.execute(same)
        found = ok(lake.query("admin", f"SELECT id, name, part FROM {table} ORDER BY 1, 2, 3")).rows[1:]
        expected = plain.execute("SELECT id, name, part FROM plain ORDER BY 1, 2 NULLS LAST, 3").fetchall()
        assert found == [[None if one is None else str(one) for one in row] for row in expected], told
    plain.close()
