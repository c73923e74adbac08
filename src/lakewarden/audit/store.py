"""The log's tables: the chained records, and the attributes that LookupEvents asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from lakewarden.audit.chain import START, Entry, Head, link
from lakewarden.state import METADATA, Database

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
    sa.Column("event_time", sa.BigInteger, nullable=False),
    sa.Column("event_id", sa.String(36), nullable=False, index=True),
    sa.Column("event_name", sa.String(128), nullable=False),
    sa.Column("event_source", sa.String(256), nullable=False),
    sa.Column("username", sa.String(128), nullable=False),
    sa.Column("access_key_id", sa.String(128), nullable=False),
    sa.Column("read_only", sa.SmallInteger, nullable=False),
    sa.Index("ix_audit_events_event_time", "event_time", "sequence"),
    sa.Index("ix_audit_events_event_name", "event_name", "event_time", "sequence"),
    sa.Index("ix_audit_events_event_source", "event_source", "event_time", "sequence"),
    sa.Index("ix_audit_events_username", "username", "event_time", "sequence"),
    sa.Index("ix_audit_events_access_key_id", "access_key_id", "event_time", "sequence"),
    sa.Index("ix_audit_events_read_only", "read_only", "event_time", "sequence"),
)
# What a record names: its resources' types (kind ``t``) and names (kind ``n``), each once.
_resources = sa.Table(
    "audit_resources",
    METADATA,
    sa.Column("kind", sa.String(1), primary_key=True),
    sa.Column("value", sa.String(1024), primary_key=True),
    sa.Column("event_time", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=False),
    sa.Index("ix_audit_resources_sequence", "sequence"),
    sqlite_with_rowid=False,
)
# Where the chain begins when its oldest records were removed by the retention rule: the last removed entry.
_base = sa.Table(
    "audit_base",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("seal", sa.String(64), nullable=False),
)
ATTRIBUTES: dict[str, sa.Column[Any]] = {
    "EventId": _events.c.event_id,
    "EventName": _events.c.event_name,
    "EventSource": _events.c.event_source,
    "Username": _events.c.username,
    "AccessKeyId": _events.c.access_key_id,
    "ReadOnly": _events.c.read_only,
}
LISTED = {"ResourceType": "t", "ResourceName": "n"}
Position = tuple[int, int]
"""Event time in seconds and sequence number: the order of LookupEvents."""


@dataclass(frozen=True, slots=True)
class Row:
    """A record on its way into the log, with its look-up attributes. ``event_time`` is seconds since the epoch.

    ``resources`` are pairs of a kind (``t`` type, ``n`` name) and a value.
    """

    record: str
    event_time: int
    event_id: str
    event_name: str
    event_source: str
    username: str
    access_key_id: str
    read_only: int
    resources: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A look-up: at most one attribute, times in seconds (both ends included), and where a page goes on."""

    attribute: tuple[str, str | int] | None
    start: int | None
    end: int | None
    before: Position | None
    limit: int


