"""The log: group commit by one writer thread. A future is done when its record is durable, and not before."""

import contextlib
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from lakewarden.audit.anchors import Anchors
from lakewarden.audit.chain import Head
from lakewarden.audit.records import username_of
from lakewarden.audit.store import SEPARATOR, AuditStore, Row
from lakewarden.kernel.errors import ServiceUnavailable

_BATCH = 2000
_ANCHOR_SECONDS = 5.0
_RETRY_SECONDS = 0.5
_MOST_OWED = 10_000
_log = structlog.get_logger("lakewarden.audit")
_Waiting = tuple[Row, "Future[None]"]


class AuditLog:
    """Appends records durably. Every writer waits for its own record; one transaction carries many.

    What could not be written fails its caller, and is owed: it is tried again until it is in the log, before anything
    newer. Until then :attr:`writable` is false, and the dispatcher begins no call.
    """

    def __init__(self, store: AuditStore, anchors: Anchors | None = None) -> None:
        self._store = store
        self._anchors = anchors
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = False
        self._owed: list[Row] = []
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
            self._queue.put((_row(record), waiting))
        return waiting

    def close(self) -> None:
        """Write what is queued, anchor the head, and stop."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        anchored = time.monotonic()
        head: Head | None = None
        while True:
            batch, ended = self._batch()
            if self._owed:
                self._pay()
            if batch:
                head = self._write(batch) or head
            due = ended or time.monotonic() - anchored >= _ANCHOR_SECONDS
            if due and head is not None and self._anchors is not None:
                self._anchor(head)
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
            head = self._store.append([row for row, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody may go on as if it had been recorded
            _log.error("the audit log cannot be written", records=len(batch), cause=type(error).__name__)
            # What was done is recorded as soon as it can be. The bound holds because no new call is begun meanwhile.
            self._owed += [row for row, _ in batch[: _MOST_OWED - len(self._owed)]]
            # INVARIANT (no_answer_without_audit): every caller of this batch fails.
            for _, waiting in batch:
                waiting.set_exception(ServiceUnavailable("The audit log cannot be written."))
                waiting.exception()
            return None
        for _, waiting in batch:
            waiting.set_result(None)
        return head

    def _pay(self) -> None:
        try:
            self._store.append(self._owed)
        except Exception as error:  # noqa: BLE001 - as above; the next round tries again
            _log.error("the audit log still cannot be written", owed=len(self._owed), cause=type(error).__name__)
            return
        _log.warning("the audit log can be written again", recovered=len(self._owed))
        self._owed = []

    def _anchor(self, head: Head) -> None:
        assert self._anchors is not None  # noqa: S101 - the caller has looked
        try:
            self._anchors.add(head)
        except OSError:
            _log.exception("the audit log's head cannot be anchored", sequence=head.sequence)


def _row(record: Mapping[str, Any]) -> Row:
    identity = record["userIdentity"]
    at = datetime.strptime(record["eventTime"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    resources = record.get("resources") or []
    return Row(
        record=msgspec.json.encode(record).decode(),
        event_time=int(at.timestamp()),
        event_id=record["eventID"],
        event_name=_indexed(record["eventName"]),
        event_source=_indexed(record["eventSource"], 64),
        username=_indexed(username_of(identity)),
        access_key_id=_indexed(identity.get("accessKeyId", "")),
        read_only="true" if record["readOnly"] else "false",
        resource_types=_lines([resource["type"] for resource in resources]),
        resource_names=_lines([resource["ARN"].removeprefix("arn:aws:s3:::") for resource in resources]),
    )


def _lines(values: Sequence[str]) -> str:
    return SEPARATOR + SEPARATOR.join(_indexed(value, 2048) for value in values) + SEPARATOR if values else ""


def _indexed(text: str, longest: int = 128) -> str:
    """``text`` as every database can index it. Callers choose names, and one record must not break its whole batch.

    The record itself keeps what was sent.
    """
    return text[:longest].replace("\0", "\ufffd")
