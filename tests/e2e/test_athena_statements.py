"""Athena's statements through boto3 against a real server."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from lakewarden.demo.walkthrough import FULL, LIMITED
from tests.e2e.conftest import Lake, Ran

Run = Callable[[str], Ran]


@pytest.fixture
def run(lake: Lake) -> Run:
    """Run as the administrator; fails the test when the query fails."""

    def ran(sql: str) -> Ran:
        found = lake.query("admin", sql)
        assert found.state == "SUCCEEDED", (sql, found.reason)
        return found

    return ran


@pytest.fixture
def name() -> str:
    return f"t_{secrets.token_hex(4)}"


def rows(ran: Ran) -> list[list[str | None]]:
    return ran.rows[1:]


def objects(lake: Lake, uri: str, who: str = "admin") -> list[str]:
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    found = lake.client(who, "s3").list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    return [one["Key"] for one in found]


def body(lake: Lake, uri: str, who: str = "admin") -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    read: bytes = lake.client(who, "s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return read


@pytest.mark.parametrize("form", ["PARQUET", "ORC", "AVRO", "JSON", "TEXTFILE"])
def test_ctas_and_insert_in_every_format(lake: Lake, run: Run, name: str, form: str) -> None:
    made = run(
        f"CREATE TABLE {name} WITH (format = '{form}') AS "
        "SELECT CAST(1 AS bigint) a, 'x''y' b, CAST(1.5 AS double) c, DATE '2020-02-03' d, true e, "
        "CAST('12.34' AS decimal(10, 2)) f, TIMESTAMP '2021-01-02 03:04:05.678' g, CAST(NULL AS varchar) h"
    )
    assert made.execution["SubstatementType"] == "CREATE_TABLE_AS_SELECT"
    assert made.execution["StatementType"] == "DDL"
    manifest = made.execution["Statistics"]["DataManifestLocation"]
    assert manifest == f"s3://{lake.results}/admin/{made.id}-manifest.csv"
    listed = body(lake, manifest).decode().split()
    assert len(listed) == 1
    assert listed[0].startswith(f"s3://{lake.results}/admin/tables/{made.id}/")
    inserted = run(f"INSERT INTO {name} (b, a) VALUES ('only', 2)")
    assert inserted.execution["SubstatementType"] == "INSERT"
    answer = lake.client("admin", "athena").get_query_results(QueryExecutionId=inserted.id)
    assert answer["UpdateCount"] == 1
    assert answer["ResultSet"]["Rows"] == []
    expected = [
        ["1", "x'y", "1.5", "2020-02-03", "true", "12.34", "2021-01-02 03:04:05.678", None],
        ["2", "only", None, None, None, None, None, None],
    ]
    assert rows(run(f"SELECT * FROM {name} ORDER BY a")) == expected


@pytest.mark.parametrize("form", ["PARQUET", "ORC", "JSON"])
def test_nested_values_survive(run: Run, name: str, form: str) -> None:
    run(
        f"CREATE TABLE {name} WITH (format = '{form}') AS "
        "SELECT ARRAY[1, 2] a, CAST(ROW(1, 'x') AS ROW(n integer, s varchar)) r"
    )
    assert rows(run(f"SELECT * FROM {name}")) == [["[1, 2]", "{n=1, s=x}"]]


@pytest.mark.parametrize("form", ["PARQUET", "ORC", "AVRO", "JSON", "TEXTFILE"])
def test_partitions(lake: Lake, run: Run, name: str, form: str) -> None:
    run(
        f"CREATE TABLE {name} WITH (format = '{form}', partitioned_by = ARRAY['day', 'kind']) AS "
        "SELECT * FROM (VALUES (1, DATE '2020-01-01', 'a b'), (2, DATE '2020-01-02', 'x/y=z'), "
        "(3, DATE '2020-01-02', NULL)) AS v(n, day, kind)"
    )
    run(f"INSERT INTO {name} SELECT 4, DATE '2020-01-03', 'new'")
    assert rows(run(f"SELECT * FROM {name} ORDER BY n")) == [
        ["1", "2020-01-01", "a b"],
        ["2", "2020-01-02", "x/y=z"],
        ["3", "2020-01-02", None],
        ["4", "2020-01-03", "new"],
    ]
    assert run(f"SHOW PARTITIONS {name}").rows == [
        ["day=2020-01-01/kind=a b"],
        ["day=2020-01-02/kind=__HIVE_DEFAULT_PARTITION__"],
        ["day=2020-01-02/kind=x%2Fy%3Dz"],
        ["day=2020-01-03/kind=new"],
    ]
    everything = int(run(f"SELECT n FROM {name}").execution["Statistics"]["DataScannedInBytes"])
    one = run(f"SELECT n FROM {name} WHERE day = DATE '2020-01-03' AND n > 0")
    assert rows(one) == [["4"]]
    assert 0 < one.execution["Statistics"]["DataScannedInBytes"] < everything


def test_too_many_partitions_and_partition_columns_out_of_order(lake: Lake, name: str) -> None:
    many = lake.query(
        "admin",
        f"CREATE TABLE {name} WITH (partitioned_by = ARRAY['k']) AS SELECT n a, n k FROM UNNEST(sequence(1, 101)) AS s(n)",
    )
    assert "TOO_MANY_OPEN_PARTITIONS" in many.reason
    order = lake.query("admin", f"CREATE TABLE {name} WITH (partitioned_by = ARRAY['a']) AS SELECT 1 a, 2 b")
    assert order.reason.startswith("HIVE_COLUMN_ORDER_MISMATCH")
    assert lake.query("admin", f"SELECT * FROM {name}").reason.startswith("TABLE_NOT_FOUND")
    unnamed = lake.query("admin", f"CREATE TABLE {name} AS SELECT 1")
    assert "Column name not specified at position 1" in unnamed.reason


def test_unload(lake: Lake, run: Run, name: str) -> None:
    target = f"s3://{lake.results}/unloaded/{name}/"
    done = run(f"UNLOAD (SELECT 1 a, 'q' b) TO '{target}' WITH (format = 'CSV', compression = 'NONE')")
    assert done.execution["SubstatementType"] == "UNLOAD"
    [uri] = body(lake, done.execution["Statistics"]["DataManifestLocation"]).decode().split()
    assert uri.startswith(target)
    assert body(lake, uri) == b"1,q\n"
    again = lake.query("admin", f"UNLOAD (SELECT 1 a) TO '{target}' WITH (format = 'JSON')")
    assert again.reason.startswith("HIVE_PATH_ALREADY_EXISTS")
    nowhere = lake.query("admin", "UNLOAD (SELECT 1 a) TO 's3://no-such-bucket-here/x/' WITH (format = 'JSON')")
    assert nowhere.state == "FAILED"


def test_views_need_rights_on_the_view_and_on_what_it_reads(lake: Lake, run: Run, name: str) -> None:
    table, hidden = lake.dataset.table, lake.dataset.hidden[0]
    run(f"CREATE VIEW {name} AS SELECT arm, {hidden}, dose FROM {table}")
    assert len(rows(run(f"SELECT * FROM {name}"))) == lake.dataset.row_count
    assert [name] in run("SHOW VIEWS").rows
    assert run(f"SHOW CREATE VIEW {name}").rows[1] == [f"SELECT arm, {hidden}, dose FROM {table}"]
    assert lake.query(LIMITED, f"SELECT * FROM {name}").reason.startswith("TABLE_NOT_FOUND")
    run(f"CREATE OR REPLACE VIEW {name}_ok AS SELECT arm, dose FROM {table}")
    for view in (name, f"{name}_ok"):
        grant(lake, LIMITED, view)
    refused = lake.query(LIMITED, f"SELECT arm FROM {name}")
    assert refused.reason == (
        f"INVALID_VIEW: line 1:17: Failed analyzing stored view 'awsdatacatalog.{lake.dataset.database}.{name}'"
    )
    allowed = lake.query(LIMITED, f"SELECT v.* FROM {name}_ok v WHERE v.dose IS NOT NULL")
    assert allowed.rows[0] == ["arm", "dose"]
    assert len(allowed.rows) == lake.dataset.row_count + 1
    for view in (name, f"{name}_ok"):
        run(f"DROP VIEW {view}")
    assert lake.query("admin", f"SELECT * FROM {name}").reason.startswith("TABLE_NOT_FOUND")


def grant(lake: Lake, who: str, table: str, *permissions: str) -> None:
    account = lake.server.administrator["AccountId"]
    lake.client("admin", "lakeformation").grant_permissions(
        Principal={"DataLakePrincipalIdentifier": f"arn:aws:iam::{account}:role/SageMakerStudioExecutionRole_{who}"},
        Resource={"Table": {"DatabaseName": lake.dataset.database, "Name": table}},
        Permissions=list(permissions) or ["SELECT"],
    )


def test_views_of_views_and_of_themselves(lake: Lake, run: Run, name: str) -> None:
    run(f"CREATE VIEW {name}_0 AS WITH x AS (SELECT 1 a, 2 b) SELECT * FROM x")
    for depth in range(1, 4):
        run(
            f"CREATE VIEW {name}_{depth} AS SELECT l.a, r.b FROM {name}_{depth - 1} l JOIN {name}_{depth - 1} r ON l.a = r.a"
        )
    # The name of a CTE around the view means nothing inside of it.
    found = run(f"WITH {name}_1 AS (SELECT 99 a) SELECT v.a, v.b, {name}_1.a FROM {name}_3 v, {name}_1")
    assert rows(found) == [["1", "2", "99"]]
    run(f"CREATE OR REPLACE VIEW {name}_0 AS SELECT a, b FROM {name}_3")
    assert lake.query("admin", f"SELECT * FROM {name}_0").reason.startswith("INVALID_VIEW")


def test_information_schema_shows_what_may_be_seen(lake: Lake, run: Run) -> None:
    database, table = lake.dataset.database, lake.dataset.table
    seen = lake.query(LIMITED, f"SELECT column_name FROM information_schema.columns WHERE table_schema = '{database}' "
                      f"AND table_name = '{table}' ORDER BY ordinal_position")  # fmt: skip
    assert [row[0] for row in rows(seen)] == list(lake.dataset.permitted)
    tables = lake.query(LIMITED, "SELECT table_schema, table_name FROM information_schema.tables")
    listed = lake.query(LIMITED, "SHOW TABLES")
    assert sorted(row[1] or "" for row in rows(tables)) == sorted(row[0] or "" for row in listed.rows)
    assert rows(lake.query(LIMITED, "SELECT schema_name FROM information_schema.schemata")) == [[database]]
    assert lake.query(LIMITED, "SELECT * FROM information_schema.roles").reason.startswith("TABLE_NOT_FOUND")


def test_prepared_statements_and_parameters(lake: Lake, run: Run, name: str) -> None:
    table = lake.dataset.table
    run(f"PREPARE {name} FROM SELECT patient FROM {table} WHERE patient = ? AND arm = ?")
    assert rows(run(f"EXECUTE {name} USING '8', 'b'")) == [["8"]]
    assert rows(run(f"EXECUTE {name} USING '8', 'b'' OR 1=1 --'")) == []
    athena = lake.client("admin", "athena")
    assert athena.get_prepared_statement(StatementName=name, WorkGroup="primary")["PreparedStatement"]["QueryStatement"]
    refused = lake.query("admin", f"EXECUTE {name} USING '8', arm")
    assert refused.reason.endswith("a parameter must be a literal")
    assert "expected 2 but found 1" in lake.query("admin", f"EXECUTE {name} USING '8'").reason
    run(f"DEALLOCATE PREPARE {name}")
    assert lake.query("admin", f"EXECUTE {name} USING 1, 2").state == "FAILED"
    started = athena.start_query_execution(
        QueryString=f"SELECT count(*) c FROM {table} WHERE arm = ?",
        ExecutionParameters=["'b'"],
        QueryExecutionContext={"Database": lake.dataset.database},
        ResultConfiguration={"OutputLocation": f"s3://{lake.results}/admin/"},
    )["QueryExecutionId"]
    assert finished(athena, started)["Status"]["State"] == "SUCCEEDED"


def finished(athena: Any, execution_id: str) -> Any:
    while True:
        found = athena.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]
        if found["Status"]["State"] in {"SUCCEEDED", "FAILED", "CANCELLED"}:
            return found


def test_explain_says_nothing_of_what_is_hidden(lake: Lake, run: Run) -> None:
    table, hidden = lake.dataset.table, lake.dataset.hidden[0]
    lines = [row[0] or "" for row in lake.query(LIMITED, f"EXPLAIN SELECT * FROM {table} WHERE arm = 'b'").rows]
    assert any("TableScan" in line and table in line for line in lines)
    assert hidden not in "".join(lines)
    assert lake.query(LIMITED, f"EXPLAIN SELECT {hidden} FROM {table}").reason.startswith("COLUMN_NOT_FOUND")
    analysed = run(f"EXPLAIN ANALYZE SELECT * FROM {table}")
    assert f"Output: {lake.dataset.row_count} rows" in str(analysed.rows[0][0])
    assert run(f"EXPLAIN (TYPE VALIDATE) SELECT * FROM {table}").rows == [["true"]]


def test_alter_table_and_what_show_says_of_it(lake: Lake, run: Run, name: str) -> None:
    run(
        f"CREATE EXTERNAL TABLE {name} (a int, b string) STORED AS PARQUET LOCATION 's3://{lake.results}/empty/{name}/'"
    )
    run(f"ALTER TABLE {name} ADD COLUMNS (c array<int> COMMENT 'new')")
    run(f"ALTER TABLE {name} CHANGE COLUMN b bb bigint")
    run(f"ALTER TABLE {name} SET TBLPROPERTIES ('colour' = 'green')")
    assert [row[0] for row in run(f"DESCRIBE {name}").rows if row] == ["a".ljust(20), "bb".ljust(20), "c".ljust(20)]
    assert ["colour", "green"] in run(f"SHOW TBLPROPERTIES {name}").rows
    assert run(f"SHOW TBLPROPERTIES {name}('colour')").rows == [["colour", "green"]]
    run(f"ALTER TABLE {name} REPLACE COLUMNS (z string)")
    assert run(f"SHOW COLUMNS IN {name}").rows == [["z".ljust(20)]]
    run(f"ALTER TABLE {name} SET LOCATION 's3://{lake.results}/elsewhere/{name}/'")
    assert any("elsewhere" in str(row[0]) for row in run(f"SHOW CREATE TABLE {name}").rows)
    refused = lake.query(LIMITED, f"ALTER TABLE {name} SET TBLPROPERTIES ('colour' = 'red')")
    assert refused.reason.startswith("TABLE_NOT_FOUND")
    denied = lake.query(LIMITED, f"ALTER TABLE {lake.dataset.table} ADD COLUMNS (x int)")
    assert denied.state == "FAILED"
    run(f"DROP TABLE {name}")


def test_writing_needs_the_right_to_write(lake: Lake, run: Run, name: str) -> None:
    """What a scientist may read it may not add to, copy into another's place, or make a table of without a right."""
    table = lake.dataset.table
    insert = f"INSERT INTO {table} SELECT * FROM {table}"
    for who in (FULL, LIMITED):
        assert lake.query(who, insert).state == "FAILED"
        assert lake.query(who, f"CREATE TABLE {name} AS SELECT 1 a").state == "FAILED"
        registered = f"{lake.dataset.location.rstrip('/')}/stolen_{who}/"
        unload = f"UNLOAD (SELECT 1 a) TO '{registered}' WITH (format = 'JSON')"
        assert lake.query(who, unload).state == "FAILED"
        assert objects(lake, registered) == []
    assert len(rows(run(f"SELECT * FROM {table}"))) == lake.dataset.row_count


