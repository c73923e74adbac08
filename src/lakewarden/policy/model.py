"""A policy, compiled once when its version is stored, evaluated many times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from lakewarden.kernel.call import Principal, PrincipalType
from lakewarden.kernel.decision import Layer, StatementId
from lakewarden.policy.arns import ArnPattern
from lakewarden.policy.operators import Test
from lakewarden.policy.patterns import Context, Pattern


class Quantifier(Enum):
    """How a condition treats the several values of a request key."""

    SINGLE = ""
    ALL = "ForAllValues"
    ANY = "ForAnyValue"


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one key (lower case): AND with its neighbours, OR across ``tests``, NOR when ``negated``.

    ``when_wrong`` is what it answers for a request value that the operator cannot compare: true in a Deny, false
    in an Allow. ``cost`` orders conditions that must all hold. ``exact`` are the texts of a plain equality,
    which is the commonest test and asked without calling any.
    """

    key: str
    tests: tuple[Test, ...]
    negated: bool
    quantifier: Quantifier
    if_exists: bool
    when_wrong: bool
    cost: int = 1
    exact: frozenset[str] | None = None

    def holds(self, context: Context) -> bool:
        """Whether the request satisfies the condition."""
        values = context.get(self.key)
        if not values:
            return self._missing()
        if self.quantifier is Quantifier.SINGLE:
            if self.exact is not None and len(values) == 1:
                return (values[0] in self.exact) is not self.negated
            return self._fits(values, context)
        if self.quantifier is Quantifier.ALL:
            return all(self._fits((value,), context) for value in values)
        return any(self._fits((value,), context) for value in values)

    def _fits(self, values: Sequence[str], context: Context) -> bool:
        wrong = False
        for value in values:
            for test in self.tests:
                found = test(value, context)
                if found:
                    return not self.negated
                if found is None:
                    wrong = True
        # INVARIANT (deny_by_default): what cannot be compared never helps the caller, negated or not.
        return self.when_wrong if wrong else self.negated

    def _missing(self) -> bool:
        if self.quantifier is Quantifier.ALL:
            return True
        if self.quantifier is Quantifier.ANY:
            return self.if_exists
        return self.if_exists or self.negated


@dataclass(frozen=True, slots=True)
class NullCondition:
    """``Null``: whether the key must be missing."""

    key: str
    must_be_missing: bool
    cost: int = 0

    def holds(self, context: Context) -> bool:
        """Whether the key is missing, or there, as asked."""
        return (not context.get(self.key)) is self.must_be_missing


class Named(Enum):
    """How directly a resource policy names the caller; the order is from weakest to strongest."""

    ACCOUNT = 1
    EVERYONE = 2
    ROLE = 3
    DIRECTLY = 4


@dataclass(frozen=True, slots=True)
class Principals:
    """A Principal element. ``aws`` holds ARNs and unique ids, ``accounts`` twelve-digit ids.

    ``federated`` are identity providers: ARNs, or the host names of the public ones.
    """

    everyone: bool
    accounts: frozenset[str]
    aws: frozenset[str]
    services: frozenset[str]
    federated: frozenset[str]

    def names(self, principal: Principal) -> Named | None:
        """How the caller is named, by the strongest form that fits; None when it is not."""
        if principal.type is PrincipalType.SERVICE:
            return Named.DIRECTLY if principal.name in self.services else self._everyone()
        if principal.type in _FEDERATED:
            return Named.DIRECTLY if principal.name in self.federated else self._everyone()
        if principal.type is PrincipalType.ANONYMOUS:
            return self._everyone()
        if principal.arn in self.aws or principal.user_id in self.aws:
            return Named.DIRECTLY
        if _role(principal) & self.aws:
            return Named.ROLE
        if self.everyone:
            return Named.EVERYONE
        # A federated user acts with its user's rights: a deny that names the user holds, an allow grants by itself no more
        # than one that names the account.
        named = principal.account in self.accounts or principal.issuer_arn in self.aws
        return Named.ACCOUNT if named else None

    def exempts(self, principal: Principal) -> bool:
        """Whether a NotPrincipal leaves the caller out.

        As AWS asks: the account must be named, and with it the user, or the role and its session.
        """
        if self.everyone or principal.type in _STRANGERS:
            return self.names(principal) is not None
        if principal.account not in self.accounts:
            return False
        if principal.type is PrincipalType.ACCOUNT:
            return True
        role = _role(principal)
        return bool({principal.arn, principal.user_id} & self.aws) and (not role or bool(role & self.aws))

    def pinned(self, ids: Mapping[str, str]) -> "Principals":
        """The same with ARNs replaced by the unique ids that ``ids`` has for them."""
        return replace(self, aws=frozenset(ids.get(one, one) for one in self.aws))

    def _everyone(self) -> Named | None:
        return Named.EVERYONE if self.everyone else None


