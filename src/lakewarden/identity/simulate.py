"""The policy simulator: what the real evaluator says, with every statement that matched and what the request lacked.

IAM API reference, SimulatePrincipalPolicy and SimulateCustomPolicy.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lakewarden.identity.directory import Directory
from lakewarden.identity.errors import InvalidInput, NoSuchEntity
from lakewarden.identity.model import Group, Holder, Role, User
from lakewarden.identity.policies import Policies
from lakewarden.identity.service import IdentityService
from lakewarden.kernel.arn import Arn
from lakewarden.kernel.call import Principal, PrincipalType
from lakewarden.kernel.decision import Layer, StatementId
from lakewarden.policy import (
    CompiledPolicy,
    Layers,
    MalformedPolicyDocument,
    PolicyKind,
    Request,
    compile_policy,
    context_of,
    decide,
)
from lakewarden.policy.evaluate import matching
from lakewarden.policy.source import context_keys, statement_spans

_STRANGER = Principal(PrincipalType.ACCOUNT, "", "", "", "")


@dataclass(frozen=True, slots=True)
class Source:
    """A policy on trial: its text, and what the answer calls it."""

    compiled: CompiledPolicy
    document: str
    kind: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Everything that a simulation asks with."""

    principal: Principal
    sources: Sequence[Source]
    boundary: CompiledPolicy | None = None
    service_control: tuple[CompiledPolicy, ...] | None = None
    resource: CompiledPolicy | None = None
    known: Mapping[str, str] = field(default_factory=dict)


