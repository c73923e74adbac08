"""The condition operators: one row each. A new operator is a new row here, and its lines in the golden table.

IAM JSON policy reference, "Condition operators".
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any

from lakewarden.policy.arns import compile_arn, is_arn
from lakewarden.policy.patterns import Context, Pattern, compile_pattern

Test = Callable[[str, Context], bool | None]
"""Whether one value of the request fits one value of the policy; None when the two cannot be compared."""
Compile = Callable[[str, bool], Test]
"""A policy value (and whether variables are on) to its test; raises ``ValueError`` for a value of the wrong type."""


@dataclass(frozen=True, slots=True)
class Operator:
    """``negated`` operators are true when NO policy value fits, and when the key is missing."""

    compile: Compile
    negated: bool = False


def _string(fold: bool) -> Compile:
    def build(text: str, variables: bool) -> Test:
        pattern = compile_pattern(text, variables=variables)
        fixed = None if pattern.has_variables else pattern.literal({})
        if fixed is not None:
            wanted = fixed.casefold() if fold else fixed
            return lambda value, _: (value.casefold() if fold else value) == wanted

        def test(value: str, context: Context) -> bool:
            found = pattern.literal(context)
            if found is None:
                return False
            return value.casefold() == found.casefold() if fold else value == found

        return test

    return build


def _like(text: str, variables: bool) -> Test:
    return compile_pattern(text, variables=variables).matches


def _arn(text: str, variables: bool) -> Test:
    pattern = compile_arn(text, variables=variables)
    if pattern.segments is None:
        return lambda _value, _context: True
    return lambda value, context: pattern.matches(value, context) if is_arn(value) else None


def _typed(parse: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> Compile:
    """A test on parsed values. A value with a variable is parsed when the variable is known."""
    parsed = lru_cache(maxsize=1024)(parse)

    def build(text: str, variables: bool) -> Test:
        pattern: Pattern = compile_pattern(text, variables=variables)
        fixed = None if pattern.has_variables else parse(text)

        def test(value: str, context: Context) -> bool | None:
            wanted = fixed
            try:
                if wanted is None:
                    literal = pattern.literal(context)
                    if literal is None:
                        return False
                    wanted = parsed(literal)
                return compare(parsed(value), wanted)
            except ValueError:
                return None

        return test

    return build


def _equal(left: Any, right: Any) -> bool:
    return bool(left == right)


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError("expected a number") from error
    if not number.is_finite():
        raise ValueError("expected a finite number")
    return number


_EPOCH_SECONDS = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?")
_PARTIAL_DATE = re.compile(r"([0-9]{4})(-[0-9]{2})?")


def _date(text: str) -> datetime:
    """ISO 8601 (year, month or day alone too), or seconds since the epoch."""
    try:
        partial = _PARTIAL_DATE.fullmatch(text)
        if partial is not None:
            return datetime(int(partial.group(1)), int((partial.group(2) or "-01")[1:]), 1, tzinfo=UTC)
        if _EPOCH_SECONDS.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError("expected an ISO 8601 date or seconds since the epoch") from error
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered not in {"true", "false"}:
        raise ValueError("expected true or false")
    return lowered == "true"


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("expected base64") from error


_Range = tuple[int, int, int]
"""IP version, first and last address."""


def _network(text: str) -> _Range:
    network = ipaddress.ip_network(text, strict=False)
    return network.version, int(network.network_address), int(network.broadcast_address)


def _within(address: _Range, network: _Range) -> bool:
    return address[0] == network[0] and network[1] <= address[1] and address[2] <= network[2]


OPERATORS: Mapping[str, Operator] = {
    "StringEquals": Operator(_string(fold=False)),
    "StringNotEquals": Operator(_string(fold=False), negated=True),
    "StringEqualsIgnoreCase": Operator(_string(fold=True)),
    "StringNotEqualsIgnoreCase": Operator(_string(fold=True), negated=True),
    "StringLike": Operator(_like),
    "StringNotLike": Operator(_like, negated=True),
    "NumericEquals": Operator(_typed(_number, _equal)),
    "NumericNotEquals": Operator(_typed(_number, _equal), negated=True),
    "NumericLessThan": Operator(_typed(_number, lt)),
    "NumericLessThanEquals": Operator(_typed(_number, le)),
    "NumericGreaterThan": Operator(_typed(_number, gt)),
    "NumericGreaterThanEquals": Operator(_typed(_number, ge)),
    "DateEquals": Operator(_typed(_date, _equal)),
    "DateNotEquals": Operator(_typed(_date, _equal), negated=True),
    "DateLessThan": Operator(_typed(_date, lt)),
    "DateLessThanEquals": Operator(_typed(_date, le)),
    "DateGreaterThan": Operator(_typed(_date, gt)),
    "DateGreaterThanEquals": Operator(_typed(_date, ge)),
    "Bool": Operator(_typed(_boolean, _equal)),
    "BinaryEquals": Operator(_typed(_binary, _equal)),
    "IpAddress": Operator(_typed(_network, _within)),
    "NotIpAddress": Operator(_typed(_network, _within), negated=True),
    "ArnEquals": Operator(_arn),
    "ArnLike": Operator(_arn),
    "ArnNotEquals": Operator(_arn, negated=True),
    "ArnNotLike": Operator(_arn, negated=True),
}
NULL = "Null"