_FEDERATED = frozenset({PrincipalType.WEB_IDENTITY_USER, PrincipalType.SAML_USER})
_STRANGERS = _FEDERATED | {PrincipalType.SERVICE, PrincipalType.ANONYMOUS}


def _role(principal: Principal) -> frozenset[str]:
    """The ARN and the id of the role behind a role session; empty for all others."""
    session = principal.session
    if session is None or not session.role_arn:
        return frozenset()
    return frozenset({session.role_arn, session.role_id})


@dataclass(frozen=True, slots=True)
class Actions:
    """An Action element, lower case: exact names, and patterns for those with wildcards."""

    everything: bool
    exact: frozenset[str]
    patterns: tuple[Pattern, ...]

    def all_begin_with(self, prefix: str) -> bool:
        """Whether none of them can be an action outside ``prefix`` (``sts:``)."""
        heads = (*self.exact, *(one.head[0] for one in self.patterns))
        return not self.everything and all(head.startswith(prefix) for head in heads)

    def match(self, action: str) -> bool:
        """Whether ``action`` (lower case) is among them."""
        if self.everything or action in self.exact:
            return True
        return bool(self.patterns) and any(one.matches(action, {}) for one in self.patterns)


@dataclass(frozen=True, slots=True)
class Statement:
    """A compiled statement. Without ``resources`` (trust policies) every resource is meant."""

    id: StatementId
    allow: bool
    actions: Actions
    not_action: bool
    resources: tuple[ArnPattern, ...] | None
    not_resource: bool
    conditions: tuple[Condition | NullCondition, ...]
    principals: Principals | None
    not_principal: bool

    @property
    def heads(self) -> tuple[str, ...] | None:
        """What a resource must begin with, any of these, to be covered; None where resources play no part."""
        return None if self.resources is None else tuple(pattern.head for pattern in self.resources)

    def applies(self, action: str, resource: str, context: Context) -> bool:
        """Whether action (lower case), resource and conditions fit; principals are judged apart."""
        return self.acts_on(action) and self.holds(resource, context)

    def acts_on(self, action: str) -> bool:
        """Whether the statement speaks of ``action`` (lower case)."""
        return self.actions.match(action) is not self.not_action

    def holds(self, resource: str, context: Context) -> bool:
        """Whether resource and conditions fit, the action being settled."""
        if self.resources is not None and self._covers(resource, context) is self.not_resource:
            return False
        # A plain loop: this is the hot path, and a generator costs as much as the condition.
        for condition in self.conditions:  # noqa: SIM110
            if not condition.holds(context):
                return False
        return True

    def _covers(self, resource: str, context: Context) -> bool:
        for pattern in self.resources or ():  # noqa: SIM110
            if pattern.matches(resource, context):
                return True
        return False


Candidate = tuple[tuple[str, ...] | None, Statement]
"""A statement that speaks of the action, behind what the resource must begin with; None: whatever the resource is."""
_REMEMBERED = 2048


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """A policy's statements, in order. ``name`` is what decisions call it."""

    layer: Layer
    name: str
    statements: tuple[Statement, ...]
    _by_action: dict[str, tuple[Candidate, ...]] = field(default_factory=dict, repr=False, compare=False)

    def candidates(self, action: str) -> tuple[Candidate, ...]:
        """The statements that speak of ``action`` (lower case). Remembered: it is a fact of the policy alone."""
        found = self._by_action.get(action)
        if found is None:
            found = tuple(
                (None if one.not_resource else one.heads, one) for one in self.statements if one.acts_on(action)
            )
            if len(self._by_action) >= _REMEMBERED:  # simulations may ask about any text
                self._by_action.clear()
            self._by_action[action] = found
        return found

    @property
    def named_arns(self) -> frozenset[str]:
        """The ARNs of users, roles and sessions that Principal and NotPrincipal elements name."""
        return frozenset(
            name for one in self.statements if one.principals for name in one.principals.aws if name.startswith("arn:")
        )

    def pinned(self, ids: Mapping[str, str]) -> "CompiledPolicy":
        """The same policy, meaning by an ARN only who has the unique id that ``ids`` gives for it."""
        statements = tuple(
            one if one.principals is None else replace(one, principals=one.principals.pinned(ids))
            for one in self.statements
        )
        return CompiledPolicy(self.layer, self.name, statements)
