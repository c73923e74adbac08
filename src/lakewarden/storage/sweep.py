"""What time takes away: bytes that nothing refers to, and uploads that nobody finished."""

import itertools
import threading
from collections.abc import Iterator
from datetime import timedelta

import structlog

from lakewarden.kernel.clock import Clock
from lakewarden.storage.expire import Expirer
from lakewarden.storage.ports import Blobs
from lakewarden.storage.store import StorageStore

GRACE = timedelta(hours=1)
"""How long bytes stay after their last reference is gone: whoever was reading them can finish."""

LONGEST_UPLOAD = timedelta(days=7)
_BATCH = 500
_HOUR = 3600.0
_log = structlog.get_logger("lakewarden.storage")


class Sweeper:
    """Removes what is due; safe to run at any time, beside anything."""

    def __init__(self, store: StorageStore, blobs: Blobs, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._clock = clock

    def sweep(self) -> int:
        """Abort uploads older than a week, remove released blobs past their grace; answers how many blobs went."""
        now = self._clock()
        stamp = now.isoformat(timespec="milliseconds")
        with self._store.write(stamp) as index:
            for identifier in index.stale_uploads((now - LONGEST_UPLOAD).isoformat(timespec="milliseconds")):
                index.remove_upload(identifier)
        removed = 0
        while True:
            with self._store.write(stamp) as index:
                taken, unused = index.collect((now - GRACE).isoformat(timespec="milliseconds"), _BATCH)
            # The notes are gone, the files not yet: should the server die here, `orphans` finds them.
            self._blobs.remove(unused)
            removed += len(unused)
            if taken < _BATCH:
                return removed

    def orphans(self) -> int:
        """Remove blobs past their grace that no row knows (the server died before it wrote the row); reads all names."""
        oldest = (self._clock() - GRACE).timestamp()
        names = (name for name, modified in self._blobs.names() if modified < oldest)
        removed = 0
        for batch in _batched(names):
            with self._store.read() as index:
                used = index.referred(batch)
            unused = [name for name in batch if name not in used]
            self._blobs.remove(unused)
            removed += len(unused)
        return removed


class SweepThread:
    """Sweeps every ``seconds``, and every hour carries out life cycle rules, until it is closed."""

    def __init__(self, sweeper: Sweeper, expirer: Expirer, seconds: float = 600.0) -> None:
        self._sweeper = sweeper
        self._expirer = expirer
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="storage-sweep", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Finish the sweep that runs, and stop."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        rounds = 0
        while not self._ended.wait(self._seconds):
            rounds += 1
            try:
                if rounds * self._seconds >= _HOUR:
                    rounds = 0
                    self._expirer.run()
                self._sweeper.sweep()
            except Exception:  # noqa: BLE001 - a sweep that fails today is tried again in ten minutes
                _log.exception("unused objects cannot be swept")


def _batched(names: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(itertools.islice(names, _BATCH)):
        yield batch
