"""A pool of warm worker processes. A worker that crashes or is cancelled is replaced; only its query fails."""

import os
import queue
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Self

import msgspec
import pyarrow as pa
import structlog

from lakewarden.engines.duckdb.failures import failure
from lakewarden.engines.duckdb.outputs import changed_files, written_files
from lakewarden.engines.duckdb.protocol import LENGTH, ChangeRequest, OutputRequest, Reply, Request, Settings
from lakewarden.engines.duckdb.readers import lenient_parquet, sources_of
from lakewarden.engines.duckdb.scans import scan_request
from lakewarden.engines.duckdb.values import result_column
from lakewarden.query.errors import QueryCancelled, QueryFailed
from lakewarden.query.iceberg_ports import Changed, RowChange
from lakewarden.query.ports import EngineResult, OutputFormat, Scan, Written
from lakewarden.sql.errors import SqlError
from lakewarden.sql.hive_types import duckdb_type
from lakewarden.sql.result_types import hive_type

_log = structlog.get_logger("lakewarden.engines")
_POLL_SECONDS = 0.1
_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Per worker: bytes of memory, threads, seconds of one query. ``workers`` queries run at once."""

    workers: int = 3
    memory_bytes: int = 4 << 30
    threads: int = 2
    seconds: float = 1800.0

    @classmethod
    def of_this_machine(cls) -> Self:
        """One worker more than processors, so that long queries leave one; six tenths of the memory for them all."""
        processors = os.cpu_count() or 1
        workers = max(3, processors + 1)
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * 6 // 10
        return cls(workers, max(512 << 20, memory // workers), processors)


class WorkerLost(Exception):
    """The worker process ended or was ended."""


class DuckDbEngine:
    """Implements :class:`lakewarden.query.ports.Engine`."""

    def __init__(self, objects: Path, spill: Path, limits: Limits, own: tuple[Path, ...] = ()) -> None:
        self._objects = objects
        self._own = tuple(map(str, own))
        self._spill = spill
        self._limits = limits
        # None stands for a worker that could not be started; whoever takes it tries again.
        self._idle: queue.SimpleQueue[_Worker | None] = queue.SimpleQueue()
        self._closed = False
        shutil.rmtree(spill, ignore_errors=True)
        spill.mkdir(mode=0o700, parents=True)
        for _ in range(limits.workers):
            self._idle.put(self._start())

    @property
    def confined(self) -> bool:
        """Whether the operating system confines the workers (Landlock)."""
        worker = self._take(Event())
        self._idle.put(worker)
        return worker.confined()

    def run(self, sql: str, scans: Sequence[Scan], cancelled: Event) -> AbstractContextManager[EngineResult]:
        """Run a planned statement over its scans; raises QueryFailed or QueryCancelled."""
        return self._run(sql, scans, cancelled)

    def describe(self, sql: str, scans: Sequence[Scan], cancelled: Event) -> tuple[str, ...]:
        """The Hive types of a planned statement's columns; raises QueryFailed or QueryCancelled."""
        request = _request(sql, scans, describe=True)
        with self._asked(request, cancelled) as (worker, reply):
            worker.finished = True
            return tuple(_hive_type(kind) for kind in reply.types)

    @contextmanager
    def write(self, sql: str, scans: Sequence[Scan], output: OutputFormat, cancelled: Event) -> Iterator[Written]:
        """Run a planned statement into files of the worker's own folder; raises QueryFailed or QueryCancelled."""
        with self._worker(cancelled) as worker:
            folder = worker.folder()
            try:
                reply = worker.ask(_request(sql, scans, output=_output_request(output, folder)), cancelled)
                worker.finished = True
                if reply.error:
                    raise failure(reply)
                with written_files(folder, output) as files:
                    yield Written(reply.rows, files)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def change(self, sql: str, scans: Sequence[Scan], change: RowChange, cancelled: Event) -> Iterator[Changed]:
        """Run a planned statement, its rows into Iceberg files of the worker's own; raises as :meth:`write`."""
        with self._worker(cancelled) as worker:
            folder = worker.folder()
            try:
                wanted = ChangeRequest(str(folder), change.metadata, change.columns, change.rewrite)
                reply = worker.ask(_request(sql, scans, change=wanted), cancelled)
                worker.finished = True
                if reply.error:
                    raise failure(reply)
                with changed_files(folder, reply.message) as changed:
                    yield changed
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def _run(self, sql: str, scans: Sequence[Scan], cancelled: Event) -> Iterator[EngineResult]:
        with self._asked(_request(sql, scans), cancelled) as (worker, reply):
            columns = tuple(result_column(f"c{number}", kind) for number, kind in enumerate(reply.types))
            yield EngineResult(columns, worker.batches(cancelled))

    @contextmanager
    def _asked(self, request: Request, cancelled: Event) -> "Iterator[tuple[_Worker, Reply]]":
        with self._worker(cancelled) as worker:
            reply = worker.ask(request, cancelled)
            if reply.error:
                worker.finished = True
                raise failure(reply)
            yield worker, reply

    @contextmanager
    def _worker(self, cancelled: Event) -> "Iterator[_Worker]":
        """A worker for one query; one that has not finished it is replaced."""
        worker = self._take(cancelled)
        try:
            yield worker
        except WorkerLost as error:
            raise QueryFailed("GENERIC_INTERNAL_ERROR: The engine stopped while it ran the query", 1, 401) from error
        finally:
            self._give_back(worker, good=worker.finished)

    def close(self) -> None:
        """End every idle worker."""
        self._closed = True
        while True:
            try:
                worker = self._idle.get_nowait()
            except queue.Empty:
                return
            if worker is not None:
                worker.kill()

    def _take(self, cancelled: Event) -> "_Worker":
        while True:
            if cancelled.is_set():
                raise QueryCancelled
            try:
                worker = self._idle.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if worker is not None and not worker.alive:
                worker.kill()
                worker = None
            if worker is None:
                worker = self._start()
            if worker is not None:
                return worker
            self._idle.put(None)
            raise QueryFailed("GENERIC_INTERNAL_ERROR: The engine cannot be started", 1, 401)

    def _give_back(self, worker: "_Worker", *, good: bool) -> None:
        if good and not self._closed:
            self._idle.put(worker)
            return
        worker.kill()
        if not self._closed:
            self._idle.put(self._start())

    def _start(self) -> "_Worker | None":
        """A new worker; None where the machine does not give one."""
        limits = self._limits
        try:
            spill = Path(tempfile.mkdtemp(dir=self._spill))
            settings = Settings(limits.memory_bytes, limits.threads, str(spill), str(self._objects), self._own)
            return _Worker(settings, spill, limits.seconds)
        except (OSError, WorkerLost):
            _log.exception("a worker could not be started")
            return None


