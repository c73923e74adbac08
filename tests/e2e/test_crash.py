"""kill -9 under load: whatever was acknowledged is there afterwards, and so is its audit record."""

import json
import random
import secrets
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from lakewarden.demo.server import RunningServer, initialise, serving
from tests.e2e.servers import client, kill, run

BUCKET = "crash-lake"
GRANTEE = "grantee"


@dataclass
class Acknowledged:
    """What the server has answered for. Filled by the writers, in any order."""

    users: list[str] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    grants: list[str] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    told: threading.Condition = field(default_factory=threading.Condition)

    def note(self, answer: dict[str, Any]) -> None:
        with self.told:
            self.requests.append(answer["ResponseMetadata"]["RequestId"])
            self.told.notify_all()

    def await_more(self, count: int) -> None:
        with self.told:
            target = len(self.requests) + count
            self.told.wait_for(lambda: len(self.requests) >= target)


def users(made: Acknowledged, of: Callable[[str], Any]) -> Iterator[dict[str, Any]]:
    iam = of("iam")
    while True:
        name = f"u-{uuid.uuid4()}"
        yield iam.create_user(UserName=name)
        made.users.append(name)


def objects(made: Acknowledged, of: Callable[[str], Any]) -> Iterator[dict[str, Any]]:
    s3 = of("s3")
    while True:
        key, body = f"k/{uuid.uuid4()}", secrets.token_bytes(random.choice((0, 10, 100_000, 3_000_000)))
        yield s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        made.objects[key] = body


def tables(made: Acknowledged, of: Callable[[str], Any]) -> Iterator[dict[str, Any]]:
    glue, lakeformation = of("glue"), of("lakeformation")
    role = f"arn:aws:iam::{of('sts').get_caller_identity()['Account']}:role/{GRANTEE}"
    while True:
        name = f"t_{uuid.uuid4().hex}"
        columns = [{"Name": "a", "Type": "string"}, {"Name": "b", "Type": "string"}]
        yield glue.create_table(
            DatabaseName="crash", TableInput={"Name": name, "StorageDescriptor": {"Columns": columns}}
        )
        made.tables.append(name)
        yield lakeformation.grant_permissions(
            Principal={"DataLakePrincipalIdentifier": role},
            Resource={"TableWithColumns": {"DatabaseName": "crash", "Name": name, "ColumnNames": ["a"]}},
            Permissions=["SELECT"],
        )
        made.grants.append(name)


def queries(made: Acknowledged, of: Callable[[str], Any]) -> Iterator[dict[str, Any]]:
    athena = of("athena")
    while True:
        answer = athena.start_query_execution(
            QueryString="SELECT count(*) FROM UNNEST(sequence(1, 1000)) t(a)",
            ResultConfiguration={"OutputLocation": f"s3://{BUCKET}/results/"},
        )
        yield answer
        made.queries.append(answer["QueryExecutionId"])


def write(work: Callable[..., Iterator[dict[str, Any]]], made: Acknowledged, of: Callable[[str], Any]) -> None:
    """Work until the server is gone; only what it has answered counts."""
    try:
        # Noted after the generator has gone on, so that a request's record is looked for only with its effect known.
        answers = work(made, of)
        answer = next(answers)
        while True:
            following = next(answers)
            made.note(answer)
            answer = following
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        # A head without its body is no answer either.
        if isinstance(error, ClientError):
            raise


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.long)])
def test_crash_safe(tmp_path: Path, kills: int) -> None:
    data = tmp_path / "data"
    administrator = initialise(data)
    made = Acknowledged()
    with serving(data, administrator) as server:
        prepare(server)
    for _ in range(kills):
        with serving(data, administrator) as server:
            check(server, made)
            load(server, made, random.randint(5, 80))
        verified = run("audit", "verify", "--data", str(data))
        assert verified.stdout.startswith("ok: "), verified.stdout
    with serving(data, administrator) as server:
        check(server, made)
        recorded = set(recorded_requests(server))
        assert [one for one in made.requests if one not in recorded] == []
    assert made.users
    assert made.objects
    assert made.grants
    assert made.queries
    assert run("audit", "verify", "--data", str(data)).returncode == 0


def prepare(server: RunningServer) -> None:
    def of(service: str) -> Any:
        return client(server.endpoint, server.administrator, service)

    of("s3").create_bucket(Bucket=BUCKET)
    of("glue").create_database(DatabaseInput={"Name": "crash"})
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
    of("iam").create_role(RoleName=GRANTEE, AssumeRolePolicyDocument=json.dumps(trust))


