"""What belongs to a table: its partitions, its earlier versions, and the statistics of its columns."""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lakewarden.catalog.model import PartitionRecord, TableRecord
from lakewarden.state import METADATA

_PAGE = 1000
Where = sa.ColumnElement[bool]

partitions = sa.Table(
    "glue_partitions",
    METADATA,
    sa.Column("database", sa.String(255), primary_key=True),
    sa.Column("table_name", sa.String(255), primary_key=True),
    sa.Column("position", sa.String(2048), primary_key=True),
    sa.Column("entries", sa.JSON, nullable=False),
    sa.Column("segment", sa.BigInteger, nullable=False),
    sa.Column("location", sa.Text, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)
_versions = sa.Table(
    "glue_table_versions",
    METADATA,
    sa.Column("database", sa.String(255), primary_key=True),
    sa.Column("table_name", sa.String(255), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("updated", sa.String(40), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)
_statistics = sa.Table(
    "glue_statistics",
    METADATA,
    sa.Column("database", sa.String(255), primary_key=True),
    sa.Column("table_name", sa.String(255), primary_key=True),
    sa.Column("position", sa.String(2048), primary_key=True),
    sa.Column("column_name", sa.String(255), primary_key=True),
    sa.Column("document", sa.Text, nullable=False),
)
_DEPENDENT = (partitions, _versions, _statistics)


def position_of(values: Sequence[str]) -> str:
    """The values as one text, the same for the same values only."""
    return json.dumps(list(values), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Details:
    """Partitions, versions and statistics within one transaction."""

    connection: sa.Connection

    def forget(self, database: str, table: str) -> None:
        """Remove all that belongs to a table."""
        for one in _DEPENDENT:
            self.connection.execute(sa.delete(one).where(one.c.database == database, one.c.table_name == table))

    # Partitions

    def partition(self, database: str, table: str, values: Sequence[str]) -> PartitionRecord | None:
        """The partition of those values, or None."""
        query = sa.select(partitions).where(*_in(partitions, database, table, values))
        row = self.connection.execute(query).mappings().one_or_none()
        return None if row is None else _partition(row)

    def partitions(
        self,
        database: str,
        table: str,
        *,
        after: str = "",
        where: Where | None = None,
        segment: tuple[int, int] | None = None,
        limit: int | None = None,
    ) -> Iterator[PartitionRecord]:
        """A table's partitions behind a position, in order; read as they are taken. ``segment`` is one of how many."""
        base = sa.select(partitions).where(*_in(partitions, database, table)).order_by(partitions.c.position)
        if where is not None:
            base = base.where(where)
        if segment is not None:
            base = base.where(partitions.c.segment % segment[1] == segment[0])
        taken = 0
        while limit is None or taken < limit:
            size = _PAGE if limit is None else min(_PAGE, limit - taken)
            query = base.where(partitions.c.position > after).limit(size)
            rows = self.connection.execute(query).mappings().all()
            yield from map(_partition, rows)
            taken += len(rows)
            if len(rows) < size:
                return
            after = rows[-1]["position"]

    def has_partitions(self, database: str, table: str) -> bool:
        """Whether there is any."""
        return next(self.partitions(database, table, limit=1), None) is not None

    def partition_locations(self, database: str, table: str) -> frozenset[str]:
        """Where the partitions lie that say where."""
        query = sa.select(partitions.c.location).where(*_in(partitions, database, table)).distinct()
        return frozenset(self.connection.execute(query).scalars()) - {""}

    def put_partition(self, record: PartitionRecord) -> None:
        """Insert or replace."""
        self.remove_partition(record.database, record.table, record.values)
        position = position_of(record.values)
        self.connection.execute(
            sa.insert(partitions).values(
                database=record.database, table_name=record.table, position=position, entries=list(record.values),
                segment=zlib.crc32(position.encode()), location=record.location, created=record.created,
                document=json.dumps(record.document, default=instant),
            )
        )  # fmt: skip

    def remove_partition(self, database: str, table: str, values: Sequence[str]) -> None:
        """Delete the row."""
        self.connection.execute(sa.delete(partitions).where(*_in(partitions, database, table, values)))

    # Versions

    def archive(self, record: TableRecord) -> None:
        """Keep a table's version that is about to be replaced."""
        self.connection.execute(
            sa.insert(_versions).values(
                database=record.database, table_name=record.name, version=record.version, updated=record.updated,
                document=json.dumps(record.document, default=instant),
            )
        )  # fmt: skip

    def versions(self, database: str, table: str) -> list[tuple[int, str, dict[str, Any]]]:
        """The earlier versions, newest first: number, time, document."""
        query = (
            sa.select(_versions.c.version, _versions.c.updated, _versions.c.document)
            .where(*_in(_versions, database, table))
            .order_by(_versions.c.version.desc())
        )
        return [(version, updated, json.loads(text)) for version, updated, text in self.connection.execute(query)]

    def remove_version(self, database: str, table: str, version: int) -> bool:
        """Delete an earlier version; answers whether it was there."""
        query = sa.delete(_versions).where(*_in(_versions, database, table), _versions.c.version == version)
        return self.connection.execute(query).rowcount > 0

    # Statistics

    def statistics(self, database: str, table: str, values: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        """ColumnStatistics of a table, or of a partition, by column."""
        query = sa.select(_statistics.c.column_name, _statistics.c.document).where(
            *_in(_statistics, database, table, values)
        )
        return {name: json.loads(text) for name, text in self.connection.execute(query)}

    def put_statistics(
        self, database: str, table: str, values: Sequence[str], column: str, document: Mapping[str, Any]
    ) -> None:
        """Insert or replace."""
        self.remove_statistics(database, table, values, (column,))
        self.connection.execute(
            sa.insert(_statistics).values(
                database=database, table_name=table, position=position_of(values), column_name=column,
                document=json.dumps(document, default=instant),
            )
        )  # fmt: skip

    def remove_statistics(self, database: str, table: str, values: Sequence[str], columns: Iterable[str]) -> int:
        """Delete; answers how many there were."""
        query = sa.delete(_statistics).where(
            *_in(_statistics, database, table, values), _statistics.c.column_name.in_(list(columns))
        )
        return self.connection.execute(query).rowcount


def _in(one: sa.Table, database: str, table: str, values: Sequence[str] | None = None) -> list[Where]:
    found: list[Where] = [one.c.database == database, one.c.table_name == table]
    if values is not None:
        found.append(one.c.position == position_of(values))
    return found


def _partition(row: sa.RowMapping) -> PartitionRecord:
    return PartitionRecord(
        row["database"], row["table_name"], tuple(row["entries"]), row["created"], json.loads(row["document"])
    )


def instant(value: object) -> Any:
    """Instants within a document are kept as ISO text, bytes as text; nothing else can be in it that JSON lacks."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("latin-1")
    raise TypeError(f"not a member of a Glue document: {type(value).__name__}")
