"""The catalog's tables. It is also the permissions context's view of what exists."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from lakewarden.catalog.attached import SCOPE, Attached, forget_tags
from lakewarden.catalog.details import Details, instant
from lakewarden.catalog.model import DatabaseRecord, TableRecord
from lakewarden.catalog.projection import hive_location
from lakewarden.kernel.lake import Table
from lakewarden.state import METADATA, Database

_PAGE = 500
_databases = sa.Table(
    "glue_databases",
    METADATA,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)
_tables = sa.Table(
    "glue_tables",
    METADATA,
    sa.Column("database", sa.String(255), primary_key=True),
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("id", sa.String(36), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("updated", sa.String(40), nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Entries(Details):
    """The catalog within one transaction."""

    def database(self, name: str) -> DatabaseRecord | None:
        """The database, or None."""
        row = self.connection.execute(sa.select(_databases).where(_databases.c.name == name)).mappings().one_or_none()
        return None if row is None else DatabaseRecord(**_loaded(row))

    def databases(self) -> list[DatabaseRecord]:
        """All databases by name."""
        rows = self.connection.execute(sa.select(_databases).order_by(_databases.c.name)).mappings()
        return [DatabaseRecord(**_loaded(row)) for row in rows]

    def put_database(self, record: DatabaseRecord) -> None:
        """Insert or replace."""
        self._delete_database(record.name)
        self.connection.execute(
            sa.insert(_databases).values(
                name=record.name, id=record.id, created=record.created, document=json.dumps(record.document)
            )
        )

    def remove_database(self, name: str) -> None:
        """Delete the database; its tables have rows of their own."""
        self._delete_database(name)
        forget_tags(self.connection, f"database/{name}")

    def _delete_database(self, name: str) -> None:
        self.connection.execute(sa.delete(_databases).where(_databases.c.name == name))

    def table(self, database: str, name: str) -> TableRecord | None:
        """The table, or None."""
        query = sa.select(_tables).where(_tables.c.database == database, _tables.c.name == name)
        row = self.connection.execute(query).mappings().one_or_none()
        return None if row is None else TableRecord(**_loaded(row))

    def tables(self, database: str) -> list[TableRecord]:
        """A database's tables by name."""
        query = sa.select(_tables).where(_tables.c.database == database).order_by(_tables.c.name)
        return [TableRecord(**_loaded(row)) for row in self.connection.execute(query).mappings()]

    def table_names(self, database: str) -> Sequence[str]:
        """The names of a database's tables, in order."""
        query = sa.select(_tables.c.name).where(_tables.c.database == database).order_by(_tables.c.name)
        return self.connection.execute(query).scalars().all()

    def named_tables(self, database: str, names: Iterable[str]) -> list[TableRecord]:
        """Those of ``names`` that exist, by name."""
        wanted = sorted(names)
        found: list[TableRecord] = []
        for start in range(0, len(wanted), _PAGE):
            query = sa.select(_tables).where(
                _tables.c.database == database, _tables.c.name.in_(wanted[start : start + _PAGE])
            )
            found += [TableRecord(**_loaded(row)) for row in self.connection.execute(query).mappings()]
        return sorted(found, key=lambda record: record.name)

    def tables_after(self, database: str, after: str) -> Iterator[TableRecord]:
        """A database's tables by name, from the first one behind ``after``; read as they are taken."""
        while True:
            query = (
                sa.select(_tables)
                .where(_tables.c.database == database, _tables.c.name > after)
                .order_by(_tables.c.name)
                .limit(_PAGE)
            )
            rows = self.connection.execute(query).mappings().all()
            for row in rows:
                yield TableRecord(**_loaded(row))
            if len(rows) < _PAGE:
                return
            after = rows[-1]["name"]

    def put_table(self, record: TableRecord) -> None:
        """Insert or replace."""
        self._delete_table(record.database, record.name)
        self.connection.execute(
            sa.insert(_tables).values(
                database=record.database, name=record.name, id=record.id, version=record.version,
                created=record.created, updated=record.updated, created_by=record.created_by,
                document=json.dumps(record.document, default=instant),
            )
        )  # fmt: skip

    def remove_table(self, database: str, name: str) -> None:
        """Delete the table with all that belongs to it."""
        self._delete_table(database, name)
        self.forget(database, name)
        forget_tags(self.connection, f"table/{database}/{name}")

    def _delete_table(self, database: str, name: str) -> None:
        self.connection.execute(sa.delete(_tables).where(_tables.c.database == database, _tables.c.name == name))


class CatalogStore:
    """Transactions over the catalog."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.attached = Attached(database)

    @contextmanager
    def read(self) -> Iterator[Entries]:
        """A consistent view."""
        with self._database.read() as connection:
            yield Entries(connection)

    @contextmanager
    def write(self, *, permissions: bool = False) -> Iterator[Entries]:
        """A durable change; with ``permissions`` it changes who holds what in the same transaction."""
        scopes = ("catalog", "permissions", SCOPE) if permissions else ("catalog",)
        with self._database.write(*scopes) as connection:
            yield Entries(connection)

    def has_database(self, name: str) -> bool:
        """Whether the database exists (the permissions context's CatalogView)."""
        with self.read() as entries:
            return entries.database(name) is not None

    def column_names(self, database: str, table: str) -> tuple[str, ...] | None:
        """The table's columns, partition keys last; None when it does not exist."""
        with self.read() as entries:
            found = entries.table(database, table)
        return None if found is None else tuple(column.name for column in found.table().all_columns)

    def found_table(self, database: str, name: str) -> Table | None:
        """The table as it is, without anybody's permissions."""
        with self.read() as entries:
            found = entries.table(database, name)
        return None if found is None else found.table()

    def table_names(self, database: str) -> Sequence[str]:
        """The tables of a database, by name."""
        with self.read() as entries:
            return entries.table_names(database)

    def database_names(self) -> Sequence[str]:
        """All databases, by name."""
        with self.read() as entries:
            return [one.name for one in entries.databases()]

    def partition_location(self, database: str, table: str, values: Sequence[str]) -> str | None:
        """Where a partition lies; None when there is none of those values."""
        with self.read() as entries:
            record, found = entries.table(database, table), entries.partition(database, table, values)
        if record is None or found is None:
            return None
        return found.location or hive_location(record.table(), values)

    def located(self) -> Iterator[tuple[str, str, str]]:
        """Databases (with an empty table name) and tables, each with its location."""
        with self.read() as entries:
            for database in entries.databases():
                yield database.name, "", database.location
                for record in entries.tables_after(database.name, ""):
                    yield database.name, record.name, record.table().location


def _loaded(row: sa.RowMapping) -> dict[str, Any]:
    return {**row, "document": json.loads(row["document"])}
