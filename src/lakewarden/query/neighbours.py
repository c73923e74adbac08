"""Several servers on one database: a query runs on one of them, and is watched and stopped from all."""

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from lakewarden.kernel.errors import AwsError
from lakewarden.query.model import Execution
from lakewarden.query.store import QueryStore

_LOOK_SECONDS = 0.25
_log = structlog.get_logger("lakewarden.query")


class Neighbours:
    """Asks other servers to stop their queries, and obeys what they ask of this one's.

    A request is a row of the database, so that it outlives the server that asked, and the one that was asked.
    """

    def __init__(self, store: QueryStore, running: Callable[[], Sequence[str]], stop: Callable[[str], None]) -> None:
        self._store = store
        self._running = running
        self._stop = stop
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def listen(self) -> None:
        """Obey from now on. Needed only where other servers may be at work on the database."""
        self._thread = threading.Thread(target=self._listen, name="query-stops", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Obey no more."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def ask(self, execution_id: str, seconds: float) -> None:
        """Have the query's own server stop it; waits up to ``seconds`` for its end."""
        with self._store.write() as records:
            records.ask_stop(execution_id)
        if self.ended(execution_id, seconds).final:
            with self._store.write() as records:
                records.forget_stop(execution_id)

    def ended(self, execution_id: str, seconds: float) -> Execution:
        """The execution as stored, once it has ended or ``seconds`` have passed. It must be there."""
        deadline = time.monotonic() + seconds
        while True:
            with self._store.read() as records:
                found = records.execution(execution_id)
            assert found is not None, execution_id  # noqa: S101 - executions are never removed
            left = deadline - time.monotonic()
            if found.final or left <= 0:
                return found
            time.sleep(min(_LOOK_SECONDS, left))

    def _listen(self) -> None:
        while not self._closed.wait(_LOOK_SECONDS):
            running = self._running()
            if not running:
                continue
            try:
                self._obey(running)
            except AwsError:
                _log.warning("the requests to stop queries cannot be read")

    def _obey(self, running: Sequence[str]) -> None:
        with self._store.read() as records:
            asked = records.asked_to_stop(running)
        for execution_id in asked:
            self._stop(execution_id)
            with self._store.write() as records:
                records.forget_stop(execution_id)
