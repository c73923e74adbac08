"""Glue: databases and tables, each read and write under Lake Formation's permissions."""

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from lakewarden.catalog.attached import Attached
from lakewarden.catalog.errors import (
    AlreadyExistsException,
    ConcurrentModificationException,
    EntityNotFoundException,
    InsufficientPermissions,
    InvalidInputException,
)
from lakewarden.catalog.model import DatabaseRecord, TableRecord
from lakewarden.catalog.ports import TablePermissions
from lakewarden.catalog.projection import outside_roots
from lakewarden.catalog.store import CatalogStore, Entries
from lakewarden.catalog.types import check_type
from lakewarden.catalog.visible import visible_record
from lakewarden.kernel.call import Principal
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.lake import GovernedTable

_NAME = re.compile(r"[^\x00-\x1f\x7f/\\]{1,255}")
_BUCKET_ROOT = re.compile(r"s3[an]?://[^/]+")
Document = Mapping[str, Any]
Shown = tuple[GovernedTable, TableRecord]
"""A table with what the principal may do with it, and its record reduced to what the principal may see."""


class CatalogService:
    """One account's catalog. Names are taken in any case and kept in lower case."""

    def __init__(self, store: CatalogStore, permissions: TablePermissions, clock: Clock) -> None:
        self._store = store
        self._permissions = permissions
        self._clock = clock

    @property
    def attached(self) -> Attached:
        """The Glue resource policy, and tags by ARN."""
        return self._store.attached

    # Databases

    def create_database(self, principal: Principal, document: Document) -> None:
        """CreateDatabase; raises AlreadyExists, InvalidInput or AccessDenied."""
        name = checked_name(document["Name"])
        self._permissions.require_create_database(principal, str(document.get("LocationUri") or ""))
        self._permissions.require_defaults(principal, document.get("CreateTableDefaultPermissions"))
        with self._store.write(permissions=True) as entries:
            if entries.database(name) is not None:
                raise AlreadyExistsException(f"Database {name} already exists.")
            entries.put_database(DatabaseRecord(name, str(uuid.uuid4()), self._now(), {**document, "Name": name}))
            self._permissions.database_created(entries.connection, principal, name)

    def update_database(self, principal: Principal, name: str, document: Document) -> None:
        """UpdateDatabase."""
        name = name.lower()
        if checked_name(document["Name"]) != name:
            raise InvalidInputException("A database cannot be renamed.")
        present = self._require_database(principal, name, "ALTER", "Alter")
        location = str(document.get("LocationUri") or "")
        if location != present.location:
            self._permissions.require_location(principal, location, "")
        defaults = document.get("CreateTableDefaultPermissions")
        if defaults != present.document.get("CreateTableDefaultPermissions"):
            self._permissions.require_defaults(principal, defaults)
        with self._store.write() as entries:
            current = _present(entries, name)
            if current != present:
                raise ConcurrentModificationException("The database was changed by another call.")
            entries.put_database(replace(current, document={**document, "Name": name}))

    def delete_database(self, principal: Principal, name: str) -> None:
        """DeleteDatabase with its tables, all or nothing; every one of them must be the principal's to drop."""
        name = name.lower()
        self._require_database(principal, name, "DROP", "Drop")
        with self._store.write(permissions=True) as entries:
            _present(entries, name)
            for record in entries.tables(name):
                # The refusal names the database: whoever drops it may not know of every table in it.
                if "DROP" not in self._governed(principal, record).access.actions:
                    raise InsufficientPermissions("Drop", f"all tables of {name}")
                entries.remove_table(name, record.name)
            entries.remove_database(name)
            self._permissions.database_dropped(entries.connection, name)

    def database(self, principal: Principal, name: str) -> DatabaseRecord:
        """GetDatabase; hidden and absent are refused alike, except to those who see every database."""
        name = name.lower()
        if not self._permissions.database_access(principal, name).visible:
            raise InsufficientPermissions("Describe", name)
        with self._store.read() as entries:
            return _present(entries, name)

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
        self._permissions.require_create_table(principal, database, parent.location, _location(document))
        now = self._now()
        record = TableRecord(database, name, str(uuid.uuid4()), 0, now, now, principal.arn, {**document, "Name": name})
        _check_columns(record)
        for place in _checked_roots(record):
            self._permissions.require_location(principal, place, parent.location)
        with self._store.write(permissions=True) as entries:
            parent = _present(entries, database)
            if entries.table(database, name) is not None:
                raise AlreadyExistsException(f"Table {name} already exists.")
            entries.put_table(record)
            defaults = parent.document.get("CreateTableDefaultPermissions")
            self._permissions.table_created(entries.connection, principal, database, name, defaults)

    def update_table(
        self, principal: Principal, database: str, document: Document, version: str | None, *, archive: bool = True
    ) -> None:
        """UpdateTable; a new location must be one that the principal may place data at."""
        governed, record = self.require_table(principal, database, document["Name"], "ALTER", "Alter")
        location = _location(document)
        if location != governed.table.location:
            parent = self.database(principal, record.database)
            self._permissions.require_location(principal, location, parent.location)
        if version is not None and version != str(record.version):
            raise ConcurrentModificationException("The table was changed by another call.")
        changed = replace(
            record, version=record.version + 1, updated=self._now(), document={**document, "Name": record.name}
        )
        _check_columns(changed)
        for place in _checked_roots(changed) - outside_roots(governed.table):
            parent = self.database(principal, record.database)
            self._permissions.require_location(principal, place, parent.location)
        with self._store.write() as entries:
            current = entries.table(record.database, record.name)
            if current is None or (current.id, current.version) != (record.id, record.version):
                raise ConcurrentModificationException("The table was changed by another call.")
            if changed.table().partition_keys != governed.table.partition_keys and entries.has_partitions(
                record.database, record.name
            ):
                raise InvalidInputException("The partition keys of a table with partitions cannot be changed.")
            if archive:
                entries.archive(record)
            entries.put_table(changed)

    def delete_table(self, principal: Principal, database: str, name: str) -> None:
        """DeleteTable; the data stays."""
        _, record = self.require_table(principal, database, name, "DROP", "Drop")
        with self._store.write(permissions=True) as entries:
            current = entries.table(record.database, record.name)
            if current is None or current.id != record.id:
                raise ConcurrentModificationException("The table was changed by another call.")
            entries.remove_table(record.database, record.name)
            self._permissions.table_dropped(entries.connection, record.database, record.name)

    def table(self, principal: Principal, database: str, name: str) -> Shown:
        """GetTable: the table, its record reduced to what the principal may see.

        Raises AccessDenied for hidden and absent tables alike; EntityNotFound only to those who could see or make any
        table of the database.
        """
        governed, record = self.require_visible(principal, database.lower(), name.lower())
        return governed, visible_record(record, governed)

    def find(self, principal: Principal, database: str, name: str) -> GovernedTable | None:
        """The governed table, or None for hidden and absent ones."""
        with self._store.read() as entries:
            record = entries.table(database.lower(), name.lower())
        if record is None:
            return None
        governed = self._governed(principal, record)
        return governed if governed.access.visible else None

    def tables(self, principal: Principal, database: str) -> list[Shown]:
        """The tables of a database that the principal may see, by name."""
        return self.tables_after(principal, database, "", lambda _: True, None)

    def tables_after(
        self, principal: Principal, database: str, after: str, wanted: Callable[[str], bool], limit: int | None
    ) -> list[Shown]:
        """At most ``limit`` visible tables whose name is ``wanted``, from the first one behind the name ``after``."""
        database = database.lower()
        self.database(principal, database)
        names = self._permissions.visible_tables(principal, database)
        with self._store.read() as entries:
            records: Iterator[TableRecord] = (
                entries.tables_after(database, after)
                if names is None
                else iter(entries.named_tables(database, (name for name in names if name > after)))
            )
            candidates = (record for record in records if wanted(record.name))
            return list(islice(self._shown(principal, candidates), limit))

    def _shown(self, principal: Principal, records: Iterator[TableRecord]) -> Iterator[Shown]:
        for record in records:
            governed = self._governed(principal, record)
            if governed.access.visible:
                yield governed, visible_record(record, governed)

    def is_registered(self, location: str) -> bool:
        """Whether a location is under Lake Formation's control."""
        return self._permissions.is_registered(location)

    def _governed(self, principal: Principal, record: TableRecord) -> GovernedTable:
        table = record.table()
        return GovernedTable(table, self._permissions.table_access(principal, table))

    def require_visible(self, principal: Principal, database: str, name: str) -> Shown:
        """The table and its whole record; raises unless it is visible."""
        with self._store.read() as entries:
            record = entries.table(database, name)
        if record is not None:
            governed = self._governed(principal, record)
            if governed.access.visible:
                return governed, record
        elif self._may_know_absence(principal, database):
            raise EntityNotFoundException(f"Table {name} not found.")
        raise InsufficientPermissions("Describe", name)

    def _may_know_absence(self, principal: Principal, database: str) -> bool:
        if self._permissions.visible_tables(principal, database) is None:
            return True
        return "CREATE_TABLE" in self._permissions.database_access(principal, database).actions

    def require_table(self, principal: Principal, database: str, name: str, action: str, title: str) -> Shown:
        """The table and its whole record; raises unless the principal holds ``action`` on it."""
        governed, record = self.require_visible(principal, database.lower(), name.lower())
        if action not in governed.access.actions:
            raise InsufficientPermissions(title, governed.table.name)
        return governed, record

    def _now(self) -> str:
        return self._clock().isoformat()


def checked_name(name: str) -> str:
    """A catalog name, lower case; raises InvalidInput."""
    if not _NAME.fullmatch(name):
        raise InvalidInputException(f"Invalid name: {name[:100]!r}")
    return name.lower()


def _location(document: Document) -> str:
    return str((document.get("StorageDescriptor") or {}).get("Location") or "")


def _checked_roots(record: TableRecord) -> frozenset[str]:
    """Where the table's parameters lead to; raises InvalidInput when not even the bucket is said."""
    roots = outside_roots(record.table())
    if any(not _BUCKET_ROOT.match(root) for root in roots):
        raise InvalidInputException(
            "storage.location.template and metadata_location must begin with s3:// and a bucket."
        )
    return roots


def _check_columns(record: TableRecord) -> None:
    names = [column.name for column in record.table().all_columns]
    if len(names) != len(set(names)):
        raise InvalidInputException("A column name stands twice.")
    if not all(names):
        raise InvalidInputException("A column has no name.")
    for column in record.table().all_columns:
        check_type(column.type)


def _present(entries: Entries, name: str) -> DatabaseRecord:
    found = entries.database(name)
    if found is None:
        raise EntityNotFoundException(f"Database {name} not found.")
    return found
