"""Gathers the facts, asks the pure policy evaluator, and seals what is allowed."""

from collections.abc import Callable, Mapping
from typing import Protocol

from lakewarden.guard.operation import _SEAL, Access, AuthorizedCall, Operation
from lakewarden.kernel.call import Call, Principal, PrincipalType
from lakewarden.kernel.decision import Decision
from lakewarden.kernel.errors import AccessDenied, AccessDeniedException
from lakewarden.policy import Layers, Request, decide

_QUERY_AND_XML = frozenset({"iam", "sts", "s3", "cloudformation"})


class PolicyLayers(Protocol):
    """Port to the identity context: the policies that apply to a principal right now."""

    def layers(self, principal: Principal) -> Layers:
        """Identity policies, boundary, session policies and service control policies; none at all for strangers."""
        ...


class Authorizer(Protocol):
    """Port for services that must ask on a caller's behalf while they work (Athena writing a result to S3)."""

    def check(self, call: Call, access: Access) -> Decision:
        """Decide without raising."""
        ...

    def require(self, call: Call, access: Access) -> None:
        """Raise the service's AccessDenied error unless allowed."""
        ...


class Guard:
    """Decides every call. Denies whatever no rule and no policy allows."""

    def __init__(self, policies: PolicyLayers, observe: Callable[[Decision], None] | None = None) -> None:
        self._policies = policies
        self._observe = observe

    def authorize(self, call: Call, operation: Operation) -> AuthorizedCall:
        """Answer an :class:`AuthorizedCall`, or raise AccessDenied with AWS's text."""
        # INVARIANT (deny_by_default): a stranger passes only where AWS itself takes unsigned calls or where
        # a resource policy admits it; never through a rule without questions.
        accesses = operation.rule(call)
        if call.principal.type is PrincipalType.ANONYMOUS and not operation.unsigned and not accesses:
            raise denied(call.service, "Anonymous users cannot call this operation.")
        layers = self._policies.layers(call.principal)
        decisions = tuple(self._decide(call, access, layers) for access in accesses)
        for decision in decisions:
            if not decision.allowed:
                raise denied(call.service, decision.denial(call.principal.arn))
        return AuthorizedCall(call, decisions, seal=_SEAL)

    def check(self, call: Call, access: Access) -> Decision:
        """Decide one question on behalf of ``call``'s principal, without raising."""
        return self._decide(call, access, self._policies.layers(call.principal))

    def require(self, call: Call, access: Access) -> None:
        """Raise AccessDenied unless ``access`` is allowed to ``call``'s principal."""
        decision = self.check(call, access)
        if not decision.allowed:
            raise denied(call.service, decision.denial(call.principal.arn))

    def _decide(self, call: Call, access: Access, layers: Layers) -> Decision:
        context = {**request_context(call), **access.context}
        request = Request(call.principal, access.action, access.resource, context)
        decision = decide(
            request,
            layers.with_resource(access.resource_policy, must_allow=access.resource_policy_must_allow),
        )
        if self._observe is not None:
            self._observe(decision)
        return decision


def denied(service: str, message: str) -> AccessDenied:
    """The denial under the code that ``service`` uses."""
    return AccessDenied(message) if service in _QUERY_AND_XML else AccessDeniedException(message)


def request_context(call: Call) -> Mapping[str, str | tuple[str, ...]]:
    """The global condition keys of a call (IAM User Guide, "AWS global condition context keys").

    Keys whose fact does not exist for this caller are left out: a missing key is not an empty one.
    """
    principal = call.principal
    context: dict[str, str | tuple[str, ...]] = {
        "aws:CurrentTime": call.at.isoformat(),
        "aws:EpochTime": str(int(call.at.timestamp())),
        "aws:SourceIp": call.source_ip,
        "aws:SecureTransport": "true" if call.secure else "false",
        "aws:RequestedRegion": call.region,
        "aws:ViaAWSService": "false",
    }
    if call.user_agent:
        context["aws:UserAgent"] = call.user_agent
    if principal.type is PrincipalType.ANONYMOUS:
        context["aws:PrincipalType"] = principal.type.value
        return context
    context |= {
        "aws:PrincipalArn": principal.grantee_arn,
        "aws:PrincipalAccount": principal.account,
        "aws:PrincipalType": principal.type.value,
        "aws:userid": principal.user_id,
    }
    if principal.type is PrincipalType.USER:
        context["aws:username"] = principal.name
    session = principal.session
    if session is not None:
        context["aws:TokenIssueTime"] = session.issued_at.isoformat()
        context["aws:MultiFactorAuthPresent"] = "true" if session.mfa else "false"
        if session.source_identity:
            context["aws:SourceIdentity"] = session.source_identity
    for key, value in principal.tags.items():
        context[f"aws:PrincipalTag/{key}"] = value
    return context


__all__ = ["Authorizer", "Guard", "PolicyLayers", "denied", "request_context"]
