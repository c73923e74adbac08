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
_log = structlog.get_logger("lakewarden.audit")
_Waiting = tuple[Row, "Future[None]"]


class AuditLog:
    """Appends records durably. Every writer waits for its own record; one transaction carries many."""

    def __init__(self, store: AuditStore, anchors: Anchors | None = None) -> None:
        self._store = store
        self._anchors = anchors
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
        self._thread.start()

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
            first = self._queue.get(timeout=_ANCHOR_SECONDS)
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
            head = self._store.append([row for row, _ in batch])
        except Exception:  # noqa: BLE001 - whatever it was, nobody may go on as if it had been recorded
            _log.exception("the audit log cannot be written", records=len(batch))
            # INVARIANT (no_answer_without_audit): every caller of this batch fails.
            for _, waiting in batch:
                waiting.set_exception(ServiceUnavailable("The audit log cannot be written."))
                waiting.exception()
            return None
        for _, waiting in batch:
            waiting.set_result(None)
        return head

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
        event_name=record["eventName"],
        event_source=record["eventSource"],
        username=username_of(identity),
        access_key_id=identity.get("accessKeyId", ""),
        read_only="true" if record["readOnly"] else "false",
        resource_types=_lines([resource["type"] for resource in resources]),
        resource_names=_lines([resource["ARN"].removeprefix("arn:aws:s3:::") for resource in resources]),
    )


def _lines(values: Sequence[str]) -> str:
    return SEPARATOR + SEPARATOR.join(values) + SEPARATOR if values else ""
