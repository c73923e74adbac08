"""Iceberg tables written through Athena SQL, and read again by Athena and by pyiceberg."""

import secrets
from collections.abc import Iterator

import pytest

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
