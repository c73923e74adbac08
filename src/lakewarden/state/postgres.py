"""What a PostgreSQL database must be, and what our connections to it set."""

from typing import Any, Final

import sqlalchemy as sa

from lakewarden.state.errors import UnusableDatabase

WRITERS: Final = 0x4C570000
"""The advisory locks of writers, one a lane. PostgreSQL keeps them per database, so they are ours alone there."""

_ENCODINGS = frozenset({"UTF8", "SQL_ASCII"})
# A peer that hangs (a stopped machine, a cut network) may hold the writers' lock for a minute, and then loses it.
_OPTIONS = "-c lock_timeout=30000 -c idle_in_transaction_session_timeout=60000 -c timezone=UTC"


def engine_of(url: sa.URL) -> sa.Engine:
    """An engine through psycopg; connections are tested when they are taken, and commit durably."""
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        pool_size=20,
        max_overflow=40,
        connect_args={"options": _OPTIONS, "client_encoding": "utf8", "application_name": "lakewarden"},
    )
    sa.event.listen(engine, "connect", _commit_durably)
    return engine


def lock_writers(connection: sa.Connection, lane: int) -> None:
    """Wait for our turn: writers of a lane take turns on all servers, as they do in SQLite.

    Every check-then-write in the house rests on it. The lock is released after the commit is visible, and each statement
    that follows sees what was committed before it (READ COMMITTED).
    """
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": WRITERS + lane})


def check(connection: sa.Connection) -> None:
    """Raise :class:`UnusableDatabase` for a database that would lose what it acknowledges or mangle texts."""
    if _show(connection, "server_encoding") not in _ENCODINGS:
        raise UnusableDatabase(
            "the database's encoding must be UTF8: CREATE DATABASE ... TEMPLATE template0 ENCODING 'UTF8'"
        )
    # INVARIANT (crash_safe): a server that does not sync loses acknowledged writes.
    for setting in ("fsync", "full_page_writes"):
        if _show(connection, setting) != "on":
            raise UnusableDatabase(f"PostgreSQL runs with {setting} = off, and would lose acknowledged writes")


def collate(connection: sa.Connection) -> None:
    """Give every text column the collation "C", so that names sort and compare by code point as they do in SQLite.

    Pages continue after a name, and Python sorts names too: a language's own order would tear them apart. Done after the
    migrations, whatever the database's default is; changes only columns that do not say so yet.
    """
    columns = connection.execute(
        sa.text(
            "SELECT quote_ident(table_name), quote_ident(column_name), data_type, character_maximum_length "
            "FROM information_schema.columns WHERE table_schema = current_schema() "
            "AND data_type IN ('character varying', 'text') AND collation_name IS DISTINCT FROM 'C' "
            "ORDER BY 1, 2"
        )
    ).all()
    for table, column, kind, length in columns:
        full = kind if length is None else f"{kind}({length})"
        connection.exec_driver_sql(f'ALTER TABLE {table} ALTER COLUMN {column} TYPE {full} COLLATE "C"')


def _commit_durably(connection: Any, _record: object) -> None:
    # INVARIANT (crash_safe): a commit that returned is on disk, whatever the server's default is.
    with connection.cursor() as cursor:
        if cursor.execute("SHOW synchronous_commit").fetchone()[0] == "off":
            cursor.execute("SET synchronous_commit = on")
    connection.commit()


def _show(connection: sa.Connection, setting: str) -> str:
    return str(connection.exec_driver_sql(f"SHOW {setting}").scalar_one())
