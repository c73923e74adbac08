"""The set of records equals the set of calls, exactly: a random mix of boto3 calls, one record each, by request id."""

import json
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lakewarden.demo.server import RunningServer, initialise, serving

Call = Callable[[random.Random], Any]
SERVICE_EVENTS = {"GetDataAccess", "QueryExecutionCompleted"}


class Caller:
    """Makes calls and remembers the request id of every answer."""

    def __init__(self, server: RunningServer, secret: str | None = None) -> None:
        keys = server.administrator
        self.seen: list[tuple[str, str]] = []
        session = boto3.Session(
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=secret or keys["SecretAccessKey"],
            region_name=keys["Region"],
        )
        # No retries: every request is one call, answered once.
        config = Config(retries={"total_max_attempts": 1}, max_pool_connections=16)
        self.clients = {
            name: session.client(name, endpoint_url=server.endpoint, config=config)
            for name in ("iam", "sts", "s3", "glue", "lakeformation", "athena", "cloudtrail", "sagemaker")
        }

    def make(self, service: str, operation: str, **params: Any) -> Any:
        client = self.clients[service]
        try:
            answer = getattr(client, operation)(**params)
        except ClientError as error:
            answer = error.response
        name = client.meta.method_to_api_mapping[operation]
        self.seen.append((answer["ResponseMetadata"]["RequestId"], name))
        return answer


def mix(good: Caller, bad: Caller, choice: random.Random) -> None:
    """One random call: reads, writes, denials, failures, strangers, data events, what is not offered."""
    number = choice.randrange(40)
    bucket = f"equal-{choice.randrange(3)}"
    calls: list[Callable[[], Any]] = [
        lambda: good.make("sts", "get_caller_identity"),
        lambda: good.make("iam", "create_user", UserName=f"user{number}"),
        lambda: good.make("iam", "get_user", UserName=f"user{number}"),
        lambda: good.make("iam", "delete_user", UserName=f"user{number}"),
        lambda: good.make("iam", "create_access_key", UserName=f"user{number}"),
        lambda: good.make("s3", "list_buckets"),
        lambda: good.make("s3", "create_bucket", Bucket=bucket),
        lambda: good.make("s3", "put_object", Bucket=bucket, Key=f"a/{number}", Body=b"x" * number),
        lambda: good.make("s3", "get_object", Bucket=bucket, Key=f"a/{number}"),
        lambda: good.make("s3", "delete_object", Bucket=bucket, Key=f"a/{number}"),
        lambda: good.make("s3", "list_objects_v2", Bucket=bucket),
        lambda: good.make("glue", "create_database", DatabaseInput={"Name": f"db{number}"}),
        lambda: good.make("glue", "get_database", Name=f"db{number}"),
        lambda: good.make("glue", "get_tables", DatabaseName=f"db{number}"),
        lambda: good.make("lakeformation", "list_permissions"),
        lambda: good.make("athena", "list_work_groups"),
        lambda: good.make("athena", "start_query_execution", QueryString="SELECT 1"),
        lambda: good.make("athena", "get_query_execution", QueryExecutionId="0" * 36),
        lambda: good.make("cloudtrail", "lookup_events", MaxResults=1),
        lambda: good.make("cloudtrail", "delete_trail", Name=f"none{number}"),
        lambda: good.make("glue", "get_ml_transforms"),
        lambda: bad.make("sts", "get_caller_identity"),
        lambda: bad.make("iam", "list_users"),
        lambda: bad.make("glue", "get_databases"),
    ]
    choice.choice(calls)()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    data = tmp_path_factory.mktemp("equality") / "data"
    administrator = initialise(data)
    with serving(data, administrator) as running:
        yield running


def recorded(data: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(data / "audit.db")
    try:
        return [json.loads(row[0]) for row in connection.execute("SELECT record FROM audit_events ORDER BY sequence")]
    finally:
        connection.close()


def _equal(server: RunningServer, calls: int) -> None:
    before = {record["eventID"] for record in recorded(server.data)}
    good, bad = Caller(server), Caller(server, "not the secret")
    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(lambda seed: mix(good, bad, random.Random(seed)), range(calls)):
            pass
    made = Counter(good.seen + bad.seen)
    found = [record for record in recorded(server.data) if record["eventID"] not in before]
    ours = [record for record in found if record["eventName"] not in SERVICE_EVENTS]
    assert sum(made.values()) == calls
    assert Counter((record["requestID"], record["eventName"]) for record in ours) == made
    assert len({record["eventID"] for record in found}) == len(found)


def test_the_set_of_records_equals_the_set_of_calls(server: RunningServer) -> None:
    _equal(server, 1000)


@pytest.mark.long
def test_the_set_of_records_equals_the_set_of_ten_thousand_calls(server: RunningServer) -> None:
    _equal(server, 10_000)
