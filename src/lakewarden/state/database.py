"""One database, transactions, and the version numbers that make in-memory snapshots safe."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from lakewarden.state import postgres
from lakewarden.state.errors import UnusableDatabase, answerable
from lakewarden.state.presence import Alone, Presence, Shared
from lakewarden.state.probe import HeldVersions, PostgresProbe, SqliteProbe, VersionProbe
from lakewarden.state.statement import driver, error_of, told

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

STATE, AUDIT, AUDIT_INDEX = 0, 1, 2
"""Lanes: the writers of one lane take turns, those of another do not wait for them."""


class Database:
    """Transactions over one database URL (``sqlite:///...`` or ``postgresql://...``).

    SQLite runs in WAL mode with ``synchronous=FULL``, PostgreSQL with ``synchronous_commit``: a committed transaction
    survives kill -9 and power loss. Writers take turns, on PostgreSQL those of every server; readers never wait. What
    fails raises ServiceUnavailable or ValidationException (:func:`errors.answerable`).

    ``alone``: no other process writes an embedded database while this one is open (the data directory's lock), so that
    versions need not be read from it.
    """

    def __init__(self, url: str, lane: int = STATE, *, alone: bool = False) -> None:
        parsed = parse_url(url)
        self.shared = parsed.get_backend_name() == "postgresql"
        self._url = parsed
        self._lane = lane
        self._writer = threading.Lock()
        self._mine = threading.local()
        self._probe: VersionProbe
        if self.shared:
            self.engine = postgres.engine_of(parsed)
            self._probe = PostgresProbe(parsed)
        else:
            self.engine = _sqlite_engine(parsed)
            probe = SqliteProbe(parsed.database or "")
            self._probe = HeldVersions(probe) if alone else probe
        self._writers = self.engine.execution_options(lakewarden_write=True)
        self._readers = (
            self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            if self.shared
            else self.engine
        )

    def create_schema(self) -> None:
        """Create all tables of :data:`METADATA` that are missing. Tests use it; servers run the migrations."""
        METADATA.create_all(self.engine)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read transaction: one consistent snapshot until the block ends."""
        with answerable(), self._readers.connect() as connection:
            connection.begin()
            yield connection

    @contextmanager
    def write(self, *scopes: str) -> Iterator[sa.Connection]:
        """A durable transaction; commits at the end of the block, rolls back on an exception.

        ``scopes`` are the snapshots that it invalidates; their version moves in the same transaction, so that no
        reader on any replica can go on using what was just revoked. A write within a write of the same thread is a part
        of it: both are committed, or neither.
        """
        whole: _Whole | None = getattr(self._mine, "whole", None)
        if whole is not None:
            with whole.part(scopes) as connection:
                yield connection
            return
        try:
            with answerable(), self._writer, self._writers.connect() as connection, connection.begin():
                if self.shared:
                    postgres.lock_writers(connection, self._lane)
                whole = self._mine.whole = _Whole(connection)
                with whole.part(scopes):
                    yield connection
                # INVARIANT (crash_safe): a part that failed takes the whole with it, whoever caught its exception.
                if whole.failed:
                    raise RuntimeError("a part of the transaction failed")
        finally:
            self._mine.whole = None
            self._probe.moved(whole.moved if whole is not None else scopes)

    def version(self, scope: str) -> int:
        """The current version of ``scope``; it moves with every write that names it."""
        return self._probe.version(scope)

    def join(self) -> Presence:
        """Take part as a server, until the presence leaves or the process ends."""
        return Shared(self._url) if self.shared else Alone()

    def close(self) -> None:
        """Close every connection."""
        self._probe.close()
        self.engine.dispose()


@dataclass(slots=True)
class _Whole:
    """A transaction of one thread, and whether all of its parts are good. ``moved`` are the scopes of them all."""

    connection: sa.Connection
    moved: list[str] = field(default_factory=list)
    failed: bool = False

    @contextmanager
    def part(self, scopes: Sequence[str]) -> Iterator[sa.Connection]:
        try:
            for scope in scopes:
                self.moved.append(scope)
                _bump(self.connection, scope)
            yield self.connection
        except BaseException:
            self.failed = True
            raise


def parse_url(url: str) -> sa.URL:
    """The URL of a database that we can use; raises :class:`UnusableDatabase`. Never shows a password."""
    try:
        parsed = sa.make_url("postgresql" + url.removeprefix("postgres") if url.startswith("postgres:") else url)
        backend = parsed.get_backend_name()
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ValueError):
        raise UnusableDatabase("the database URL cannot be read; it has the form postgresql://user@host/name") from None
    if backend not in {"sqlite", "postgresql"} or not parsed.database:
        raise UnusableDatabase("the database URL must name a PostgreSQL database: postgresql://user@host/name")
    return parsed


def _bump(connection: sa.Connection, scope: str) -> None:
    changed = connection.execute(
        sa.update(_versions).where(_versions.c.scope == scope).values(value=_versions.c.value + 1)
    )
    if changed.rowcount == 0:
        connection.execute(sa.insert(_versions).values(scope=scope, value=1))


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, pool_size=20, max_overflow=40, connect_args={"timeout": 30})
    sa.event.listen(engine, "connect", _configure_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's own BEGIN below decides, not the driver's guess
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("lakewarden_write", False)
    try:
        driver(connection).execute("BEGIN IMMEDIATE" if write else "BEGIN")
    except error_of(connection) as error:
        raise told(connection, error) from error
