"""One database, transactions, and the version numbers that make in-memory snapshots safe."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

METADATA = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)
"""Every context's ``store.py`` declares its tables here; Alembic migrations are checked against it."""

_versions = sa.Table(
    "state_versions",
    METADATA,
    sa.Column("scope", sa.String(64), primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
)

T = TypeVar("T")


class Database:
    """Transactions over one database URL.

    SQLite runs in WAL mode with ``synchronous=FULL``: a committed transaction survives kill -9 and power loss.
    Writers of one process take turns (SQLite has one writer anyway); readers never wait.
    """

    def __init__(self, url: str) -> None:
        self._sqlite = url.startswith("sqlite")
        options: dict[str, Any] = {"pool_pre_ping": not self._sqlite}
        if self._sqlite:
            options["connect_args"] = {"timeout": 30}
        self.engine = sa.create_engine(url, **options)
        self._writer = threading.Lock()
        self._probe: _VersionProbe | None = None
        if self._sqlite:
            self._probe = _VersionProbe(self.engine.url.database or "")
            sa.event.listen(self.engine, "connect", _configure_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)

    def create_schema(self) -> None:
        """Create all tables of :data:`METADATA` that are missing. Tests use it; servers run the migrations."""
        METADATA.create_all(self.engine)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read transaction: one consistent snapshot until the block ends."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self, *scopes: str) -> Iterator[sa.Connection]:
        """A durable transaction; commits at the end of the block, rolls back on an exception.

        ``scopes`` are the snapshots that it invalidates; their version moves in the same transaction, so that no
        reader on any replica can go on using what was just revoked.
        """
        with (
            self._writer if self._sqlite else _no_lock(),
            self.engine.connect().execution_options(lakewarden_write=True) as connection,
            connection.begin(),
        ):
            for scope in scopes:
                _bump(connection, scope)
            yield connection

    def version(self, scope: str) -> int:
        """The current version of ``scope``; it moves with every write that names it."""
        if self._probe is not None:
            return self._probe.version(scope)
        with self.read() as connection:
            value = connection.execute(
                sa.select(_versions.c.value).where(_versions.c.scope == scope)
            ).scalar_one_or_none()
        return 0 if value is None else int(value)

    def close(self) -> None:
        """Close every connection."""
        if self._probe is not None:
            self._probe.close()
        self.engine.dispose()


class _VersionProbe:
    """Reads a version in a few microseconds: one bare connection, each SELECT a fresh read transaction.

    Every decision asks for a version, and the pool's and SQLAlchemy's machinery would cost 20 times the query.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def version(self, scope: str) -> int:
        with self._lock:
            if self._connection is None:
                self._connection = sqlite3.connect(
                    self._path, timeout=30, isolation_level=None, check_same_thread=False
                )
            row = self._connection.execute("SELECT value FROM state_versions WHERE scope = ?", (scope,)).fetchone()
        return 0 if row is None else int(row[0])

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class Snapshot(Generic[T]):
    """An immutable value loaded from the database, replaced when the version of its scope has moved.

    INVARIANT (revocation_is_immediate): ``current`` compares versions on every call, so a committed revoke is seen by
    the next decision.
    """

    def __init__(self, database: Database, scope: str, load: Callable[[], T]) -> None:
        self._database = database
        self._scope = scope
        self._load = load
        self._lock = threading.Lock()
        self._held: tuple[int, T] | None = None

    def current(self) -> T:
        """The value at the database's present version."""
        version = self._database.version(self._scope)
        held = self._held
        if held is not None and held[0] == version:
            return held[1]
        with self._lock:
            # The version is read before the load: a write in between makes the value look old, never new.
            version = self._database.version(self._scope)
            if self._held is None or self._held[0] != version:
                self._held = (version, self._load())
            return self._held[1]


def _bump(connection: sa.Connection, scope: str) -> None:
    changed = connection.execute(
        sa.update(_versions).where(_versions.c.scope == scope).values(value=_versions.c.value + 1)
    )
    if changed.rowcount == 0:
        connection.execute(sa.insert(_versions).values(scope=scope, value=1))


@contextmanager
def _no_lock() -> Iterator[None]:
    yield


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN below decides, not the driver's guess
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("lakewarden_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
