"""Who read what: the command, the governed tables, lineage, and that neither opens more than was granted."""

import csv
import io
import json
import sqlite3
import subprocess
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lakewarden.audit.queries import ALTERED
from lakewarden.demo.walkthrough import FULL, LIMITED
from tests.e2e.conftest import Lake


def lakewarden(lake: Lake, *arguments: str) -> str:
    command = [sys.executable, "-m", "lakewarden", "audit", *arguments, "--data", str(lake.server.data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(lake: Lake, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(lakewarden(lake, "queries", "--format", "json", *arguments))
    return found


def test_one_command_prints_who_read_which_columns(lake: Lake) -> None:
    table = f"{lake.dataset.database}.{lake.dataset.table}"
    full = lake.query(FULL, f"SELECT * FROM {lake.dataset.table}")
    limited = lake.query(LIMITED, f"SELECT * FROM {lake.dataset.table}")
    denied = lake.query(LIMITED, f"SELECT {lake.dataset.hidden[0]} FROM {lake.dataset.table}")
    found = {row["query_id"]: row for row in rows(lake, "--limit", "1000", "--sql")}
    assert found[full.id]["columns"] == [f"{table}.{name}" for name, _ in lake.dataset.columns]
    assert found[limited.id]["columns"] == [f"{table}.{name}" for name in lake.dataset.permitted]
    row = found[limited.id]
    assert row["person"] == LIMITED
    assert row["role"].endswith(f"role/SageMakerStudioExecutionRole_{LIMITED}")
    assert row["tables"] == [table]
    assert row["grants"]
    assert row["rows"] == lake.dataset.row_count
    assert row["objects"] == 1
    assert row["object_uris"][0].startswith("s3://")
    assert row["location"] == limited.execution["ResultConfiguration"]["OutputLocation"]
    assert row["duration_ms"] > 0
    assert row["address"] == "127.0.0.1"
    assert row["sql"] == f"SELECT * FROM {lake.dataset.table}"
    assert found[denied.id]["state"] == "FAILED"
    assert found[denied.id]["error"].startswith("COLUMN_NOT_FOUND")
    assert all(not one["sql"] for one in rows(lake))


def test_a_text_that_was_changed_after_the_query_ran_is_not_shown(lake: Lake) -> None:
    """Who can write the state's database cannot have asked for something else."""
    ran = lake.query(LIMITED, f"SELECT dose FROM {lake.dataset.table} WHERE arm = 'b'")
    connection = sqlite3.connect(lake.server.data / "state.db")
    with connection:
        changed = "UPDATE athena_executions SET document = replace(document, ?, ?) WHERE id = ?"
        assert connection.execute(changed, ("arm = 'b'", "arm = 'a'", ran.id)).rowcount == 1
    connection.close()
    row = next(one for one in rows(lake, "--sql", "--limit", "1000") if one["query_id"] == ran.id)
    assert row["sql"] == ALTERED
    assert row["columns"], "what it read stands in the record, which nobody can change"


def test_the_command_filters_and_prints_tables_and_csv(lake: Lake) -> None:
    lake.query(LIMITED, f"SELECT dose FROM {lake.dataset.table}")
    mine = rows(lake, "--person", LIMITED, "--state", "SUCCEEDED")
    assert mine
    assert {row["person"] for row in mine} == {LIMITED}
    assert not rows(lake, "--table", "no.such")
    printed = lakewarden(lake, "queries", "--person", LIMITED)
    assert LIMITED in printed
    parsed = list(csv.DictReader(io.StringIO(lakewarden(lake, "queries", "--format", "csv", "--limit", "3"))))
    assert len(parsed) == 3
    active = json.loads(lakewarden(lake, "activity", "--format", "json"))
    ours = next(one for one in active if one["person"] == LIMITED)
    assert ours["table"] == f"{lake.dataset.database}.{lake.dataset.table}"
    assert "dose" in ours["columns"]


def grant(lake: Lake, who: str, table: str, columns: list[str]) -> dict[str, Any]:
    account = lake.server.administrator["AccountId"]
    return {
        "Principal": {"DataLakePrincipalIdentifier": f"arn:aws:iam::{account}:role/SageMakerStudioExecutionRole_{who}"},
        "Resource": {"TableWithColumns": {"DatabaseName": "lakewarden_audit", "Name": table, "ColumnNames": columns}},
        "Permissions": ["SELECT"],
    }


def test_the_audit_tables_are_governed(lake: Lake) -> None:
    admin = lake.client("admin", "lakeformation")
    hidden = lake.query(FULL, "SELECT count(*) FROM lakewarden_audit.events")
    assert hidden.reason.startswith("TABLE_NOT_FOUND")
    assert lake.query(FULL, "SHOW DATABASES").rows == [[lake.dataset.database]]
    # Who administers the lake sees that the tables are there, and not what is in them.
    assert lake.query("admin", "SELECT * FROM lakewarden_audit.queries").state == "FAILED"
    visible = grant(lake, FULL, "queries", ["query_id", "person", "state", "columns"])
    admin.grant_permissions(**visible)
    try:
        ran = lake.query(LIMITED, f"SELECT dose FROM {lake.dataset.table} WHERE arm = 'b'")
        seen = lake.query(
            FULL, f"SELECT person, state, columns FROM lakewarden_audit.queries WHERE query_id = '{ran.id}'"
        )
        table = f"{lake.dataset.database}.{lake.dataset.table}"
        assert seen.rows[1:] == [[LIMITED, "SUCCEEDED", f"[{table}.dose, {table}.arm]"]], seen.reason
        text = lake.query(FULL, "SELECT sql FROM lakewarden_audit.queries")
        assert text.reason.startswith("COLUMN_NOT_FOUND")
    finally:
        admin.revoke_permissions(**visible)
    assert lake.query(FULL, "SELECT state FROM lakewarden_audit.queries").reason.startswith("TABLE_NOT_FOUND")


def test_one_query_correlates_lake_formation_and_cloudtrail(lake: Lake) -> None:
    admin = lake.client("admin", "lakeformation")
    grants = [
        grant(lake, FULL, "events", ["event_name", "query_id", "person", "event_time", "resources", "sequence"]),
        grant(lake, FULL, "queries", ["query_id", "person", "grants", "rows"]),
        grant(lake, FULL, "lineage", ["query_id", "target_column", "source_table", "source_column"]),
    ]
    for one in grants:
        admin.grant_permissions(**one)
    try:
        ran = lake.query(LIMITED, f"SELECT max(dose) AS most FROM {lake.dataset.table} WHERE arm = 'b'")
        joined = lake.query(
            FULL,
            "SELECT e.event_name, q.person, q.rows FROM lakewarden_audit.events e "
            f"JOIN lakewarden_audit.queries q ON q.query_id = e.query_id WHERE e.query_id = '{ran.id}' "
            "AND e.event_name IN ('StartQueryExecution', 'GetDataAccess', 'QueryExecutionCompleted')",
        )
        # In no particular order: a query may be under way before its call has been answered.
        names = sorted(str(row[0]) for row in joined.rows[1:])
        assert names == ["GetDataAccess", "QueryExecutionCompleted", "StartQueryExecution"], joined.reason
        assert {(row[1], row[2]) for row in joined.rows[1:]} == {(LIMITED, "1")}
        traced = lake.query(
            FULL,
            "SELECT target_column, source_column FROM lakewarden_audit.lineage "
            f"WHERE query_id = '{ran.id}' ORDER BY 1 DESC",
        )
        assert traced.rows[1:] == [["most", "dose"], ["", "arm"]], traced.reason
    finally:
        for one in grants:
            admin.revoke_permissions(**one)


def test_another_table_of_that_name_or_place_opens_nothing(lake: Lake) -> None:
    glue = lake.client("admin", "glue")
    with pytest.raises(ClientError):
        glue.delete_table(DatabaseName="lakewarden_audit", Name="events")
    with pytest.raises(ClientError):
        glue.create_table(DatabaseName="lakewarden_audit", TableInput={"Name": "events"})
    created = lake.query(
        "admin",
        f"CREATE EXTERNAL TABLE {lake.dataset.database}.thief (record string) STORED AS PARQUET "
        "LOCATION 's3://_lakewarden_audit/events/'",
    )
    if created.state == "SUCCEEDED":
        assert lake.query("admin", f"SELECT record FROM {lake.dataset.database}.thief").rows[1:] == []
    with pytest.raises(ClientError, match="404"):
        lake.client("admin", "s3").create_bucket(Bucket="_lakewarden_audit")
