"""Glue: databases and tables, each read and write under Lake Formation's permissions."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lakewarden.catalog.errors import (
    AlreadyExistsException,
    ConcurrentModificationException,
    EntityNotFoundException,
    InsufficientPermissions,
    InvalidInputException,
)
from lakewarden.catalog.model import DatabaseRecord, TableRecord
from lakewarden.catalog.ports import TablePermissions
from lakewarden.catalog.store import CatalogStore, Entries
from lakewarden.kernel.call import Principal
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.lake import GovernedTable

_NAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,255}")
Document = Mapping[str, Any]


class CatalogService:
    """One account's catalog."""

    def __init__(self, store: CatalogStore, permissions: TablePermissions, clock: Clock) -> None:
        self._store = store
        self._permissions = permissions
        self._clock = clock

    # Databases

    def create_database(self, principal: Principal, document: Document) -> None:
        """CreateDatabase; raises AlreadyExists, InvalidInput or AccessDenied."""
        name = checked_name(document["Name"])
        self._permissions.require_create_database(principal, str(document.get("LocationUri") or ""))
        with self._store.write() as entries:
            if entries.database(name) is not None:
                raise AlreadyExistsException(f"Database {name} already exists.")
            entries.put_database(DatabaseRecord(name, str(uuid.uuid4()), self._now(), {**document, "Name": name}))
        self._permissions.database_created(principal, name)

    def update_database(self, principal: Principal, name: str, document: Document) -> None:
        """UpdateDatabase."""
        name = name.lower()
        if checked_name(document["Name"]) != name:
            raise InvalidInputException("A database cannot be renamed.")
        self._require_database(principal, name, "ALTER", "Alter")
        with self._store.write() as entries:
            entries.put_database(replace(_present(entries, name), document={**document, "Name": name}))

    def delete_database(self, principal: Principal, name: str) -> None:
        """DeleteDatabase, its tables included."""
        name = name.lower()
        self._require_database(principal, name, "DROP", "Drop")
        with self._store.read() as entries:
            tables = entries.tables(name)
        for table in tables:
            self.delete_table(principal, name, table.name)
        # Grants go first: a crash in between leaves a database that nobody was granted, never the reverse.
        self._permissions.database_dropping(name)
        with self._store.write() as entries:
            entries.remove_database(name)

    def database(self, principal: Principal, name: str) -> DatabaseRecord:
        """GetDatabase; hidden and absent are refused alike, except to those who see every database."""
        name = name.lower()
        with self._store.read() as entries:
            found = entries.database(name)
        if found is not None and self._permissions.database_access(principal, name).visible:
            return found
        if self._permissions.database_access(principal, name).visible:
            raise EntityNotFoundException(f"Database {name} not found.")
        raise InsufficientPermissions("Describe", name)

    def databases(self, principal: Principal) -> list[DatabaseRecord]:
        """The databases that the principal may see."""
        with self._store.read() as entries:
            found = entries.databases()
        return [one for one in found if self._permissions.database_access(principal, one.name).visible]

    def _require_database(self, principal: Principal, name: str, action: str, title: str) -> DatabaseRecord:
        found = self.database(principal, name)
        if action not in self._permissions.database_access(principal, name).actions:
            raise InsufficientPermissions(title, name)
        return found

    # Tables

    def create_table(self, principal: Principal, database: str, document: Document) -> None:
        """CreateTable."""
        database, name = database.lower(), checked_name(document["Name"])
        parent = self.database(principal, database)
        location = str((document.get("StorageDescriptor") or {}).get("Location") or "")
        self._permissions.require_create_table(principal, database, parent.location, location)
        now = self._now()
        record = TableRecord(database, name, str(uuid.uuid4()), 0, now, now, principal.arn, {**document, "Name": name})
        _check_columns(record)
        with self._store.write() as entries:
            _present(entries, database)
            if entries.table(database, name) is not None:
                raise AlreadyExistsException(f"Table {name} already exists.")
            entries.put_table(record)
        defaults = parent.document.get("CreateTableDefaultPermissions")
        self._permissions.table_created(principal, database, name, defaults)

    def update_table(self, principal: Principal, database: str, document: Document, version: str | None) -> None:
        """UpdateTable."""
        governed, record = self._require_table(principal, database, document["Name"], "ALTER", "Alter")
        location = str((document.get("StorageDescriptor") or {}).get("Location") or "")
        if location != governed.table.location:
            parent = self.database(principal, record.database)
            self._permissions.require_create_table(principal, record.database, parent.location, location)
        if version is not None and version != str(record.version):
            raise ConcurrentModificationException("The table was changed by another call.")
        changed = replace(
            record, version=record.version + 1, updated=self._now(), document={**document, "Name": record.name}
        )
        _check_columns(changed)
        with self._store.write() as entries:
            current = entries.table(record.database, record.name)
            if current is None or current.version != record.version:
                raise ConcurrentModificationException("The table was changed by another call.")
            entries.put_table(changed)

    def delete_table(self, principal: Principal, database: str, name: str) -> None:
        """DeleteTable; the data stays."""
        _, record = self._require_table(principal, database, name, "DROP", "Drop")
        self._permissions.table_dropping(record.database, record.name)
        with self._store.write() as entries:
            entries.remove_table(record.database, record.name)

    def table(self, principal: Principal, database: str, name: str) -> tuple[GovernedTable, TableRecord]:
        """GetTable: the table, its record reduced to what the principal may see.

        Raises AccessDenied for hidden and absent tables alike; EntityNotFound only to those who may create there.
        """
        database, name = database.lower(), name.lower()
        with self._store.read() as entries:
            record = entries.table(database, name)
        if record is not None:
            governed = self._governed(principal, record)
            if governed.access.visible:
                return governed, visible_record(record, governed)
        elif self._may_know_absence(principal, database):
            raise EntityNotFoundException(f"Table {name} not found.")
        raise InsufficientPermissions("Describe", name)

    def find(self, principal: Principal, database: str, name: str) -> GovernedTable | None:
        """The governed table, or None for hidden and absent ones."""
        with self._store.read() as entries:
            record = entries.table(database.lower(), name.lower())
        if record is None:
            return None
        governed = self._governed(principal, record)
        return governed if governed.access.visible else None

    def tables(self, principal: Principal, database: str) -> list[tuple[GovernedTable, TableRecord]]:
        """The tables of a database that the principal may see."""
        self.database(principal, database)
        with self._store.read() as entries:
            records = entries.tables(database.lower())
        governed = ((self._governed(principal, record), record) for record in records)
        return [(one, visible_record(record, one)) for one, record in governed if one.access.visible]

    def is_registered(self, record: TableRecord) -> bool:
        """Whether the table's location is under Lake Formation's control."""
        return self._permissions.is_registered(record.table().location)

    def _governed(self, principal: Principal, record: TableRecord) -> GovernedTable:
        table = record.table()
        return GovernedTable(table, self._permissions.table_access(principal, table))

    def _may_know_absence(self, principal: Principal, database: str) -> bool:
        return "CREATE_TABLE" in self._permissions.database_access(principal, database).actions

    def _require_table(
        self, principal: Principal, database: str, name: str, action: str, title: str
    ) -> tuple[GovernedTable, TableRecord]:
        governed, _ = self.table(principal, database, name)
        if action not in governed.access.actions:
            raise InsufficientPermissions(title, governed.table.name)
        with self._store.read() as entries:
            record = entries.table(governed.table.database, governed.table.name)
        if record is None:
            raise EntityNotFoundException(f"Table {name} not found.")
        return governed, record

    def _now(self) -> str:
        return self._clock().isoformat()


