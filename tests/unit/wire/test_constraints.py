"""The model's constraints, in AWS's words."""

from typing import Any

import pytest

from lakewarden.kernel.errors import ValidationError
from lakewarden.wire import constraints
from lakewarden.wire.models import operation_model

NULL = "failed to satisfy constraint: Member must not be null"
TABLE = [
    ("athena", "StartQueryExecution", {"QueryString": "SELECT 1"}, ""),
    ("athena", "StartQueryExecution", {}, f"1 validation error detected: Value null at 'queryString' {NULL}"),
    (
        "athena",
        "StartQueryExecution",
        {"QueryString": ""},
        "1 validation error detected: Value '' at 'queryString' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1",
    ),
    (
        "athena",
        "StartQueryExecution",
        {"QueryString": "x" * 262145},
        "1 validation error detected: Value at 'queryString' failed to satisfy constraint: "
        "Member must have length less than or equal to 262144",
    ),
    (
        "sts",
        "AssumeRole",
        {"RoleArn": "arn:aws:iam::1:role/r", "RoleSessionName": "x"},
        "1 validation error detected: Value 'x' at 'roleSessionName' failed to satisfy constraint: "
        "Member must have length greater than or equal to 2",
    ),
    (
        "sts",
        "AssumeRole",
        {"RoleArn": "arn:aws:iam::1:role/r", "RoleSessionName": "xx", "DurationSeconds": 43201},
        "1 validation error detected: Value '43201' at 'durationSeconds' failed to satisfy constraint: "
        "Member must have value less than or equal to 43200",
    ),
    (
        "iam",
        "TagUser",
        {"UserName": "u", "Tags": [{"Key": "k", "Value": ""}, {"Key": "k"}]},
        f"1 validation error detected: Value null at 'tags.2.member.value' {NULL}",
    ),
    (
        "iam",
        "CreateUser",
        {"UserName": "", "Path": ""},
        "2 validation errors detected: Value '' at 'userName' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1; Value '' at 'path' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1",
    ),
    (
        "iam",
        "ChangePassword",
        {"OldPassword": "secret", "NewPassword": ""},
        "1 validation error detected: Value at 'newPassword' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1",
    ),
    ("s3", "PutObject", {"Bucket": "b", "Key": "k"}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "members", "text"), TABLE)
def test_what_breaks_a_constraint_is_named(service: str, operation: str, members: dict[str, Any], text: str) -> None:
    shape = operation_model(service, operation).input_shape
    if not text:
        constraints.check(shape, members)
        return
    with pytest.raises(ValidationError) as caught:
        constraints.check(shape, members)
    assert caught.value.message == text


def test_ten_findings_are_enough() -> None:
    shape = operation_model("iam", "TagUser").input_shape
    with pytest.raises(ValidationError) as caught:
        constraints.check(shape, {"UserName": "u", "Tags": [{}] * 49})
    assert caught.value.message.startswith("10 validation errors detected: ")


@pytest.mark.parametrize("member", [{}, {"ExternalId": {"Issuer": "i", "Id": "x"}, "UniqueAttribute": {}}])
def test_a_union_has_exactly_one_member(member: dict[str, Any]) -> None:
    shape = operation_model("identitystore", "GetUserId").input_shape
    with pytest.raises(ValidationError, match="exactly one member"):
        constraints.check(shape, {"IdentityStoreId": "d-1234567890", "AlternateIdentifier": member})
