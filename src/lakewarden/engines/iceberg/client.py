"""In the server: the scribe's process, started when it is first needed, and started again when it is lost."""

import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import structlog

from lakewarden.engines.duckdb.outputs import opened_files
from lakewarden.engines.duckdb.protocol import LENGTH, Settings
from lakewarden.engines.iceberg.protocol import Done, Order
from lakewarden.kernel.iceberg import Work
from lakewarden.query.errors import QueryFailed
from lakewarden.query.iceberg_ports import Scribed

_log = structlog.get_logger("lakewarden.engines")
_MEMORY_BYTES = 1 << 30
_SECONDS = 120.0
_LONGEST_ANSWER = 1 << 30
_TEXTS: Mapping[str, str] = {
    "BadMetadata": "ICEBERG_BAD_DATA: The metadata of the Iceberg table cannot be read",
    "Invalid": "INVALID_TABLE_PROPERTY: ",
    "UnsupportedType": "NOT_SUPPORTED: Iceberg tables have no type ",
}


class _Lost(Exception):
    """The process ended, or does not answer."""


class IcebergScribe:
    """Implements :class:`lakewarden.query.iceberg_ports.Scribe`. One order at a time."""

    def __init__(self, objects: Path, spill: Path) -> None:
        self._objects = objects
        self._spill = spill
        self._lock = threading.Lock()
        self._process: _Process | None = None
        shutil.rmtree(spill, ignore_errors=True)
        spill.mkdir(mode=0o700, parents=True)

    @property
    def confined(self) -> bool:
        """Whether the operating system confines the process."""
        with self._lock:
            return self._running().confined

    @contextmanager
    def work(self, work: Work, *, base: str, place: str, files: Mapping[str, str], now_ms: int) -> Iterator[Scribed]:
        """Do ``work`` on the metadata at ``base``; raises :class:`QueryFailed`. The files are gone when it is left."""
        folder = Path(tempfile.mkdtemp(prefix="scribe-", dir=self._spill))
        try:
            order = Order(str(folder), place, base, dict(files), work, now_ms)
            with self._lock:
                done = self._ask(order)
            if done.error:
                raise QueryFailed(_TEXTS.get(done.error, _TEXTS["BadMetadata"]) + done.message, 2, 1301)
            with opened_files(folder) as opened:
                named = {name: file for (*_, name), file in opened}
                if done.metadata and done.metadata not in named:
                    raise QueryFailed(_TEXTS["BadMetadata"], 1, 401)
                yield Scribed(done.metadata, done.columns, done.unreached, named)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """End the process."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process = None

    def _ask(self, order: Order) -> Done:
        try:
            return self._running().ask(order)
        except (_Lost, OSError, msgspec.DecodeError) as error:
            _log.error("the scribe was lost", reason=type(error).__name__)
            if self._process is not None:
                self._process.kill()
                self._process = None
            raise QueryFailed("GENERIC_INTERNAL_ERROR: The table's metadata could not be written", 1, 401) from error

    def _running(self) -> "_Process":
        if self._process is None or not self._process.alive:
            if self._process is not None:
                self._process.kill()
            self._process = _Process(Settings(_MEMORY_BYTES, 1, str(self._spill), str(self._objects)))
        return self._process


class _Process:
    def __init__(self, settings: Settings) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lakewarden.engines.iceberg.scribe"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "TZ": "UTC", "HOME": settings.spill},
            cwd=settings.spill,
        )
        self._selector = selectors.DefaultSelector()
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        self._output = self._process.stdout
        self._selector.register(self._output, selectors.EVENT_READ)
        try:
            self.confined = self._exchange(msgspec.msgpack.encode(settings)).message == "confined"
        except (_Lost, OSError, msgspec.DecodeError):
            self.kill()
            raise

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, order: Order) -> Done:
        return self._exchange(msgspec.msgpack.encode(order))

    def kill(self) -> None:
        self._selector.close()
        self._process.kill()
        self._process.communicate()

    def _exchange(self, body: bytes) -> Done:
        assert self._process.stdin is not None  # noqa: S101 - a pipe was asked for
        self._process.stdin.write(LENGTH.pack(len(body)) + body)
        self._process.stdin.flush()
        deadline = time.monotonic() + _SECONDS
        size = LENGTH.unpack(self._exactly(LENGTH.size, deadline))[0]
        if size > _LONGEST_ANSWER:
            raise _Lost
        return msgspec.msgpack.decode(self._exactly(size, deadline), type=Done)

    def _exactly(self, size: int, deadline: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            if not self._selector.select(timeout=max(0.0, deadline - time.monotonic())):
                raise _Lost
            piece = os.read(self._output.fileno(), min(size - len(parts), 1 << 20))
            if not piece:
                raise _Lost
            parts += piece
        return bytes(parts)
