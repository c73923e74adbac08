"""The ports to the audit log: what the dispatcher and the query context must have recorded before they go on."""

import asyncio
import secrets
import string
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import structlog

from lakewarden.adapters.shown import shown_input, shown_output
from lakewarden.audit.log import AuditLog
from lakewarden.audit.records import (
    Shown,
    accessed,
    call_record,
    data_access_record,
    outcome_record,
    with_accesses,
)
from lakewarden.guard import Operation
from lakewarden.ids import new_uuid
from lakewarden.kernel.call import Call
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import AwsError, ServiceUnavailable
from lakewarden.kernel.lake import GovernedTable

_SESSION_LETTERS = string.ascii_letters + string.digits
_READING = ("Get", "List", "Describe", "Head", "BatchGet", "Search", "Lookup")
_REQUESTERS = {"athena": "AT", "cloudtrail": "CT"}
_log = structlog.get_logger("lakewarden.audit")
Effect = Callable[[Call], None]


class AuditRecorder:
    """Implements ``dispatch.Recorder`` and ``query.ports.AccessAudit``.

    ``effects`` are what may only happen once the call that asks for it is on the record, by service and operation:
    stopping a trail. ``text_seal`` answers the seal of a query's text, which is kept elsewhere; empty where there is none.
    """

    def __init__(
        self,
        log: AuditLog,
        account: str,
        clock: Clock,
        effects: Mapping[tuple[str, str], Effect] | None = None,
        text_seal: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._log = log
        self._account = account
        self._clock = clock
        self._effects = effects or {}
        self._text_seal = text_seal
        self._accesses: dict[str, dict[str, dict[str, object]]] = {}
        self._lock = threading.Lock()

    def ready(self) -> bool:
        """Whether the log can be written, as far as is known."""
        return self._log.writable

    async def record(self, call: Call, operation: Operation, answer: Mapping[str, Any], error: AwsError | None) -> None:
        """Record a call; durable when it returns."""
        # As at AWS: STS changes nothing, and yet what it hands out (without its secrets) is on the record.
        handing_out = call.service == "sts" and "Credentials" in answer
        shown = Shown(
            read_only=operation.read_only or call.service == "sts",
            data_event=operation.data_event,
            params=shown_input(call.service, call.operation, call.params, operation.hidden),
            answer={}
            if operation.read_only and not handing_out
            else shown_output(call.service, call.operation, answer, operation.hidden),
            bytes_in=_length(call.params) if call.service == "s3" and call.operation in _UPLOADS else None,
            bytes_out=_length(answer) if call.service == "s3" and call.operation == "GetObject" else None,
        )
        record = call_record(call, shown, self._account, new_uuid(), error)
        await asyncio.wrap_future(self._log.append(record))
        effect = self._effects.get((call.service, call.operation))
        if effect is not None and error is None:
            await asyncio.to_thread(_take_effect, effect, call)

    async def refused(self, attempt: Call, error: AwsError) -> None:
        """Record an attempt that never became a call. What the model calls secret is hidden here, too."""
        reading = attempt.service == "sts" or attempt.operation.startswith(_READING)
        shown = Shown(reading, False, shown_input(attempt.service, attempt.operation, attempt.params, ()), {})
        record = call_record(attempt, shown, self._account, new_uuid(), error)
        await asyncio.wrap_future(self._log.append(record))

    def data_access(self, call: Call, query_id: str, accesses: Sequence[tuple[GovernedTable, Sequence[str]]]) -> None:
        """One GetDataAccess record each, all durable when it returns: together, they wait for one commit.

        The columns stand in the outcome's record, as at AWS.
        """
        waiting = [self._append_access(call, query_id, governed, ("SELECT",)) for governed, _ in accesses]
        for one in waiting:
            one.result()
        with self._lock:
            tables = self._accesses.setdefault(query_id, {})
            for seen in (accessed(governed, columns) for governed, columns in accesses):
                tables[str(seen["table"])] = tables.get(str(seen["table"]), {}) | seen

    def write_access(
        self, call: Call, query_id: str, governed: GovernedTable, permissions: Sequence[str] = ("INSERT",)
    ) -> None:
        """One GetDataAccess record of a table that is written to; durable when it returns."""
        self._append_access(call, query_id, governed, permissions).result()

    def _append_access(
        self, call: Call, query_id: str, governed: GovernedTable, permissions: Sequence[str]
    ) -> "Future[None]":
        suffix = "".join(secrets.choice(_SESSION_LETTERS) for _ in range(10))
        session = f"AWSLF-00-{_REQUESTERS.get(call.service, 'AT')}-{self._account}-{suffix}"
        record = data_access_record(
            call, self._account, new_uuid(), new_uuid(), session, query_id, governed, permissions
        )
        return self._log.append(record)

    def outcome(self, call: Call, query_id: str, details: Mapping[str, object]) -> None:
        """How a query ended, with all that it accessed; durable when it returns."""
        with self._lock:
            accesses = self._accesses.pop(query_id, {})
        at = self._clock()
        sealed = self._text_seal(query_id)
        text = {"textSeal": sealed} if sealed else {}
        merged = {**details, **text, "tables": with_accesses(details.get("tables"), accesses)}
        self._log.append(outcome_record(call, self._account, new_uuid(), merged, at)).result()


def _take_effect(effect: Effect, call: Call) -> None:
    try:
        effect(call)
    except AwsError:
        raise
    except Exception as error:
        _log.exception("a recorded call could not take effect", operation=call.operation, request_id=call.request_id)
        raise ServiceUnavailable("The call is recorded and could not take effect. Try again.") from error


_UPLOADS = frozenset({"PutObject", "UploadPart"})


def _length(members: Mapping[str, Any]) -> int | None:
    value = members.get("ContentLength")
    return value if isinstance(value, int) else None
