"""A real server in a scratch directory, an administrator, and two scientists with a governed table."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
import pytest

from lakewarden.demo.dataset import Dataset, from_file
from lakewarden.demo.server import RunningServer, initialise, serving
from lakewarden.demo.walkthrough import FULL, LIMITED, prepare, take_role
from tests.e2e.lake_house import House, standing

Client = Callable[[str], Any]


@dataclass(frozen=True)
class Lake:
    """The walkthrough, done on a table whose names and values no code can know."""

    server: RunningServer
    dataset: Dataset
    results: str
    credentials: Mapping[str, Mapping[str, str]]

    def client(self, who: str, service: str) -> Any:
        """boto3 as the administrator (``admin``) or with a scientist's role credentials."""
        keys = self.server.administrator if who == "admin" else self.credentials[who]
        return boto3.client(
            service,
            endpoint_url=self.server.endpoint,
            region_name=self.server.administrator["Region"],
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
        )

    def environment(self, who: str) -> dict[str, str]:
        """What the AWS CLI and PyAthena read from the environment."""
        keys = self.server.administrator if who == "admin" else self.credentials[who]
        return {
            "AWS_ENDPOINT_URL": self.server.endpoint,
            "AWS_DEFAULT_REGION": self.server.administrator["Region"],
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "AWS_SESSION_TOKEN": keys.get("SessionToken", ""),
        }

    def query(self, who: str, sql: str) -> "Ran":
        """Run ``sql`` through boto3 and wait; never raises for a failed query."""
        athena = self.client(who, "athena")
        started = athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": self.dataset.database},
            ResultConfiguration={"OutputLocation": f"s3://{self.results}/{who}/"},
        )["QueryExecutionId"]
        while True:
            execution = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]
            if execution["Status"]["State"] in {"SUCCEEDED", "FAILED", "CANCELLED"}:
                break
        rows: list[list[str | None]] = []
        if execution["Status"]["State"] == "SUCCEEDED":
            for page in athena.get_paginator("get_query_results").paginate(QueryExecutionId=started):
                rows += [[cell.get("VarCharValue") for cell in row["Data"]] for row in page["ResultSet"]["Rows"]]
        return Ran(started, execution, rows)


@dataclass(frozen=True)
class Ran:
    """A finished query: id, GetQueryExecution's answer, and all rows, the header among them."""

    id: str
    execution: Mapping[str, Any]
    rows: list[list[str | None]]

    @property
    def state(self) -> str:
        return str(self.execution["Status"]["State"])

    @property
    def reason(self) -> str:
        return str(self.execution["Status"].get("StateChangeReason", ""))


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    root = tmp_path_factory.mktemp("lake")
    token = secrets.token_hex(4)
    file = root / f"clinic_{token}.csv"
    rows = "\n".join(
        f'{number},"Doe, {token}{number}","said ""no""\nand left",{number * 1.5},{"" if number % 7 == 0 else "b"}'
        for number in range(1, 2001)
    )
    file.write_text(f"patient,name_{token},note,dose,arm\n{rows}\n", encoding="utf-8")
    dataset = from_file(file, (f"name_{token}",))
    data = root / "data"
    administrator = initialise(data)
    with serving(data, administrator) as server:
        people = prepare(server, dataset, lambda _: None)
        account = administrator["AccountId"]
        credentials = {who: take_role(server, account, who, people.keys[who]) for who in (FULL, LIMITED)}
        yield Lake(server, dataset, people.results, credentials)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A governed lake for the tests of one file."""
    with standing(tmp_path_factory.mktemp("house") / "data") as made:
        yield made
