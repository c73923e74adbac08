"""The log's tables: the chained records, and the attributes that LookupEvents asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from lakewarden.audit.chain import GENESIS, Entry, Head, link
from lakewarden.state import METADATA, Database

_events = sa.Table(
    "audit_events",
    METADATA,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("previous", sa.String(64), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("event_time", sa.BigInteger, nullable=False, index=True),
    sa.Column("event_id", sa.String(36), nullable=False, index=True),
    sa.Column("event_name", sa.String(128), nullable=False),
    sa.Column("event_source", sa.String(64), nullable=False),
    sa.Column("username", sa.String(128), nullable=False),
    sa.Column("access_key_id", sa.String(128), nullable=False),
    sa.Column("read_only", sa.String(5), nullable=False),
    sa.Column("resource_types", sa.Text, nullable=False),
    sa.Column("resource_names", sa.Text, nullable=False),
    sa.Index("ix_audit_events_event_name", "event_name", "sequence"),
    sa.Index("ix_audit_events_event_source", "event_source", "sequence"),
    sa.Index("ix_audit_events_username", "username", "sequence"),
    sa.Index("ix_audit_events_access_key_id", "access_key_id", "sequence"),
)
_INSERT = sa.insert(_events)
ATTRIBUTES = {
    "EventId": _events.c.event_id,
    "EventName": _events.c.event_name,
    "EventSource": _events.c.event_source,
    "Username": _events.c.username,
    "AccessKeyId": _events.c.access_key_id,
    "ReadOnly": _events.c.read_only,
}
_LISTED = {"ResourceType": _events.c.resource_types, "ResourceName": _events.c.resource_names}
SEPARATOR = "\n"


@dataclass(frozen=True, slots=True)
class Row:
    """A record on its way into the log, with its look-up attributes. ``event_time`` is seconds since the epoch."""

    record: str
    event_time: int
    event_id: str
    event_name: str
    event_source: str
    username: str
    access_key_id: str
    read_only: str
    resource_types: str
    resource_names: str


class AuditStore:
    """The chained table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, rows: Sequence[Row]) -> Head:
        """Chain and store ``rows`` in one durable transaction; answers the new head.

        The head is read inside the write transaction, so two servers on one database cannot fork the chain.
        """
        with self._database.write() as connection:
            head = _head(connection)
            values = []
            for row in rows:
                entry = link(head.sequence + 1, head.hash, row.record)
                head = Head(entry.sequence, entry.hash)
                values.append(
                    {
                        "sequence": entry.sequence, "record": entry.record, "previous": entry.previous,
                        "hash": entry.hash, "event_time": row.event_time, "event_id": row.event_id,
                        "event_name": row.event_name, "event_source": row.event_source, "username": row.username,
                        "access_key_id": row.access_key_id, "read_only": row.read_only,
                        "resource_types": row.resource_types, "resource_names": row.resource_names,
                    }
                )  # fmt: skip
            connection.execute(_INSERT, values)
        return head

    def head(self) -> Head:
        """The end of the chain."""
        with self._database.read() as connection:
            return _head(connection)

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Every entry after a sequence number, in order, streamed."""
        query = (
            sa.select(_events.c.sequence, _events.c.record, _events.c.previous, _events.c.hash)
            .where(_events.c.sequence > after)
            .order_by(_events.c.sequence)
        )
        with self._database.read() as connection:
            for row in connection.execution_options(yield_per=1000).execute(query):
                yield Entry(*row)

    def look_up(
        self, attribute: tuple[str, str] | None, start: int | None, end: int | None, before: int | None, limit: int
    ) -> list[tuple[int, str]]:
        """The newest ``limit`` records that fit, as ``(sequence, record)``; ``before`` continues a page."""
        query = sa.select(_events.c.sequence, _events.c.record).order_by(_events.c.sequence.desc()).limit(limit)
        if attribute is not None:
            name, value = attribute
            if name in _LISTED:
                # Names stand on lines of their own; the separators keep one from matching inside another.
                wanted = SEPARATOR + value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + SEPARATOR
                query = query.where(_LISTED[name].like(f"%{wanted}%", escape="\\"))
            else:
                query = query.where(ATTRIBUTES[name] == value)
        if start is not None:
            query = query.where(_events.c.event_time >= start)
        if end is not None:
            query = query.where(_events.c.event_time <= end)
        if before is not None:
            query = query.where(_events.c.sequence < before)
        with self._database.read() as connection:
            return [(int(row[0]), str(row[1])) for row in connection.execute(query)]


def _head(connection: sa.Connection) -> Head:
    row = connection.execute(
        sa.select(_events.c.sequence, _events.c.hash).order_by(_events.c.sequence.desc()).limit(1)
    ).first()
    return Head(0, GENESIS) if row is None else Head(int(row[0]), str(row[1]))
