"""Which servers are at work on a database, so that what a dead one left behind is told from a living one's work."""

import secrets
import threading
from typing import Any, Final, Protocol

import sqlalchemy as sa

from lakewarden.kernel.errors import ServiceUnavailable

_SERVERS: Final = 0x4C57


class Presence(Protocol):
    """A server's membership. ``server`` is its name for as long as it runs."""

    server: str

    def alive(self) -> frozenset[str]:
        """The names of all servers that run on the database, this one among them."""
        ...

    def leave(self) -> None:
        """Leave in order; a killed server is gone as soon as its connection is."""
        ...


class Alone:
    """The presence on an embedded database: the data directory's lock lets in one server."""

    def __init__(self) -> None:
        self.server = _name()

    def alive(self) -> frozenset[str]:
        """As :class:`Presence`."""
        return frozenset({self.server})

    def leave(self) -> None:
        """As :class:`Presence`."""


class Shared:
    """The presence on PostgreSQL: a session's advisory lock, which ends with the session and not a moment later."""

    def __init__(self, url: sa.URL) -> None:
        self.server = _name()
        self._url = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._lock = threading.Lock()
        self._connection: Any = None
        self.alive()

    def alive(self) -> frozenset[str]:
        """As :class:`Presence`; joins again where the connection was lost. Raises ServiceUnavailable."""
        import psycopg  # an extra of the package, needed for PostgreSQL only

        with self._lock:
            for attempt in (1, 2):
                try:
                    return self._present()
                except psycopg.OperationalError as error:
                    self._connection = None
                    if attempt == 2:
                        raise ServiceUnavailable("The database does not answer.") from error
        raise AssertionError("unreachable")

    def leave(self) -> None:
        """As :class:`Presence`."""
        with self._lock:
            if self._connection is not None:
                # Unlocked first: a session ends a moment after its connection.
                self._connection.execute("SELECT pg_advisory_unlock_all()")
                self._connection.close()
                self._connection = None

    def _present(self) -> frozenset[str]:
        import psycopg

        if self._connection is None:
            self._connection = psycopg.connect(self._url, autocommit=True)
            self._connection.execute("SELECT pg_advisory_lock(%s, %s)", (_SERVERS, int(self.server, 16)))
        rows = self._connection.execute(
            "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
            " AND classid::bigint = %s AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            (_SERVERS,),
        ).fetchall()
        return frozenset(f"{row[0]:08x}" for row in rows)


def _name() -> str:
    """Eight hex digits that fit a signed 32-bit number."""
    return f"{secrets.randbelow(2**31):08x}"
