"""The retention rule: records older than so many days leave the log, never silently.

Before anything goes, a record of its own says up to where, and under which rule. What a trail has not delivered yet
stays, however old it is. The chain then begins at the last removed entry, which keeps its number, hash and seal.
"""

import uuid
from collections.abc import Callable
from datetime import timedelta

import structlog

from lakewarden.audit.chain import Entry
from lakewarden.audit.index import EventIndex
from lakewarden.audit.log import AuditLog
from lakewarden.audit.records import service_record
from lakewarden.audit.store import AuditStore
from lakewarden.audit.trail_store import TrailStore
from lakewarden.kernel.clock import Clock

RECORD = "AuditRetention"
_EVERY = timedelta(hours=1)
_log = structlog.get_logger("lakewarden.audit")


class Retention:
    """Applies the rule once an hour. ``days`` None keeps everything for ever."""

    def __init__(
        self, days: int | None, log: AuditLog, store: AuditStore, index: EventIndex, trails: TrailStore, clock: Clock
    ) -> None:
        self._days = days
        self._log = log
        self._store = store
        self._index = index
        self._trails = trails
        self._clock = clock
        self._next = clock()

    def job(self, account: str, region: str) -> Callable[[], None]:
        """What a courier runs."""

        def run() -> None:
            now = self._clock()
            if self._days is not None and now >= self._next:
                self._next = now + _EVERY
                self.apply(account, region)

        return run

    def apply(self, account: str, region: str) -> int:
        """Remove what is too old; answers how many records went."""
        if self._days is None:
            return 0
        now = self._clock()
        self._index.catch_up()
        cutoff = int((now - timedelta(days=self._days)).timestamp())
        entry = self._last(cutoff)
        if entry is None:
            return 0
        base = self._store.base()
        count = entry.sequence - (base[0].sequence if base else 0)
        details = {
            "removedTo": entry.sequence, "hash": entry.hash, "records": count, "retentionDays": self._days,
        }  # fmt: skip
        # INVARIANT: the log holds the record of a removal before the removal.
        self._log.append(service_record(RECORD, account, region, str(uuid.uuid4()), details, now)).result()
        self._index.forget(entry.sequence)
        self._store.remove_to(entry)
        _log.warning("old audit records were removed by the retention rule", records=count, to=entry.sequence)
        return count

    def _last(self, cutoff: int) -> Entry | None:
        """The last entry that may go: all up to it are old, and every trail is past it."""
        first_kept = self._index.first_since(cutoff)
        end = self._store.head().sequence if first_kept is None else first_kept - 1
        with self._trails.read() as records:
            for trail in records.trails():
                if trail.logging or trail.until:
                    waiting = [file.first - 1 for file in records.files(trail.name) if not file.hash]
                    end = min(end, records.position(trail.name), *waiting)
        found = list(self._store.entries(end - 1, end))
        return found[0] if found else None
