"""The walkthrough's steps, each one a handful of calls of an unmodified boto3 against the running server."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from lakewarden.demo import policies
from lakewarden.demo.dataset import Dataset
from lakewarden.demo.errors import DemoError
from lakewarden.demo.notebook import Exploration, explore
from lakewarden.demo.server import RunningServer
from lakewarden.demo.studio import NoStudio, furnish

FULL = "data-scientist-full"
LIMITED = "data-scientist-limited"
GROUP = "DataScientists"
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Access:
    """One audited read: who (person), which role, which query, which table and columns."""

    person: str
    role: str
    query_id: str
    table: str
    columns: tuple[str, ...]
    at: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the demo shows: each scientist's notebook, the refused raw object, and who read what."""

    dataset: Dataset
    explorations: Mapping[str, Exploration]
    raw_object: str
    audit: tuple[Access, ...]
    refusals: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class People:
    """The two scientists' own access keys, and the bucket that their queries write results to."""

    keys: Mapping[str, Mapping[str, str]]
    results: str


def run(server: RunningServer, dataset: Dataset, progress: Progress) -> Outcome:
    """Do the walkthrough from an empty account; raises :class:`DemoError` when a step does not do what it should."""
    people = prepare(server, dataset, progress)
    account = server.administrator["AccountId"]
    explorations = _explore(server, dataset, people, progress)
    progress("try to read the raw object with the limited scientist's credentials")
    raw = _raw_object(server, take_role(server, account, LIMITED, people.keys[LIMITED]), dataset)
    progress("read the audit trail")
    return Outcome(dataset, explorations, raw, *_audit(_session(server, server.administrator)))


def _explore(server: RunningServer, dataset: Dataset, people: People, progress: Progress) -> Mapping[str, Exploration]:
    """Each scientist runs the notebook in her own JupyterLab; in a bare kernel where the server starts no JupyterLab."""
    account = server.administrator["AccountId"]
    roles = {one: f"arn:aws:iam::{account}:role/{policies.execution_role_name(one)}" for one in people.keys}
    question = _question(dataset, people.results)
    try:
        progress("make a Studio domain with a profile for each scientist")
        studio = furnish(server, _session(server, server.administrator), GROUP, roles)
    except NoStudio as reason:
        progress(f"{reason} The notebook runs in a bare kernel")
        return {
            scientist: explore(_keys(server, take_role(server, account, scientist, keys)) | question)
            for scientist, keys in people.keys.items()
        }
    explorations: dict[str, Exploration] = {}
    for scientist, keys in people.keys.items():
        progress(f"open Studio as {scientist} and run the notebook there")
        explorations[scientist] = studio.explore(scientist, _session(server, keys), question)
    return explorations


def prepare(server: RunningServer, dataset: Dataset, progress: Progress) -> People:
    """Everything up to the grants: data, table, people, roles, permissions."""
    aws = _session(server, server.administrator)
    account, region = server.administrator["AccountId"], server.administrator["Region"]
    results = f"sagemaker-audit-control-query-results-{region}-{account}"
    progress("load the data into the lake")
    _load(aws, dataset)
    progress("create database and table with Athena DDL, register the location")
    _create_table(aws, dataset, results)
    progress("create the group, the users, the policies and the execution roles")
    keys = _create_people(aws, account, results)
    progress("grant all columns to one scientist, a subset to the other")
    _grant(aws, account, dataset)
    return People(keys, results)


def take_role(server: RunningServer, account: str, scientist: str, keys: Mapping[str, str]) -> Mapping[str, str]:
    """Short-lived credentials of the scientist's own execution role, the session named after her."""
    sts = _session(server, keys)("sts")
    answer = sts.assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/{policies.execution_role_name(scientist)}",
        RoleSessionName=scientist,
        SourceIdentity=scientist,
    )
    credentials: Mapping[str, str] = answer["Credentials"]
    return credentials


def _session(server: RunningServer, keys: Mapping[str, str]) -> Callable[[str], Any]:
    session = boto3.Session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys.get("SessionToken"),
        region_name=server.administrator["Region"],
    )
    return lambda service: session.client(service, endpoint_url=server.endpoint)


def _load(aws: Callable[[str], Any], dataset: Dataset) -> None:
    s3 = aws("s3")
    s3.create_bucket(Bucket=dataset.bucket)
    s3.put_object(Bucket=dataset.bucket, Key=dataset.prefix + dataset.file_name, Body=dataset.content)


def _create_table(aws: Callable[[str], Any], dataset: Dataset, results: str) -> None:
    athena = aws("athena")
    aws("s3").create_bucket(Bucket=results)
    for statement in (
        f"CREATE DATABASE IF NOT EXISTS {dataset.database} LOCATION '{dataset.location}'",
        dataset.create_table(),
    ):
        started = athena.start_query_execution(
            QueryString=statement,
            QueryExecutionContext={"Database": dataset.database},
            ResultConfiguration={"OutputLocation": f"s3://{results}/administrator/"},
        )
        _await_query(athena, started["QueryExecutionId"])
    resource = f"arn:aws:s3:::{dataset.bucket}/{dataset.prefix.rstrip('/')}"
    aws("lakeformation").register_resource(ResourceArn=resource, UseServiceLinkedRole=True)


def _await_query(athena: Any, query_id: str) -> None:
    while True:
        status = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"]
        if status["State"] == "SUCCEEDED":
            return
        if status["State"] in {"FAILED", "CANCELLED"}:
            raise DemoError(f"Athena: {status.get('StateChangeReason')}")
        time.sleep(0.05)


