"""Athena's API through boto3: workgroups, saved things, cancelling, limits, reuse, privacy, restarts."""

import os
import secrets
import signal
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lakewarden.demo.server import initialise, serving
from lakewarden.demo.walkthrough import FULL, LIMITED
from tests.e2e.conftest import Lake

LONG = (
    "SELECT count(*) FROM UNNEST(sequence(1, 10000)) a(x) CROSS JOIN UNNEST(sequence(1, 10000)) b(y) "
    "CROSS JOIN UNNEST(sequence(1, 10000)) c(z) WHERE x * y + z = 7"
)


@pytest.fixture
def name() -> str:
    return f"w_{secrets.token_hex(4)}"


def start(lake: Lake, who: str, sql: str, **extra: Any) -> str:
    options = {"ResultConfiguration": {"OutputLocation": f"s3://{lake.results}/{who}/"}, **extra}
    options["QueryExecutionContext"] = {"Database": lake.dataset.database}
    started: str = lake.client(who, "athena").start_query_execution(QueryString=sql, **options)["QueryExecutionId"]
    return started


def finished(athena: Any, execution_id: str) -> Any:
    while True:
        found = athena.get_query_execution(QueryExecutionId=execution_id)["QueryExecution"]
        if found["Status"]["State"] in {"SUCCEEDED", "FAILED", "CANCELLED"}:
            return found


def test_workgroups_enforce_what_they_say(lake: Lake, name: str) -> None:
    athena = lake.client("admin", "athena")
    output = f"s3://{lake.results}/group-{name}/"
    athena.create_work_group(
        Name=name,
        Configuration={
            "ResultConfiguration": {"OutputLocation": output},
            "BytesScannedCutoffPerQuery": 10_000_000,
            "PublishCloudWatchMetricsEnabled": False,
        },
        Tags=[{"Key": "team", "Value": "a"}],
    )
    group = athena.get_work_group(WorkGroup=name)["WorkGroup"]
    assert group["Configuration"]["EnforceWorkGroupConfiguration"] is True
    ran = finished(athena, start(lake, "admin", "SELECT 1 AS a", WorkGroup=name))
    assert ran["ResultConfiguration"]["OutputLocation"] == f"{output}{ran['QueryExecutionId']}.csv"
    assert name in [one["Name"] for one in athena.list_work_groups()["WorkGroups"]]
    arn = f"arn:aws:athena:us-east-1:{lake.server.administrator['AccountId']}:workgroup/{name}"
    athena.tag_resource(ResourceARN=arn, Tags=[{"Key": "cost", "Value": "7"}])
    athena.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert athena.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "cost", "Value": "7"}]
    athena.update_work_group(
        WorkGroup=name, State="DISABLED", ConfigurationUpdates={"RemoveBytesScannedCutoffPerQuery": True}
    )
    with pytest.raises(ClientError, match="disabled"):
        start(lake, "admin", "SELECT 1 AS a", WorkGroup=name)
    with pytest.raises(ClientError, match="not empty"):
        athena.delete_work_group(WorkGroup=name)
    athena.delete_work_group(WorkGroup=name, RecursiveDeleteOption=True)
    with pytest.raises(ClientError, match="is not found"):
        athena.get_work_group(WorkGroup=name)


@pytest.mark.parametrize(
    "configuration",
    [
        {"ExecutionRole": "arn:aws:iam::123456789012:role/x"},
        {"RequesterPaysEnabled": True},
        {"ManagedQueryResultsConfiguration": {"Enabled": True}},
        {"EngineVersion": {"SelectedEngineVersion": "PySpark engine version 3"}},
        {"ResultConfiguration": {"EncryptionConfiguration": {"EncryptionOption": "SSE_S3"}}},
    ],
)
def test_what_a_workgroup_cannot_do_is_refused_by_name(lake: Lake, name: str, configuration: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match="is not supported"):
        lake.client("admin", "athena").create_work_group(Name=name, Configuration=configuration)


