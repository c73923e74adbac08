"""Reads a version in one statement: every decision asks for one, and the pool's machinery would cost 20 times that."""

import queue
import sqlite3
import threading
from collections.abc import Callable
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

    def close(self) -> None:
        """As :class:`VersionProbe`."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


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

    def close(self) -> None:
        """As :class:`VersionProbe`."""
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()
