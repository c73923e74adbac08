"""CloudTrail Lake with stock clients: the joined view by SQL over HTTP, for who was granted it, to the column."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lakewarden.demo.walkthrough import FULL, LIMITED
from tests.e2e.conftest import Lake

AUDITOR = "auditor"


class Auditor:
    """A user who may call CloudTrail Lake, and is granted some columns of the trail."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self.account, self.region = (lake.server.administrator[name] for name in ("AccountId", "Region"))
        iam = lake.client("admin", "iam")
        iam.create_user(UserName=AUDITOR)
        self.keys = iam.create_access_key(UserName=AUDITOR)["AccessKey"]
        self.arn = f"arn:aws:iam::{self.account}:user/{AUDITOR}"
        self.trail = self.client()
        admin = lake.client("admin", "cloudtrail")
        listed = admin.list_event_data_stores()["EventDataStores"]
        self.stores = {one["Name"]: one["EventDataStoreArn"] for one in listed}
        self.ids = {name: arn.rpartition("/")[2] for name, arn in self.stores.items()}

    def client(self) -> Any:
        return boto3.client(
            "cloudtrail", endpoint_url=self.lake.server.endpoint, region_name=self.region,
            aws_access_key_id=self.keys["AccessKeyId"], aws_secret_access_key=self.keys["SecretAccessKey"],
        )  # fmt: skip

    def allow(self, *stores: str) -> None:
        """The IAM half of the right, on these stores."""
        iam = self.lake.client("admin", "iam")
        actions = ("StartQuery", "DescribeQuery", "GetQueryResults", "CancelQuery", "ListQueries", "GetEventDataStore")
        statements: list[dict[str, Any]] = [
            {"Effect": "Allow", "Action": "lakeformation:GetDataAccess", "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": [f"cloudtrail:{one}" for one in actions],
                "Resource": [self.stores[store] for store in stores],
            },
        ]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=AUDITOR, PolicyName="lake", PolicyDocument=document)

    def grant(self, table: str, columns: list[str]) -> dict[str, Any]:
        """The Lake Formation half."""
        resource = {"DatabaseName": "lakewarden_audit", "Name": table, "ColumnNames": columns}
        return {
            "Principal": {"DataLakePrincipalIdentifier": self.arn},
            "Resource": {"TableWithColumns": resource},
            "Permissions": ["SELECT"],
        }

    def ask(self, statement: str, client: Any = None) -> dict[str, Any]:
        client = client or self.trail
        query = client.start_query(QueryStatement=statement)["QueryId"]
        return self.ended(query, client)

    def ended(self, query: str, client: Any) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while True:
            found: dict[str, Any] = client.get_query_results(QueryId=query)
            if found["QueryStatus"] not in {"QUEUED", "RUNNING"}:
                return found | {"QueryId": query}
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def auditor(lake: Lake) -> Iterator[Auditor]:
    made = Auditor(lake)
    made.allow("queries")
    granted = made.grant("queries", ["query_id", "person", "state", "columns", "rows"])
    admin = lake.client("admin", "lakeformation")
    admin.grant_permissions(**granted)
    yield made
    admin.revoke_permissions(**granted)


def rows(found: dict[str, Any]) -> list[dict[str, str]]:
    return [{name: value for cell in row for name, value in cell.items()} for row in found["QueryResultRows"]]


def test_the_joined_view_is_an_api_for_who_was_granted_it(lake: Lake, auditor: Auditor) -> None:
    ran = lake.query(LIMITED, f"SELECT dose FROM {lake.dataset.table} WHERE arm = 'b'")
    found = auditor.ask(f"SELECT person, state, columns FROM {auditor.ids['queries']} WHERE query_id = '{ran.id}'")
    assert found["QueryStatus"] == "FINISHED", found
    table = f"{lake.dataset.database}.{lake.dataset.table}"
    assert rows(found) == [{"person": LIMITED, "state": "SUCCEEDED", "columns": f"[{table}.dose, {table}.arm]"}]
    assert found["QueryStatistics"]["TotalResultsCount"] == 1
    told = auditor.trail.describe_query(QueryId=found["QueryId"])
    assert told["QueryString"].startswith("SELECT person")
    assert told["QueryStatistics"]["ExecutionTimeInMillis"] > 0
    listed = auditor.trail.list_queries(EventDataStore=auditor.ids["queries"])["Queries"]
    assert found["QueryId"] in {one["QueryId"] for one in listed}
    store = auditor.trail.get_event_data_store(EventDataStore=auditor.stores["queries"])
    assert (store["Status"], store["TerminationProtectionEnabled"]) == ("ENABLED", True)


