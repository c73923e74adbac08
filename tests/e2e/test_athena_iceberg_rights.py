"""Each statement that writes an Iceberg table is a door: closed to who holds nothing, or a part."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from lakewarden.demo.walkthrough import FULL, LIMITED
from tests.e2e.conftest import Lake, Ran

CHANGES = (
    "DELETE FROM {t} WHERE id = 1",
    "UPDATE {t} SET id = id + 100",
    "MERGE INTO {t} USING (SELECT 1 AS id) AS s ON {t}.id = s.id WHEN MATCHED THEN DELETE",
    "MERGE INTO {t} USING (SELECT 7 AS id) AS s ON {t}.id = s.id WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)",
    "OPTIMIZE {t} REWRITE DATA USING BIN_PACK",
    "VACUUM {t}",
)
RESHAPES = (
    "ALTER TABLE {t} DROP COLUMN {secret}",
    "ALTER TABLE {t} CHANGE COLUMN {secret} id2 string",
    "ALTER TABLE {t} ADD COLUMNS (more int)",
    "ALTER TABLE {t} SET TBLPROPERTIES ('vacuum_max_snapshot_age_seconds' = '1')",
    "ALTER TABLE {t} RENAME TO {t}_new",
    "DROP TABLE {t}",
)


class Governed:
    """An Iceberg table below a registered location, and what is granted on it."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.name = f"g_{secrets.token_hex(4)}"
        self.secret = f"secret_{secrets.token_hex(3)}"
        self.location = f"s3://{lake.dataset.bucket}/iceberg/{self.name}/"

    def ask(self, who: str, sql: str) -> Ran:
        return self.lake.query(who, sql.format(t=self.name, secret=self.secret))

    def must(self, who: str, sql: str) -> Ran:
        ran = self.ask(who, sql)
        assert ran.state == "SUCCEEDED", ran.reason
        return ran

    def rows(self) -> list[list[str | None]]:
        return self.must("admin", "SELECT id, {secret} FROM {t} ORDER BY id").rows[1:]

    def permission(self, who: str, *permissions: str, **resource: Any) -> dict[str, Any]:
        account = self.lake.server.administrator["AccountId"]
        table = {"DatabaseName": self.lake.dataset.database, "Name": self.name}
        return {
            "Principal": {
                "DataLakePrincipalIdentifier": f"arn:aws:iam::{account}:role/SageMakerStudioExecutionRole_{who}"
            },
            "Resource": {"TableWithColumns": {**table, **resource}} if resource else {"Table": table},
            "Permissions": list(permissions),
        }

    def grant(self, who: str, *permissions: str, **resource: Any) -> None:
        self.lake.client("admin", "lakeformation").grant_permissions(**self.permission(who, *permissions, **resource))

    def revoke(self, who: str, *permissions: str) -> None:
        self.lake.client("admin", "lakeformation").revoke_permissions(**self.permission(who, *permissions))

    def objects(self) -> set[str]:
        listed = self.lake.client("admin", "s3").list_objects_v2(
            Bucket=self.lake.dataset.bucket, Prefix=f"iceberg/{self.name}/"
        )
        return {one["Key"] for one in listed.get("Contents", ())}


@pytest.fixture(scope="module")
def registered(lake: Lake) -> None:
    lake.client("admin", "lakeformation").register_resource(
        ResourceArn=f"arn:aws:s3:::{lake.dataset.bucket}/iceberg", UseServiceLinkedRole=True
    )


@pytest.fixture
def table(lake: Lake, registered: None) -> Iterator[Governed]:
    made = Governed(lake)
    made.must(
        "admin",
        "CREATE TABLE {t} (id bigint, {secret} string) LOCATION '" + made.location + "' "
        "TBLPROPERTIES ('table_type' = 'ICEBERG')",
    )
    made.must("admin", "INSERT INTO {t} VALUES (1, 'x'), (2, 'y')")
    yield made
    made.ask("admin", "DROP TABLE IF EXISTS {t}")


def test_who_sees_nothing_changes_nothing(table: Governed) -> None:
    before = table.objects()
    for sql in (*CHANGES, "INSERT INTO {t} VALUES (3, 'z')", *RESHAPES):
        ran = table.ask(LIMITED, sql)
        assert ran.state == "FAILED", sql
        assert "does not exist" in ran.reason or "Insufficient Lake Formation" in ran.reason, (sql, ran.reason)
    assert table.objects() == before
    assert table.rows() == [["1", "x"], ["2", "y"]]


