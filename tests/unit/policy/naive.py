"""A second evaluator, deliberately slow and plain, written from the documents themselves: the oracle of ``decide``.

It shares nothing with the product but the request: no compilation, no index, its own wildcard matching by recursion.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

Keys = Mapping[str, Sequence[str]]
Statement = Mapping[str, Any]
STAR, ANY = object(), object()


def verdict(case: Mapping[str, Any], account: str, arn: str, issuers: Sequence[str]) -> str:
    """``allowed``, ``implicitDeny`` or ``explicitDeny`` for a case in the tables' notation."""
    keys = {key.lower(): [value] if isinstance(value, str) else value for key, value in case["context"].items()}

    def hits(statements: Sequence[Statement], effect: str) -> list[Statement]:
        return [one for one in statements if one["Effect"] == effect and _matches(one, case, keys)]

    groups = [case["identity"], case.get("boundary"), case.get("session"), case.get("scp")]
    resource = [
        one
        for one in case.get("resource_policy", ())
        if "Principal" not in one or _named(one["Principal"], account, arn, issuers)
    ]
    if any(hits(group, "Deny") for group in [*groups, resource] if group is not None):
        return "explicitDeny"
    identity, boundary, session, scp = (group is None or bool(hits(group, "Allow")) for group in groups)
    if not scp:
        return "implicitDeny"
    names = {_named(one["Principal"], account, arn, issuers) for one in hits(resource, "Allow")}
    if "self" in names:
        return "allowed"
    granted = identity or bool(names & {"issuer", "everyone"})
    return "allowed" if granted and boundary and session else "implicitDeny"


def _named(principal: Any, account: str, arn: str, issuers: Sequence[str]) -> str:
    values = ["*"] if principal == "*" else _list(principal["AWS"])
    for name, fits in (("self", [arn]), ("issuer", issuers), ("everyone", ["*"])):
        if any(one in values for one in fits):
            return name
    return "account" if account in values else ""


def _matches(one: Statement, case: Mapping[str, Any], keys: Keys) -> bool:
    wanted = _list(one.get("Action", one.get("NotAction")))
    acts = any(_glob(_tokens(text.lower(), None), case["action"].lower()) for text in wanted)
    where = _list(one.get("Resource", one.get("NotResource")))
    lands = any(_arn(text, case["resource"], keys) for text in where)
    return (
        acts is ("Action" in one)
        and lands is ("Resource" in one)
        and all(
            _holds(operator, key.lower(), _list(values), keys, one["Effect"] == "Deny")
            for operator, body in one.get("Condition", {}).items()
            for key, values in body.items()
        )
    )


def _holds(operator: str, key: str, wanted: Sequence[str], keys: Keys, deny: bool) -> bool:
    have = keys.get(key, [])
    if operator == "Null":
        return (not have) == (wanted[0] == "true")
    prefix, _, name = operator.rpartition(":")
    base = name.removesuffix("IfExists")
    negated = "Not" in base
    if not have:
        return prefix == "ForAllValues" or name != base or (negated and prefix != "ForAnyValue")

    def group(values: Sequence[str]) -> bool:
        results = [_compare(base.replace("Not", ""), value, text, keys) for value in values for text in wanted]
        if True in results:
            return not negated
        if None in results:
            return deny
        return negated

    if prefix == "ForAllValues":
        return all(group([value]) for value in have)
    if prefix == "ForAnyValue":
        return any(group([value]) for value in have)
    return group(have)


def _compare(base: str, value: str, text: str, keys: Keys) -> bool | None:
    if base in {"ArnLike", "ArnEquals"}:
        fit = text == "*" or (value.startswith("arn:") and value.count(":") >= 5)
        return _arn(text, value, keys) if fit else None
    tokens = _tokens(text, keys)
    if tokens is None:
        return False
    if base == "StringLike":
        return _glob(tokens, value)
    literal = "".join("*" if token is STAR else "?" if token is ANY else str(token) for token in tokens)
    if base == "StringEquals":
        return value == literal
    if base == "StringEqualsIgnoreCase":
        return value.casefold() == literal.casefold()
    try:
        left, right = Decimal(value), Decimal(literal)
    except InvalidOperation:
        return None
    return {"NumericEquals": left == right, "NumericLessThan": left < right}[base]


def _arn(text: str, value: str, keys: Keys) -> bool:
    if text == "*":
        return True
    wanted, have = text.split(":", 5), value.split(":", 5)
    wanted += ["*"] * (6 - len(wanted))
    return len(have) == 6 and all(
        (tokens := _tokens(one, keys)) is not None and _glob(tokens, other)
        for one, other in zip(wanted, have, strict=True)
    )


def _tokens(text: str, keys: Keys | None) -> list[object] | None:
    """Characters and wildcards; variables replaced letter by letter; None for one that is not resolved."""
    found: list[object] = []
    while text:
        if keys is not None and text.startswith("${"):
            name, text = text[2:].split("}", 1)
            if name in {"*", "?", "$"}:
                found.append(name)
                continue
            key, comma, default = name.partition(",")
            values = keys.get(key.strip().lower(), [])
            if len(values) != 1 and not comma:
                return None
            found += list(values[0] if len(values) == 1 else default.strip().strip("'"))
            continue
        found.append(STAR if text[0] == "*" else ANY if text[0] == "?" else text[0])
        text = text[1:]
    return found


def _glob(tokens: Sequence[object] | None, value: str) -> bool:
    assert tokens is not None

    @cache
    def fits(at: int, place: int) -> bool:
        if at == len(tokens):
            return place == len(value)
        if tokens[at] is STAR:
            return fits(at + 1, place) or (place < len(value) and fits(at, place + 1))
        return place < len(value) and (tokens[at] is ANY or tokens[at] == value[place]) and fits(at + 1, place + 1)

    return fits(0, 0)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
