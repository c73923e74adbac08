"""ALTER TABLE on Glue's documents: the TableInput before, and a change, to the TableInput after. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.kernel.lake import Column
from lakewarden.query.errors import QueryFailed
from lakewarden.sql.changes import (
    AddColumns,
    Change,
    ChangeColumn,
    DropColumn,
    RenameTable,
    ReplaceColumns,
    SetLocation,
    SetProperties,
    UnsetProperties,
)

Document = Mapping[str, Any]
_OF_ICEBERG: Mapping[type, str] = {
    DropColumn: "DROP COLUMN", RenameTable: "RENAME TO", UnsetProperties: "UNSET TBLPROPERTIES",
}  # fmt: skip


def altered(document: Document, change: Change) -> Document:
    """The changed TableInput; raises :class:`QueryFailed` for a change that it does not have."""
    storage = dict(document.get("StorageDescriptor") or {})
    columns: list[Mapping[str, Any]] = list(storage.get("Columns") or ())
    if isinstance(change, SetProperties):
        return {**document, "Parameters": {**(document.get("Parameters") or {}), **change.properties}}
    if isinstance(change, SetLocation):
        return {**document, "StorageDescriptor": {**storage, "Location": change.location}}
    if isinstance(change, AddColumns):
        columns += members(change.columns)
    elif isinstance(change, ReplaceColumns):
        columns = members(change.columns)
    elif isinstance(change, ChangeColumn):
        columns = _changed(columns, change)
    else:
        said = _OF_ICEBERG.get(type(change), type(change).__name__)
        raise QueryFailed(
            f"NOT_SUPPORTED: ALTER TABLE {said} of a table that is no Iceberg table is not supported", 2, 1303
        )
    return {**document, "StorageDescriptor": {**storage, "Columns": columns}}


def _changed(columns: list[Mapping[str, Any]], change: ChangeColumn) -> list[Mapping[str, Any]]:
    if change.name not in {one["Name"].lower() for one in columns}:
        raise QueryFailed(f"FAILED: Invalid column reference {change.name}", 2, 1301)
    return [members((change.column,))[0] if one["Name"].lower() == change.name else one for one in columns]


def members(columns: Sequence[Column]) -> list[Mapping[str, Any]]:
    """Glue's Columns."""
    return [
        {"Name": one.name, "Type": one.type, **({"Comment": one.comment} if one.comment else {})} for one in columns
    ]
