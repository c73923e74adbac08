"""A thread that does one job again and again behind the answers: delivering, writing tables, telling lineage."""

import threading
from collections.abc import Callable

import structlog

_SECONDS = 2.0
_log = structlog.get_logger("lakewarden.audit")


class Courier:
    """Runs ``job`` every two seconds, and at once when it is woken."""

    def __init__(self, name: str, job: Callable[[], None]) -> None:
        self._job = job
        self._news = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to do at once."""
        self._news.set()

    def close(self) -> None:
        """Finish what is being done, and end."""
        self._ended.set()
        self._news.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._news.wait(_SECONDS)
            self._news.clear()
            try:
                self._job()
            except Exception:  # noqa: BLE001 - a database or a bucket may be away for a while; the thread outlives that
                _log.exception("a courier of the audit trail failed", job=self._thread.name)
