"""Policy documents to compiled policies; whatever IAM would refuse is refused, with the place.

IAM JSON policy reference, "Grammar of the IAM JSON policy language".
"""

import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from lakewarden.kernel.decision import Layer, StatementId
from lakewarden.policy.arns import ArnPattern, compile_resource
from lakewarden.policy.conditions import compile_conditions
from lakewarden.policy.errors import MalformedPolicyDocument
from lakewarden.policy.model import Actions, CompiledPolicy, Principals, Statement
from lakewarden.policy.patterns import Pattern, compile_pattern

_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9*?]+|\*|\*:\*")
_SID = re.compile(r"[A-Za-z0-9]*")
_ACCOUNT = re.compile(r"[0-9]{12}")
_ROOT = re.compile(r"arn:[^:]+:iam::([0-9]{12}):root")
_PRINCIPAL_ARN = re.compile(r"arn:[^:]+:(iam|sts)::[0-9]{12}:(user|role|assumed-role|federated-user)/.+")
_UNIQUE_ID = re.compile(r"A(IDA|ROA)[A-Z0-9]{10,}")
_SERVICE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?")
_PROVIDER = re.compile(r"arn:[^:]+:iam::[0-9]{12}:(oidc|saml)-provider/[^*?]+|[a-z0-9-]+(\.[a-z0-9-]+)+")
_LONGEST = 131_072
_STATEMENT_KEYS = frozenset(
    {
        "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", "Principal", "NotPrincipal",
    }
)  # fmt: skip


class PolicyKind(Enum):
    """Which elements a document must and must not have."""

    IDENTITY = "identity"
    RESOURCE = "resource"
    TRUST = "trust"


def compile_policy(
    document: str | Mapping[str, Any], *, layer: Layer, name: str, kind: PolicyKind = PolicyKind.IDENTITY
) -> CompiledPolicy:
    """Compile ``document``. ``name`` is what decisions call the policy. Raises :class:`MalformedPolicyDocument`."""
    body = _load(document) if isinstance(document, str) else document
    _only_keys(body, {"Version", "Id", "Statement"}, "")
    version = body.get("Version", "2008-10-17")
    if version not in ("2012-10-17", "2008-10-17"):  # a tuple: the value may be of any type
        raise MalformedPolicyDocument("Version", "must be 2012-10-17 or 2008-10-17")
    if not isinstance(body.get("Id", ""), str):
        raise MalformedPolicyDocument("Id", "must be a string")
    written = body.get("Statement")
    several = [written] if isinstance(written, Mapping) else written
    if not isinstance(several, Sequence) or isinstance(several, str) or not several:
        raise MalformedPolicyDocument("Statement", "a policy needs at least one statement")
    statements = tuple(
        _statement(one, index, layer, name, kind, variables=version == "2012-10-17")
        for index, one in enumerate(several)
    )
    sids = [statement.id.sid for statement in statements if statement.id.sid]
    if len(sids) != len(set(sids)):
        raise MalformedPolicyDocument("Statement", "Statement IDs (SID) in a single policy must be unique")
    return CompiledPolicy(layer, name, statements)


def _load(text: str) -> Mapping[str, Any]:
    if len(text) > _LONGEST:
        raise MalformedPolicyDocument("", "the document is too long")
    try:
        body = json.loads(text, object_pairs_hook=_unique)
    except MalformedPolicyDocument:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedPolicyDocument("", "Syntax errors in policy: not valid JSON") from error
    if not isinstance(body, dict):
        raise MalformedPolicyDocument("", "Syntax errors in policy: not a JSON object")
    return body


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # INVARIANT: a key that stands twice would let a reader see one policy and the evaluator another.
    body = dict(pairs)
    if len(body) != len(pairs):
        raise MalformedPolicyDocument("", "Syntax errors in policy: a key stands twice in one object")
    return body


def _only_keys(body: Mapping[str, Any], known: frozenset[str] | set[str], place: str) -> None:
    for key in body:
        if key not in known:
            raise MalformedPolicyDocument(f"{place}.{key}" if place else str(key), "unknown element")


def _statement(body: Any, index: int, layer: Layer, name: str, kind: PolicyKind, *, variables: bool) -> Statement:
    place = f"Statement[{index}]"
    if not isinstance(body, Mapping):
        raise MalformedPolicyDocument(place, "must be an object")
    _only_keys(body, _STATEMENT_KEYS, place)
    sid = body.get("Sid", "")
    if not isinstance(sid, str) or (kind is not PolicyKind.RESOURCE and not _SID.fullmatch(sid)):
        raise MalformedPolicyDocument(f"{place}.Sid", "Statement IDs (SID) must be alphanumeric")
    if body.get("Effect") not in ("Allow", "Deny"):
        raise MalformedPolicyDocument(f"{place}.Effect", "must be Allow or Deny")
    allow = body["Effect"] == "Allow"
    actions, not_action = _one_of(body, "Action", "NotAction", place)
    compiled_actions = _actions(actions, f"{place}.{'NotAction' if not_action else 'Action'}")
    if kind is PolicyKind.TRUST and (not_action or not compiled_actions.all_begin_with("sts:")):
        raise MalformedPolicyDocument(place, "AssumeRole policy may only specify STS AssumeRole actions.")
    resources, not_resource = _resources(body, place, kind, variables=variables)
    principals, not_principal = _principals(body, place, kind, allow=allow)
    return Statement(
        id=StatementId(layer, name, index, sid),
        allow=allow,
        actions=compiled_actions,
        not_action=not_action,
        resources=resources,
        not_resource=not_resource,
        conditions=compile_conditions(body.get("Condition"), f"{place}.Condition", variables=variables, allow=allow),
        principals=principals,
        not_principal=not_principal,
    )


