"""The ports to the audit log: what the dispatcher and the query context must have recorded before they go on."""

import asyncio
import secrets
import string
from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.audit.log import AuditLog
from lakewarden.audit.records import Shown, call_record, data_access_record, outcome_record
from lakewarden.guard import Operation
from lakewarden.ids import new_uuid
from lakewarden.kernel.call import Call
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.errors import AwsError
from lakewarden.kernel.lake import GovernedTable
from lakewarden.wire.models import sensitive_paths

_SESSION_LETTERS = string.ascii_letters + string.digits
_NOTHING_HIDDEN: frozenset[str] = frozenset()


class AuditRecorder:
    """Implements ``dispatch.Recorder`` and ``query.ports.AccessAudit``."""

    def __init__(self, log: AuditLog, account: str, clock: Clock) -> None:
        self._log = log
        self._account = account
        self._clock = clock

    async def record(self, call: Call, operation: Operation, answer: Mapping[str, Any], error: AwsError | None) -> None:
        """Record a call; durable when it returns."""
        hidden_in, hidden_out = sensitive_paths(call.service, call.operation)
        shown = Shown(
            operation.read_only, operation.data_event, hidden_in | operation.hidden, hidden_out | operation.hidden
        )
        record = call_record(call, shown, self._account, new_uuid(), answer, error)
        await asyncio.wrap_future(self._log.append(record))

    async def refused(self, attempt: Call, error: AwsError) -> None:
        """Record an attempt that never became a call."""
        shown = Shown(False, False, _NOTHING_HIDDEN, _NOTHING_HIDDEN)
        record = call_record(attempt, shown, self._account, new_uuid(), {}, error)
        await asyncio.wrap_future(self._log.append(record))

    def data_access(self, call: Call, query_id: str, governed: GovernedTable, columns: Sequence[str]) -> None:
        """One GetDataAccess record; durable when it returns. ``columns`` stand in the outcome's record, as at AWS."""
        del columns
        suffix = "".join(secrets.choice(_SESSION_LETTERS) for _ in range(10))
        session = f"AWSLF-00-AT-{self._account}-{suffix}"
        record = data_access_record(call, self._account, new_uuid(), new_uuid(), session, query_id, governed)
        self._log.append(record).result()

    def outcome(self, call: Call, query_id: str, details: Mapping[str, object]) -> None:
        """How a query ended; durable when it returns."""
        del query_id
        record = outcome_record(call, self._account, new_uuid(), details, self._clock())
        self._log.append(record).result()
