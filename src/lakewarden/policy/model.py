"""A policy, compiled once when its version is stored, evaluated many times."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    """One operator on one key (lower case): AND with its neighbours, OR across ``tests``, NOR when ``negated``."""

    key: str
    tests: tuple[Test, ...]
    negated: bool
    quantifier: Quantifier
    if_exists: bool

    def holds(self, context: Context) -> bool:
        """Whether the request satisfies the condition."""
        values = context.get(self.key)
        if not values:
            return self._missing()
        if self.quantifier is Quantifier.ALL:
            return all(self._one(value, context) for value in values)
        if self.quantifier is Quantifier.ANY:
            return any(self._one(value, context) for value in values)
        fits = any(test(value, context) for value in values for test in self.tests)
        return fits is not self.negated

    def _one(self, value: str, context: Context) -> bool:
        return any(test(value, context) for test in self.tests) is not self.negated

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
    """A Principal element. ``aws`` holds ARNs and unique ids, ``accounts`` twelve-digit ids."""

    everyone: bool
    accounts: frozenset[str]
    aws: frozenset[str]
    services: frozenset[str]
    federated: frozenset[str]

    def names(self, principal: Principal) -> Named | None:
        """How the caller is named, by the strongest form that fits; None when it is not."""
        if principal.type is PrincipalType.SERVICE:
            return Named.DIRECTLY if principal.name in self.services else self._everyone()
        if principal.type is PrincipalType.ANONYMOUS:
            return self._everyone()
        if principal.arn in self.aws or principal.user_id in self.aws:
            return Named.DIRECTLY
        session = principal.session
        if session is not None and session.role_arn and {session.role_arn, session.role_id} & self.aws:
            return Named.ROLE
        if self.everyone:
            return Named.EVERYONE
        return Named.ACCOUNT if principal.account in self.accounts else None

    def _everyone(self) -> Named | None:
        return Named.EVERYONE if self.everyone else None


@dataclass(frozen=True, slots=True)
class Actions:
    """An Action element, lower case: exact names, and patterns for those with wildcards."""

    everything: bool
    exact: frozenset[str]
    patterns: tuple[Pattern, ...]

    def match(self, action: str) -> bool:
        """Whether ``action`` (lower case) is among them."""
        return self.everything or action in self.exact or any(one.matches(action, {}) for one in self.patterns)


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

    def applies(self, action: str, resource: str, context: Context) -> bool:
        """Whether action (lower case), resource and conditions fit; principals are judged apart."""
        if self.actions.match(action) is self.not_action:
            return False
        if self.resources is not None:
            named = any(pattern.matches(resource, context) for pattern in self.resources)
            if named is self.not_resource:
                return False
        return all(condition.holds(context) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """``by_service`` holds, for each service prefix that the policy names, the statements that could apply."""

    layer: Layer
    name: str
    statements: tuple[Statement, ...]
    by_service: Mapping[str, tuple[Statement, ...]]
    any_service: tuple[Statement, ...]

    def candidates(self, service: str) -> tuple[Statement, ...]:
        """The statements that could apply to an action of ``service`` (its lower-case prefix)."""
        return self.by_service.get(service, self.any_service)