def test_results_of_unload_and_ctas_are_private(lake: Lake, run: Run, name: str) -> None:
    target = f"s3://{lake.results}/{FULL}/{name}/"
    done = lake.query(FULL, f"UNLOAD (SELECT 1 a) TO '{target}' WITH (format = 'JSON', compression = 'NONE')")
    assert done.state == "SUCCEEDED", done.reason
    [uri] = body(lake, done.execution["Statistics"]["DataManifestLocation"], FULL).decode().split()
    assert body(lake, uri, FULL) == b'{"a":1}\n'
    with pytest.raises(Exception, match="AccessDenied"):
        body(lake, uri, LIMITED)
    with pytest.raises(Exception, match="AccessDenied"):
        body(lake, uri, "admin")


def test_statistics_say_nothing_of_what_is_hidden(lake: Lake) -> None:
    """The size of a file with hidden columns is not told to who may not see them."""
    sql = f"SELECT count(*) AS c FROM {lake.dataset.table}"
    hidden = lake.query(LIMITED, sql).execution["Statistics"]["DataScannedInBytes"]
    whole = lake.query(FULL, sql).execution["Statistics"]["DataScannedInBytes"]
    assert whole > 10_000
    assert 0 < hidden < 100


def test_partitions_by_statement(lake: Lake, run: Run, name: str) -> None:
    """ADD, RENAME and DROP PARTITION, MSCK REPAIR; what is in no partition of the catalog is not read."""
    place = f"lake/{name}"
    s3 = lake.client("admin", "s3")
    for folder, value in (("day=1", "a"), ("day=2", "b"), ("elsewhere", "c")):
        s3.put_object(Bucket=lake.results, Key=f"{place}/{folder}/f", Body=f"{value}\n".encode())
    run(f"CREATE EXTERNAL TABLE {name} (v string) PARTITIONED BY (day string) LOCATION 's3://{lake.results}/{place}/'")
    assert rows(run(f"SELECT * FROM {name}")) == []
    run(f"ALTER TABLE {name} ADD PARTITION (day = '1')")
    run(f"ALTER TABLE {name} ADD IF NOT EXISTS PARTITION (day = '1') PARTITION (day = 'x') "
        f"LOCATION 's3://{lake.results}/{place}/elsewhere/'")  # fmt: skip
    assert lake.query("admin", f"ALTER TABLE {name} ADD PARTITION (day = '1')").state == "FAILED"
    assert rows(run(f"SELECT v, day FROM {name} ORDER BY day")) == [["a", "1"], ["c", "x"]]
    assert run(f"MSCK REPAIR TABLE {name}").rows == [[f"Repair: Added partition to metastore {name}:day=2"]]
    assert run(f"MSCK REPAIR TABLE {name}").rows == []
    run(f"ALTER TABLE {name} PARTITION (day = 'x') RENAME TO PARTITION (day = 'y')")
    assert run(f"SHOW PARTITIONS {name}").rows == [["day=1"], ["day=2"], ["day=y"]]
    assert rows(run(f"SELECT v, day FROM {name} WHERE day > '1' ORDER BY day")) == [["b", "2"], ["c", "y"]]
    run(f"ALTER TABLE {name} DROP PARTITION (day = '1'), PARTITION (day = 'y')")
    assert lake.query("admin", f"ALTER TABLE {name} DROP PARTITION (day = '1')").state == "FAILED"
    run(f"ALTER TABLE {name} DROP IF EXISTS PARTITION (day = '1')")
    assert rows(run(f"SELECT v FROM {name}")) == [["b"]]
    assert lake.query(LIMITED, f"ALTER TABLE {name} ADD PARTITION (day = '3')").reason.startswith("TABLE_NOT_FOUND")
    grant(lake, LIMITED, name)
    assert lake.query(LIMITED, f"ALTER TABLE {name} ADD PARTITION (day = '3')").state == "FAILED"
    assert lake.query(LIMITED, f"MSCK REPAIR TABLE {name}").state == "FAILED"
    wrong = lake.query("admin", f"ALTER TABLE {name} ADD PARTITION (night = '3')")
    assert "must name the keys day" in wrong.reason
    run(f"DROP TABLE {name}")


def test_an_insert_is_on_record_as_an_access_of_its_target(lake: Lake, run: Run, name: str) -> None:
    run(f"CREATE TABLE {name} AS SELECT 1 AS a")
    inserted = run(f"INSERT INTO {name} SELECT 2")
    events = lake.client("admin", "cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "GetDataAccess"}], MaxResults=10
    )["Events"]
    asked = [json.loads(event["CloudTrailEvent"])["requestParameters"] for event in events]
    found = [one for one in asked if inserted.id in one["auditContext"]["additionalAuditContext"]]
    assert [one["permissions"] for one in found] == [["INSERT"]]
    assert found[0]["tableArn"].endswith(f"/{lake.dataset.database}/{name}")
    run(f"DROP TABLE {name}")