def load(server: RunningServer, made: Acknowledged, enough: int) -> None:
    """Write from many threads, and kill the server when it has answered ``enough`` calls."""
    works = [users, objects, tables, queries, users, objects]
    with ThreadPoolExecutor(len(works)) as threads:
        running = [
            threads.submit(write, work, made, lambda service: client(server.endpoint, server.administrator, service))
            for work in works
        ]
        made.await_more(enough)
        kill(server)
        for one in running:
            one.result()


def check(server: RunningServer, made: Acknowledged) -> None:
    """Every acknowledged write is there, whole."""

    def of(service: str) -> Any:
        return client(server.endpoint, server.administrator, service)

    pages = of("iam").get_paginator("list_users").paginate()
    assert set(made.users) <= {user["UserName"] for page in pages for user in page["Users"]}
    s3 = of("s3")
    for key, body in made.objects.items():
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body, key
    pages = of("glue").get_paginator("get_tables").paginate(DatabaseName="crash")
    assert set(made.tables) <= {table["Name"] for page in pages for table in page["TableList"]}
    role = f"arn:aws:iam::{server.administrator['AccountId']}:role/{GRANTEE}"
    granted = set()
    token: dict[str, str] = {}
    while True:
        page = of("lakeformation").list_permissions(Principal={"DataLakePrincipalIdentifier": role}, **token)
        for one in page["PrincipalResourcePermissions"]:
            granted.add(one["Resource"]["TableWithColumns"]["Name"])
        if not page.get("NextToken"):
            break
        token = {"NextToken": page["NextToken"]}
    assert set(made.grants) <= granted
    athena = of("athena")
    for identifier in made.queries:
        await_end(athena, identifier)


def await_end(athena: Any, identifier: str) -> None:
    """Queries resume or have failed visibly; whoever succeeded has a result."""
    while True:
        status = athena.get_query_execution(QueryExecutionId=identifier)["QueryExecution"]["Status"]
        if status["State"] == "SUCCEEDED":
            rows = athena.get_query_results(QueryExecutionId=identifier)["ResultSet"]["Rows"]
            assert rows[1]["Data"] == [{"VarCharValue": "1000"}]
            return
        if status["State"] in {"FAILED", "CANCELLED"}:
            assert status["StateChangeReason"]
            return


def recorded_requests(server: RunningServer) -> Iterator[str]:
    pages = client(server.endpoint, server.administrator, "cloudtrail").get_paginator("lookup_events").paginate()
    for page in pages:
        for event in page["Events"]:
            yield json.loads(event["CloudTrailEvent"])["requestID"]


def test_a_walkthrough_that_was_killed_can_be_gone_on_with(tmp_path: Path) -> None:
    """kill -9 in the middle of the demo, while its steps run: what its clients were told is kept."""
    from lakewarden.demo.dataset import from_file
    from lakewarden.demo.walkthrough import prepare as walk

    file = tmp_path / "people.csv"
    file.write_text("name,age\n" + "\n".join(f"n{number},{number}" for number in range(500)))
    dataset = from_file(file, ("age",))
    data = tmp_path / "data"
    administrator = initialise(data)
    steps: list[str] = []

    def progress(step: str) -> None:
        steps.append(step)
        if len(steps) == 4:  # the people are made, the grants are about to be
            kill(server)

    with serving(data, administrator) as server, pytest.raises(BotoCoreError):
        walk(server, dataset, progress)
    assert run("audit", "verify", "--data", str(data)).stdout.startswith("ok: ")
    with serving(data, administrator) as server:
        tables = client(server.endpoint, administrator, "glue").get_tables(DatabaseName=dataset.database)["TableList"]
        assert [table["Name"] for table in tables] == [dataset.table]
        stored = client(server.endpoint, administrator, "s3").get_object(
            Bucket=dataset.bucket, Key=dataset.prefix + dataset.file_name
        )
        assert stored["Body"].read() == dataset.content
        roles = client(server.endpoint, administrator, "iam").list_roles()["Roles"]
        assert len(roles) == 2
        names = {record["eventName"] for record in map(json.loads, recorded(server))}
        assert {"CreateTable", "CreateRole", "RegisterResource", "PutObject"} & names >= {
            "CreateRole",
            "RegisterResource",
        }


def recorded(server: RunningServer) -> Iterator[str]:
    pages = client(server.endpoint, server.administrator, "cloudtrail").get_paginator("lookup_events").paginate()
    return (event["CloudTrailEvent"] for page in pages for event in page["Events"])
