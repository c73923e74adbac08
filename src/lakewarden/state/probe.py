"""Answers versions: every decision asks for several, and the pool's machinery would cost 20 times what a read does."""

import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol

import sqlalchemy as sa

from lakewarden.kernel.errors import ServiceUnavailable

_QUERY = "SELECT value FROM state_versions WHERE scope = "


class VersionProbe(Protocol):
    """Answers the present version of a scope; raises ServiceUnavailable when the database cannot be asked."""

    def version(self, scope: str) -> int:
        """The version as committed at this moment, 0 where nothing was ever written."""
        ...

    def moved(self, scopes: Sequence[str]) -> None:
        """A write of this process that names ``scopes`` has ended, committed or not."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


class SqliteProbe:
    """One bare connection, each SELECT a fresh read transaction: a few microseconds."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def version(self, scope: str) -> int:
        """As :class:`VersionProbe`."""
        try:
            with self._lock:
                if self._connection is None:
                    self._connection = sqlite3.connect(
                        self._path, timeout=30, isolation_level=None, check_same_thread=False
                    )
                row = self._connection.execute(_QUERY + "?", (scope,)).fetchone()
        except sqlite3.Error as error:
            raise ServiceUnavailable("The server's database cannot be used right now.") from error
        return 0 if row is None else int(row[0])

    def moved(self, scopes: Sequence[str]) -> None:
        """As :class:`VersionProbe`; nothing is held."""

    def close(self) -> None:
        """As :class:`VersionProbe`."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class HeldVersions:
    """The versions of a database that this process alone writes, in memory: no read at all where nothing was written.

    INVARIANT (revocation_is_immediate): what a write moves is forgotten after its commit and before the write returns,
    so that whoever is told of a change is followed by decisions that know it.
    """

    def __init__(self, probe: VersionProbe) -> None:
        self._probe = probe
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}

    def version(self, scope: str) -> int:
        """As :class:`VersionProbe`."""
        found = self._held.get(scope)
        return self._read(scope) if found is None else found

    def moved(self, scopes: Sequence[str]) -> None:
        """As :class:`VersionProbe`."""
        with self._lock:
            for scope in scopes:
                self._held.pop(scope, None)

    def close(self) -> None:
        """As :class:`VersionProbe`."""
        self._probe.close()

    def _read(self, scope: str) -> int:
        # Read and kept under the lock: a write that commits in between takes back what was read before it.
        with self._lock:
            found = self._held[scope] = self._probe.version(scope)
            return found


class PostgresProbe:
    """Bare connections in autocommit: one round trip a question. A connection that fails is replaced once."""

    def __init__(self, url: sa.URL) -> None:
        import psycopg  # an extra of the package, needed for PostgreSQL only

        self._connect: Callable[[], Any] = partial(
            psycopg.connect, url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
        )
        self._error = psycopg.Error
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()

    def version(self, scope: str) -> int:
        """As :class:`VersionProbe`."""
        try:
            with suppress(queue.Empty, self._error):
                return self._ask(self._idle.get_nowait(), scope)
            self.close()  # what one connection lost, the idle others have lost too, or there were none
            return self._ask(self._connect(), scope)
        except self._error as error:
            raise ServiceUnavailable("The server's database cannot be used right now.") from error

    def _ask(self, connection: Any, scope: str) -> int:
        try:
            row = connection.execute(_QUERY + "%s", (scope,)).fetchone()
        except self._error:
            connection.close()
            raise
        self._idle.put(connection)
        return 0 if row is None else int(row[0])

    def moved(self, scopes: Sequence[str]) -> None:
        """As :class:`VersionProbe`; nothing is held."""

    def close(self) -> None:
        """As :class:`VersionProbe`."""
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
