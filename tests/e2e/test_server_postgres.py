"""Two servers on one PostgreSQL and one data directory: every context works, nothing is lost, nothing lives on."""

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lakewarden.demo.dataset import Dataset, from_file
from lakewarden.demo.server import RunningServer, serving
from lakewarden.demo.walkthrough import FULL, LIMITED, People, prepare, take_role
from tests.e2e.servers import client, initialised, run, say


@dataclass(frozen=True)
class Pair:
    """The walkthrough, prepared through the first server; the second one looks on."""

    first: RunningServer
    second: RunningServer
    dataset: Dataset
    people: People

    @property
    def account(self) -> str:
        return self.first.administrator["AccountId"]

    def admin(self, server: RunningServer, service: str) -> Any:
        return client(server.endpoint, server.administrator, service)

    def select(self, server: RunningServer, keys: Any, what: str) -> tuple[str, list[list[str | None]]]:
        """State or reason, and the rows, of a query on one server."""
        athena = client(server.endpoint, keys, "athena")
        started = athena.start_query_execution(
            QueryString=f"SELECT {what} FROM {self.dataset.table}",
            QueryExecutionContext={"Database": self.dataset.database},
            ResultConfiguration={"OutputLocation": f"s3://{self.people.results}/x/"},
        )["QueryExecutionId"]
        while True:
            status = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
            if status["State"] == "FAILED":
                return str(status["StateChangeReason"]), []
            if status["State"] == "SUCCEEDED":
                rows = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
                return "SUCCEEDED", [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows]


@pytest.fixture
def pair(postgres_url: str, tmp_path: Path) -> Iterator[Pair]:
    file = tmp_path / "people.csv"
    file.write_text("name,age,town\n" + "\n".join(f'"n {number}",{number},"t"' for number in range(50)))
    dataset = from_file(file, ("age",))
    data = tmp_path / "data"
    administrator = initialised(data, "--database-url", postgres_url)
    assert not (data / "state.db").exists()
    assert not (data / "audit.db").exists()
    with ExitStack() as stack:
        first, second = (stack.enter_context(serving(data, administrator)) for _ in range(2))
        yield Pair(first, second, dataset, prepare(first, dataset, lambda _: None))
    verified = run("audit", "verify", "--data", str(data))
    assert verified.stdout.startswith("ok: "), verified.stdout


def test_two_servers_are_one_lake(pair: Pair, postgres_url: str, tmp_path: Path) -> None:
    credentials = {who: take_role(pair.first, pair.account, who, pair.people.keys[who]) for who in (FULL, LIMITED)}
    for server in (pair.first, pair.second):
        assert pair.select(server, credentials[FULL], "*")[1][:2] == [["name", "age", "town"], ["n 0", "0", "t"]]
        assert pair.select(server, credentials[LIMITED], "*")[1][:2] == [["name", "town"], ["n 0", "t"]]
        assert pair.select(server, credentials[LIMITED], "age")[0].startswith("COLUMN_NOT_FOUND")
    _revoked_everywhere(pair, credentials[LIMITED])
    _nothing_lost_among_writers(pair)
    _nobody_poisons_the_trail(pair)
    _watched_and_stopped_from_the_other(pair, credentials[FULL])
    _the_dead_ones_queries_have_failed(pair, credentials[FULL])
    _a_further_init_is_refused(postgres_url, tmp_path)


def _revoked_everywhere(pair: Pair, keys: Any) -> None:
    """Revoked through one server, gone on the other with the next call; a deleted key likewise."""
    grant = {
        "Principal": {
            "DataLakePrincipalIdentifier": f"arn:aws:iam::{pair.account}:role/SageMakerStudioExecutionRole_{LIMITED}"
        },
        "Resource": {
            "TableWithColumns": {
                "DatabaseName": pair.dataset.database, "Name": pair.dataset.table, "ColumnNames": ["town"],
            }
        },
        "Permissions": ["SELECT"],
    }  # fmt: skip
    pair.admin(pair.first, "lakeformation").revoke_permissions(**grant)
    assert pair.select(pair.second, keys, "town")[0].startswith("COLUMN_NOT_FOUND")
    pair.admin(pair.second, "lakeformation").grant_permissions(**grant)
    assert pair.select(pair.first, keys, "town")[0] == "SUCCEEDED"
    iam = pair.admin(pair.second, "iam")
    iam.create_user(UserName="leaver")
    key = iam.create_access_key(UserName="leaver")["AccessKey"]
    client(pair.first.endpoint, key, "sts").get_caller_identity()
    iam.delete_access_key(UserName="leaver", AccessKeyId=key["AccessKeyId"])
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        client(pair.first.endpoint, key, "sts").get_caller_identity()