def _one_of(body: Mapping[str, Any], plain: str, negated: str, place: str) -> tuple[Any, bool]:
    if (plain in body) == (negated in body):
        raise MalformedPolicyDocument(place, f"must have either {plain} or {negated}")
    return (body[negated], True) if negated in body else (body[plain], False)


def strings(value: Any, place: str) -> tuple[str, ...]:
    """A string or a non-empty list of strings; raises :class:`MalformedPolicyDocument`."""
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, list | tuple) or not several or not all(isinstance(one, str) for one in several):
        raise MalformedPolicyDocument(place, "must be a string or a list of strings")
    return tuple(several)


def _actions(value: Any, place: str) -> Actions:
    exact: set[str] = set()
    patterns: list[Pattern] = []
    everything = False
    for text in strings(value, place):
        if not _ACTION.fullmatch(text):
            raise MalformedPolicyDocument(
                place, f"Actions/Conditions must be prefaced by a vendor, e.g., iam: {text!r}"
            )
        lowered = text.lower()
        if lowered in {"*", "*:*"}:
            everything = True
        elif "*" in lowered or "?" in lowered:
            patterns.append(compile_pattern(lowered, variables=False))
        else:
            exact.add(lowered)
    return Actions(everything, frozenset(exact), tuple(patterns))


def _resources(
    body: Mapping[str, Any], place: str, kind: PolicyKind, *, variables: bool
) -> tuple[tuple[ArnPattern, ...] | None, bool]:
    if kind is PolicyKind.TRUST:
        if "Resource" in body or "NotResource" in body:
            raise MalformedPolicyDocument(f"{place}.Resource", "Has prohibited field Resource")
        return None, False
    value, negated = _one_of(body, "Resource", "NotResource", place)
    where = f"{place}.{'NotResource' if negated else 'Resource'}"
    try:
        return tuple(compile_resource(text, variables=variables) for text in strings(value, where)), negated
    except MalformedPolicyDocument:
        raise
    except ValueError as error:
        raise MalformedPolicyDocument(where, f"Resource {error}") from error


def _principals(
    body: Mapping[str, Any], place: str, kind: PolicyKind, *, allow: bool
) -> tuple[Principals | None, bool]:
    if kind is PolicyKind.IDENTITY:
        for name in ("Principal", "NotPrincipal"):
            if name in body:
                raise MalformedPolicyDocument(f"{place}.{name}", "Policy document should not specify a principal.")
        return None, False
    value, negated = _one_of(body, "Principal", "NotPrincipal", place)
    where = f"{place}.{'NotPrincipal' if negated else 'Principal'}"
    if negated and allow:
        raise MalformedPolicyDocument(where, "NotPrincipal is supported with Deny only")
    return _principal_element(value, where), negated


def _principal_element(value: Any, place: str) -> Principals:
    if value == "*":
        return Principals(True, frozenset(), frozenset(), frozenset(), frozenset())
    if not isinstance(value, Mapping) or not value:
        raise MalformedPolicyDocument(place, "must be * or an object of principal types")
    # A CanonicalUser names nobody here: refused, because a Deny that cannot match would be open.
    _only_keys(value, {"AWS", "Service", "Federated"}, place)
    everyone, accounts, named = False, set(), set()
    for text in strings(value["AWS"], f"{place}.AWS") if "AWS" in value else ():
        root = _ROOT.fullmatch(text)
        if text == "*":
            everyone = True
        elif _ACCOUNT.fullmatch(text):
            accounts.add(text)
        elif root is not None:
            accounts.add(root.group(1))
        elif (_PRINCIPAL_ARN.fullmatch(text) and "*" not in text) or _UNIQUE_ID.fullmatch(text):
            named.add(text)
        else:
            raise MalformedPolicyDocument(f"{place}.AWS", f"Invalid principal in policy: {text!r}")
    return Principals(
        everyone,
        frozenset(accounts),
        frozenset(named),
        _named(value, "Service", _SERVICE, place),
        _named(value, "Federated", _PROVIDER, place),
    )


def _named(value: Mapping[str, Any], kind: str, form: re.Pattern[str], place: str) -> frozenset[str]:
    if kind not in value:
        return frozenset()
    found = strings(value[kind], f"{place}.{kind}")
    for text in found:
        if not form.fullmatch(text):
            raise MalformedPolicyDocument(f"{place}.{kind}", f"Invalid principal in policy: {text!r}")
    return frozenset(found)
