"""A pool of warm worker processes. A worker that crashes or is cancelled is replaced; only its query fails."""

import os
import queue
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import msgspec
import pyarrow as pa

from lakewarden.engines.duckdb.failures import failure
from lakewarden.engines.duckdb.protocol import LENGTH, Reply, Request, Settings
from lakewarden.engines.duckdb.scans import scan_request
from lakewarden.engines.duckdb.values import result_column
from lakewarden.query.errors import QueryCancelled, QueryFailed
from lakewarden.query.ports import EngineResult, Scan

_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Limits:
    """Per worker: bytes of memory, threads. ``workers`` queries run at once."""

    workers: int = 2
    memory_bytes: int = 4 << 30
    threads: int = 2


class WorkerLost(Exception):
    """The worker process ended or was ended."""


class DuckDbEngine:
    """Implements :class:`lakewarden.query.ports.Engine`."""

    def __init__(self, objects: Path, spill: Path, limits: Limits, own: tuple[Path, ...] = ()) -> None:
        self._objects = objects
        self._own = tuple(map(str, own))
        self._spill = spill
        self._limits = limits
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._closed = False
        shutil.rmtree(spill, ignore_errors=True)
        spill.mkdir(mode=0o700, parents=True)
        for _ in range(limits.workers):
            self._idle.put(self._start())

    @property
    def confined(self) -> bool:
        """Whether the operating system confines the workers (Landlock)."""
        worker = self._idle.get()
        self._idle.put(worker)
        return worker.confined()

    def run(self, sql: str, scans: Sequence[Scan], cancelled: Event) -> AbstractContextManager[EngineResult]:
        """Run a planned statement over its scans; raises QueryFailed or QueryCancelled."""
        return self._run(sql, scans, cancelled)

    @contextmanager
    def _run(self, sql: str, scans: Sequence[Scan], cancelled: Event) -> Iterator[EngineResult]:
        request = Request(
            sql=sql,
            scans=tuple(scan_request(scan) for scan in scans),
            paths=tuple(file.path for scan in scans for file in scan.files),
        )
        worker = self._take(cancelled)
        good = False
        try:
            reply = worker.ask(request, cancelled)
            if reply.error:
                good = True
                raise failure(reply)
            columns = tuple(result_column(f"c{number}", kind) for number, kind in enumerate(reply.types))
            yield EngineResult(columns, worker.batches(cancelled))
            good = worker.finished
        except WorkerLost as error:
            raise QueryFailed("GENERIC_INTERNAL_ERROR: The engine stopped while it ran the query", 1, 401) from error
        finally:
            self._give_back(worker, good=good)

    def close(self) -> None:
        """End every idle worker."""
        self._closed = True
        while True:
            try:
                self._idle.get_nowait().kill()
            except queue.Empty:
                return

    def _take(self, cancelled: Event) -> "_Worker":
        while True:
            try:
                return self._idle.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if cancelled.is_set():
                    raise QueryCancelled from None

    def _give_back(self, worker: "_Worker", *, good: bool) -> None:
        if good and not self._closed:
            self._idle.put(worker)
            return
        worker.kill()
        if not self._closed:
            self._idle.put(self._start())

    def _start(self) -> "_Worker":
        spill = Path(tempfile.mkdtemp(dir=self._spill))
        limits = self._limits
        settings = Settings(limits.memory_bytes, limits.threads, str(spill), str(self._objects), self._own)
        return _Worker(settings, spill)


class _Worker:
    """One process and its pipes. Used by one query at a time."""

    def __init__(self, settings: Settings, spill: Path) -> None:
        self._spill = spill
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lakewarden.engines.duckdb.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "HOME": str(spill)},
            cwd=spill,
        )
        self._selector = selectors.DefaultSelector()
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        self._output = self._process.stdout
        self._selector.register(self._output, selectors.EVENT_READ)
        self._hello: Reply | None = None
        self._lock = threading.Lock()
        self.finished = True
        self._send(msgspec.msgpack.encode(settings))

    def confined(self) -> bool:
        return self._greeting(Event()).message == "confined"

    def ask(self, request: Request, cancelled: Event) -> Reply:
        self._greeting(cancelled)
        self.finished = False
        self._send(msgspec.msgpack.encode(request))
        return msgspec.msgpack.decode(self._message(cancelled), type=Reply)

    def batches(self, cancelled: Event) -> Iterator[pa.RecordBatch]:
        while body := self._message(cancelled):
            with pa.ipc.open_stream(body) as reader:
                yield from reader
        reply = msgspec.msgpack.decode(self._message(cancelled), type=Reply)
        self.finished = True
        if reply.error:
            raise failure(reply)

    def kill(self) -> None:
        self._selector.close()
        self._process.kill()
        self._process.communicate()
        shutil.rmtree(self._spill, ignore_errors=True)

    def _greeting(self, cancelled: Event) -> Reply:
        with self._lock:
            if self._hello is None:
                self._hello = msgspec.msgpack.decode(self._message(cancelled), type=Reply)
            return self._hello

    def _send(self, body: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        try:
            self._process.stdin.write(LENGTH.pack(len(body)) + body)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerLost from error

    def _message(self, cancelled: Event) -> bytes:
        return self._exactly(LENGTH.unpack(self._exactly(LENGTH.size, cancelled))[0], cancelled)

    def _exactly(self, size: int, cancelled: Event) -> bytes:
        parts = bytearray()
        descriptor = self._output.fileno()
        while len(parts) < size:
            if not self._selector.select(timeout=_POLL_SECONDS):
                if cancelled.is_set():
                    raise QueryCancelled
                continue
            piece = os.read(descriptor, min(size - len(parts), 1 << 20))
            if not piece:
                raise WorkerLost
            parts += piece
        return bytes(parts)
