"""One golden line for each kind of record; write them anew with ``python -m tests.unit.audit.test_records``."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lakewarden.adapters.shown import shown_input, shown_output
from lakewarden.audit.records import Shown, call_record, data_access_record, outcome_record
from lakewarden.kernel.errors import AccessDeniedException, AwsError
from tests.unit.audit.calls import ACCOUNT, AT, CALLERS, GOVERNED, call

GOLDEN = Path(__file__).parents[2] / "golden/audit/records.jsonl"
EVENT = "00000000-0000-4000-8000-000000000001"
QUERY = "00000000-0000-4000-8000-00000000000a"


def recorded(
    service: str,
    operation: str,
    params: dict[str, Any],
    answer: Mapping[str, Any] | None = None,
    error: AwsError | None = None,
    caller: str = "user",
    read_only: bool = False,
    data_event: bool = False,
) -> dict[str, Any]:
    shown = Shown(
        read_only, data_event, shown_input(service, operation, params, ()),
        shown_output(service, operation, answer or {}, ()), None, 42 if operation == "GetObject" else None,
    )  # fmt: skip
    return call_record(call(service, operation, params, caller), shown, ACCOUNT, EVENT, error)


def cases() -> dict[str, dict[str, Any]]:
    query = {
        "QueryString": "SELECT 'a secret'",
        "ClientRequestToken": "token-of-at-least-32-characters-xyz",
        "QueryExecutionContext": {"Database": "clinic"},
        "ResultConfiguration": {"OutputLocation": "s3://results/ben/"},
        "WorkGroup": "primary",
    }
    denial = AccessDeniedException("User: x is not authorized to perform: glue:GetTable")
    return {
        "management": recorded(
            "iam", "CreateAccessKey", {"UserName": "ana"},
            {"AccessKey": {"UserName": "ana", "AccessKeyId": "AKIANEW", "Status": "Active", "SecretAccessKey": "s3cr3t"}},
        ),
        "management, read only": recorded("iam", "GetUser", {"UserName": "ana"}, {"User": {"Path": "/"}}, read_only=True),
        "GetDataAccess": data_access_record(
            call("athena", "StartQueryExecution", caller="session"), ACCOUNT, EVENT, "request-1",
            f"AWSLF-00-AT-{ACCOUNT}-abcdefghij", QUERY, GOVERNED,
        ),
        "StartQueryExecution": recorded(
            "athena", "StartQueryExecution", query, {"QueryExecutionId": QUERY}, caller="session"
        ),
        "S3 data event": recorded(
            "s3", "GetObject", {"Bucket": "lake", "Key": "a/b.csv"}, {"ETag": "x"}, read_only=True, data_event=True
        ),
        "denied": recorded(
            "glue", "GetTable", {"DatabaseName": "clinic", "Name": "visits"}, error=denial, caller="session", read_only=True
        ),
        **{
            f"who: {who}": recorded("glue", "GetDatabases", {}, caller=who, read_only=True)
            for who in CALLERS
        },
        "what STS hands out": recorded(
            "sts", "AssumeRole", {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Science", "RoleSessionName": "SageMaker"},
            {
                "Credentials": {
                    "AccessKeyId": "ASIANEW", "SecretAccessKey": "s3cr3t", "SessionToken": "t0ken", "Expiration": AT,
                },
                "AssumedRoleUser": {"AssumedRoleId": "AROAEXAMPLE:SageMaker", "Arn": "arn:aws:sts::1:assumed-role/S/S"},
            },
            read_only=True,
        ),
        "stranger": recorded("sts", "GetCallerIdentity", {}, error=AwsError("no"), caller="stranger", read_only=True),
        "service event": outcome_record(
            call("athena", "StartQueryExecution", caller="session"), ACCOUNT, EVENT,
            {"queryId": QUERY, "state": "SUCCEEDED"}, AT,
        ),
    }  # fmt: skip


def golden() -> dict[str, Any]:
    lines = [json.loads(line) for line in GOLDEN.read_text(encoding="utf-8").splitlines()]
    return {line["case"]: line["record"] for line in lines}


@pytest.mark.parametrize("case", sorted(cases()))
def test_a_record_is_cloudtrails(case: str) -> None:
    assert cases()[case] == golden()[case]


def test_every_golden_line_is_a_case() -> None:
    assert set(golden()) == set(cases())


def test_a_record_is_bounded() -> None:
    huge = {"Name": "x" * 100_000, "Description": "y" * 100_000}
    record = recorded("glue" * 100, "CreateDatabase" * 1000, {"Members": [huge] * 1000, "Deep": _deep(200)})
    assert len(record["eventName"]) <= 128
    assert len(record["requestParameters"]["members"]) <= 200
    assert all(len(one["name"]) <= 4200 for one in record["requestParameters"]["members"])


def _deep(levels: int) -> dict[str, Any]:
    return {"Below": _deep(levels - 1)} if levels else {}


if __name__ == "__main__":
    text = "".join(json.dumps({"case": case, "record": record}) + "\n" for case, record in cases().items())
    GOLDEN.write_text(text, encoding="utf-8")