def test_who_reads_a_part_changes_nothing_whatever_else_it_holds(table: Governed) -> None:
    """Who could count what it deletes by a column that it may not see would read it."""
    table.grant(LIMITED, "SELECT", ColumnNames=["id"])
    table.grant(LIMITED, "INSERT", "DELETE", "ALTER")
    for sql in (*CHANGES, "DELETE FROM {t} WHERE {secret} = 'x'", *RESHAPES):
        ran = table.ask(LIMITED, sql)
        assert ran.state == "FAILED", sql
        assert "Insufficient Lake Formation permission(s)" in ran.reason, (sql, ran.reason)
        assert table.secret not in ran.reason
    assert table.rows() == [["1", "x"], ["2", "y"]]
    # INSERT is a right of its own: rows are added, and none is read.
    table.must(LIMITED, "INSERT INTO {t} (id) VALUES (3)")
    assert table.rows() == [["1", "x"], ["2", "y"], ["3", None]]
    assert table.secret not in str(table.must(LIMITED, "SELECT * FROM {t}").rows)


def test_a_row_filter_closes_every_change(table: Governed) -> None:
    formation, account = table.lake.client("admin", "lakeformation"), table.lake.server.administrator["AccountId"]
    of = {"TableCatalogId": account, "DatabaseName": table.lake.dataset.database, "TableName": table.name, "Name": "f"}
    formation.create_data_cells_filter(
        TableData={**of, "ColumnWildcard": {}, "RowFilter": {"FilterExpression": "id = 1"}}
    )
    cells = {**table.permission(FULL, "SELECT"), "Resource": {"DataCellsFilter": of}}
    formation.grant_permissions(**cells)
    table.grant(FULL, "INSERT", "DELETE")
    assert len(table.must(FULL, "SELECT * FROM {t}").rows) == 2
    for sql in CHANGES:
        assert "Insufficient Lake Formation permission(s)" in table.ask(FULL, sql).reason, sql
    assert table.rows() == [["1", "x"], ["2", "y"]]
    formation.delete_data_cells_filter(**of)


def test_each_change_needs_its_own_permissions(table: Governed) -> None:
    merged_in, merged_out = CHANGES[3], CHANGES[2]
    table.grant(FULL, "SELECT")
    for sql in (*CHANGES, "INSERT INTO {t} VALUES (3, 'z')", *RESHAPES):
        assert "Insufficient Lake Formation permission(s)" in table.ask(FULL, sql).reason, sql
    table.grant(FULL, "INSERT")
    table.must(FULL, merged_in)
    for sql in (merged_out, CHANGES[0], CHANGES[1], CHANGES[4], CHANGES[5]):
        assert "Required Delete" in table.ask(FULL, sql).reason, sql
    table.grant(FULL, "DELETE")
    table.must(FULL, "DELETE FROM {t} WHERE id = 7")
    table.must(FULL, "UPDATE {t} SET {secret} = 'q' WHERE id = 2")
    table.revoke(FULL, "INSERT")
    assert "Required Insert" in table.ask(FULL, "UPDATE {t} SET id = 5").reason
    assert table.rows() == [["1", "x"], ["2", "q"]]


def test_reads_and_writes_are_on_the_record(table: Governed) -> None:
    changed = table.must("admin", "DELETE FROM {t} WHERE id = 1")
    trail = table.lake.client("admin", "cloudtrail")
    events = trail.lookup_events(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "GetDataAccess"}])[
        "Events"
    ]
    found = [one["CloudTrailEvent"] for one in events if changed.id in one["CloudTrailEvent"]]
    assert any('"permissions":["SELECT"]' in one.replace(" ", "") for one in found)
    assert any('"permissions":["DELETE"]' in one.replace(" ", "") for one in found)
    assert not any("$iceberg" in one for one in found)


def test_dropping_takes_the_data_and_no_other(table: Governed) -> None:
    s3, bucket = table.lake.client("admin", "s3"), table.lake.dataset.bucket
    s3.put_object(Bucket=bucket, Key=f"iceberg/{table.name}/data/foreign.parquet", Body=b"not the table's")
    assert len(table.objects()) > 3
    table.must("admin", "DROP TABLE {t}")
    assert table.objects() == {f"iceberg/{table.name}/data/foreign.parquet"}


def test_no_escalation_by_another_name(table: Governed) -> None:
    """Who renames a table is the creator of the new one: all rights are not enough, they must be its to give."""
    table.grant(FULL, "ALL")
    assert "Required All with grant option" in table.ask(FULL, "ALTER TABLE {t} RENAME TO {t}_new").reason
    table.must("admin", "ALTER TABLE {t} RENAME TO {t}_new")
    assert table.ask("admin", "SELECT * FROM {t}").reason.startswith("TABLE_NOT_FOUND")
    assert table.ask(FULL, "SELECT * FROM {t}_new").reason.startswith("TABLE_NOT_FOUND")
    table.must("admin", "INSERT INTO {t}_new VALUES (3, 'z')")
    table.must("admin", "ALTER TABLE {t}_new RENAME TO {t}")
    assert table.rows() == [["1", "x"], ["2", "y"], ["3", "z"]]
    other = table.lake.dataset.table
    taken = table.ask("admin", "ALTER TABLE {t} RENAME TO " + other)
    assert "already exists" in taken.reason
    hive = table.ask("admin", f"ALTER TABLE {other} RENAME TO other")
    assert hive.reason.startswith("NOT_SUPPORTED")