def visible_record(record: TableRecord, governed: GovernedTable) -> TableRecord:
    """The record with the permitted columns only.

    INVARIANT (non_interference): every answer about a table passes through here.
    """
    allowed = set(governed.access.described)
    if len(allowed) == len(governed.table.all_columns):
        return record
    storage = dict(record.document.get("StorageDescriptor") or {})
    storage["Columns"] = [one for one in storage.get("Columns") or () if one["Name"].lower() in allowed]
    keys = [one for one in record.document.get("PartitionKeys") or () if one["Name"].lower() in allowed]
    document = {**record.document, "StorageDescriptor": storage, "PartitionKeys": keys}
    for revealing in ("ViewOriginalText", "ViewExpandedText"):
        document.pop(revealing, None)
    return replace(record, document=document)


def checked_name(name: str) -> str:
    """A catalog name, lower case; raises InvalidInput."""
    if not _NAME.fullmatch(name):
        raise InvalidInputException(f"Invalid name: {name[:100]!r}")
    return name.lower()


def _check_columns(record: TableRecord) -> None:
    names = [column.name for column in record.table().all_columns]
    if len(names) != len(set(names)):
        raise InvalidInputException("A column name stands twice.")


def _present(entries: Entries, name: str) -> DatabaseRecord:
    found = entries.database(name)
    if found is None:
        raise EntityNotFoundException(f"Database {name} not found.")
    return found
