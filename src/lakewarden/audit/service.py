"""LookupEvents: any attribute, any age, visible at once."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lakewarden.audit.errors import (
    InvalidLookupAttributesException,
    InvalidMaxResultsException,
    InvalidNextTokenException,
    InvalidTimeRangeException,
)
from lakewarden.audit.records import username_of
from lakewarden.audit.store import AuditStore

_LONGEST_PAGE = 50
_ATTRIBUTES = frozenset(
    {
        "EventId", "EventName", "ReadOnly", "Username", "ResourceType", "ResourceName", "EventSource", "AccessKeyId",
    }
)  # fmt: skip


class EventHistory:
    """Reads the log."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    def look_up(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """LookupEvents, newest first (CloudTrail API reference)."""
        attribute = _attribute(params.get("LookupAttributes") or ())
        start, end = params.get("StartTime"), params.get("EndTime")
        if start is not None and end is not None and start > end:
            raise InvalidTimeRangeException("StartTime must be before EndTime.")
        limit = params.get("MaxResults", _LONGEST_PAGE)
        if not 1 <= limit <= _LONGEST_PAGE:
            raise InvalidMaxResultsException("MaxResults must be between 1 and 50.")
        before = _position(params["NextToken"], attribute) if params.get("NextToken") else None
        found = self._store.look_up(attribute, _seconds(start), _seconds(end), before, limit + 1)
        answer: dict[str, Any] = {"Events": [_event(record) for _, record in found[:limit]]}
        if len(found) > limit:
            answer["NextToken"] = _token(found[limit - 1][0], attribute)
        return answer


def _attribute(attributes: Sequence[Mapping[str, str]]) -> tuple[str, str] | None:
    if not attributes:
        return None
    if len(attributes) > 1 or attributes[0]["AttributeKey"] not in _ATTRIBUTES:
        raise InvalidLookupAttributesException("One attribute of those that CloudTrail documents can be looked up.")
    return attributes[0]["AttributeKey"], attributes[0]["AttributeValue"]


def _seconds(value: datetime | None) -> int | None:
    return None if value is None else int(value.timestamp())


def _token(sequence: int, attribute: tuple[str, str] | None) -> str:
    return base64.urlsafe_b64encode(json.dumps([sequence, attribute]).encode()).decode("ascii")


def _position(token: str, attribute: tuple[str, str] | None) -> int:
    try:
        sequence, made_for = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        if made_for != (None if attribute is None else list(attribute)) or not isinstance(sequence, int):
            raise ValueError("made for another look-up")
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidNextTokenException("The NextToken is not one of this look-up.") from error
    return sequence


def _event(text: str) -> Mapping[str, Any]:
    record = json.loads(text)
    at = datetime.strptime(record["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    return {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": "true" if record["readOnly"] else "false",
        "AccessKeyId": record["userIdentity"].get("accessKeyId"),
        "EventTime": at,
        "EventSource": record["eventSource"],
        "Username": username_of(record["userIdentity"]) or None,
        "Resources": [
            {"ResourceType": one["type"], "ResourceName": one["ARN"].removeprefix("arn:aws:s3:::")}
            for one in record.get("resources") or ()
        ],
        "CloudTrailEvent": text,
    }