def test_bytes_scanned_are_cut_off(lake: Lake, name: str) -> None:
    athena = lake.client("admin", "athena")
    athena.create_work_group(Name=name, Configuration={"EnforceWorkGroupConfiguration": False})
    place = f"external_location = 's3://{lake.results}/cut/{name}/'"
    table = lake.query("admin", f"CREATE TABLE {name} WITH (format = 'JSON', write_compression = 'NONE', {place}) AS "
                       "SELECT a.n, b.n m, 'padding padding padding padding' p FROM UNNEST(sequence(1, 1000)) a(n) "
                       "CROSS JOIN UNNEST(sequence(1, 200)) b(n)")  # fmt: skip
    assert table.state == "SUCCEEDED", table.reason
    athena.update_work_group(WorkGroup=name, ConfigurationUpdates={"BytesScannedCutoffPerQuery": 10_000_000})
    ran = finished(athena, start(lake, "admin", f"SELECT max(n) AS m FROM {name}", WorkGroup=name))
    assert ran["Status"]["State"] == "CANCELLED"
    assert "Bytes scanned limit was exceeded" in ran["Status"]["StateChangeReason"]
    # Who may see a part of it is never told, by a limit either, how large the rest is.
    role = f"arn:aws:iam::{lake.server.administrator['AccountId']}:role/SageMakerStudioExecutionRole_{LIMITED}"
    columns = {"DatabaseName": lake.dataset.database, "Name": name, "ColumnNames": ["n"]}
    lake.client("admin", "lakeformation").grant_permissions(
        Principal={"DataLakePrincipalIdentifier": role},
        Resource={"TableWithColumns": columns},
        Permissions=["SELECT"],
    )
    theirs = lake.client(LIMITED, "athena")
    ran = finished(theirs, start(lake, LIMITED, f"SELECT max(n) AS m FROM {name}", WorkGroup=name))
    assert ran["Status"]["State"] == "SUCCEEDED", ran["Status"]
    assert ran["Statistics"]["DataScannedInBytes"] < 1000
    ran = finished(theirs, start(lake, LIMITED, f"SELECT n, '{'x' * 60}' AS p FROM {name}", WorkGroup=name))
    assert ran["Status"]["State"] == "CANCELLED", ran["Status"]
    lake.query("admin", f"DROP TABLE {name}")


def test_named_queries_engine_versions_and_statistics(lake: Lake, name: str) -> None:
    athena = lake.client("admin", "athena")
    token = str(uuid.uuid4())
    members = {"Name": name, "Database": "d", "QueryString": "SELECT 1", "ClientRequestToken": token}
    saved = athena.create_named_query(**members)["NamedQueryId"]
    assert athena.create_named_query(**members)["NamedQueryId"] == saved
    athena.update_named_query(NamedQueryId=saved, Name=name, QueryString="SELECT 2")
    assert athena.get_named_query(NamedQueryId=saved)["NamedQuery"]["QueryString"] == "SELECT 2"
    assert saved in athena.list_named_queries()["NamedQueryIds"]
    both = athena.batch_get_named_query(NamedQueryIds=[saved, str(uuid.uuid4())])
    assert (len(both["NamedQueries"]), len(both["UnprocessedNamedQueryIds"])) == (1, 1)
    athena.delete_named_query(NamedQueryId=saved)
    assert any("version 3" in one["EffectiveEngineVersion"] for one in athena.list_engine_versions()["EngineVersions"])
    ran = lake.query("admin", f"SELECT arm FROM {lake.dataset.table}")
    told = athena.get_query_runtime_statistics(QueryExecutionId=ran.id)["QueryRuntimeStatistics"]
    assert told["Rows"]["OutputRows"] == lake.dataset.row_count
    assert told["Timeline"]["TotalExecutionTimeInMillis"] > 0
    assert min(ran.execution["Statistics"][one] for one in ("EngineExecutionTimeInMillis", "DataScannedInBytes")) > 0