def _nothing_lost_among_writers(pair: Pair) -> None:
    """Read-change-write of one entity from both servers at once: every group is joined, every record is in one chain."""
    members = [f"member-{number}" for number in range(3)]
    for member in members:
        pair.admin(pair.first, "iam").create_user(UserName=member)
    groups = [f"group-{number}" for number in range(30)]

    def join(number: int) -> str:
        iam = pair.admin((pair.first, pair.second)[number % 2], "iam")
        iam.create_group(GroupName=groups[number])
        answer = iam.add_user_to_group(UserName=members[number % 3], GroupName=groups[number])
        return str(answer["ResponseMetadata"]["RequestId"])

    with ThreadPoolExecutor(6) as threads:
        requests = list(threads.map(join, range(len(groups))))
    for place, member in enumerate(members):
        joined = pair.admin(pair.second, "iam").list_groups_for_user(UserName=member)["Groups"]
        assert {group["GroupName"] for group in joined} == set(groups[place::3])
    pages = (
        pair.admin(pair.second, "cloudtrail")
        .get_paginator("lookup_events")
        .paginate(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "AddUserToGroup"}])
    )
    recorded = [json.loads(event["CloudTrailEvent"])["requestID"] for page in pages for event in page["Events"]]
    assert set(requests) <= set(recorded)
    assert len(recorded) == len(set(recorded))


def _nobody_poisons_the_trail(pair: Pair) -> None:
    """What PostgreSQL's columns do not take (NUL, too long) must not keep the records beside it out of the log."""
    scope = "20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=" + "0" * 64
    for key, path in (
        ("A" * 5000, "/lake/k"),
        ("AKIA%00", "/%00" + "b" * 3000 + "/k%00k"),
        ("AKIA", "/b/" + "%00" * 2000),
    ):
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 Credential={key}/{scope}\r\n"
        answer = say(pair.first.endpoint, head.encode() + b"Connection: close\r\n\r\n")
        assert 400 <= int(answer[9:12]) < 500, answer[:200]
    s3 = pair.admin(pair.first, "s3")
    for key in ("nul\0nul", "x" * 1024, "ünï/日本語"):
        with pytest.raises(ClientError) as told:
            s3.get_object(Bucket=pair.dataset.bucket, Key=key)
        assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 404}
    asked = s3.list_buckets()["ResponseMetadata"]["RequestId"]
    for server in (pair.first, pair.second):
        events = pair.admin(server, "cloudtrail").lookup_events(MaxResults=50)["Events"]
        recorded = [json.loads(event["CloudTrailEvent"]) for event in events]
        assert asked in {record["requestID"] for record in recorded}
        assert sum(record["eventName"] == "GetObject" for record in recorded) >= 3


def _watched_and_stopped_from_the_other(pair: Pair, keys: Any) -> None:
    """A query runs on one server: the other one waits for its end, and stops it."""
    here, there = (client(server.endpoint, keys, "athena") for server in (pair.first, pair.second))

    def started(sql: str) -> str:
        place = {"OutputLocation": f"s3://{pair.people.results}/x/"}
        return str(here.start_query_execution(QueryString=sql, ResultConfiguration=place)["QueryExecutionId"])

    def ended(identifier: str, athena: Any = there) -> str:
        while True:
            state = athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]["Status"]["State"]
            if state not in {"QUEUED", "RUNNING"}:
                return str(state)

    short, long = started("SELECT 1"), started(_LONG)
    assert ended(short) == "SUCCEEDED"
    there.stop_query_execution(QueryExecutionId=long)
    assert ended(long) == ended(long, here) == "CANCELLED"
    there.stop_query_execution(QueryExecutionId=short)
    assert ended(short) == "SUCCEEDED"


_LONG = (
    "SELECT count(*) FROM UNNEST(sequence(1, 5000)) t(a), UNNEST(sequence(1, 5000)) u(b), "
    "UNNEST(sequence(1, 100)) v(c) WHERE a * b > c"
)


def _the_dead_ones_queries_have_failed(pair: Pair, keys: Any) -> None:
    """A server that starts takes up or fails the queries of one that was killed, and leaves a living one's alone."""

    def started(server: RunningServer) -> str:
        answer = client(server.endpoint, keys, "athena").start_query_execution(
            QueryString=_LONG, ResultConfiguration={"OutputLocation": f"s3://{pair.people.results}/x/"}
        )
        return str(answer["QueryExecutionId"])

    def state(identifier: str, server: RunningServer) -> str:
        athena = client(server.endpoint, keys, "athena")
        return str(athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]["Status"]["State"])

    living, dying = started(pair.first), started(pair.second)
    os.kill(pair.second.pid, signal.SIGKILL)
    with serving(pair.first.data, pair.first.administrator) as third:
        assert any(state(dying, third) != "QUEUED" for _ in range(600)), "nobody has taken it up"
        assert state(living, pair.first) in {"QUEUED", "RUNNING", "SUCCEEDED"}
    client(pair.first.endpoint, keys, "athena").stop_query_execution(QueryExecutionId=living)


def _a_further_init_is_refused(url: str, tmp_path: Path) -> None:
    refused = run("init", "--data", str(tmp_path / "other"), "--database-url", url)
    assert refused.returncode == 1
    assert "holds an account already" in refused.stderr
