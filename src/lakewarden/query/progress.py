"""What is known of a run so far, and the point at which it can no longer be cancelled."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event

from lakewarden.query.errors import QueryCancelled
from lakewarden.query.ports import Draft, ResultColumn
from lakewarden.query.results import Row


@dataclass(slots=True)
class Progress:
    """Filled in as the run goes on. ``rows`` are the result's, or those that were written.

    ``scanned_bytes`` is the size of all files that are opened, which the audit trail tells; ``told_bytes`` leaves out the
    files of tables of which the caller may not see everything. ``cutoff_bytes`` is the workgroup's limit, 0 for none.
    ``drafts`` are the result's objects to be.
    """

    kind: str = "DML"
    substatement: str = ""
    columns: tuple[ResultColumn, ...] = ()
    first_rows: list[Row] = field(default_factory=list)
    complete: bool = False
    rows: int = 0
    bytes_written: int = 0
    scanned_bytes: int = 0
    told_bytes: int = 0
    cutoff_bytes: int = 0
    restricted: bool = False
    planning_ms: int = 0
    engine_ms: int = 0
    update_count: int = 0
    manifest: str = ""
    fingerprint: str = ""
    reused_output: str = ""
    tables: list[Mapping[str, object]] = field(default_factory=list)
    written: str = ""
    drafts: list[Draft] = field(default_factory=list)

    @property
    def statistic_bytes(self) -> int:
        """DataScannedInBytes. INVARIANT (non_interference): what is hidden in a file has no part in it."""
        return self.told_bytes + (max(1, self.bytes_written) if self.restricted else 0)

    def check_cutoff(self, written: int = 0) -> None:
        """Raise QueryCancelled once more was scanned than the workgroup allows; ``written`` bytes are its result so far.

        INVARIANT (non_interference): a limit goes by what the caller is told was scanned, so that no file's hidden part
        decides whether its query runs.
        """
        if self.cutoff_bytes and self.told_bytes + (written if self.restricted else 0) > self.cutoff_bytes:
            raise QueryCancelled("Query cancelled! : Bytes scanned limit was exceeded")


class Cancellation:
    """Whether a query was cancelled. Whichever comes first wins: a cancellation or the commit of what it writes."""

    def __init__(self) -> None:
        self.event = Event()
        self._lock = threading.Lock()
        self._committed = False

    def cancel(self) -> bool:
        """Ask the query to stop; False when it is too late."""
        with self._lock:
            if self._committed:
                return False
            self.event.set()
            return True

    def commit(self) -> None:
        """From here on the query runs to its end; raises QueryCancelled when it was cancelled before."""
        with self._lock:
            if self.event.is_set():
                raise QueryCancelled
            self._committed = True

    def check(self) -> None:
        """Raise QueryCancelled when the query was cancelled."""
        if self.event.is_set():
            raise QueryCancelled


def elapsed_ms(started: float) -> int:
    """Whole milliseconds since ``time.perf_counter()`` was ``started``, at least one."""
    return max(1, round((time.perf_counter() - started) * 1000))
