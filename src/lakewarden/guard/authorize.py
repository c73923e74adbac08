"""Gathers the facts, asks the pure policy evaluator, and seals what is allowed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from lakewarden.guard.operation import _SEAL, Access, AuthorizedCall, Operation
from lakewarden.kernel.call import Call, Principal, PrincipalType, Session
from lakewarden.kernel.decision import Decision, Layer, Verdict
from lakewarden.kernel.errors import AccessDenied, AccessDeniedException
from lakewarden.policy import Layers, Request, context_of, decide
from lakewarden.policy.patterns import Context

_QUERY_AND_XML = frozenset({"iam", "sts", "s3", "cloudformation"})


MESSAGE_HEADER = "x-lakewarden-authorization-message"
"""Where a denial carries its encoded reason, for sts:DecodeAuthorizationMessage."""


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

    def __init__(self, policies: PolicyLayers, encode: Callable[[Decision, Request], str] | None = None) -> None:
        self._policies = policies
        self._encode = encode

    def authorize(self, call: Call, operation: Operation) -> AuthorizedCall:
        """Answer an :class:`AuthorizedCall`, or raise AccessDenied with AWS's text."""
        # INVARIANT (deny_by_default): a stranger passes only where AWS itself takes unsigned calls or where
        # a resource policy admits it; never through a rule without questions.
        accesses = operation.rule(call)
        if call.principal.type is PrincipalType.ANONYMOUS and not operation.unsigned and not accesses:
            raise denied(call.service, "Anonymous users cannot call this operation.")
        if not accesses:
            return AuthorizedCall(call, (), seal=_SEAL)
        layers = self._policies.layers(call.principal)
        known = request_context(call)
        return AuthorizedCall(
            call, tuple(self._allowed(call, access, layers, known) for access in accesses), seal=_SEAL
        )

    def check(self, call: Call, access: Access) -> Decision:
        """Decide one question on behalf of ``call``'s principal, without raising."""
        request = _request(call, access, request_context(call))
        return _decide(request, access, self._policies.layers(call.principal))

    def require(self, call: Call, access: Access) -> None:
        """Raise AccessDenied unless ``access`` is allowed to ``call``'s principal."""
        self._allowed(call, access, self._policies.layers(call.principal), request_context(call))

    def _allowed(self, call: Call, access: Access, layers: Layers, known: Context) -> Decision:
        request = _request(call, access, known)
        decision = _decide(request, access, layers)
        if decision.allowed:
            return decision
        caller = call.principal
        error = denied(call.service, decision.denial(caller.arn or caller.user_id or "anonymous"))
        if self._encode is not None:
            error.headers = {MESSAGE_HEADER: self._encode(decision, request)}
        raise error


def _request(call: Call, access: Access, known: Context) -> Request:
    own = {**_about_resource(access.resource), **context_of(access.context)}
    if "aws:calledvia" in own:
        own |= {"aws:calledviafirst": own["aws:calledvia"][:1], "aws:calledvialast": own["aws:calledvia"][-1:]}
    return Request(call.principal, access.action, access.resource, {**known, **own})


def _decide(request: Request, access: Access, layers: Layers) -> Decision:
    must = access.resource_policy_must_allow
    decision = decide(request, layers.with_resource(access.resource_policy, must_allow=must))
    if must and decision.layer is Layer.RESOURCE and decision.verdict is Verdict.IMPLICIT_DENY:
        return replace(decision, silent=True)
    return decision


def denied(service: str, message: str) -> AccessDenied:
    """The denial under the code that ``service`` uses."""
    return AccessDenied(message) if service in _QUERY_AND_XML else AccessDeniedException(message)


def _about_resource(resource: str) -> dict[str, tuple[str, ...]]:
    parts = resource.split(":", 5)
    return {"aws:resourceaccount": (parts[4],)} if len(parts) == 6 and parts[4] else {}


def request_context(call: Call) -> Context:
    """The global condition keys of a call (IAM User Guide, "AWS global condition context keys"), in lower case.

    Keys whose fact does not exist for this caller are left out: a missing key is not an empty one.
    """
    principal = call.principal
    context: dict[str, Sequence[str]] = {
        "aws:currenttime": (call.at.isoformat(),),
        "aws:epochtime": (str(int(call.at.timestamp())),),
        "aws:sourceip": (_address(call.source_ip),),
        "aws:securetransport": _TRUE if call.secure else _FALSE,
        "aws:requestedregion": (call.region,),
        "aws:viaawsservice": _FALSE,
        "aws:principaltype": (principal.type.value,),
        "aws:principalisawsservice": _TRUE if principal.type is PrincipalType.SERVICE else _FALSE,
    }
    if call.user_agent:
        context["aws:useragent"] = (call.user_agent,)
    if principal.type is PrincipalType.ANONYMOUS:
        context["aws:userid"] = ("anonymous",)
        return context
    if principal.type in _PROVIDED:
        return context | {"aws:userid": (principal.user_id,), "aws:federatedprovider": (principal.name,)}
    if principal.type is PrincipalType.SERVICE:
        context["aws:principalservicename"] = (principal.name,)
    context |= {
        "aws:principalarn": (principal.grantee_arn,),
        "aws:principalaccount": (principal.account,),
        "aws:userid": (principal.user_id,),
    }
    if principal.type is PrincipalType.USER:
        context["aws:username"] = (principal.name,)
    if principal.session is not None:
        context |= _session(principal.session, call)
    for key, value in principal.tags.items():
        context[f"aws:principaltag/{key.lower()}"] = (value,)
    return context


def _session(session: Session, call: Call) -> dict[str, Sequence[str]]:
    context: dict[str, Sequence[str]] = {
        "aws:tokenissuetime": (session.issued_at.isoformat(),),
        "aws:multifactorauthpresent": _TRUE if session.mfa else _FALSE,
    }
    if session.mfa:
        context["aws:multifactorauthage"] = (str(int((call.at - session.issued_at).total_seconds())),)
    if session.source_identity:
        context["aws:sourceidentity"] = (session.source_identity,)
    if session.provider:
        context["aws:federatedprovider"] = (session.provider,)
    return context


def _address(text: str) -> str:
    """An IPv4 address that came over an IPv6 socket is the IPv4 address."""
    return text[7:] if text.startswith("::ffff:") and "." in text else text


_PROVIDED = frozenset({PrincipalType.WEB_IDENTITY_USER, PrincipalType.SAML_USER})
_TRUE, _FALSE = ("true",), ("false",)

__all__ = ["Authorizer", "Guard", "PolicyLayers", "denied", "request_context"]