def _request(
    sql: str,
    scans: Sequence[Scan],
    *,
    describe: bool = False,
    output: OutputRequest | None = None,
    change: ChangeRequest | None = None,
) -> Request:
    return Request(
        sql=sql,
        scans=tuple(scan_request(scan) for scan in scans),
        paths=tuple(file.path for scan in scans for file in scan.files),
        describe=describe,
        output=output,
        change=change,
        sources=tuple(source for scan in scans for source in sources_of(scan)),
        lenient={read: instead for scan in scans for read, instead in lenient_parquet(scan).items()},
    )


def _output_request(output: OutputFormat, folder: Path) -> OutputRequest:
    return OutputRequest(
        str(folder),
        output.format,
        output.compression,
        tuple(column.name for column in output.columns),
        tuple(duckdb_type(column.type) for column in output.columns),
        output.partitioned,
        output.delimiter,
    )


def _hive_type(kind: str) -> str:
    try:
        return hive_type(kind)
    except SqlError:
        return ""


class _Worker:
    """One process and its pipes. Used by one query at a time."""

    def __init__(self, settings: Settings, spill: Path, seconds: float) -> None:
        self._spill = spill
        self._seconds = seconds
        self._deadline = time.monotonic() + _START_SECONDS
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
        try:
            self._send(msgspec.msgpack.encode(settings))
        except WorkerLost:
            self.kill()
            raise

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def confined(self) -> bool:
        return self._greeting(Event()).message == "confined"

    def ask(self, request: Request, cancelled: Event) -> Reply:
        self.finished = False
        self._greeting(cancelled)
        self._deadline = time.monotonic() + self._seconds
        self._send(msgspec.msgpack.encode(request))
        return msgspec.msgpack.decode(self._message(cancelled), type=Reply)

    def folder(self) -> Path:
        """A new folder that the worker may write to."""
        return Path(tempfile.mkdtemp(prefix="out-", dir=self._spill))

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

    def _overdue(self) -> Exception:
        if self._hello is None:
            return WorkerLost()
        text = f"EXCEEDED_TIME_LIMIT: Query exceeded the maximum run time limit of {self._seconds / 60:.2f}m"
        return QueryFailed(text, 2, 1304)

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
                if time.monotonic() > self._deadline:
                    raise self._overdue()
                continue
            piece = os.read(descriptor, min(size - len(parts), 1 << 20))
            if not piece:
                raise WorkerLost
            parts += piece
        return bytes(parts)
