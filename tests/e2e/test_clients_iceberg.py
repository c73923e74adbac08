"""Real clients of Iceberg tables, unmodified: pyiceberg on the Glue catalog and S3, awswrangler through Athena."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.glue import GlueCatalog

from lakewarden.demo.walkthrough import LIMITED
from tests.e2e.conftest import Lake

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".venv-clients" / "bin"
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning", "ignore::ResourceWarning"
)


def catalog(lake: Lake, who: str) -> Any:
    keys = lake.server.administrator if who == "admin" else lake.credentials[who]
    of = {
        "endpoint": lake.server.endpoint,
        "region": lake.server.administrator["Region"],
        "access-key-id": keys["AccessKeyId"],
        "secret-access-key": keys["SecretAccessKey"],
        "session-token": keys.get("SessionToken", ""),
    }
    return GlueCatalog(
        "glue", **{f"{service}.{name}": value for service in ("glue", "s3") for name, value in of.items() if value}
    )


@pytest.fixture
def name(lake: Lake) -> Iterator[str]:
    made = f"c_{secrets.token_hex(4)}"
    yield made
    lake.query("admin", f"DROP TABLE IF EXISTS {made}")


def test_pyiceberg_reads_and_writes_what_athena_does(lake: Lake, name: str) -> None:
    place = f"s3://{lake.results}/ice-clients/{name}"
    for sql in (
        f"CREATE TABLE {name} (id bigint, at timestamp, tags array<string>, part struct<a:int,b:string>, n decimal(9,2)) "
        f"PARTITIONED BY (day(at), bucket(4, id)) LOCATION '{place}' TBLPROPERTIES ('table_type' = 'ICEBERG')",
        f"INSERT INTO {name} VALUES "
        "(1, TIMESTAMP '2024-05-01 10:00:00', ARRAY['x', 'y'], CAST(ROW(1, 'q') AS ROW(a integer, b varchar)), 1.50), "
        "(2, TIMESTAMP '2024-05-02 10:00:00', NULL, NULL, NULL), (3, NULL, NULL, NULL, 3.25)",
        f"DELETE FROM {name} WHERE id = 2",
        f"UPDATE {name} SET n = n + 1 WHERE id = 3",
    ):
        ran = lake.query("admin", sql)
        assert ran.state == "SUCCEEDED", (sql, ran.reason)
    glue = catalog(lake, "admin")
    table = glue.load_table(f"{lake.dataset.database}.{name}")
    read = table.scan().to_arrow().sort_by("id").to_pylist()
    assert [(row["id"], row["tags"], row["part"], str(row["n"])) for row in read] == [
        (1, ["x", "y"], {"a": 1, "b": "q"}, "1.50"), (3, None, None, "4.25"),
    ]  # fmt: skip
    assert [row["id"] for row in table.scan(row_filter="at >= '2024-05-01T00:00:00'").to_arrow().to_pylist()] == [1]


def test_commits_of_pyiceberg_and_of_athena_take_turns(lake: Lake, name: str) -> None:
    for sql in (
        f"CREATE TABLE {name} (id bigint, tags array<string>) LOCATION 's3://{lake.results}/ice-clients/{name}' "
        "TBLPROPERTIES ('table_type' = 'ICEBERG')",
        f"INSERT INTO {name} VALUES (1, ARRAY['x', 'y']), (3, NULL), (4, NULL)",
        f"DELETE FROM {name} WHERE id = 4",
    ):
        ran = lake.query("admin", sql)
        assert ran.state == "SUCCEEDED", (sql, ran.reason)
    glue = catalog(lake, "admin")
    table = glue.load_table(f"{lake.dataset.database}.{name}")
    stale = glue.load_table(f"{lake.dataset.database}.{name}")
    table.append(pa.Table.from_pylist([{"id": 9, "tags": []}], read_schema(table)))
    ran = lake.query("admin", f"SELECT id, cardinality(tags) FROM {name} ORDER BY id")
    assert ran.rows[1:] == [["1", "2"], ["3", None], ["9", "0"]], ran.reason
    # It has not seen the append, and commits on top of it all the same.
    with stale.update_schema() as update:
        update.rename_column("tags", "words")
    assert stale.scan().to_arrow().num_rows == 3
    ran = lake.query("admin", f"INSERT INTO {name} (id, words) VALUES (10, ARRAY['z'])")
    assert ran.state == "SUCCEEDED", ran.reason
    assert lake.query("admin", f"SELECT words FROM {name} WHERE id IN (1, 10) ORDER BY id").rows[1:] == [
        ["[x, y]"],
        ["[z]"],
    ]
    with pytest.raises(Exception, match="AccessDenied"):
        catalog(lake, LIMITED).load_table(f"{lake.dataset.database}.{name}")


def read_schema(table: Any) -> pa.Schema:
    return table.schema().as_arrow()


def test_awswrangler_writes_iceberg_tables(lake: Lake, name: str) -> None:
    done = subprocess.run(
        [CLIENTS / "python", ROOT / "tests/clients/wrangler_iceberg.py", lake.dataset.database, name, f"s3://{lake.results}/admin/"],
        env={**lake.environment("admin"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["appended"] == [[1, "a"], [2, "b"], [3, "c"]]
    assert found["merged"] == [[1, "a"], [2, "changed"], [3, "c"], [4, "new"]]
    assert found["wider"] == ["id", "name", "more"]
    assert found["deleted"] == [[1, "a"], [3, "c"], [4, "new"]]