def test_who_looks_at_the_trail_is_in_the_trail(lake: Lake, auditor: Auditor) -> None:
    found = auditor.ask(f"SELECT count(*) AS n FROM {auditor.ids['queries']}")
    again = auditor.ask(
        f"SELECT person, columns, rows FROM \"{auditor.ids['queries']}\" WHERE query_id = '{found['QueryId']}'"
    )
    assert rows(again)[0]["person"] == AUDITOR
    events = lake.client("admin", "cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "Username", "AttributeValue": AUDITOR}]
    )["Events"]
    records = [json.loads(event["CloudTrailEvent"]) for event in events]
    started = next(one for one in records if one["eventName"] == "StartQuery")
    assert started["requestParameters"]["queryStatement"] == "***OMITTED***"
    assert started["resources"][0]["ARN"] == auditor.stores["queries"]
    access = next(one for one in records if one["eventName"] == "GetDataAccess")
    assert access["userIdentity"]["invokedBy"] == "cloudtrail.amazonaws.com"
    assert access["additionalEventData"]["requesterService"] == "CLOUDTRAIL"
    assert {"GetQueryResults", "QueryExecutionCompleted"} <= {one["eventName"] for one in records}


def test_the_text_of_statements_has_its_own_permission(lake: Lake, auditor: Auditor) -> None:
    for statement in (
        "SELECT sql FROM {}", 'SELECT q."sql" FROM {} q', "SELECT count(*) FROM {} WHERE sql LIKE '%dose%'",
        "WITH q AS (SELECT * FROM {}) SELECT sql FROM q", "SELECT person FROM {} ORDER BY sql",
    ):  # fmt: skip
        found = auditor.ask(statement.format(auditor.ids["queries"]))
        assert found["QueryStatus"] == "FAILED", statement
        assert "COLUMN_NOT_FOUND" in found["ErrorMessage"], statement
    everything = auditor.ask(f"SELECT * FROM {auditor.ids['queries']} LIMIT 1")
    assert set(rows(everything)[0]) == {"query_id", "person", "state", "columns", "rows"}
    text = auditor.grant("queries", ["sql"])
    lakeformation = lake.client("admin", "lakeformation")
    lakeformation.grant_permissions(**text)
    # Other tests ask the same server other things: this one looks at its own.
    statement = f"SELECT dose FROM {lake.dataset.table} WHERE arm = 'a'"
    ran = lake.query(LIMITED, statement)
    try:
        found = auditor.ask(f"SELECT sql FROM {auditor.ids['queries']} WHERE query_id = '{ran.id}'")
        assert rows(found) == [{"sql": statement}]
    finally:
        lakeformation.revoke_permissions(**text)
    # INVARIANT (revocation_is_immediate): what was found under the right that is gone is not handed out any more.
    with pytest.raises(ClientError, match="AccessDenied"):
        auditor.trail.get_query_results(QueryId=found["QueryId"])


def test_nothing_but_the_named_stores_is_there(lake: Lake, auditor: Auditor) -> None:
    mine = auditor.ids["queries"]
    secret = f"{lake.dataset.database}.{lake.dataset.table}"
    for statement in (
        f"SELECT q.person, x.record FROM {mine} q, lakewarden_audit.events x",
        f"SELECT * FROM {secret}, {mine}",
        f"SELECT (SELECT count(*) FROM {secret}) FROM {mine}",
        f"SELECT * FROM awsdatacatalog.{secret}, {mine}",
        f"SELECT x FROM {mine}, information_schema.nothing",
    ):
        found = auditor.ask(statement)
        assert found["QueryStatus"] == "FAILED", statement
        assert "TABLE_NOT_FOUND" in found["ErrorMessage"], statement
    found = auditor.ask(f"SELECT table_name FROM information_schema.tables UNION SELECT person FROM {mine} WHERE 1 = 0")
    assert found["QueryStatus"] == "FAILED" or rows(found) == []