class Simulator:
    """Answers what would happen, without doing it."""

    def __init__(self, identity: IdentityService, directory: Directory) -> None:
        self._identity = identity
        self._directory = directory

    def custom(self, params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """SimulateCustomPolicy's EvaluationResults."""
        caller = params.get("CallerArn", "")
        principal = self._principal(self._holder(caller)) if caller else _STRANGER
        return _results(self._trial(params, principal, ()), params)

    def principal(self, params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """SimulatePrincipalPolicy's EvaluationResults: the principal's own policies, and those that are added."""
        holder = self._holder(params["PolicySourceArn"])
        caller = params.get("CallerArn", "")
        principal = self._principal(self._holder(caller) if caller else holder)
        excluded = _excluded(params.get("PolicyExclusionList") or ())
        own = [one for one in self._own(holder) if one.compiled.name not in excluded]
        return _results(self._trial(params, principal, own, holder), params)

    def keys_of_custom(self, documents: Sequence[str]) -> list[str]:
        """GetContextKeysForCustomPolicy."""
        for number, document in enumerate(documents, 1):
            _compiled(document, Layer.IDENTITY, f"PolicyInputList.{number}")
        return _every_key(documents)

    def keys_of_principal(self, arn: str, documents: Sequence[str]) -> list[str]:
        """GetContextKeysForPrincipalPolicy."""
        return _every_key([*(one.document for one in self._own(self._holder(arn))), *documents])

    def _trial(
        self,
        params: Mapping[str, Any],
        principal: Principal,
        own: Sequence[Source],
        holder: Holder | None = None,
    ) -> Trial:
        added = _inputs(params.get("PolicyInputList") or (), Layer.IDENTITY, "PolicyInputList")
        bounds = _inputs(
            params.get("PermissionsBoundaryPolicyInputList") or (), Layer.BOUNDARY, "PermissionsBoundaryPolicyInputList"
        )
        boundary = bounds[0].compiled if bounds else None
        if boundary is None and isinstance(holder, User | Role) and holder.boundary:
            boundary = self._directory.managed(holder.boundary, Layer.BOUNDARY) or CompiledPolicy(
                Layer.BOUNDARY, holder.boundary, ()
            )
        organisation = [
            one.compiled
            for level in params.get("OrderedOrganizationPolicyInputList") or ()
            for one in _inputs(
                level.get("ServiceControlPolicyInputList") or (), Layer.SERVICE_CONTROL, "ServiceControlPolicyInputList"
            )
        ]
        resource = params.get("ResourcePolicy")
        return Trial(
            principal,
            [*own, *added, *bounds],
            boundary,
            tuple(organisation) or None,
            _compiled(resource, Layer.RESOURCE, "ResourcePolicy", PolicyKind.RESOURCE) if resource else None,
            _known(principal),
        )

    def _holder(self, arn: str) -> User | Group | Role:
        try:
            parsed = Arn.parse(arn)
        except ValueError as error:
            raise InvalidInput(f"Invalid ARN: {arn}") from error
        kinds: Mapping[str, type[User] | type[Group] | type[Role]] = {"user": User, "group": Group, "role": Role}
        kind = kinds.get(parsed.resource.partition("/")[0])
        if parsed.service != "iam" or kind is None:
            raise InvalidInput(f"{arn} is not the ARN of a user, group or role.")
        found = self._identity.get(kind, arn.rpartition("/")[2])
        if self._identity.arn(found) != arn:
            raise NoSuchEntity(f"The entity with ARN {arn} cannot be found.")
        return found

    def _principal(self, holder: Holder) -> Principal:
        arn = self._identity.arn(holder)
        kind = PrincipalType.USER if isinstance(holder, User) else PrincipalType.ASSUMED_ROLE
        if isinstance(holder, Group):
            kind = PrincipalType.ACCOUNT
        return Principal(kind, self._identity.account, arn, holder.id, holder.name, tags=holder.tags)

    def _own(self, holder: User | Group | Role) -> Iterable[Source]:
        policies: Policies = self._identity.policies
        groups = [self._identity.get(Group, name) for name in holder.groups] if isinstance(holder, User) else []
        for one in (holder, *groups):
            for arn in one.attached:
                stored = policies.by_arn(arn)
                document = stored.versions[stored.default].document
                kind = "aws-managed" if arn in policies.shipped() else "user-managed"
                yield Source(_compiled(document, Layer.IDENTITY, arn), document, kind)
            for name, document in one.inline.items():
                label = f"{one.kind}_{one.name}_{name}"
                yield Source(_compiled(document, Layer.IDENTITY, label), document, one.kind)


def _known(principal: Principal) -> dict[str, str]:
    if principal is _STRANGER:
        return {}
    known = {
        "aws:PrincipalArn": principal.arn,
        "aws:PrincipalAccount": principal.account,
        "aws:userid": principal.user_id,
    }
    if principal.type is PrincipalType.USER:
        known["aws:username"] = principal.name
    return known | {f"aws:PrincipalTag/{key}": value for key, value in principal.tags.items()}


def _compiled(document: str, layer: Layer, name: str, kind: PolicyKind = PolicyKind.IDENTITY) -> CompiledPolicy:
    try:
        return compile_policy(document, layer=layer, name=name, kind=kind)
    except MalformedPolicyDocument as error:
        raise InvalidInput(f"{name}: {error.message}") from error


def _inputs(documents: Sequence[str], layer: Layer, name: str) -> list[Source]:
    return [
        Source(_compiled(document, layer, f"{name}.{number}"), document, "none")
        for number, document in enumerate(documents, 1)
    ]


def _excluded(entries: Sequence[Mapping[str, Any]]) -> set[str]:
    names = set()
    for entry in entries:
        inline = entry.get("InlinePolicyIdentifier")
        if inline:
            names.add(f"{str(inline['AttachmentType']).lower()}_{inline['AttachmentName']}_{inline['PolicyName']}")
        elif entry.get("PolicyArn"):
            names.add(entry["PolicyArn"])
    return names


def _every_key(documents: Sequence[str]) -> list[str]:
    found: dict[str, str] = {}
    for document in documents:
        for keys in context_keys(document):
            for key in keys:
                found.setdefault(key.lower(), key)
    return sorted(found.values(), key=str.lower)


def _results(trial: Trial, params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given: dict[str, str | Sequence[str]] = dict(trial.known)
    for entry in params.get("ContextEntries") or ():
        if "ContextKeyName" not in entry or ":" not in entry["ContextKeyName"]:
            raise InvalidInput("A context key's name has a prefix, such as aws:.")
        given[entry["ContextKeyName"]] = entry.get("ContextKeyValues") or ()
    resources = params.get("ResourceArns") or ["*"]
    for resource in resources:
        if resource != "*" and resource.count(":") < 5:
            raise InvalidInput(f"ResourceArns: {resource} is not an ARN.")
    layers = Layers(
        identity=tuple(one.compiled for one in trial.sources if one.compiled.layer is Layer.IDENTITY),
        boundary=trial.boundary,
        service_control=trial.service_control,
        resource=trial.resource,
    )
    return [
        _result(trial, layers, Request(trial.principal, _action(action), resource, context_of(given)))
        for action in params["ActionNames"]
        for resource in resources
    ]


def _action(text: str) -> str:
    service, colon, name = text.partition(":")
    if not (service and colon and name) or "*" in text or "?" in text:
        raise InvalidInput(f"Invalid action: {text}. It has the form service:Action, without wildcards.")
    return text


def _result(trial: Trial, layers: Layers, request: Request) -> Mapping[str, Any]:
    decision = decide(request, layers)
    found = matching(request, layers)
    sources = {(one.compiled.layer, one.compiled.name): one for one in trial.sources}
    evidence = {
        "MatchedStatements": [_matched(one, sources) for ids in found.values() for one in ids],
        "MissingContextValues": _missing(trial.sources, request),
    }
    answer: dict[str, Any] = {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "EvalDecision": decision.verdict.value,
        **evidence,
        "ResourceSpecificResults": [
            {"EvalResourceName": request.resource, "EvalResourceDecision": decision.verdict.value, **evidence}
        ],
    }
    if trial.boundary is not None:
        answer["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": _allows(request, trial.boundary)}
    if trial.service_control is not None:
        allowed = decide(request, Layers(identity=trial.service_control)).allowed
        answer["OrganizationsDecisionDetail"] = {"AllowedByOrganizations": allowed}
    return answer


def _allows(request: Request, policy: CompiledPolicy) -> bool:
    return decide(request, Layers(identity=(policy,))).allowed


def _matched(statement: StatementId, sources: Mapping[tuple[Layer, str], Source]) -> Mapping[str, Any]:
    answer: dict[str, Any] = {"SourcePolicyId": statement.policy}
    source = sources.get((statement.layer, statement.policy))
    if source is None:
        return answer | {"SourcePolicyType": "resource" if statement.layer is Layer.RESOURCE else "none"}
    span = statement_spans(source.document)[statement.index]
    return answer | {
        "SourcePolicyType": source.kind,
        "StartPosition": {"Line": span.line, "Column": span.column},
        "EndPosition": {"Line": span.end_line, "Column": span.end_column},
    }


def _missing(sources: Sequence[Source], request: Request) -> list[str]:
    """Keys that statements about the action ask for and that the request does not have."""
    found: dict[str, str] = {}
    action = request.action.lower()
    for source in sources:
        keys = context_keys(source.document)
        for statement in source.compiled.statements:
            if statement.acts_on(action):
                for key in keys[statement.id.index]:
                    if key.lower() not in request.context:
                        found.setdefault(key.lower(), key)
    return sorted(found.values(), key=str.lower)
