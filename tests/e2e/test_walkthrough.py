"""The walkthrough with unmodified clients, on a table that no code knows."""

import json
import subprocess
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pyathena import connect
from pyathena.pandas.cursor import PandasCursor

from lakewarden.demo.walkthrough import FULL, LIMITED
from tests.e2e.conftest import Lake


def columns(lake: Lake) -> list[str]:
    return [name for name, _ in lake.dataset.columns]


def test_each_role_sees_exactly_what_was_granted(lake: Lake) -> None:
    full = lake.query(FULL, f"SELECT * FROM {lake.dataset.table}")
    limited = lake.query(LIMITED, f"SELECT * FROM {lake.dataset.table}")
    assert full.rows[0] == columns(lake)
    assert limited.rows[0] == list(lake.dataset.permitted)
    assert len(full.rows) == len(limited.rows) == lake.dataset.row_count + 1
    hidden = columns(lake).index(lake.dataset.hidden[0])
    assert [row[:hidden] + row[hidden + 1 :] for row in full.rows] == limited.rows
    assert full.rows[1][2] == 'said "no"\nand left'


def test_denied_and_absent_columns_give_the_same_text(lake: Lake) -> None:
    hidden = lake.dataset.hidden[0]
    absent = "x" * len(hidden)
    denied = lake.query(LIMITED, f"SELECT {hidden} FROM {lake.dataset.table}")
    missing = lake.query(LIMITED, f"SELECT {absent} FROM {lake.dataset.table}")
    assert denied.state == missing.state == "FAILED"
    assert denied.reason == (
        f"COLUMN_NOT_FOUND: line 1:8: Column '{hidden}' cannot be resolved or requester is not authorized to access "
        "requested resources"
    )
    assert missing.reason == denied.reason.replace(hidden, absent)
    error = denied.execution["Status"]["AthenaError"]
    assert (error["ErrorCategory"], error["ErrorType"]) == (2, 1006)


def test_denied_and_absent_tables_give_the_same_text(lake: Lake) -> None:
    database = lake.dataset.database
    lake.query("admin", f"CREATE EXTERNAL TABLE ungranted (a string) LOCATION '{lake.dataset.location}'")
    denied = lake.query(LIMITED, "SELECT a FROM ungranted")
    missing = lake.query(LIMITED, "SELECT a FROM unthought")
    assert denied.reason == f"TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.{database}.ungranted' does not exist"
    assert missing.reason == denied.reason.replace("ungranted", "unthought")
    assert lake.query(LIMITED, "SHOW TABLES").rows == [[lake.dataset.table]]
    assert lake.query(LIMITED, "SHOW DATABASES").rows == [[database]]


def test_the_raw_object_is_not_readable(lake: Lake) -> None:
    key = lake.dataset.prefix + lake.dataset.file_name
    for who in (FULL, LIMITED):
        with pytest.raises(ClientError, match="AccessDenied"):
            lake.client(who, "s3").get_object(Bucket=lake.dataset.bucket, Key=key)


def test_revocation_is_immediate(lake: Lake) -> None:
    account = lake.server.administrator["AccountId"]
    grant: dict[str, Any] = {
        "Principal": {
            "DataLakePrincipalIdentifier": f"arn:aws:iam::{account}:role/SageMakerStudioExecutionRole_{LIMITED}"
        },
        "Resource": {
            "TableWithColumns": {
                "DatabaseName": lake.dataset.database,
                "Name": lake.dataset.table,
                "ColumnNames": ["dose"],
            }
        },
        "Permissions": ["SELECT"],
        "PermissionsWithGrantOption": ["SELECT"],
    }
    admin = lake.client("admin", "lakeformation")
    question = f"SELECT max(dose) FROM {lake.dataset.table}"
    assert lake.query(LIMITED, question).state == "SUCCEEDED"
    admin.revoke_permissions(**grant)
    try:
        assert lake.query(LIMITED, question).reason.startswith("COLUMN_NOT_FOUND")
    finally:
        admin.grant_permissions(**grant)
    assert lake.query(LIMITED, question).state == "SUCCEEDED"


