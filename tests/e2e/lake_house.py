"""A server with a governed lake in it, its people, and what the tests of the lake say over and over."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lakewarden.demo.server import RunningServer, initialise, serving

BUCKET = "lake-data"
LAKE_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["glue:*", "lakeformation:*", "athena:*"], "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": ["s3:PutObject", "s3:GetObject", "s3:GetBucketLocation"],
            "Resource": ["arn:aws:s3:::lake-results", "arn:aws:s3:::lake-results/*"],
        },
    ],
}


@dataclass(frozen=True)
class House:
    """A server, and people in it."""

    server: RunningServer

    @property
    def account(self) -> str:
        return self.server.administrator["AccountId"]

    def client(self, service: str, keys: Mapping[str, str] | None = None) -> Any:
        keys = keys or self.server.administrator
        return boto3.client(
            service,
            endpoint_url=self.server.endpoint,
            region_name=self.server.administrator["Region"],
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys.get("SessionToken"),
        )

    def person(self, name: str) -> "Person":
        iam = self.client("iam")
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{self.account}:root"},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                }
            ],
        }
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="lake", PolicyDocument=json.dumps(LAKE_POLICY))
        return Person(self, arn)


@dataclass(frozen=True)
class Person:
    """A role that may call every operation: what it sees is up to Lake Formation."""

    house: House
    arn: str

    def client(self, service: str, tags: Sequence[Mapping[str, str]] = ()) -> Any:
        sts = self.house.client("sts")
        keys = sts.assume_role(RoleArn=self.arn, RoleSessionName="me", Tags=list(tags))["Credentials"]
        return self.house.client(service, keys)

    def grant(self, resource: Mapping[str, Any], *permissions: str, option: Sequence[str] = ()) -> None:
        self.house.client("lakeformation").grant_permissions(
            Principal={"DataLakePrincipalIdentifier": self.arn},
            Resource=resource,
            Permissions=list(permissions),
            PermissionsWithGrantOption=list(option),
        )

    def revoke(self, resource: Mapping[str, Any], *permissions: str) -> None:
        self.house.client("lakeformation").revoke_permissions(
            Principal={"DataLakePrincipalIdentifier": self.arn}, Resource=resource, Permissions=list(permissions)
        )


@contextmanager
def standing(data: Path) -> Iterator[House]:
    """A server with the database ``clinic`` and its tables ``visits`` and ``staff`` in a registered bucket."""
    administrator = initialise(data)
    with serving(data, administrator) as server:
        made = House(server)
        s3, glue = made.client("s3"), made.client("glue")
        for bucket in (BUCKET, "lake-results"):
            s3.create_bucket(Bucket=bucket)
        made.client("lakeformation").register_resource(ResourceArn=f"arn:aws:s3:::{BUCKET}", UseServiceLinkedRole=True)
        glue.create_database(DatabaseInput={"Name": "clinic"})
        for table in ("visits", "staff"):
            glue.create_table(DatabaseName="clinic", TableInput=table_input(table))
        yield made


def table_input(name: str, **more: Any) -> dict[str, Any]:
    columns = [("id", "bigint"), ("region", "string"), ("ssn", "string")]
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"skip.header.line.count": "1"},
        "PartitionKeys": [{"Name": "dt", "Type": "string"}, {"Name": "n", "Type": "int"}],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": kind} for column, kind in columns],
            "Location": f"s3://{BUCKET}/{name}",
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
                "Parameters": {"separatorChar": ","},
            },
        },
        **more,
    }


def columns(table: Mapping[str, Any]) -> list[str]:
    return [one["Name"] for one in table["StorageDescriptor"]["Columns"]]


VISITS = {"DatabaseName": "clinic", "Name": "visits"}


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=code)


def query(person: Person, sql: str) -> list[list[str]]:
    athena = person.client("athena")
    started = athena.start_query_execution(
        QueryString=sql, ResultConfiguration={"OutputLocation": "s3://lake-results/x/"}
    )["QueryExecutionId"]
    while True:
        status = athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"]
        if status["State"] in {"SUCCEEDED", "FAILED"}:
            break
    assert status["State"] == "SUCCEEDED", status
    rows = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
    return [[cell.get("VarCharValue", "") for cell in row["Data"]] for row in rows]