def test_a_request_token_starts_one_query(lake: Lake) -> None:
    token = secrets.token_hex(20)
    first = start(lake, "admin", "SELECT 1 AS a", ClientRequestToken=token)
    assert start(lake, "admin", "SELECT 1 AS a", ClientRequestToken=token) == first
    with pytest.raises(ClientError, match="Idempotent"):
        start(lake, "admin", "SELECT 2 AS a", ClientRequestToken=token)
    assert start(lake, FULL, "SELECT 1 AS a", ClientRequestToken=token) != first


def test_cancelling_is_immediate_and_one_principals_queries_do_not_starve_another(lake: Lake) -> None:
    athena = lake.client("admin", "athena")
    long = [start(lake, "admin", LONG) for _ in range(6)]
    try:
        time.sleep(1.0)
        state = athena.get_query_execution(QueryExecutionId=long[0])["QueryExecution"]["Status"]["State"]
        assert state == "RUNNING"
        began = time.monotonic()
        assert lake.query(LIMITED, f"SELECT count(*) AS c FROM {lake.dataset.table}").state == "SUCCEEDED"
        assert lake.query(LIMITED, "SHOW TABLES").state == "SUCCEEDED"
        assert time.monotonic() - began < 10
    finally:
        for one in long:
            began = time.monotonic()
            athena.stop_query_execution(QueryExecutionId=one)
            ended = athena.get_query_execution(QueryExecutionId=one)["QueryExecution"]["Status"]
            assert ended["State"] == "CANCELLED"
            assert time.monotonic() - began < 1
    assert lake.query("admin", "SELECT 1 AS a").state == "SUCCEEDED"


def test_results_are_reused_only_while_nothing_has_changed(lake: Lake, name: str) -> None:
    reuse = {"ResultReuseConfiguration": {"ResultReuseByAgeConfiguration": {"Enabled": True, "MaxAgeInMinutes": 5}}}
    athena = lake.client("admin", "athena")
    lake.query("admin", f"CREATE TABLE {name} AS SELECT 1 a")
    sql = f"SELECT a FROM {name}"

    def reused(text: str = sql, who: str = "admin") -> bool:
        ran = finished(lake.client(who, "athena"), start(lake, who, text, **reuse))
        assert ran["Status"]["State"] == "SUCCEEDED"
        return bool(ran["Statistics"]["ResultReuseInformation"]["ReusedPreviousResult"])

    assert [reused(), reused(), reused()] == [False, True, True]
    started = start(lake, "admin", sql, **reuse)
    finished(athena, started)
    rows = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
    assert [row["Data"][0]["VarCharValue"] for row in rows] == ["a", "1"]
    lake.query("admin", f"INSERT INTO {name} VALUES 2")
    assert not reused()
    assert [reused("SELECT rand() AS r"), reused("SELECT rand() AS r")] == [False, False]
    table = f"SELECT arm FROM {lake.dataset.table} LIMIT 1"
    assert [reused(table, FULL), reused(table, LIMITED)] == [False, False]
    lake.query("admin", f"DROP TABLE {name}")


def test_history_is_private(lake: Lake) -> None:
    mine = lake.query(FULL, f"SELECT arm FROM {lake.dataset.table} LIMIT 1").id
    other = lake.client(LIMITED, "athena")
    for call in (other.get_query_execution, other.get_query_results, other.stop_query_execution,
                 other.get_query_runtime_statistics):  # fmt: skip
        with pytest.raises(ClientError, match="was not found"):
            call(QueryExecutionId=mine)
    missing = other.batch_get_query_execution(QueryExecutionIds=[mine])
    assert missing["QueryExecutions"] == []
    assert mine not in other.list_query_executions()["QueryExecutionIds"]


