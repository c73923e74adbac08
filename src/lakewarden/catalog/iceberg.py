"""Commits of Iceberg tables: the catalog's pointer to a table's metadata moves only if it is still where it was.

Iceberg's own catalog for Glue does the same through UpdateTable; this is what Athena's statements use, so that who may
insert rows need not be allowed to alter the table.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lakewarden.catalog.errors import (
    AlreadyExistsException,
    ConcurrentModificationException,
    InsufficientPermissions,
)
from lakewarden.catalog.model import DatabaseRecord, TableRecord
from lakewarden.catalog.ports import TablePermissions
from lakewarden.catalog.service import checked_name
from lakewarden.catalog.store import CatalogStore
from lakewarden.kernel.call import Principal
from lakewarden.kernel.clock import Clock
from lakewarden.kernel.iceberg import ColumnOf
from lakewarden.kernel.lake import AccessMode, GovernedTable, TableAccess

LOCATION, PREVIOUS = "metadata_location", "previous_metadata_location"


def require_actions(governed: GovernedTable, actions: frozenset[str]) -> None:
    """Raise unless the principal holds all of ``actions``; SELECT means every column and row.

    INVARIANT (no_escalation): who reads a part could else find out about the rest by what it changes, and who alters
    while it reads a part could give a hidden column the name of one that it reads.
    """
    access, name = governed.access, governed.table.name
    missing = actions - access.actions
    if missing:
        raise InsufficientPermissions(min(missing).capitalize(), name)
    whole = _is_whole(governed, access)
    if "SELECT" in actions and not whole:
        raise InsufficientPermissions("Select on all columns and rows", name)
    if "ALTER" in actions and access.columns and not whole:
        raise InsufficientPermissions("Select on all columns and rows", name)


def _is_whole(governed: GovernedTable, access: TableAccess) -> bool:
    return len(access.columns) == len(governed.table.all_columns) and access.rows.all_rows and not access.cells


class IcebergCommits:
    """Optimistic commits, one transaction each."""

    def __init__(self, store: CatalogStore, permissions: TablePermissions, clock: Clock) -> None:
        self._store = store
        self._permissions = permissions
        self._clock = clock

    def commit(
        self,
        principal: Principal,
        governed: GovernedTable,
        actions: frozenset[str],
        metadata: str,
        columns: Sequence[ColumnOf] | None,
    ) -> bool:
        """Move the pointer from where ``governed`` has it; False when it has moved. ``columns``: the table's new ones.

        Raises ConcurrentModification when the table is gone, InsufficientPermissions when the rights are.
        """
        table = governed.table
        with self._store.write() as entries:
            current = entries.table(table.database, table.name)
            if current is None or current.id != table.table_id:
                raise ConcurrentModificationException("The table was changed by another call.")
            present = current.table()
            if present.parameters.get(LOCATION) != table.parameters.get(LOCATION) or present.columns != table.columns:
                return False
            # INVARIANT (revocation_is_immediate): the rights are those of this moment, however long the statement ran.
            access = self._permissions.table_access(principal, present)
            require_actions(GovernedTable(present, access), actions)
            document: Mapping[str, Any] = {
                **current.document,
                "Parameters": {
                    **present.parameters, LOCATION: metadata, PREVIOUS: present.parameters.get(LOCATION, ""),
                },
            }  # fmt: skip
            if columns is not None:
                storage = {**current.document["StorageDescriptor"], "Columns": members(columns)}
                document = {**document, "StorageDescriptor": storage}
                entries.archive(current)
            now = self._clock().isoformat()
            entries.put_table(replace(current, version=current.version + 1, updated=now, document=document))
            return True

    def rename(self, principal: Principal, governed: GovernedTable, parent: DatabaseRecord, name: str) -> None:
        """Give the table another name, of another database maybe; raises AlreadyExists and the refusals.

        INVARIANT (no_escalation): under its new name it is a new table, of which its renamer has all rights, grantable,
        and nobody else has any: only who could give all of it away may do that.
        """
        table, name = governed.table, checked_name(name)
        if governed.access.mode is not AccessMode.IAM:
            self._permissions.require_give_away(principal, table.database, table.name)
        self._permissions.require_create_table(principal, parent.name, parent.location, table.location)
        now = self._clock().isoformat()
        with self._store.write(permissions=True) as entries:
            current = entries.table(table.database, table.name)
            if current is None or current.id != table.table_id:
                raise ConcurrentModificationException("The table was changed by another call.")
            if entries.database(parent.name) is None or entries.table(parent.name, name) is not None:
                raise AlreadyExistsException(f"Table {name} already exists.")
            entries.remove_table(table.database, table.name)
            self._permissions.table_dropped(entries.connection, table.database, table.name)
            document = {**current.document, "Name": name}
            made = TableRecord(parent.name, name, str(uuid.uuid4()), 0, now, now, principal.arn, document)
            entries.put_table(made)
            defaults = parent.document.get("CreateTableDefaultPermissions")
            self._permissions.table_created(entries.connection, principal, parent.name, name, defaults)


def members(columns: Sequence[ColumnOf]) -> list[Mapping[str, Any]]:
    """Glue's Columns of an Iceberg table."""
    return [
        {
            "Name": one.name,
            "Type": one.type,
            **({"Comment": one.comment} if one.comment else {}),
            "Parameters": {"iceberg.field.current": "true"},
        }
        for one in columns
    ]


def table_input(
    name: str, location: str, metadata: str, columns: Sequence[ColumnOf], comment: str
) -> Mapping[str, Any]:
    """Glue's TableInput of a new Iceberg table."""
    return {
        "Name": name,
        "Description": comment,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"table_type": "ICEBERG", LOCATION: metadata},
        "PartitionKeys": [],
        "StorageDescriptor": {"Columns": members(columns), "Location": location.rstrip("/")},
    }
