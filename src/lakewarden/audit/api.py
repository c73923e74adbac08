"""CloudTrail's OPERATIONS table."""

from collections.abc import Mapping
from typing import Any

from lakewarden.audit.service import EventHistory
from lakewarden.guard import AuthorizedCall, Operation, Operations, on, table_of


def operations(history: EventHistory) -> Operations:
    """CloudTrail's operations over the event history."""

    def look_up(call: AuthorizedCall) -> Mapping[str, Any]:
        return history.look_up(call.params)

    return table_of(Operation("LookupEvents", look_up, on("cloudtrail:LookupEvents"), read_only=True))
