"""The short forms in which the golden tables write requests and policies."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lakewarden.kernel.call import ANONYMOUS, Principal, PrincipalType, Session
from lakewarden.kernel.decision import Layer
from lakewarden.policy import (
    CompiledPolicy,
    Layers,
    PolicyKind,
    Request,
    compile_policy,
    context_of,
    managed_policies,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "iam"
WALKTHROUGH: Mapping[str, Sequence[Any]] = json.loads((GOLDEN / "walkthrough-policies.json").read_text("utf-8"))
MANAGED = {one.arn: compile_policy(one.document, layer=Layer.IDENTITY, name=one.arn) for one in managed_policies()}
ACCOUNT = "111122223333"
_NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
_SESSION = Session(
    _NOW,
    _NOW,
    session_name="s1",
    role_arn=f"arn:aws:iam::{ACCOUNT}:role/reader",
    role_id="AROAEXAMPLEROLE00001",
    role_name="reader",
)
USER_ARN = f"arn:aws:iam::{ACCOUNT}:user/ann"
PRINCIPALS: Mapping[str, Principal] = {
    "user": Principal(PrincipalType.USER, ACCOUNT, USER_ARN, "AIDAEXAMPLEUSER00001", "ann"),
    "role": Principal(
        PrincipalType.ASSUMED_ROLE,
        ACCOUNT,
        f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/s1",
        "AROAEXAMPLEROLE00001:s1",
        "reader",
        session=_SESSION,
    ),
    "federated": Principal(
        PrincipalType.FEDERATED_USER,
        ACCOUNT,
        f"arn:aws:sts::{ACCOUNT}:federated-user/fed",
        f"{ACCOUNT}:fed",
        "ann",
        session=Session(_NOW, _NOW, session_name="fed"),
        issuer_arn=USER_ARN,
    ),
    "anonymous": ANONYMOUS,
    "service": Principal(PrincipalType.SERVICE, "", "sagemaker.amazonaws.com", "", "sagemaker.amazonaws.com"),
    "web": Principal(
        PrincipalType.WEB_IDENTITY_USER,
        ACCOUNT,
        "",
        "id.example:ann",
        f"arn:aws:iam::{ACCOUNT}:oidc-provider/id.example",
    ),
}


def policy(
    statements: Sequence[Any], layer: Layer, name: str, kind: PolicyKind = PolicyKind.IDENTITY
) -> CompiledPolicy:
    """A policy of Version 2012-10-17."""
    if not statements:
        return CompiledPolicy(layer, name, ())
    return compile_policy({"Version": "2012-10-17", "Statement": statements}, layer=layer, name=name, kind=kind)


def layers(case: Mapping[str, Any]) -> Layers:
    """The layers that a case names; every policy is called like its member."""
    identity = case.get("identity") or WALKTHROUGH.get(case.get("policy", ""), ())
    documents = [compile_policy(one, layer=Layer.IDENTITY, name="identity") for one in case.get("documents", ())]
    documents += [MANAGED[f"arn:aws:iam::aws:policy/{name}"] for name in case.get("managed", ())]
    sessions = case.get("sessions", [case["session"]] if "session" in case else None)
    trusted = case.get("trust")
    resource = trusted or case.get("resource_policy")
    kind = PolicyKind.TRUST if trusted else PolicyKind.RESOURCE
    return Layers(
        identity=(policy(identity, Layer.IDENTITY, "identity"), *documents),
        boundary=policy(case["boundary"], Layer.BOUNDARY, "boundary") if "boundary" in case else None,
        session=None if sessions is None else tuple(policy(one, Layer.SESSION, "session") for one in sessions),
        service_control=(policy(case["scp"], Layer.SERVICE_CONTROL, "scp"),) if "scp" in case else None,
        resource=policy(resource, Layer.RESOURCE, "resource", kind) if resource else None,
        resource_must_allow=bool(trusted),
    )


def request(case: Mapping[str, Any]) -> Request:
    """The question that a case asks."""
    who = PRINCIPALS[case.get("who", "user")]
    return Request(who, case["action"], case["resource"], context_of(case.get("context", {})))
