"""Who runs next: principals take turns, each with its own queue, so that nobody starves behind another's hundred."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable

import structlog

_log = structlog.get_logger("lakewarden.query")
# Statements are parsed on these threads by recursive code; its depth is bounded, and this is room for the bound.
_STACK_BYTES = 64 << 20


class Scheduler:
    """A fixed number of threads that take jobs from per-owner queues in turn."""

    def __init__(self, threads: int) -> None:
        self._queues: OrderedDict[str, deque[Callable[[], None]]] = OrderedDict()
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

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        with self._ready:
            self._closed = True
            self._queues.clear()
            self._ready.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                job()
            except Exception:  # noqa: BLE001 - a job reports its own failure; a thread must outlive any of them
                _log.exception("a query's job failed")

    def _next(self) -> Callable[[], None] | None:
        with self._ready:
            while not self._closed and not self._queues:
                self._ready.wait()
            if self._closed:
                return None
            owner, jobs = self._queues.popitem(last=False)
            job = jobs.popleft()
            if jobs:
                self._queues[owner] = jobs
            return job