class AuditStore:
    """The chained table. ``key`` seals what is appended."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key
        # Compiled once: SQLAlchemy's own way of binding many rows costs more than SQLite's way of storing them.
        self._insert = _statement(sa.insert(_events), database)
        self._insert_resource = _statement(sa.insert(_resources), database)

    def append(self, rows: Sequence[Row]) -> Head:
        """Chain and store ``rows`` in one durable transaction; answers the new head.

        The head is read inside the write transaction, so two servers on one database cannot fork the chain.
        """
        with self._database.write() as connection:
            _take_turns(connection)
            head = _head(connection)
            values, named = [], []
            for row in rows:
                entry = link(head, row.record, self._key)
                head = Head(entry.sequence, entry.hash)
                values.append(
                    (
                        entry.sequence, entry.record, entry.previous, entry.hash, entry.seal, row.event_time,
                        row.event_id, row.event_name, row.event_source, row.username, row.access_key_id, row.read_only,
                    )
                )  # fmt: skip
                named += [(kind, value, row.event_time, entry.sequence) for kind, value in row.resources]
            connection.exec_driver_sql(self._insert, values)
            if named:
                connection.exec_driver_sql(self._insert_resource, named)
        return head

    def head(self) -> Head:
        """The end of the chain."""
        with self._database.read() as connection:
            return _head(connection)

    def entries(self, after: int = 0, to: int | None = None) -> Iterator[Entry]:
        """The entries after a sequence number, up to another, in order, streamed."""
        query = (
            sa.select(_events.c.sequence, _events.c.record, _events.c.previous, _events.c.hash, _events.c.seal)
            .where(_events.c.sequence > after)
            .order_by(_events.c.sequence)
        )
        if to is not None:
            query = query.where(_events.c.sequence <= to)
        with self._database.read() as connection:
            for row in connection.execution_options(yield_per=1000).execute(query):
                yield Entry(*row)

    def records(self, after: int, limit: int) -> list[tuple[int, str]]:
        """At most ``limit`` records after a sequence number, in order, as ``(sequence, record)``."""
        query = sa.select(_events.c.sequence, _events.c.record).where(_events.c.sequence > after)
        with self._database.read() as connection:
            return [
                (int(row[0]), str(row[1]))
                for row in connection.execute(query.order_by(_events.c.sequence).limit(limit))
            ]

    def look_up(self, question: Question) -> list[tuple[Position, str]]:
        """The newest records that fit, as ``((event time, sequence), record)``; newest by event time."""
        with self._database.read() as connection:
            return [((int(row[0]), int(row[1])), str(row[2])) for row in connection.execute(_look_up(question))]

    # Retention

    def base(self) -> tuple[Head, str] | None:
        """The last removed entry and its seal; None while nothing was removed."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(_base.c.sequence, _base.c.hash, _base.c.seal)).first()
        return None if row is None else (Head(int(row[0]), str(row[1])), str(row[2]))

    def last_before(self, event_time: int, to: int) -> Entry | None:
        """The last entry that can be removed so that all up to it, at most ``to``, are older than ``event_time``."""
        first = sa.select(sa.func.min(_events.c.sequence)).where(_events.c.event_time >= event_time)
        with self._database.read() as connection:
            kept = connection.execute(first).scalar()
        end = min(to, to if kept is None else int(kept) - 1)
        found = list(self.entries(end - 1, end))
        return found[0] if found else None

    def remove_to(self, entry: Entry) -> None:
        """Remove the entries up to ``entry``, which becomes the chain's base."""
        with self._database.write() as connection:
            connection.execute(sa.delete(_base))
            connection.execute(
                sa.insert(_base).values(id=1, sequence=entry.sequence, hash=entry.hash, seal=entry.seal)
            )
            connection.execute(sa.delete(_events).where(_events.c.sequence <= entry.sequence))
            connection.execute(sa.delete(_resources).where(_resources.c.sequence <= entry.sequence))


def _take_turns(connection: sa.Connection) -> None:
    """SQLite's write transactions exclude each other; PostgreSQL's appenders must be told to."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("LOCK TABLE audit_base IN EXCLUSIVE MODE")


def _look_up(question: Question) -> sa.Select[Any]:
    source: sa.Table = _events
    condition: sa.ColumnElement[bool] | None = None
    if question.attribute is not None:
        name, value = question.attribute
        if name in LISTED:
            source = _resources
            condition = sa.and_(_resources.c.kind == LISTED[name], _resources.c.value == value)
        else:
            condition = ATTRIBUTES[name] == value
    keys = sa.select(source.c.event_time, source.c.sequence)
    if condition is not None:
        keys = keys.where(condition)
    if question.start is not None:
        keys = keys.where(source.c.event_time >= question.start)
    if question.end is not None:
        keys = keys.where(source.c.event_time <= question.end)
    if question.before is not None:
        keys = keys.where(sa.tuple_(source.c.event_time, source.c.sequence) < sa.tuple_(*question.before))
    keys = keys.order_by(source.c.event_time.desc(), source.c.sequence.desc()).limit(question.limit)
    # The index alone finds the page; only the page's records are read.
    page = keys.subquery()
    return (
        sa.select(page.c.event_time, page.c.sequence, _events.c.record)
        .join(_events, _events.c.sequence == page.c.sequence)
        .order_by(page.c.event_time.desc(), page.c.sequence.desc())
    )


def _statement(insert: sa.Insert, database: Database) -> str:
    dialect = database.engine.dialect
    compiled = insert.compile(dialect=dialect)
    if dialect.paramstyle == "pyformat":
        columns = list(insert.table.c.keys())  # type: ignore[attr-defined]
        return f"INSERT INTO {insert.table.name} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"  # type: ignore[attr-defined]  # noqa: S608 - names of our own
    return str(compiled)


def _head(connection: sa.Connection) -> Head:
    row = connection.execute(
        sa.select(_events.c.sequence, _events.c.hash).order_by(_events.c.sequence.desc()).limit(1)
    ).first()
    if row is None:
        row = connection.execute(sa.select(_base.c.sequence, _base.c.hash)).first()
    return START if row is None else Head(int(row[0]), str(row[1]))
