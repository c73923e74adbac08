"""Notices that the server's clock was set, and puts it on the record: whoever would date a look differently is seen."""

import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from lakewarden.audit.log import AuditLog
from lakewarden.audit.records import moment, service_record
from lakewarden.audit.store import AuditStore
from lakewarden.kernel.clock import Clock

STEPPED = "AuditClockStepped"
_TOLERATED = timedelta(seconds=5)
_BEFORE_START = timedelta(minutes=10)
"""A call's record bears the time of the call's arrival: the newest record need not bear the newest time."""


class ClockWatch:
    """Compares the clock with one that nobody can set; between two runs of a server with the log's newest record."""

    def __init__(
        self,
        log: AuditLog,
        store: AuditStore,
        account: str,
        region: str,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._store = store
        self._account = account
        self._region = region
        self._clock = clock
        self._monotonic = monotonic
        self._seen = (clock(), monotonic())
        self._started = False

    def look(self) -> None:
        """Record a step since the last look; what a courier runs."""
        (before, ticks_before), self._seen = self._seen, (self._clock(), self._monotonic())
        if not self._started:
            newest = self._newest()
            if newest is not None and newest - before > _BEFORE_START:
                self._record(newest, before)
            self._started = True
        expected = before + timedelta(seconds=self._seen[1] - ticks_before)
        if abs(self._seen[0] - expected) > _TOLERATED:
            self._record(expected, self._seen[0])

    def _newest(self) -> datetime | None:
        last = self._store.head().sequence
        found = self._store.by_number([last]).get(last)
        return None if found is None else datetime.fromisoformat(str(msgspec.json.decode(found)["eventTime"]))

    def _record(self, expected: datetime, now: datetime) -> None:
        seconds = round((now - expected).total_seconds())
        details = {"expected": moment(expected), "found": moment(now), "seconds": seconds}
        event = service_record(STEPPED, self._account, self._region, str(uuid.uuid4()), details, now)
        self._log.append(event).result()
