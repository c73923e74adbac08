"""The decision. SEMANTICS: an explicit deny anywhere wins; otherwise every layer present must allow; else deny.

IAM User Guide, "Policy evaluation logic".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from lakewarden.kernel.call import Principal, PrincipalType
from lakewarden.kernel.decision import Decision, Layer, StatementId, Verdict
from lakewarden.policy.model import CompiledPolicy, Named, Statement
from lakewarden.policy.patterns import Context

_PROVIDED = frozenset({PrincipalType.WEB_IDENTITY_USER, PrincipalType.SAML_USER})


@dataclass(frozen=True, slots=True)
class Request:
    """One question: may ``principal`` do ``action`` on ``resource``, given the condition keys in ``context``?"""

    principal: Principal
    action: str
    resource: str
    context: Context


def context_of(keys: Mapping[str, str | Sequence[str]]) -> Context:
    """Condition keys in the form that a :class:`Request` takes: names in lower case, values in tuples."""
    return {key.lower(): (value,) if isinstance(value, str) else tuple(value) for key, value in keys.items()}


@dataclass(frozen=True, slots=True)
class Layers:
    """The policies in force. ``None`` means that a layer is absent and limits nothing; an empty tuple allows nothing.

    ``session`` policies limit together: the request needs one that allows. ``resource_must_allow`` is set for role
    trust policies.
    """

    identity: tuple[CompiledPolicy, ...] = ()
    boundary: CompiledPolicy | None = None
    session: tuple[CompiledPolicy, ...] | None = None
    service_control: tuple[CompiledPolicy, ...] | None = None
    resource: CompiledPolicy | None = None
    resource_must_allow: bool = False

    @classmethod
    def none(cls) -> Self:
        """What strangers and vanished principals have."""
        return cls()

    def with_resource(self, policy: CompiledPolicy | None, *, must_allow: bool) -> Self:
        """The same layers before a resource that has (or has not) a policy of its own."""
        if policy is self.resource and must_allow is self.resource_must_allow:
            return self
        return replace(self, resource=policy, resource_must_allow=must_allow)


@dataclass(frozen=True, slots=True)
class _Found:
    """The statements of one layer that match, by effect."""

    allows: Sequence[Statement]
    denies: Sequence[Statement]


def decide(request: Request, layers: Layers) -> Decision:
    """Decide. Total: never raises for compiled policies, whatever the request holds."""
    found = _gather(request, layers)
    for layer, matched in found.items():
        if matched.denies:
            denies = (one.id for every in found.values() for one in every.denies)
            return _decision(request, Verdict.EXPLICIT_DENY, layer, denies)
    missing = _missing_layer(request, layers, found)
    if missing is not None:
        return _decision(request, Verdict.IMPLICIT_DENY, missing, ())
    return _decision(request, Verdict.ALLOW, None, (one.id for matched in found.values() for one in matched.allows))


def matching(request: Request, layers: Layers) -> Mapping[Layer, tuple[StatementId, ...]]:
    """Every statement that matches, by layer, whatever its effect: the simulator's evidence."""
    return {
        layer: tuple(one.id for one in (*matched.denies, *matched.allows))
        for layer, matched in _gather(request, layers).items()
    }


def _gather(request: Request, layers: Layers) -> Mapping[Layer, _Found]:
    """The matching statements of every layer that is present, in the order in which denials are told."""
    context = request.context
    action = request.action.lower()
    present: dict[Layer, Iterable[CompiledPolicy]] = {Layer.IDENTITY: layers.identity}
    if layers.service_control is not None:
        present[Layer.SERVICE_CONTROL] = layers.service_control
    if layers.resource is not None:
        present[Layer.RESOURCE] = (layers.resource,)
    if layers.boundary is not None:
        present[Layer.BOUNDARY] = (layers.boundary,)
    if layers.session is not None:
        present[Layer.SESSION] = layers.session
    return {layer: _match(policies, request, action, context) for layer, policies in present.items()}


def _match(policies: Iterable[CompiledPolicy], request: Request, action: str, context: Context) -> _Found:
    resource = request.resource
    allows: list[Statement] = []
    denies: list[Statement] = []
    for policy in policies:
        for heads, statement in policy.candidates(action):
            if (
                (heads is None or resource.startswith(heads))
                and statement.holds(resource, context)
                and _names(statement, request.principal)
            ):
                (allows if statement.allow else denies).append(statement)
    return _Found(allows, denies)


def _names(statement: Statement, principal: Principal) -> bool:
    if statement.principals is None:
        return True
    if statement.not_principal:
        return not statement.principals.exempts(principal)
    return statement.principals.names(principal) is not None


def _missing_layer(request: Request, layers: Layers, found: Mapping[Layer, _Found]) -> Layer | None:
    """The first layer that does not allow although it must; None when all do."""
    if layers.service_control is not None and not found[Layer.SERVICE_CONTROL].allows:
        return Layer.SERVICE_CONTROL
    named = _strongest(request, found)
    if layers.resource_must_allow and named is None:
        return Layer.RESOURCE
    if request.principal.type is PrincipalType.ANONYMOUS:
        return None if named is Named.EVERYONE else Layer.RESOURCE if layers.resource else Layer.IDENTITY
    if request.principal.type in _PROVIDED:
        # A trust policy must name the provider itself: "*" means everybody of AWS, not everybody of every provider.
        return None if named is Named.DIRECTLY else Layer.RESOURCE
    if named is Named.DIRECTLY:
        # Named by its own ARN: granted by the resource, not limited by a boundary's or session's implicit deny.
        return None
    if named in {None, Named.ACCOUNT} and not found[Layer.IDENTITY].allows:
        return Layer.IDENTITY
    if layers.boundary is not None and not found[Layer.BOUNDARY].allows:
        return Layer.BOUNDARY
    if layers.session is not None and not found[Layer.SESSION].allows:
        return Layer.SESSION
    return None


def _strongest(request: Request, found: Mapping[Layer, _Found]) -> Named | None:
    matched = found.get(Layer.RESOURCE)
    if matched is None:
        return None
    names = [
        named
        for statement in matched.allows
        if statement.principals is not None and (named := statement.principals.names(request.principal)) is not None
    ]
    return max(names, key=lambda named: named.value, default=None)


def _decision(request: Request, verdict: Verdict, layer: Layer | None, because: Iterable[StatementId]) -> Decision:
    return Decision(verdict, request.action, request.resource, layer, tuple(because))
