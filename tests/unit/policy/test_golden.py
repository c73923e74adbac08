"""The golden IAM tables: one line a case, with the source of its expectation."""

import json
from typing import Any

import pytest

from lakewarden.kernel.decision import Layer
from lakewarden.policy import MalformedPolicyDocument, PolicyKind, Request, compile_policy, context_of, decide
from lakewarden.policy.evaluate import matching
from tests.unit.policy.notation import GOLDEN, PRINCIPALS, layers, policy, request

Case = dict[str, Any]
FILES = ("conditions", "variables", "elements", "layers", "walkthrough", "managed", "malformed")


def lines(name: str) -> list[Case]:
    return [json.loads(line) for line in (GOLDEN / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def cases(*names: str) -> list[Any]:
    return [pytest.param(case, id=f"{name}: {case['case']}") for name in names for case in lines(name)]


@pytest.mark.parametrize("case", cases("conditions"))
def test_conditions(case: Case) -> None:
    statement = {
        "Effect": case.get("effect", "Allow"),
        "Action": "*",
        "Resource": "*",
        "Condition": case["condition"],
    }
    compiled = policy([statement], Layer.IDENTITY, "identity")
    asked = Request(PRINCIPALS["user"], "s3:GetObject", "arn:aws:s3:::b/k", context_of(case["context"]))
    assert compiled.statements[0].applies("s3:getobject", asked.resource, asked.context) is case["holds"]


@pytest.mark.parametrize("case", cases("variables", "elements", "layers", "walkthrough", "managed"))
def test_decisions(case: Case) -> None:
    decision = decide(request(case), layers(case))
    assert decision.verdict.value == case["expect"]
    if "layer" in case:
        assert decision.layer is not None
        assert decision.layer.value == case["layer"]
    if "because" in case:
        assert [f"{one.policy} {one.index}" for one in decision.because] == case["because"]
    assert bool(decision.because) == (case["expect"] != "implicitDeny")


@pytest.mark.parametrize("case", cases("variables", "elements", "layers", "walkthrough", "managed"))
def test_the_evidence_is_among_the_statements_that_match(case: Case) -> None:
    asked, over = request(case), layers(case)
    found = {one for ids in matching(asked, over).values() for one in ids}
    assert set(decide(asked, over).because) <= found


@pytest.mark.parametrize("case", cases("malformed"))
def test_malformed_documents_are_refused_with_the_place(case: Case) -> None:
    kind = PolicyKind(case["kind"])
    with pytest.raises(MalformedPolicyDocument) as refused:
        compile_policy(case["document"], layer=Layer.IDENTITY, name="p", kind=kind)
    assert refused.value.place == case["place"]
    assert case["problem"] in refused.value.problem
    refused.value.message.encode()


def test_there_are_enough_cases_and_each_has_a_source() -> None:
    every = [case for name in FILES for case in lines(name)]
    assert len(every) >= 300
    assert all(case["source"] for case in every)
