"""What LookupEvents finds records by. The index follows the log and can be made anew from it at any time.

It is kept apart (in a database file of its own, where the log has one) so that no call waits for it: a record's answer
waits for the chain alone, and a look-up first brings the index up to the log's head.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import sqlalchemy as sa

from lakewarden.audit.records import username_of
from lakewarden.audit.resources import names_of
from lakewarden.audit.store import SEQUENCE, AuditStore, insert_of
from lakewarden.state import METADATA, Database

_index = sa.Table(
    "audit_index",
    METADATA,
    sa.Column("attribute", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("value", sa.String(256), primary_key=True),
    sa.Column("event_time", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("sequence", SEQUENCE, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
_indexed = sa.Table(
    "audit_indexed",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),
)
ANY = "any"
ATTRIBUTES = {
    ANY: 0,
    "EventId": 1,
    "EventName": 2,
    "ReadOnly": 3,
    "Username": 4,
    "ResourceType": 5,
    "ResourceName": 6,
    "EventSource": 7,
    "AccessKeyId": 8,
}
"""CloudTrail's look-up attributes, and one that every record has."""

IndexRow = tuple[int, str, int, int]
"""Attribute, value, event time in seconds, sequence number."""
Position = tuple[int, int]
"""Event time in seconds and sequence number: the order of LookupEvents."""
_BATCH = 5000
_LONGEST = 256


class _Resource(msgspec.Struct, rename={"arn": "ARN"}):
    type: str = ""
    arn: str = ""


_NAMES = {
    "event_time": "eventTime",
    "event_id": "eventID",
    "event_name": "eventName",
    "event_source": "eventSource",
    "read_only": "readOnly",
    "identity": "userIdentity",
}


class _Record(msgspec.Struct, rename=_NAMES):
    event_time: datetime
    event_id: str
    event_name: str
    event_source: str
    read_only: bool
    identity: dict[str, object]
    resources: tuple[_Resource, ...] = ()


_decode = msgspec.json.Decoder(_Record).decode


@dataclass(frozen=True, slots=True)
class Question:
    """A look-up: an attribute and its value, times in seconds (both ends included), and where a page goes on."""

    attribute: str
    value: str
    start: int | None
    end: int | None
    before: Position | None
    limit: int


class EventIndex:
    """The index of one log."""

    def __init__(self, log: AuditStore, database: Database) -> None:
        self._log = log
        self._database = database
        self._insert = insert_of(_index, database)
        mark = "%s" if database.shared else "?"
        keys = " AND ".join(f"{name} = {mark}" for name in _index.c.keys())  # noqa: SIM118 - not a dict
        self._delete = f"DELETE FROM {_index.name} WHERE {keys}"  # noqa: S608 - our own names
        self._turn = threading.Lock()

    def find(self, question: Question) -> list[Position]:
        """Where the newest records that fit are, newest first by event time."""
        query = sa.select(_index.c.event_time, _index.c.sequence).where(
            _index.c.attribute == ATTRIBUTES[question.attribute], _index.c.value == question.value[:_LONGEST]
        )
        if question.start is not None:
            query = query.where(_index.c.event_time >= question.start)
        if question.end is not None:
            query = query.where(_index.c.event_time <= question.end)
        if question.before is not None:
            query = query.where(sa.tuple_(_index.c.event_time, _index.c.sequence) < sa.tuple_(*question.before))
        query = query.order_by(_index.c.event_time.desc(), _index.c.sequence.desc()).limit(question.limit)
        with self._database.read() as connection:
            return [(int(row[0]), int(row[1])) for row in connection.execute(query)]

    def catch_up(self) -> None:
        """Index all that the log holds by now."""
        with self._turn:
            head = self._log.head().sequence
            while self._position() < head:
                self._index_some()

    def first_since(self, event_time: int) -> int | None:
        """The smallest number of a record that is not older; None when all are."""
        query = sa.select(sa.func.min(_index.c.sequence)).where(
            _index.c.attribute == ATTRIBUTES[ANY], _index.c.value == "", _index.c.event_time >= event_time
        )
        with self._database.read() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else int(found)

    def forget(self, to: int) -> None:
        """Take the records up to a number, which are about to be removed from the log, out of the index."""
        after = 0
        while found := [one for one in self._log.records(after, _BATCH) if one[0] <= to]:
            rows = sorted({row for sequence, record in found for row in index_rows(sequence, record)})
            with self._database.write() as connection:
                connection.exec_driver_sql(self._delete, rows)
            after = found[-1][0]

    def rows(self) -> Iterator[IndexRow]:
        """Every row, in no particular order."""
        query = sa.select(_index.c.attribute, _index.c.value, _index.c.event_time, _index.c.sequence)
        with self._database.read() as connection:
            for row in connection.execute(query.execution_options(yield_per=_BATCH)):
                yield int(row[0]), str(row[1]), int(row[2]), int(row[3])

    def position(self) -> int:
        """The last record that is indexed."""
        return self._position()

    def _index_some(self) -> None:
        with self._database.write() as connection:
            position = _position(connection)
            found = self._log.records(position, _BATCH)
            if not found:
                return
            # In the index's own order, neighbours land on the same pages.
            rows = sorted({row for sequence, record in found for row in index_rows(sequence, record)})
            connection.exec_driver_sql(self._insert, rows)
            connection.execute(sa.delete(_indexed))
            connection.execute(sa.insert(_indexed).values(id=1, sequence=found[-1][0]))

    def _position(self) -> int:
        with self._database.read() as connection:
            return _position(connection)


def index_rows(sequence: int, record: str) -> Iterator[IndexRow]:
    """The index's rows of one record."""
    found = _decode(record)
    at = int(found.event_time.timestamp())
    values: Sequence[tuple[str, str]] = [
        (ANY, ""),
        ("EventId", found.event_id),
        ("EventName", found.event_name),
        ("ReadOnly", "true" if found.read_only else "false"),
        ("Username", username_of(found.identity)),
        ("EventSource", found.event_source),
        ("AccessKeyId", str(found.identity.get("accessKeyId", ""))),
        *(("ResourceType", one.type) for one in found.resources),
        *(("ResourceName", name) for one in found.resources for name in names_of(one.arn)),
    ]
    for attribute, value in values:
        # PostgreSQL's text holds no zero character.
        yield ATTRIBUTES[attribute], value[:_LONGEST].replace("\0", ""), at, sequence


def _position(connection: sa.Connection) -> int:
    found = connection.execute(sa.select(_indexed.c.sequence)).scalar()
    return 0 if found is None else int(found)
