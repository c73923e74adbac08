"""Databases and tables as Glue keeps them: the client's document, and the facts that the server adds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lakewarden.kernel.lake import Column, Table


@dataclass(frozen=True, slots=True)
class DatabaseRecord:
    """``document`` is Glue's DatabaseInput; ``name`` is lower case."""

    name: str
    id: str
    created: str
    document: Mapping[str, Any]

    @property
    def location(self) -> str:
        """LocationUri, or empty."""
        return str(self.document.get("LocationUri") or "")


@dataclass(frozen=True, slots=True)
class TableRecord:
    """``document`` is Glue's TableInput; ``version`` counts from 0."""

    database: str
    name: str
    id: str
    version: int
    created: str
    updated: str
    created_by: str
    document: Mapping[str, Any]

    def table(self) -> Table:
        """The kernel's view of the table; names are lower case."""
        storage = self.document.get("StorageDescriptor") or {}
        serde = storage.get("SerdeInfo") or {}
        return Table(
            database=self.database,
            name=self.name,
            columns=_columns(storage.get("Columns")),
            partition_keys=_columns(self.document.get("PartitionKeys")),
            location=storage.get("Location") or "",
            input_format=storage.get("InputFormat") or "",
            output_format=storage.get("OutputFormat") or "",
            serde=serde.get("SerializationLibrary") or "",
            serde_parameters=serde.get("Parameters") or {},
            parameters=self.document.get("Parameters") or {},
            table_type=self.document.get("TableType") or "EXTERNAL_TABLE",
            view_text=self.document.get("ViewOriginalText") or "",
            comment=self.document.get("Description") or "",
            owner=self.document.get("Owner") or "",
            table_id=self.id,
        )


@dataclass(frozen=True, slots=True)
class PartitionRecord:
    """``values`` stand in the order of the table's partition keys; ``document`` is Glue's PartitionInput."""

    database: str
    table: str
    values: tuple[str, ...]
    created: str
    document: Mapping[str, Any]

    @property
    def location(self) -> str:
        """Where it lies, or empty."""
        return str((self.document.get("StorageDescriptor") or {}).get("Location") or "")


def _columns(members: list[Mapping[str, Any]] | None) -> tuple[Column, ...]:
    """Iceberg's catalogs also list the columns that a table had once, and mark them: they are no columns of it any more."""
    return tuple(
        Column(one["Name"].lower(), one.get("Type") or "string", one.get("Comment") or "")
        for one in members or ()
        if (one.get("Parameters") or {}).get("iceberg.field.current") != "false"
    )