def test_nobody_does_what_no_policy_gives(lake: Lake, name: str) -> None:
    """A user without a policy tries every operation that names something."""
    iam = lake.client("admin", "iam")
    iam.create_user(UserName=name)
    keys = iam.create_access_key(UserName=name)["AccessKey"]
    athena = boto3.client(
        "athena", endpoint_url=lake.server.endpoint, region_name="us-east-1", aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
    )  # fmt: skip
    arn = f"arn:aws:athena:us-east-1:{lake.server.administrator['AccountId']}:workgroup/primary"
    group, some = {"WorkGroup": "primary"}, str(uuid.uuid4())
    statement = {**group, "StatementName": "x"}
    calls: dict[str, dict[str, Any]] = {
        "start_query_execution": {"QueryString": "SELECT 1"}, "batch_get_query_execution": {"QueryExecutionIds": [some]},
        "get_query_execution": {"QueryExecutionId": some}, "list_query_executions": {}, "list_engine_versions": {},
        "create_work_group": {"Name": name}, "update_work_group": group, "delete_work_group": group,
        "get_work_group": group, "list_work_groups": {}, "list_data_catalogs": {},
        "create_prepared_statement": {**statement, "QueryStatement": "SELECT 1"},
        "update_prepared_statement": {**statement, "QueryStatement": "SELECT 1"}, "get_prepared_statement": statement,
        "batch_get_prepared_statement": {**group, "PreparedStatementNames": ["x"]}, "list_prepared_statements": group,
        "delete_prepared_statement": statement,
        "create_named_query": {"Name": "x", "Database": "d", "QueryString": "SELECT 1"},
        "get_named_query": {"NamedQueryId": some}, "batch_get_named_query": {"NamedQueryIds": [some]},
        "list_named_queries": {}, "update_named_query": {"NamedQueryId": some, "Name": "x", "QueryString": "SELECT 1"},
        "delete_named_query": {"NamedQueryId": some}, "list_tags_for_resource": {"ResourceARN": arn},
        "tag_resource": {"ResourceARN": arn, "Tags": [{"Key": "a", "Value": "b"}]},
        "untag_resource": {"ResourceARN": arn, "TagKeys": ["a"]},
    }  # fmt: skip
    for operation, members in calls.items():
        with pytest.raises(ClientError, match="AccessDeniedException"):
            getattr(athena, operation)(**members)


def test_queries_survive_a_kill_or_fail_visibly(tmp_path: Path) -> None:
    """kill -9 with queries running and waiting: those that waited run again, those that changed something have failed."""
    data = tmp_path / "data"
    administrator = initialise(data)

    def client(endpoint: str, service: str) -> Any:
        return boto3.client(
            service, endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=administrator["AccessKeyId"],
            aws_secret_access_key=administrator["SecretAccessKey"],
        )  # fmt: skip

    with serving(data, administrator) as server:
        client(server.endpoint, "s3").create_bucket(Bucket="kept-results")
        athena = client(server.endpoint, "athena")

        def begin(sql: str) -> str:
            started: str = athena.start_query_execution(
                QueryString=sql, ResultConfiguration={"OutputLocation": "s3://kept-results/"}
            )["QueryExecutionId"]
            return started

        athena.create_prepared_statement(StatementName="kept", WorkGroup="primary", QueryStatement="SELECT ? AS a")
        unload = (
            f"UNLOAD ({LONG.replace('count(*)', 'count(*) AS n')}) TO 's3://kept-results/u/' WITH (format = 'JSON')"
        )
        writing, reading = begin(unload), begin(LONG)
        waiting = [begin(f"SELECT {number} AS n") for number in range(5)]
        time.sleep(1.5)
        threading.Timer(0.0, os.kill, (server.pid, signal.SIGKILL)).start()
        time.sleep(1)
    with serving(data, administrator) as server:
        athena = client(server.endpoint, "athena")
        assert athena.get_query_execution(QueryExecutionId=writing)["QueryExecution"]["Status"]["State"] == "FAILED"
        athena.stop_query_execution(QueryExecutionId=reading)
        assert finished(athena, reading)["Status"]["State"] == "CANCELLED"
        assert {finished(athena, one)["Status"]["State"] for one in waiting} == {"SUCCEEDED"}
        assert athena.get_prepared_statement(StatementName="kept", WorkGroup="primary")["PreparedStatement"]
