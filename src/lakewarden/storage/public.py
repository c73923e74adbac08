"""PURE: whether a bucket policy is public (S3 User Guide, "The meaning of public")."""

import ipaddress
import json
from collections.abc import Iterable, Mapping
from typing import Any

# Keys that, held to fixed values, make a statement for everybody a statement for somebody.
_FIXING = frozenset(
    f"aws:{name}"
    for name in (
        "principalarn", "principalaccount", "principalorgid", "principalorgpaths", "sourceaccount", "sourcearn",
        "sourceip", "sourcevpc", "sourcevpce", "userid", "sourceowner",
    )
)  # fmt: skip
_HOLDING = frozenset({"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike", "ipaddress"})
_BROADEST = {4: 8, 6: 32}


def is_public(document: str) -> bool:
    """Whether any Allow statement of a valid policy document lets in the world."""
    statements = json.loads(document).get("Statement", [])
    return any(_opens(one) for one in ([statements] if isinstance(statements, Mapping) else statements))


def _opens(statement: Mapping[str, Any]) -> bool:
    if statement.get("Effect") != "Allow":
        return False
    if "NotPrincipal" not in statement and not _everybody(statement.get("Principal")):
        return False
    conditions = statement.get("Condition") or {}
    return not any(
        operator.lower().removeprefix("foranyvalue:") in _HOLDING
        and key.lower() in _FIXING
        and all(_fixed(value) for value in _each(values))
        for operator, held in conditions.items()
        for key, values in held.items()
    )


def _everybody(principal: Any) -> bool:
    named = principal.values() if isinstance(principal, Mapping) else (principal,)
    return any("*" in str(one) for values in named for one in _each(values))


def _each(values: Any) -> Iterable[Any]:
    return values if isinstance(values, list) else (values,)


def _fixed(value: Any) -> bool:
    text = str(value)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "*" not in text and "?" not in text and "${" not in text
    return network.prefixlen >= _BROADEST[network.version]
