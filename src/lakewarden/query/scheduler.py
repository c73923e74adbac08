"""Who runs next: principals take turns, each with its own queue, so that nobody starves behind another's hundred."""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable

import structlog

_log = structlog.get_logger("lakewarden.query")
# Statements are parsed on these threads by recursive code; its depth is bounded, and this is room for the bound.
_STACK_BYTES = 64 << 20


class Scheduler:
    """A fixed number of threads that take jobs from per-owner queues in turn.

    No owner runs more than ``per_owner`` jobs at once, so that one principal's long queries always leave a thread,
    and an engine's worker, to the others.
    """

    def __init__(self, threads: int, per_owner: int) -> None:
        self._queues: OrderedDict[str, deque[Callable[[], None]]] = OrderedDict()
        self._running: Counter[str] = Counter()
        self._per_owner = per_owner
        self._ready = threading.Condition()
        self._closed = False
        before = threading.stack_size(_STACK_BYTES)
        try:
            self._threads = [threading.Thread(target=self._run, name=f"query-{n}", daemon=True) for n in range(threads)]
            for thread in self._threads:
                thread.start()
        finally:
            threading.stack_size(before)

    def submit(self, owner: str, job: Callable[[], None]) -> None:
        """Queue a job behind its owner's others."""
        with self._ready:
            self._queues.setdefault(owner, deque()).append(job)
            self._ready.notify()

    def drop(self) -> None:
        """Take up nothing more; what runs goes on."""
        with self._ready:
            self._closed = True
            self._queues.clear()
            self._ready.notify_all()

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        self.drop()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            owner, job = taken
            try:
                job()
            except Exception:  # noqa: BLE001 - a job reports its own failure; a thread must outlive any of them
                _log.exception("a query's job failed")
            with self._ready:
                self._running[owner] -= 1
                if not self._running[owner]:
                    del self._running[owner]
                self._ready.notify()

    def _next(self) -> tuple[str, Callable[[], None]] | None:
        with self._ready:
            while not self._closed:
                owner = next((one for one in self._queues if self._running[one] < self._per_owner), None)
                if owner is not None:
                    return owner, self._taken(owner)
                self._ready.wait()
            return None

    def _taken(self, owner: str) -> Callable[[], None]:
        """The owner's next job; the owner goes to the end of the line."""
        jobs = self._queues.pop(owner)
        job = jobs.popleft()
        if jobs:
            self._queues[owner] = jobs
        self._running[owner] += 1
        return job
