"""The Condition element, compiled."""

from collections.abc import Mapping
from typing import Any

from lakewarden.policy.errors import MalformedPolicyDocument
from lakewarden.policy.model import Condition, NullCondition, Quantifier
from lakewarden.policy.operators import NULL, OPERATORS

_QUANTIFIERS = {
    "ForAllValues": Quantifier.ALL,
    "ForAnyValue": Quantifier.ANY,
}


def compile_conditions(body: Any, place: str, *, variables: bool, allow: bool) -> tuple[Condition | NullCondition, ...]:
    """Every operator and key of a Condition element; raises :class:`MalformedPolicyDocument` with the place.

    ``allow`` is the statement's effect.
    """
    if body is None:
        return ()
    if not isinstance(body, Mapping):
        raise MalformedPolicyDocument(place, "must be an object")
    found: list[Condition | NullCondition] = []
    for operator, keys in body.items():
        where = f"{place}.{operator}"
        if not isinstance(keys, Mapping) or not keys:
            raise MalformedPolicyDocument(where, "must be an object of condition keys")
        found += [
            _condition(operator, key, value, where, variables=variables, allow=allow) for key, value in keys.items()
        ]
    # All must hold, in whatever order; those that cost least are asked first.
    return tuple(sorted(found, key=lambda one: one.cost))


def _condition(
    operator: str, key: str, value: Any, place: str, *, variables: bool, allow: bool
) -> Condition | NullCondition:
    where = f"{place}.{key}"
    if ":" not in key:
        raise MalformedPolicyDocument(where, "Actions/Conditions must be prefaced by a vendor, e.g., aws:SourceIp")
    values = _values(value, where)
    if operator == NULL:
        if any(one.lower() not in {"true", "false"} for one in values) or len(values) != 1:
            raise MalformedPolicyDocument(where, "Null takes true or false")
        return NullCondition(key.lower(), values[0].lower() == "true")
    prefix, _, rest = operator.rpartition(":")
    base = rest.removesuffix("IfExists")
    # INVARIANT (deny_by_default): an operator that is not known makes the policy invalid; it is never skipped.
    if base not in OPERATORS or (prefix and prefix not in _QUANTIFIERS):
        raise MalformedPolicyDocument(place, f"Invalid Condition type : {operator}")
    try:
        tests = tuple(OPERATORS[base].compile(one, variables) for one in values)
    except ValueError as error:
        raise MalformedPolicyDocument(where, str(error)) from error
    quantifier = _QUANTIFIERS.get(prefix, Quantifier.SINGLE)
    plain = base in {"StringEquals", "StringNotEquals"} and not (variables and any("${" in one for one in values))
    return Condition(
        key.lower(), tests, OPERATORS[base].negated, quantifier, base != rest, not allow, _cost(base),
        frozenset(values) if plain else None,
    )  # fmt: skip


def _values(value: Any, place: str) -> tuple[str, ...]:
    """Condition values are strings; JSON's numbers and booleans are taken for their text, as IAM does."""
    several = value if isinstance(value, list | tuple) else [value]
    if not several:
        raise MalformedPolicyDocument(place, "must have at least one value")
    texts = []
    for one in several:
        if isinstance(one, bool):
            texts.append("true" if one else "false")
        elif isinstance(one, str | int | float):
            texts.append(str(one))
        else:
            raise MalformedPolicyDocument(place, "must be a string or a list of strings")
    return tuple(texts)


def _cost(operator: str) -> int:
    return 1 if operator.startswith(("StringEquals", "StringNotEquals", "Bool")) else 2