def test_the_trail_names_who_read_which_columns(lake: Lake) -> None:
    ran = lake.query(LIMITED, f"SELECT dose FROM {lake.dataset.table} WHERE arm = 'b'")
    events = lake.client("admin", "cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "GetDataAccess"}], MaxResults=50
    )["Events"]
    records = [json.loads(event["CloudTrailEvent"]) for event in events]
    record = next(
        found
        for found in records
        if found["requestParameters"]["auditContext"]["additionalAuditContext"] == f"{{queryId: {ran.id}}}"
    )
    assert record["userIdentity"]["sessionContext"]["sourceIdentity"] == LIMITED
    assert record["userIdentity"]["arn"].endswith(f"/{LIMITED}")
    assert record["requestParameters"]["tableArn"].endswith(f"table/{lake.dataset.database}/{lake.dataset.table}")
    outcomes = lake.client("admin", "cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "QueryExecutionCompleted"}], MaxResults=50
    )["Events"]
    details = next(
        found["serviceEventDetails"]
        for found in (json.loads(event["CloudTrailEvent"]) for event in outcomes)
        if found["serviceEventDetails"]["queryId"] == ran.id
    )
    assert details["tables"][0]["columns"] == ["dose", "arm"]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM '/etc/passwd'",
        "COPY (SELECT 1) TO '/tmp/stolen.csv'",
        "ATTACH '/tmp/other.db'",
        "PRAGMA database_list",
        "INSTALL httpfs",
        "SET lock_configuration = false",
        "SELECT 1; SELECT 2",
        "SELECT getenv('PATH')",
        "SELEKT 1",
    ],
)
def test_hostile_statements_reach_nothing_and_are_audited(lake: Lake, statement: str) -> None:
    try:
        ran = lake.query(LIMITED, statement)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidRequestException"  # noqa: PT017 - both forms are AWS's
    else:
        assert ran.state == "FAILED"
        assert ran.reason
    newest = lake.client("admin", "cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": LIMITED}], MaxResults=10
    )["Events"]
    assert any(event["EventName"] == "StartQueryExecution" for event in newest)


def test_pyathena_with_its_default_cursor_and_with_pandas(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in lake.environment(LIMITED).items():
        monkeypatch.setenv(name, value)
    connection = connect(s3_staging_dir=f"s3://{lake.results}/pyathena/", schema_name=lake.dataset.database)
    cursor = connection.cursor()
    cursor.execute(f"SELECT * FROM {lake.dataset.table} LIMIT 3")
    assert [column[0] for column in cursor.description or ()] == list(lake.dataset.permitted)
    assert len(cursor.fetchall()) == 3
    frame = (
        connection.cursor(PandasCursor)
        .execute(f"SELECT arm, count(*) n FROM {lake.dataset.table} GROUP BY 1")
        .as_pandas()
    )
    assert frame["n"].sum() == lake.dataset.row_count
    assert [row[0] for row in connection.cursor().execute("SHOW TABLES").fetchall()] == [lake.dataset.table]


def aws(lake: Lake, who: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "awscli", *arguments]
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **lake.environment(who)}
    environment = {name: value for name, value in environment.items() if value}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_aws_cli(lake: Lake) -> None:
    identity = json.loads(aws(lake, LIMITED, "sts", "get-caller-identity").stdout)
    assert identity["Arn"].endswith(f"assumed-role/SageMakerStudioExecutionRole_{LIMITED}/{LIMITED}")
    table = json.loads(
        aws(
            lake, LIMITED, "glue", "get-table", "--database-name", lake.dataset.database, "--name", lake.dataset.table
        ).stdout
    )["Table"]
    assert [column["Name"] for column in table["StorageDescriptor"]["Columns"]] == list(lake.dataset.permitted)
    denied = aws(lake, LIMITED, "iam", "list-users")
    assert denied.returncode != 0
    assert "is not authorized to perform: iam:ListUsers" in denied.stderr


def test_wrong_keys_and_wrong_calls_get_awss_errors_and_are_audited(lake: Lake) -> None:
    import boto3

    stranger = boto3.client(
        "sts",
        endpoint_url=lake.server.endpoint,
        region_name="us-east-1",
        aws_access_key_id=lake.server.administrator["AccessKeyId"],
        aws_secret_access_key="not the secret",
    )
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stranger.get_caller_identity()
    with pytest.raises(ClientError, match="NotImplemented"):
        lake.client("admin", "glue").create_ml_transform(
            Name="x", InputRecordTables=[{"DatabaseName": "a", "TableName": "b"}],
            Parameters={"TransformType": "FIND_MATCHES"}, Role="arn:aws:iam::123456789012:role/x",
        )  # fmt: skip
    events = lake.client("admin", "cloudtrail").lookup_events(MaxResults=10)["Events"]
    codes = {json.loads(event["CloudTrailEvent"]).get("errorCode") for event in events}
    assert {"SignatureDoesNotMatch", "NotImplemented"} <= codes
