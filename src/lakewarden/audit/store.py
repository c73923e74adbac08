"""The log's tables: the chained records, and where the chain begins."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa

from lakewarden.audit.chain import START, Entry, Head, link
from lakewarden.state import METADATA, Database, Statement, run_many

_PAGE = 1000
_READERS = 4
_FEW = 16
# On SQLite only a column of the very type INTEGER is the row's own number and needs no index of its own.
SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_events = sa.Table(
    "audit_events",
    METADATA,
    sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("seal", sa.String(64), nullable=False),
)
# The last entry that the retention rule removed; no row while the chain is whole.
_base = sa.Table(
    "audit_base",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("seal", sa.String(64), nullable=False),
)

_HEAD = Statement(sa.select(_events.c.sequence, _events.c.hash).order_by(_events.c.sequence.desc()).limit(1))


class AuditStore:
    """The chained table. ``key`` seals what is appended."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key
        # Written once: SQLAlchemy's own way of binding many rows costs more than SQLite's way of storing them.
        self._insert = insert_of(_events, database)

    def append(self, records: Sequence[str]) -> Head:
        """Chain, seal and store ``records`` in one durable transaction; answers the new head.

        The head is read inside the write transaction, in which writers take turns, so two servers on one database cannot
        fork the chain.
        """
        with self._database.write() as connection:
            head = _head(connection)
            values = []
            for record in records:
                entry = link(head, record, self._key)
                head = Head(entry.sequence, entry.hash)
                values.append((entry.sequence, entry.record, entry.previous, entry.hash, entry.seal))
            run_many(connection, self._insert, values)
        return head

    def head(self) -> Head:
        """The end of the chain."""
        with self._database.read() as connection:
            return _head(connection)

    def entries(self, after: int = 0, to: int | None = None) -> Iterator[Entry]:
        """The entries after a sequence number, up to another, in order; read in pages as they are taken."""
        query = sa.select(_events.c.sequence, _events.c.record, _events.c.previous, _events.c.hash, _events.c.seal)
        query = query.order_by(_events.c.sequence).limit(_PAGE)
        if to is not None:
            query = query.where(_events.c.sequence <= to)
        while True:
            with self._database.read() as connection:
                page = [Entry(*row) for row in connection.execute(query.where(_events.c.sequence > after))]
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].sequence

    def records(self, after: int, limit: int) -> list[tuple[int, str]]:
        """At most ``limit`` records after a sequence number, in order, as ``(sequence, record)``."""
        query = sa.select(_events.c.sequence, _events.c.record).where(_events.c.sequence > after)
        return self._pairs(query.order_by(_events.c.sequence).limit(limit))

    def by_number(self, sequences: Sequence[int]) -> dict[int, str]:
        """The records of these sequence numbers.

        They may lie far apart on a disk: several are read at a time, where it is this process that reads them.
        """
        if self._database.shared or len(sequences) < _FEW:
            return dict(self._numbered(sequences))
        parts = [sequences[number::_READERS] for number in range(_READERS)]
        with ThreadPoolExecutor(_READERS, "audit-read") as readers:
            return {sequence: record for found in readers.map(self._numbered, parts) for sequence, record in found}

    def _numbered(self, sequences: Sequence[int]) -> list[tuple[int, str]]:
        return self._pairs(sa.select(_events.c.sequence, _events.c.record).where(_events.c.sequence.in_(sequences)))

    def _pairs(self, query: sa.Select[Any]) -> list[tuple[int, str]]:
        with self._database.read() as connection:
            return [(int(row[0]), str(row[1])) for row in connection.execute(query)]

    # Retention

    def base(self) -> tuple[Head, str] | None:
        """The last removed entry and its seal; None while nothing was removed."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(_base.c.sequence, _base.c.hash, _base.c.seal)).first()
        return None if row is None else (Head(int(row[0]), str(row[1])), str(row[2]))

    def remove_to(self, entry: Entry) -> None:
        """Remove the entries up to ``entry``, which becomes the chain's base."""
        with self._database.write() as connection:
            connection.execute(sa.delete(_base))
            connection.execute(sa.insert(_base).values(id=1, sequence=entry.sequence, hash=entry.hash, seal=entry.seal))
            connection.execute(sa.delete(_events).where(_events.c.sequence <= entry.sequence))


def insert_of(table: sa.Table, database: Database) -> str:
    """The INSERT of whole rows, in the driver's own notation."""
    mark = "?" if database.engine.dialect.name == "sqlite" else "%s"
    marks = ", ".join([mark] * len(table.c))
    return f"INSERT INTO {table.name} ({', '.join(table.c.keys())}) VALUES ({marks})"  # noqa: S608 - our own names


def _head(connection: sa.Connection) -> Head:
    row = _HEAD.first(connection, {})
    if row is None:
        row = connection.execute(sa.select(_base.c.sequence, _base.c.hash)).first()
    return START if row is None else Head(int(row[0]), str(row[1]))
