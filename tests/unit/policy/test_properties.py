"""``decide`` against a naive second evaluator, on requests and policies that hypothesis invents."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakewarden.policy import decide
from tests.unit.policy.naive import verdict
from tests.unit.policy.notation import ACCOUNT, PRINCIPALS, USER_ARN, layers, request

ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:ListBucket", "glue:GetTable", "iam:GetUser")
WANTED = (*ACTIONS, "*", "s3:*", "S3:get*", "*:*", "s3:?etObject", "s3:*Object", "glue:*", "iam:*")
RESOURCES = (
    "*",
    "arn:aws:s3:::lake/a",
    "arn:aws:s3:::lake/ann/x",
    "arn:aws:s3:::lake/*",
    "arn:aws:s3:::lake",
    "arn:aws:glue:us-east-1:111122223333:table/db/t",
)
PATTERNS = (
    *RESOURCES,
    "arn:aws:s3:::lake/${aws:username}/*",
    "arn:aws:s3:::lake/${aws:PrincipalTag/team, 'ann'}/?",
    "arn:aws:s3:::lake/${*}",
    "arn:aws:s3:::*a*",
    "arn:aws:glue:*:*:table/*/t",
    "arn:aws:s3",
    "arn:*:s3:::lake*",
    "arn:aws:s3:::l?ke/a",
)
KEYS = ("aws:username", "aws:PrincipalTag/team", "aws:TagKeys", "s3:max-keys", "aws:SourceArn")
VALUES = ("ann", "Ann", "*", "", "1", "1.0", "5", "one", "arn:aws:s3:::lake/a", "arn:aws:s3:::other")
TEXTS = (*VALUES, "a*", "${aws:username}", "${aws:PrincipalTag/team, '1'}", "?nn", "${*}", "*n")
OPERATORS = tuple(
    f"{prefix}{base}{suffix}"
    for prefix in ("", "ForAllValues:", "ForAnyValue:")
    for base in ("StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase")
    for suffix in ("", "IfExists")
)
NUMERIC = ("NumericEquals", "NumericNotEquals", "NumericLessThan", "ForAllValues:NumericNotEqualsIfExists")
ARNS = ("ArnLike", "ArnNotEquals", "ForAnyValue:ArnNotLike", "ArnEqualsIfExists")


def some(values: Any) -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=3))


conditions = st.one_of(
    st.dictionaries(
        st.sampled_from(OPERATORS),
        st.dictionaries(st.sampled_from(KEYS), some(TEXTS), min_size=1, max_size=2),
        max_size=2,
    ),
    st.dictionaries(
        st.sampled_from(NUMERIC),
        st.dictionaries(st.sampled_from(KEYS), some(("1", "5", "${aws:username}", "01.0")), min_size=1, max_size=2),
        max_size=1,
    ),
    st.dictionaries(
        st.sampled_from(ARNS),
        st.dictionaries(st.sampled_from(KEYS), some(PATTERNS), min_size=1, max_size=2),
        max_size=1,
    ),
    st.dictionaries(
        st.just("Null"),
        st.dictionaries(st.sampled_from(KEYS), st.sampled_from(("true", "false")), min_size=1),
        max_size=1,
    ),
)


@st.composite
def statements(draw: st.DrawFn, principal: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {
        "Effect": draw(st.sampled_from(("Allow", "Allow", "Deny"))),
        draw(st.sampled_from(("Action", "Action", "NotAction"))): draw(some(WANTED)),
        draw(st.sampled_from(("Resource", "Resource", "NotResource"))): draw(some(PATTERNS)),
        "Condition": draw(conditions),
    }
    if principal:
        names = some(
            (ACCOUNT, USER_ARN, "arn:aws:iam::111122223333:role/reader", PRINCIPALS["role"].arn, "999988887777", "*")
        )
        body["Principal"] = draw(st.one_of(st.just("*"), st.fixed_dictionaries({"AWS": names})))
    return body


several = st.lists(statements(), max_size=3)
requests = st.fixed_dictionaries(
    {
        "who": st.sampled_from(("user", "role")),
        "action": st.sampled_from(ACTIONS),
        "resource": st.sampled_from(RESOURCES),
        "context": st.dictionaries(
            st.sampled_from(KEYS), st.one_of(st.sampled_from(VALUES), st.lists(st.sampled_from(VALUES), max_size=3))
        ),
        "identity": several,
    },
    optional={
        "boundary": several,
        "session": several,
        "scp": several,
        "resource_policy": st.lists(statements(principal=True), min_size=1, max_size=3),
    },
)


def agree(case: dict[str, Any]) -> None:
    who = PRINCIPALS[case["who"]]
    issuers = [who.session.role_arn] if who.session is not None else []
    assert decide(request(case), layers(case)).verdict.value == verdict(case, ACCOUNT, who.arn, issuers)


@given(requests)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_decide_agrees_with_the_naive_evaluator(case: dict[str, Any]) -> None:
    agree(case)


@pytest.mark.long
@given(requests)
@settings(max_examples=30_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_decide_agrees_with_the_naive_evaluator_at_length(case: dict[str, Any]) -> None:
    agree(case)


@given(requests)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_layer_that_is_added_can_open_what_was_closed(case: dict[str, Any]) -> None:
    without = {**case, "boundary": None, "session": None, "scp": None}
    plain = {key: value for key, value in without.items() if value is not None}
    if not decide(request(plain), layers(plain)).allowed:
        assert not decide(request(case), layers(case)).allowed