def _create_people(aws: Callable[[str], Any], account: str, results: str) -> Mapping[str, Mapping[str, str]]:
    iam = aws("iam")
    iam.create_group(GroupName=GROUP)
    group_policy = _create_policy(iam, "DataScientistGroupPolicy", policies.group_policy(account))
    iam.attach_group_policy(GroupName=GROUP, PolicyArn=group_policy)
    execution = _create_policy(iam, "SageMakerUserProfileExecutionPolicy", policies.execution_policy(results))
    people: dict[str, Mapping[str, str]] = {}
    for scientist in (FULL, LIMITED):
        iam.create_user(UserName=scientist)
        iam.add_user_to_group(GroupName=GROUP, UserName=scientist)
        people[scientist] = iam.create_access_key(UserName=scientist)["AccessKey"]
        role = policies.execution_role_name(scientist)
        iam.create_role(
            RoleName=role,
            AssumeRolePolicyDocument=json.dumps(policies.trust_policy(account, scientist)),
            Tags=[{"Key": "userprofilename", "Value": scientist}],
        )
        iam.attach_role_policy(RoleName=role, PolicyArn=execution)
        iam.attach_role_policy(RoleName=role, PolicyArn="arn:aws:iam::aws:policy/AmazonAthenaFullAccess")
    return people


def _create_policy(iam: Any, name: str, document: Mapping[str, Any]) -> str:
    arn: str = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document))["Policy"]["Arn"]
    return arn


def _grant(aws: Callable[[str], Any], account: str, dataset: Dataset) -> None:
    lakeformation = aws("lakeformation")
    table = {"DatabaseName": dataset.database, "Name": dataset.table}
    for scientist, resource in (
        (FULL, {"Table": table}),
        (LIMITED, {"TableWithColumns": {**table, "ColumnNames": list(dataset.permitted)}}),
    ):
        role = f"arn:aws:iam::{account}:role/{policies.execution_role_name(scientist)}"
        lakeformation.grant_permissions(
            Principal={"DataLakePrincipalIdentifier": role},
            Resource=resource,
            Permissions=["SELECT"],
            PermissionsWithGrantOption=["SELECT"],
        )


def _keys(server: RunningServer, credentials: Mapping[str, str]) -> dict[str, str]:
    """What a bare kernel needs; in Studio endpoint, region and credentials are there."""
    return {
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_DEFAULT_REGION": server.administrator["Region"],
        "AWS_ACCESS_KEY_ID": credentials["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
        "AWS_SESSION_TOKEN": credentials["SessionToken"],
    }


def _question(dataset: Dataset, results: str) -> dict[str, str]:
    return {
        "DEMO_DATABASE": dataset.database,
        "DEMO_TABLE": dataset.table,
        "DEMO_HIDDEN_COLUMN": dataset.hidden[0],
        "DEMO_RESULTS": f"s3://{results}/athena/",
    }


def _raw_object(server: RunningServer, credentials: Mapping[str, str], dataset: Dataset) -> str:
    s3 = _session(server, credentials)("s3")
    try:
        s3.get_object(Bucket=dataset.bucket, Key=dataset.prefix + dataset.file_name)
    except ClientError as error:
        refusal = error.response["Error"]
        return f"{refusal['Code']}: {refusal['Message']}"
    raise DemoError("the raw object was readable: column permissions could be bypassed")


def _audit(aws: Callable[[str], Any]) -> tuple[tuple[Access, ...], tuple[Mapping[str, str], ...]]:
    """Join GetDataAccess with the completion events of the same queries, and list what was refused."""
    reads = [record for record in _events(aws, "GetDataAccess") if record["userIdentity"]["type"] == "AssumedRole"]
    completions = {
        record["serviceEventDetails"]["queryId"]: record for record in _events(aws, "QueryExecutionCompleted")
    }
    accesses = []
    refusals = []
    for record in sorted(reads, key=lambda record: str(record["eventTime"])):
        query_id = (
            record["requestParameters"]["auditContext"]["additionalAuditContext"].split("queryId: ")[1].rstrip("}")
        )
        issuer = record["userIdentity"]["sessionContext"]
        details = completions[query_id]["serviceEventDetails"]
        table = record["requestParameters"]["tableArn"].rsplit("table/", 1)[1]
        accesses.append(
            Access(
                person=issuer["sourceIdentity"],
                role=issuer["sessionIssuer"]["userName"],
                query_id=query_id,
                table=table,
                columns=tuple(_columns_read(details, table)),
                at=record["eventTime"],
            )
        )
    for record in completions.values():
        details = record["serviceEventDetails"]
        if details["state"] == "FAILED":
            identity = record["userIdentity"].get("sessionContext", {})
            refusals.append({"person": identity.get("sourceIdentity", ""), "error": details["error"]})
    return tuple(accesses), tuple(refusals)


def _columns_read(details: Mapping[str, Any], table: str) -> list[str]:
    return [
        column for read in details["tables"] if read["table"] == table.replace("/", ".") for column in read["columns"]
    ]


def _events(aws: Callable[[str], Any], name: str) -> list[dict[str, Any]]:
    pages = (
        aws("cloudtrail")
        .get_paginator("lookup_events")
        .paginate(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}])
    )
    return [json.loads(event["CloudTrailEvent"]) for page in pages for event in page["Events"]]
