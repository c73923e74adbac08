"""kill -9 between the statements of a writer: what was acknowledged is in the table, and the table can be read and written."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lakewarden.demo.server import RunningServer, initialise, serving
from tests.e2e.servers import client, kill

BUCKET = "iceberg-crash"


class Told:
    """The rows whose INSERT has succeeded."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.condition = threading.Condition()

    def note(self, number: int) -> None:
        with self.condition:
            self.rows.append(number)
            self.condition.notify_all()

    def await_rows(self, count: int) -> None:
        with self.condition:
            self.condition.wait_for(lambda: len(self.rows) >= count)


def ask(server: RunningServer, sql: str) -> list[list[str | None]]:
    athena = client(server.endpoint, server.administrator, "athena")
    place = {"OutputLocation": f"s3://{BUCKET}/results/"}
    started = athena.start_query_execution(
        QueryString=sql, QueryExecutionContext={"Database": "d"}, ResultConfiguration=place
    )["QueryExecutionId"]
    while True:
        execution = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]
        if execution["Status"]["State"] in {"SUCCEEDED", "FAILED", "CANCELLED"}:
            break
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    rows = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
    return [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows[1:]]


def write(server: RunningServer, told: Told) -> None:
    """Until the server is gone."""
    number = 0
    try:
        while True:
            ask(server, f"INSERT INTO t VALUES ({number}, {number})")
            told.note(number)
            if number % 4 == 3:
                ask(server, f"UPDATE t SET twice = 2 * id WHERE id <= {number}")
            number += 1
    except (BotoCoreError, ClientError):
        return


def test_crash_safe(tmp_path: Path) -> None:
    administrator = initialise(tmp_path / "data")
    told = Told()
    with serving(tmp_path / "data", administrator) as server:
        client(server.endpoint, administrator, "s3").create_bucket(Bucket=BUCKET)
        ask(server, "CREATE DATABASE d")
        ask(
            server,
            f"CREATE TABLE t (id bigint, twice bigint) LOCATION 's3://{BUCKET}/t/' TBLPROPERTIES ('table_type' = 'ICEBERG')",
        )
        with ThreadPoolExecutor(1) as threads:
            running = threads.submit(write, server, told)
            told.await_rows(10)
            kill(server)
            running.result()
    with serving(tmp_path / "data", administrator) as server:
        rows = ask(server, "SELECT id, twice FROM t ORDER BY id")
        numbers = [int(row[0] or -1) for row in rows]
        # The last one may have been committed without anybody having been told.
        assert numbers in (told.rows, [*told.rows, len(told.rows)])
        assert all(int(row[1] or -1) in {int(row[0] or -1), 2 * int(row[0] or -1)} for row in rows)
        ask(server, "UPDATE t SET twice = 7")
        ask(server, "OPTIMIZE t REWRITE DATA USING BIN_PACK")
        assert ask(server, "SELECT count(*), min(twice), max(twice) FROM t") == [[str(len(rows)), "7", "7"]]
        glue: Any = client(server.endpoint, administrator, "glue")
        location = glue.get_table(DatabaseName="d", Name="t")["Table"]["Parameters"]["metadata_location"]
        body = client(server.endpoint, administrator, "s3").get_object(
            Bucket=BUCKET, Key=location.removeprefix(f"s3://{BUCKET}/")
        )["Body"]
        assert json.loads(body.read())["format-version"] == 2
