"""The walkthrough's three policy shapes, and role passing: one line a case in ``golden/studio/policies.jsonl``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lakewarden.guard import Guard
from lakewarden.kernel.call import Principal, PrincipalType
from lakewarden.kernel.decision import Layer, Verdict
from lakewarden.policy import Layers, compile_policy
from lakewarden.studio import api
from lakewarden.studio.model import Domain, Space, UserProfile
from lakewarden.studio.names import Arns
from lakewarden.studio.rules import Rules
from lakewarden.studio.store import StudioStore
from tests.e2e.studio_lab import notebook_policy, person_policy
from tests.unit.studio.furniture import ACCOUNT, DOMAIN, REGION, Clock, call, database, role_session, service, user

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "golden/studio/policies.jsonl").read_text(encoding="utf-8").splitlines()
]
TAG_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["sagemaker:CreatePresignedDomainUrl", "sagemaker:DescribeUserProfile"],
            "Resource": "*",
            "Condition": {"StringEquals": {"sagemaker:ResourceTag/studiouserid": "${aws:PrincipalTag/studiouserid}"}},
        },
        {
            "Effect": "Deny",
            "Action": ["sagemaker:CreatePresignedDomainUrl", "sagemaker:DescribeUserProfile"],
            "Resource": "*",
            "Condition": {
                "StringNotEquals": {"sagemaker:ResourceTag/studiouserid": "${aws:PrincipalTag/studiouserid}"}
            },
        },
        {"Effect": "Deny", "Action": "sagemaker:*NotebookInstance", "Resource": "*"},
    ],
}
ADMIN_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": f"arn:aws:iam::{ACCOUNT}:role/passable",
            "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        },
    ],
}


class Policies:
    """One identity policy for whoever asks."""

    def __init__(self, document: Any) -> None:
        self._policy = compile_policy(document, layer=Layer.IDENTITY, name="golden")

    def layers(self, principal: Principal) -> Layers:
        assert principal.type is not PrincipalType.ANONYMOUS
        return Layers(identity=(self._policy,))


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rules]:
    made = database(tmp_path_factory.mktemp("studio"))
    store, clock = StudioStore(made), Clock()
    moment = clock().isoformat()
    common: dict[str, Any] = {"id": "0" * 32, "created": moment, "modified": moment}
    with store.write() as records:
        records.put(Domain(domain=DOMAIN, name="lab", auth_mode="IAM", user_settings={}, **common))
        for name, tags in (("ann", {"studiouserid": "ann"}), ("bob", {"studiouserid": "bob"}), ("untagged", {})):
            records.put(UserProfile(domain=DOMAIN, name=name, tags=tags, **common))
        for name, owner, sharing in (
            ("anns", "ann", "Private"),
            ("bobs", "bob", "Private"),
            ("shared", "ann", "Shared"),
        ):
            records.put(Space(domain=DOMAIN, name=name, owner=owner, sharing=sharing, **common))
    yield Rules(service(store, clock), Arns(ACCOUNT, REGION))
    made.close()


def _caller(who: str) -> tuple[Principal, Any]:
    kind, _, name = who.partition(":")
    if kind == "tag":
        return role_session(
            "DataScientist", "someone@example.org", **({"studiouserid": name} if name else {})
        ), TAG_POLICY
    if kind == "studio":
        return role_session("execution", name, profile=name), notebook_policy()
    if kind == "sagemaker-admin":
        return user(kind), ADMIN_POLICY
    return user(who), person_policy()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_golden(case: dict[str, Any], rules: Rules) -> None:
    principal, document = _caller(case["who"])
    params = {"DomainId": DOMAIN, **case["params"]}
    table = api.operations(_NoHandlers(), rules)  # type: ignore[arg-type]
    asked = call(principal, case["operation"], **params)
    guard = Guard(Policies(document))
    decisions = [guard.check(asked, access) for access in table[case["operation"]].rule(asked)]
    refused = [one for one in decisions if not one.allowed]
    assert (refused[0].verdict if refused else Verdict.ALLOW).value == case["verdict"]


def test_a_session_that_only_bears_the_name_of_a_profile_is_no_studio_session(rules: Rules) -> None:
    """Who may assume the role herself and calls her session like a profile gets none of that profile's keys."""
    asked = call(role_session("execution", "ann"), "DescribeUserProfile", DomainId=DOMAIN, UserProfileName="ann")
    (access,) = rules.on_profile("sagemaker:DescribeUserProfile")(asked)
    assert not {"sagemaker:DomainId", "sagemaker:UserProfileName"} & set(access.context)


class _NoHandlers:
    def __getattr__(self, name: str) -> Any:
        return lambda call: {}


def test_the_golden_cases_are_well_formed() -> None:
    assert len({case["case"] for case in CASES}) == len(CASES)
    for case in CASES:
        msgspec.convert(case, dict[str, Any])
        assert set(case) == {"case", "who", "operation", "params", "verdict"}
