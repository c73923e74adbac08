"""The policy document of S3's POST uploads: what its signer lets a browser send (S3 API reference, "POST policy")."""

import base64
import binascii
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from lakewarden.kernel.errors import AwsError
from lakewarden.wire.errors import AccessDeniedByPolicy, EntityTooLarge, EntityTooSmall, InvalidPolicyDocument

_NEED_NO_CONDITION = frozenset({"policy", "x-amz-signature", "file"})
_LONGEST = 5 * 1024**3


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many bytes the file may have."""

    least: int = 0
    most: int = _LONGEST

    async def hold(self, file: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """The file's bytes; raises EntityTooLarge as soon as they are too many, EntityTooSmall at the end."""
        size = 0
        async for piece in file:
            size += len(piece)
            if size > self.most:
                raise EntityTooLarge(
                    "Your proposed upload exceeds the maximum allowed size", {"MaxSizeAllowed": self.most}
                )
            yield piece
        if size < self.least:
            raise EntityTooSmall(
                "Your proposed upload is smaller than the minimum allowed size",
                {"ProposedSize": size, "MinSizeAllowed": self.least},
            )


def check(text: str, fields: Mapping[str, str], bucket: str, now: datetime) -> Bounds:
    """Hold the form's ``fields`` (lower-case names) against the policy ``text`` (base64).

    INVARIANT (deny_by_default): every field that the form has must be named by a condition that holds, and every
    condition must be known and hold. Raises InvalidPolicyDocument or AccessDenied.
    """
    document = _document(text)
    if _expiration(document.get("expiration")) <= now:
        raise AccessDeniedByPolicy("Invalid according to Policy: Policy expired.")
    conditions = document.get("conditions")
    if not isinstance(conditions, list):
        raise _invalid("Invalid Policy: Invalid 'conditions' value: must be a List.")
    given = {**fields, "bucket": bucket}
    bounds = Bounds()
    named: set[str] = set()
    for one in (part for condition in conditions for part in _parts(condition)):
        match one:
            case ("content-length-range", int(least), int(most)):
                bounds = Bounds(max(bounds.least, least), min(bounds.most, most))
            case ("eq" | "starts-with" as operator, str(name), str(value)):
                field = name.lower()
                named.add(field)
                _holds(operator, field, value, given)
            case _:
                raise _invalid("Invalid Policy: Invalid condition.")
    for field in fields:
        if field not in named and field not in _NEED_NO_CONDITION and not field.startswith("x-ignore-"):
            raise AccessDeniedByPolicy(f"Invalid according to Policy: Extra input fields: {field[:64]}")
    return bounds


def _holds(operator: str, field: str, value: str, given: Mapping[str, str]) -> None:
    present = given.get(field)
    if operator == "eq":
        holds = present == value
    elif field == "content-type" and present is not None:
        # A list of types holds when each of them does.
        holds = all(part.strip().startswith(value) for part in present.split(","))
    else:
        holds = (present or "").startswith(value)  # an absent field begins with nothing
    if not holds:
        raise AccessDeniedByPolicy(
            f'Invalid according to Policy: Policy Condition failed: ["{operator}", "${field}", "{value}"]'
        )


def _parts(condition: Any) -> list[tuple[Any, ...]]:
    """A condition as (operator, field without its dollar, value) or (range, least, most)."""
    if isinstance(condition, dict):
        return [("eq", name, value) for name, value in condition.items()]
    if isinstance(condition, list) and len(condition) == 3 and isinstance(condition[0], str):
        operator = condition[0].lower()
        if operator == "content-length-range":
            least, most = (_integer(one) for one in condition[1:])
            return [(operator, least, most)]
        if isinstance(condition[1], str) and condition[1].startswith("$"):
            return [(operator, condition[1][1:], condition[2])]
    return [()]


def _integer(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise _invalid("Invalid Policy: Invalid content-length-range.") from error


def _document(text: str) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(base64.b64decode(text, validate=True), type=dict[str, Any])
    except (binascii.Error, msgspec.MsgspecError, ValueError) as error:
        raise _invalid("Invalid Policy: Invalid JSON.") from error


def _expiration(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise _invalid(f"Invalid Policy: Invalid 'expiration' value: '{str(value)[:64]}'") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def _invalid(text: str) -> AwsError:
    return InvalidPolicyDocument(text)
