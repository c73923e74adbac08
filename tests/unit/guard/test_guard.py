"""The guard: what it fills in, what it refuses, and that nobody else can authorise a call."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lakewarden.guard import Access, AuthorizedCall, Guard, Operation, own
from lakewarden.guard.authorize import MESSAGE_HEADER, request_context
from lakewarden.kernel.call import ANONYMOUS, Call, Principal, PrincipalType, Session
from lakewarden.kernel.decision import Decision, Layer
from lakewarden.kernel.errors import AccessDenied, AccessDeniedException
from lakewarden.policy import Layers, PolicyKind, Request, compile_policy

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ACCOUNT = "111122223333"
USER = Principal(
    PrincipalType.USER, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/ann", "AIDAEXAMPLE", "ann", tags={"Team": "red"}
)


class Policies:
    """Everybody has the same policies."""

    def __init__(self, *statements: Any) -> None:
        self._layers = Layers()
        if statements:
            document = {"Version": "2012-10-17", "Statement": list(statements)}
            self._layers = Layers((compile_policy(document, layer=Layer.IDENTITY, name="p"),))

    def layers(self, principal: Principal) -> Layers:
        return Layers.none() if principal.type is PrincipalType.ANONYMOUS else self._layers


def call(who: Principal = USER, service: str = "s3", **more: Any) -> Call:
    return Call(who, service, "GetObject", {}, "id", NOW, "eu-west-1", "203.0.113.7", "boto3", **more)


def allow(**condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}


def operation(rule: Any, **more: Any) -> Operation:
    return Operation("GetObject", lambda _: {}, rule, read_only=True, **more)


def test_deny_by_default_only_the_guard_can_authorise() -> None:
    with pytest.raises(TypeError, match="only the guard"):
        AuthorizedCall(call(), (), seal=object())


def test_deny_by_default_no_policy_no_call() -> None:
    with pytest.raises(AccessDenied):
        Guard(Policies()).authorize(call(), operation(lambda _: (Access("s3:GetObject"),)))


def test_deny_by_default_every_question_must_be_answered_with_yes() -> None:
    guard = Guard(Policies({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}))
    rule = operation(lambda _: (Access("s3:GetObject"), Access("s3:GetObjectTagging")))
    with pytest.raises(AccessDenied, match="s3:GetObjectTagging"):
        guard.authorize(call(), rule)


def test_deny_by_default_strangers_pass_no_rule_without_questions() -> None:
    guard = Guard(Policies())
    with pytest.raises(AccessDenied):
        guard.authorize(call(ANONYMOUS), operation(own))
    assert guard.authorize(call(), operation(own)).decisions == ()
    public = compile_policy(
        {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"},
        },
        layer=Layer.RESOURCE,
        name="bucket",
        kind=PolicyKind.RESOURCE,
    )
    assert guard.check(call(ANONYMOUS), Access("s3:GetObject", "*", {}, public)).allowed
    assert not guard.check(call(ANONYMOUS), Access("s3:PutObject", "*", {}, public)).allowed


def test_denials_speak_each_services_language() -> None:
    rule = operation(lambda _: (Access("glue:GetTable", "arn:aws:glue:eu-west-1:111122223333:table/d/t"),))
    with pytest.raises(AccessDeniedException) as refused:
        Guard(Policies()).authorize(call(service="glue"), rule)
    assert refused.value.message == (
        f"User: arn:aws:iam::{ACCOUNT}:user/ann is not authorized to perform: glue:GetTable on resource: "
        "arn:aws:glue:eu-west-1:111122223333:table/d/t because no identity-based policy allows the glue:GetTable action"
    )
    assert not refused.value.headers


def test_a_denial_carries_its_encoded_reason_beside_the_text() -> None:
    seen: list[tuple[Decision, Request]] = []

    def encode(decision: Decision, request: Request) -> str:
        seen.append((decision, request))
        return "sealed"

    with pytest.raises(AccessDenied) as refused:
        Guard(Policies(), encode).authorize(call(), operation(lambda _: (Access("s3:GetObject"),)))
    assert refused.value.headers == {MESSAGE_HEADER: "sealed"}
    assert "sealed" not in refused.value.message
    assert seen[0][0].action == "s3:GetObject"


def test_the_global_keys_of_a_user() -> None:
    found = request_context(call(secure=True))
    assert found == {
        "aws:currenttime": (NOW.isoformat(),),
        "aws:epochtime": (str(int(NOW.timestamp())),),
        "aws:sourceip": ("203.0.113.7",),
        "aws:securetransport": ("true",),
        "aws:requestedregion": ("eu-west-1",),
        "aws:viaawsservice": ("false",),
        "aws:principaltype": ("User",),
        "aws:principalisawsservice": ("false",),
        "aws:useragent": ("boto3",),
        "aws:principalarn": (USER.arn,),
        "aws:principalaccount": (ACCOUNT,),
        "aws:userid": ("AIDAEXAMPLE",),
        "aws:username": ("ann",),
        "aws:principaltag/team": ("red",),
    }


def test_the_keys_of_a_role_session() -> None:
    session = Session(NOW, NOW, "s", "arn:aws:iam::1:role/r", "AROA", "r", "ann", mfa=True, provider="arn:provider")
    role = Principal(
        PrincipalType.ASSUMED_ROLE, ACCOUNT, "arn:aws:sts::1:assumed-role/r/s", "AROA:s", "r", session=session
    )
    found = request_context(call(role))
    assert found["aws:principalarn"] == ("arn:aws:iam::1:role/r",)
    assert found["aws:tokenissuetime"] == (NOW.isoformat(),)
    assert found["aws:sourceidentity"] == ("ann",)
    assert found["aws:multifactorauthpresent"] == ("true",)
    assert found["aws:multifactorauthage"] == ("0",)
    assert found["aws:federatedprovider"] == ("arn:provider",)
    assert "aws:username" not in found


def test_what_is_not_known_of_a_caller_is_missing_not_empty() -> None:
    stranger = request_context(replace(call(ANONYMOUS), user_agent=""))
    assert not {"aws:useragent", "aws:username", "aws:principalarn", "aws:principalaccount"} & set(stranger)
    web = Principal(PrincipalType.WEB_IDENTITY_USER, ACCOUNT, "", "p:aud:sub", "arn:provider")
    found = request_context(call(web))
    assert "aws:principalarn" not in found
    assert found["aws:federatedprovider"] == ("arn:provider",)
    assert "aws:multifactorauthpresent" not in request_context(call())


def test_an_ipv4_address_over_an_ipv6_socket_is_one() -> None:
    assert request_context(replace(call(), source_ip="::ffff:10.0.0.1"))["aws:sourceip"] == ("10.0.0.1",)
    assert request_context(replace(call(), source_ip="2001:db8::1"))["aws:sourceip"] == ("2001:db8::1",)


def test_a_forwarded_call_says_by_whom_and_the_rules_keys_stand_over_the_global_ones() -> None:
    via = {"aws:CalledVia": ("athena.amazonaws.com", "glue.amazonaws.com"), "aws:ViaAWSService": "true"}
    for key, value in (
        ("aws:CalledViaFirst", "athena.amazonaws.com"),
        ("aws:CalledViaLast", "glue.amazonaws.com"),
        ("aws:ViaAWSService", "true"),
    ):
        guard = Guard(Policies(allow(StringEquals={key: value})))
        assert guard.check(call(), Access("s3:GetObject", "*", via)).allowed
        assert not guard.check(call(), Access("s3:GetObject")).allowed


def test_the_resources_account_is_known_where_its_arn_says_so() -> None:
    guard = Guard(Policies(allow(StringEquals={"aws:ResourceAccount": "${aws:PrincipalAccount}"})))
    assert guard.check(call(), Access("glue:GetTable", f"arn:aws:glue:eu-west-1:{ACCOUNT}:table/d/t")).allowed
    assert not guard.check(call(), Access("glue:GetTable", "arn:aws:glue:eu-west-1:999988887777:table/d/t")).allowed
    assert not guard.check(call(), Access("s3:GetObject", "arn:aws:s3:::b/k")).allowed
