"""What vended credentials are limited to, asked of the policy evaluator itself; and which callers are engines."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from lakewarden.kernel.call import Principal, PrincipalType, Session
from lakewarden.kernel.decision import Layer
from lakewarden.permissions.model import Settings
from lakewarden.permissions.scope import session_policy
from lakewarden.permissions.trust import SESSION_TAG, is_trusted
from lakewarden.policy import Layers, Request, compile_policy, decide

ACCOUNT = "123456789012"
EVERYTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def principal(tags: Mapping[str, str] | None = None, role_tags: Mapping[str, str] | None = None) -> Principal:
    session = Session(
        NOW, NOW, "s", role_arn=f"arn:aws:iam::{ACCOUNT}:role/r", role_id="A", role_name="r", tags=tags or {}
    )
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s"
    return Principal(PrincipalType.ASSUMED_ROLE, ACCOUNT, arn, "A:s", "r", "", session, role_tags or {})


def allowed(location: str, permissions: str, action: str, resource: str, **context: str) -> bool:
    policy = session_policy(location, frozenset(permissions.split()))
    layers = Layers(
        identity=(compile_policy(EVERYTHING, layer=Layer.IDENTITY, name="all"),),
        boundary=None,
        session=(compile_policy(policy, layer=Layer.SESSION, name="session"),),
    )
    keys = {name.replace("_", ":"): (value,) for name, value in context.items()}
    return decide(Request(principal(), action, f"arn:aws:s3:::{resource}", keys), layers).allowed


@pytest.mark.parametrize(
    ("location", "permissions", "action", "resource", "expected"),
    [
        ("s3://lake/db/t", "SELECT", "s3:GetObject", "lake/db/t/x", True),
        ("s3://lake/db/t/", "SELECT", "s3:GetObject", "lake/db/t/a/b", True),
        ("s3://lake/db/t", "SELECT", "s3:GetObject", "lake/db/t2/x", False),
        ("s3://lake/db/t", "SELECT", "s3:GetObject", "lake/db/x", False),
        ("s3://lake/db/t", "SELECT", "s3:GetObject", "lake2/db/t/x", False),
        ("s3://lake/db/t", "SELECT", "s3:PutObject", "lake/db/t/x", False),
        ("s3://lake/db/t", "SELECT", "s3:DeleteObject", "lake/db/t/x", False),
        ("s3://lake/db/t", "INSERT", "s3:PutObject", "lake/db/t/x", True),
        ("s3://lake/db/t", "INSERT", "s3:GetObject", "lake/db/t/x", False),
        ("s3://lake/db/t", "DELETE", "s3:DeleteObject", "lake/db/t/x", True),
        ("s3://lake/db/t", "SELECT", "s3:PutBucketPolicy", "lake", False),
        ("s3://lake/db/*", "SELECT", "s3:GetObject", "lake/db/other/x", False),
        ("s3://lake/db/*", "SELECT", "s3:GetObject", "lake/db/*/x", True),
        ("s3://lake/d?", "SELECT", "s3:GetObject", "lake/db/x", False),
        ("s3://lake/${aws:userid}", "SELECT", "s3:GetObject", "lake/A:s/x", False),
        ("s3://lake", "SELECT", "s3:GetObject", "lake/x", True),
        ("s3://lake", "SELECT", "s3:GetObject", "lake2/x", False),
    ],
)
def test_least_reach_of_vended_credentials(
    location: str, permissions: str, action: str, resource: str, expected: bool
) -> None:
    assert allowed(location, permissions, action, resource) is expected


@pytest.mark.parametrize(
    ("prefix", "expected"), [("db/t/", True), ("db/t/a/", True), ("db/", False), ("", False), ("db/t2", False)]
)
def test_vended_credentials_list_their_prefix_only(prefix: str, expected: bool) -> None:
    assert allowed("s3://lake/db/t", "SELECT", "s3:ListBucket", "lake", s3_prefix=prefix) is expected


def settings(**more: object) -> Settings:
    document = {
        "AllowExternalDataFiltering": True,
        "ExternalDataFilteringAllowList": [{"DataLakePrincipalIdentifier": ACCOUNT}],
        "AuthorizedSessionTagValueList": ["engine"],
        **more,
    }
    return Settings((), document)


def test_only_a_listed_and_tagged_session_is_an_engine() -> None:
    tagged = {SESSION_TAG: "engine"}
    assert is_trusted(principal(tagged), settings())
    assert not is_trusted(principal(), settings())
    assert not is_trusted(principal({SESSION_TAG: "other"}), settings())
    assert not is_trusted(principal(role_tags=tagged), settings())
    assert not is_trusted(principal(tagged), Settings())
    assert not is_trusted(principal(tagged), settings(AllowExternalDataFiltering=False))
    assert not is_trusted(principal(tagged), settings(ExternalDataFilteringAllowList=[]))
    assert not is_trusted(principal(tagged), settings(AuthorizedSessionTagValueList=[]))
    user = Principal(PrincipalType.USER, ACCOUNT, "arn", "A", "u", tags=tagged)
    assert not is_trusted(user, settings())