def test_neither_right_gives_the_other(lake: Lake, auditor: Auditor) -> None:
    mine, events = auditor.ids["queries"], auditor.ids["events"]
    for statement in (
        f"SELECT event_name FROM {events}",
        f"SELECT q.person FROM {mine} q JOIN {events} e ON e.query_id = q.query_id",
        f"SELECT '{mine}' FROM {events}",
        "SELECT 1",
        "SELECT person FROM lakewarden_audit.queries",
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            auditor.trail.start_query(QueryStatement=statement)
    # A scientist with a grant and without IAM's right, and an administrator with IAM's and without a grant.
    with pytest.raises(ClientError, match="AccessDenied"):
        lake.client(FULL, "cloudtrail").start_query(QueryStatement=f"SELECT person FROM {mine}")
    admin = lake.client("admin", "cloudtrail")
    assert "COLUMN_NOT_FOUND" in auditor.ask(f"SELECT person FROM {mine}", admin)["ErrorMessage"]
    with pytest.raises(ClientError, match="AccessDenied"):
        auditor.trail.get_event_data_store(EventDataStore=events)


def test_anothers_query_is_not_there(lake: Lake, auditor: Auditor) -> None:
    found = auditor.ask(f"SELECT count(*) FROM {auditor.ids['queries']}")
    admin = lake.client("admin", "cloudtrail")
    for call in (admin.get_query_results, admin.describe_query, admin.cancel_query):
        texts = set()
        for query in (found["QueryId"], "0" * 36):
            with pytest.raises(ClientError, match="QueryIdNotFound") as caught:
                call(QueryId=query)
            texts.add(caught.value.response["Error"]["Message"].replace(query, ""))
        assert len(texts) == 1
    with pytest.raises(ClientError, match="InactiveQuery"):
        auditor.trail.cancel_query(QueryId=found["QueryId"])


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SELECT 1", "InvalidQueryStatement"),
        ("DROP TABLE {}", "InvalidQueryStatement"),
        ("INSERT INTO {} SELECT 1", "InvalidQueryStatement"),
        ("CREATE TABLE a.b AS SELECT * FROM {}", "InvalidQueryStatement"),
        ("SHOW TABLES", "InvalidQueryStatement"),
        ("SELECT '{}'", "InvalidQueryStatement"),
        ("SELECT 1 -- {}", "InvalidQueryStatement"),
        ("SELECT * FROM {}; SELECT 1", "InvalidQueryStatement"),
        ("SELECT FROM WHERE {}", "InvalidQueryStatement"),
        ("SELECT 1 FROM 00000000-0000-0000-0000-000000000000", "EventDataStoreNotFound"),
    ],
)
def test_what_is_no_query_of_a_store_is_refused(lake: Lake, auditor: Auditor, statement: str, code: str) -> None:
    with pytest.raises(ClientError, match=code):
        lake.client("admin", "cloudtrail").start_query(QueryStatement=statement.format(auditor.ids["queries"]))


def test_what_is_not_offered_is_refused_by_name(lake: Lake, auditor: Auditor) -> None:
    admin, query = lake.client("admin", "cloudtrail"), f"SELECT 1 FROM {auditor.ids['queries']}"
    for more in ({"DeliveryS3Uri": "s3://results/x"}, {"EventDataStoreOwnerAccountId": "000000000000"}):
        with pytest.raises(ClientError, match="UnsupportedOperation"):
            admin.start_query(QueryStatement=query, **more)
    with pytest.raises(ClientError, match="cloudtrail:CreateEventDataStore"):
        admin.create_event_data_store(Name="mine")
    with pytest.raises(ClientError, match="cloudtrail:DeleteEventDataStore"):
        admin.delete_event_data_store(EventDataStore=auditor.ids["queries"])
    with pytest.raises(ClientError, match="cloudtrail:StopEventDataStoreIngestion"):
        admin.stop_event_data_store_ingestion(EventDataStore=auditor.ids["queries"])


def test_pages_hold_each_row_once(lake: Lake, auditor: Auditor) -> None:
    statement = (
        f"SELECT n, NULL AS nothing FROM {auditor.ids['queries']} q RIGHT JOIN UNNEST(sequence(1, 2500)) t(n) ON false"
    )
    found = auditor.ask(statement)
    assert found["QueryStatus"] == "FINISHED", found
    seen, token, pages = [], found["NextToken"], 0
    first = auditor.trail.get_query_results(QueryId=found["QueryId"], MaxQueryResults=300)
    seen += rows(first)
    token = first["NextToken"]
    while token:
        page = auditor.trail.get_query_results(QueryId=found["QueryId"], MaxQueryResults=300, NextToken=token)
        seen += rows(page)
        token, pages = page.get("NextToken"), pages + 1
    assert sorted(int(one["n"]) for one in seen) == list(range(1, 2501))
    other = auditor.ask(f"SELECT count(*) FROM {auditor.ids['queries']}")
    with pytest.raises(ClientError, match="InvalidNextToken"):
        auditor.trail.get_query_results(QueryId=other["QueryId"], NextToken=first["NextToken"])


def test_the_stock_command_line_reads_the_joined_view(lake: Lake, auditor: Auditor) -> None:
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "AWS_ENDPOINT_URL": lake.server.endpoint,
        "AWS_DEFAULT_REGION": auditor.region, "AWS_ACCESS_KEY_ID": auditor.keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": auditor.keys["SecretAccessKey"],
    }  # fmt: skip
    query = auditor.ask(f"SELECT person FROM {auditor.ids['queries']} WHERE person = '{AUDITOR}' LIMIT 1")["QueryId"]
    command = [sys.executable, "-m", "awscli", "cloudtrail", "get-query-results", "--query-id", query]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["QueryResultRows"] == [[{"person": AUDITOR}]]
