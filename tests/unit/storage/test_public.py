"""Which bucket policies are public."""

import json
from typing import Any

import pytest

from lakewarden.storage.public import is_public

STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
CASES: list[tuple[dict[str, Any], bool]] = [
    ({"Principal": "*"}, True),
    ({"Principal": {"AWS": "*"}}, True),
    ({"Principal": {"AWS": ["arn:aws:iam::1:root", "*"]}}, True),
    ({"NotPrincipal": {"AWS": "arn:aws:iam::1:root"}}, True),
    ({"Principal": {"AWS": "arn:aws:iam::1:root"}}, False),
    ({"Principal": "*", "Effect": "Deny"}, False),
    ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, False),
    ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, True),
    ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.1", "0.0.0.0/1"]}}}, True),
    ({"Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "::/0"}}}, True),
    ({"Principal": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "1"}}}, False),
    ({"Principal": "*", "Condition": {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*"}}}, True),
    ({"Principal": "*", "Condition": {"StringEqualsIfExists": {"aws:PrincipalAccount": "1"}}}, True),
    ({"Principal": "*", "Condition": {"StringNotEquals": {"aws:PrincipalAccount": "1"}}}, True),
    ({"Principal": "*", "Condition": {"StringEquals": {"aws:UserAgent": "x"}}}, True),
    ({"Principal": "*", "Condition": {"ForAllValues:StringEquals": {"aws:PrincipalAccount": "1"}}}, True),
]


@pytest.mark.parametrize(("changes", "expected"), CASES)
def test_policies(changes: dict[str, Any], expected: bool) -> None:
    document = {"Version": "2012-10-17", "Statement": STATEMENT | changes}
    assert is_public(json.dumps(document)) is expected
    assert is_public(json.dumps(document | {"Statement": [STATEMENT | changes]})) is expected
