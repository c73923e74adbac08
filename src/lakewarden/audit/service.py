"""LookupEvents: any attribute, any age, visible at once."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lakewarden.audit.errors import (
    InvalidEventCategoryException,
    InvalidLookupAttributesException,
    InvalidMaxResultsException,
    InvalidNextTokenException,
    InvalidTimeRangeException,
)
from lakewarden.audit.index import ANY, ATTRIBUTES, EventIndex, Position, Question
from lakewarden.audit.records import username_of
from lakewarden.audit.resources import names_of
from lakewarden.audit.store import AuditStore

_LONGEST_PAGE = 50


class EventHistory:
    """Reads the log."""

    def __init__(self, store: AuditStore, index: EventIndex) -> None:
        self._store = store
        self._index = index

    def look_up(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """LookupEvents, newest first (CloudTrail API reference)."""
        attribute = _attribute(params.get("LookupAttributes") or ())
        start, end = params.get("StartTime"), params.get("EndTime")
        if start is not None and end is not None and start > end:
            raise InvalidTimeRangeException("StartTime must be before EndTime.")
        limit = params.get("MaxResults", _LONGEST_PAGE)
        if not 1 <= limit <= _LONGEST_PAGE:
            raise InvalidMaxResultsException("MaxResults must be between 1 and 50.")
        if params.get("EventCategory"):
            raise InvalidEventCategoryException("Insights events are not collected; leave EventCategory out.")
        window = (_seconds(start), _seconds(end))
        before = _position(params["NextToken"], attribute, window) if params.get("NextToken") else None
        self._index.catch_up()
        found = self._index.find(Question(*(attribute or (ANY, "")), *window, before, limit + 1))
        records = self._store.by_number([sequence for _, sequence in found[:limit]])
        # Records that the retention rule is removing right now are in the index a moment longer.
        page = [records[sequence] for _, sequence in found[:limit] if sequence in records]
        answer: dict[str, Any] = {"Events": [_event(record) for record in page]}
        if len(found) > limit:
            answer["NextToken"] = _token(found[limit - 1], attribute, window)
        return answer


def _attribute(attributes: Sequence[Mapping[str, str]]) -> tuple[str, str] | None:
    if not attributes:
        return None
    if len(attributes) > 1 or attributes[0]["AttributeKey"] == ANY or attributes[0]["AttributeKey"] not in ATTRIBUTES:
        raise InvalidLookupAttributesException("One attribute of those that CloudTrail documents can be looked up.")
    name, value = attributes[0]["AttributeKey"], attributes[0]["AttributeValue"]
    return name, value.lower() if name == "ReadOnly" else value


def _seconds(value: datetime | None) -> int | None:
    return None if value is None else int(value.timestamp())


Window = tuple[int | None, int | None]


def _token(position: Position, attribute: tuple[str, str] | None, window: Window) -> str:
    body = json.dumps([position, attribute, window])
    return base64.urlsafe_b64encode(body.encode()).decode("ascii")


def _position(token: str, attribute: tuple[str, str] | None, window: Window) -> Position:
    try:
        (at, sequence), *made_for = json.loads(base64.b64decode(token, altchars=b"-_", validate=True))
        if made_for != [None if attribute is None else list(attribute), list(window)]:
            raise ValueError("made for another look-up")
        if not isinstance(at, int) or not isinstance(sequence, int) or max(abs(at), abs(sequence)) >= 1 << 62:
            raise ValueError("not a position")
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise InvalidNextTokenException("The NextToken is not one of this look-up.") from error
    return at, sequence


def _event(text: str) -> Mapping[str, Any]:
    record = json.loads(text)
    at = datetime.fromisoformat(record["eventTime"])
    return {
        "EventId": record["eventID"],
        "EventName": record["eventName"],
        "ReadOnly": "true" if record["readOnly"] else "false",
        "AccessKeyId": record["userIdentity"].get("accessKeyId"),
        "EventTime": at,
        "EventSource": record["eventSource"],
        "Username": username_of(record["userIdentity"]) or None,
        "Resources": [
            {"ResourceType": one["type"], "ResourceName": names_of(one["ARN"])[-1]}
            for one in record.get("resources") or ()
        ],
        "CloudTrailEvent": text,
    }
