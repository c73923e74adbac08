"""Row filters, hostile statements and Trino's meaning through a real server and boto3."""

from collections.abc import Iterator
from typing import Any

import pytest

from lakewarden.demo.walkthrough import LIMITED
from tests.e2e.conftest import Lake

_FILTER = "only_multiples"


@pytest.fixture(scope="module")
def filtered(lake: Lake) -> Iterator[Lake]:
    """The limited scientist sees the even patients' doses only, by a filter over a column that stays hidden to her."""
    formation = lake.client("admin", "lakeformation")
    account = lake.server.administrator["AccountId"]
    role = {"DataLakePrincipalIdentifier": f"arn:aws:iam::{account}:role/SageMakerStudioExecutionRole_{LIMITED}"}
    hidden = lake.dataset.hidden[0]
    table = {"DatabaseName": lake.dataset.database, "Name": lake.dataset.table}
    columns = list(lake.dataset.permitted)
    whole: dict[str, Any] = {
        "Principal": role,
        "Resource": {"TableWithColumns": {**table, "ColumnNames": columns}},
        "Permissions": ["SELECT"],
        "PermissionsWithGrantOption": ["SELECT"],
    }
    formation.create_data_cells_filter(
        TableData={
            "TableCatalogId": account, "DatabaseName": table["DatabaseName"], "TableName": table["Name"], "Name": _FILTER,
            "ColumnNames": columns, "RowFilter": {"FilterExpression": f"{hidden} LIKE '%1%' AND patient <> 'x'"},
        }
    )  # fmt: skip
    cells = {
        "DataCellsFilter": {
            "TableCatalogId": account, "DatabaseName": table["DatabaseName"], "TableName": table["Name"], "Name": _FILTER
        }
    }  # fmt: skip
    formation.revoke_permissions(**whole)
    formation.grant_permissions(Principal=role, Resource=cells, Permissions=["SELECT"])
    yield lake
    formation.revoke_permissions(Principal=role, Resource=cells, Permissions=["SELECT"])
    formation.grant_permissions(**whole)
    formation.delete_data_cells_filter(
        TableCatalogId=account, DatabaseName=table["DatabaseName"], TableName=table["Name"], Name=_FILTER
    )


def test_a_row_filter_over_a_hidden_column_is_enforced(filtered: Lake) -> None:
    table, hidden = filtered.dataset.table, filtered.dataset.hidden[0]
    token = hidden.removeprefix("name_")
    everything = filtered.query("admin", f"SELECT count(*) FROM {table}")
    ran = filtered.query(LIMITED, f"SELECT patient FROM {table} ORDER BY CAST(patient AS integer)")
    assert ran.state == "SUCCEEDED", ran.reason
    expected = [str(number) for number in range(1, 2001) if "1" in f"Doe, {token}{number}"]
    assert [row[0] for row in ran.rows[1:]] == expected
    assert len(expected) < 2000 or "1" in token
    assert everything.state in {"SUCCEEDED", "FAILED"}
    assert filtered.query(LIMITED, f"SELECT {hidden} FROM {table}").reason.startswith("COLUMN_NOT_FOUND")
    count = filtered.query(LIMITED, f"SELECT count(*) FROM {table}")
    assert count.rows[1] == [str(len(expected))]


def test_no_statement_gets_around_the_filter(filtered: Lake) -> None:
    table = filtered.dataset.table
    allowed = int(str(filtered.query(LIMITED, f"SELECT count(*) FROM {table}").rows[1][0]))
    for sql in (
        f"SELECT count(*) FROM {table} WHERE 1 / (CAST(patient AS integer) - 2) > -5 OR true",
        f"SELECT count(*) FROM {table} a JOIN {table} b ON a.patient = b.patient",
        f"WITH {table} AS (SELECT * FROM {table}) SELECT count(*) FROM {table}",
        f"WITH scan_0 AS (SELECT 1 AS patient) SELECT count(*) FROM {table}",
        f"SELECT count(*) FROM (SELECT * FROM {table} UNION SELECT * FROM {table})",
        f"SELECT count(*) FROM {table} TABLESAMPLE BERNOULLI (100)",
        f'SELECT count(*) FROM "{filtered.dataset.database}"."{table}"',
    ):
        ran = filtered.query(LIMITED, sql)
        counted = ran.rows[1][0] if ran.rows else "0"
        assert int(str(counted)) in {0, allowed}, (sql, ran.reason)


def test_trinos_meaning_reaches_the_client(lake: Lake) -> None:
    ran = lake.query(
        LIMITED,
        "SELECT 7 / 2 AS q, 1.0 / 3 AS d, ARRAY[1, 2] AS a, MAP(ARRAY['k'], ARRAY[1]) AS m, X'0a' AS b, "
        "TIMESTAMP '2020-01-02 03:04:05.678' AS t, INTERVAL '1' DAY AS i, CAST(ROW(1, 'x') AS ROW(p bigint, q varchar)) AS r",
    )
    assert ran.rows == [
        ["q", "d", "a", "m", "b", "t", "i", "r"],
        ["3", "0.3", "[1, 2]", "{k=1}", "0a", "2020-01-02 03:04:05.678", "1 00:00:00.000", "{p=1, q=x}"],
    ]
    failed = lake.query(LIMITED, "SELECT 1 / 0")
    assert failed.reason == "DIVISION_BY_ZERO: Division by zero"
    assert failed.execution["Status"]["AthenaError"]["ErrorCategory"] == 2
