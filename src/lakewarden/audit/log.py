"""The log: group commit by one writer thread. A future is done when its record is durable, and not before."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec
import structlog

from lakewarden.audit.anchors import Anchors
from lakewarden.audit.chain import Head
from lakewarden.audit.store import AuditStore
from lakewarden.kernel.errors import ServiceUnavailable

_BATCH = 2000
_ANCHOR_SECONDS = 60.0
_RETRY_SECONDS = 0.5
_MOST_OWED = 10_000
_LARGEST = 256_000
_encode = msgspec.json.encode
_log = structlog.get_logger("lakewarden.audit")
_Waiting = tuple[str, "Future[None]"]


class AuditLog:
    """Appends records durably. Every writer waits for its own record; one transaction carries many.

    What could not be written fails its caller, and is owed: it is tried again until it is in the log, before anything
    newer. Until then :attr:`writable` is false, and the dispatcher begins no call.
    """

    def __init__(self, store: AuditStore, anchors: Anchors | None = None) -> None:
        self._store = store
        self._anchors = anchors
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._watchers: tuple[Callable[[], None], ...] = ()
        self._closed = False
        self._owed: list[str] = []
        self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
        self._thread.start()

    @property
    def writable(self) -> bool:
        """Whether all that happened is in the log, so that more may happen."""
        return not self._owed and not self._closed

    def append(self, record: Mapping[str, Any]) -> "Future[None]":
        """Queue a record; the future is done when it is durable, and fails with ServiceUnavailable when it cannot be."""
        waiting: Future[None] = Future()
        if self._closed:
            waiting.set_exception(ServiceUnavailable("The audit log is closed."))
        else:
            self._queue.put((text_of(record), waiting))
        return waiting

    def watch(self, told: Callable[[], None]) -> None:
        """Call ``told`` after each commit, on the writer's thread; it must not block."""
        self._watchers = (*self._watchers, told)

    def close(self) -> None:
        """Write what is queued, anchor the head, and stop."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        if self._anchors is not None:
            self._anchors.close()

    def _run(self) -> None:
        anchored = time.monotonic()
        head: Head | None = None
        while True:
            batch, ended = self._batch()
            if self._owed:
                head = self._pay() or head
            if batch:
                head = self._write(batch) or head
            due = ended or time.monotonic() - anchored >= _ANCHOR_SECONDS
            if due and head is not None and self._anchors is not None:
                self._anchors.add(head)
                anchored, head = time.monotonic(), None
            if ended:
                return

    def _batch(self) -> tuple[Sequence[_Waiting], bool]:
        batch: list[_Waiting] = []
        with contextlib.suppress(queue.Empty):
            first = self._queue.get(timeout=_RETRY_SECONDS if self._owed else _ANCHOR_SECONDS)
            if first is None:
                return batch, True
            batch.append(first)
            while len(batch) < _BATCH:
                following = self._queue.get_nowait()
                if following is None:
                    return batch, True
                batch.append(following)
        return batch, False

    def _write(self, batch: Sequence[_Waiting]) -> Head | None:
        try:
            if self._owed:
                raise ServiceUnavailable("Earlier records wait to be written.")
            head = self._store.append([text for text, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody may go on as if it had been recorded
            _log.error("the audit log cannot be written", records=len(batch), cause=type(error).__name__)
            # What was done is recorded as soon as it can be. The bound holds because no new call is begun meanwhile.
            self._owed += [text for text, _ in batch[: _MOST_OWED - len(self._owed)]]
            # INVARIANT (no_answer_without_audit): every caller of this batch fails.
            for _, waiting in batch:
                waiting.set_exception(ServiceUnavailable("The audit log cannot be written."))
                waiting.exception()
            return None
        self._committed(head)
        for _, waiting in batch:
            waiting.set_result(None)
        return head

    def _pay(self) -> Head | None:
        try:
            head = self._store.append(self._owed)
        except Exception as error:  # noqa: BLE001 - as above; the next round tries again
            _log.error("the audit log still cannot be written", owed=len(self._owed), cause=type(error).__name__)
            return None
        _log.warning("the audit log can be written again", recovered=len(self._owed))
        self._owed = []
        self._committed(head)
        return head

    def _committed(self, head: Head) -> None:
        if self._anchors is not None:
            try:
                self._anchors.newest(head)
            except OSError:
                _log.exception("the newest head cannot be noted", sequence=head.sequence)
        for told in self._watchers:
            told()


def text_of(record: Mapping[str, Any]) -> str:
    """The record's JSON; where it is too large, CloudTrail's note stands for its largest parts."""
    body = _encode(record)
    if len(body) <= _LARGEST:
        return body.decode()
    small = dict(record)
    for name in ("requestParameters", "responseElements", "serviceEventDetails", "additionalEventData"):
        size = len(_encode(small.get(name)))
        if size > _LARGEST // 8:
            kept = {"queryId": record[name]["queryId"]} if "queryId" in (record[name] or {}) else {}
            small[name] = kept | {"omitted": True, "originalSize": size, "reason": "The size limit is exceeded."}
    return _encode(small).decode()
