"""Records as Glue's output shapes. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lakewarden.catalog.model import PartitionRecord, TableRecord

_INSTANTS = ("LastAccessTime", "LastAnalyzedTime")


def table_answer(record: TableRecord, account: str, *, registered: bool) -> dict[str, Any]:
    """Glue's Table."""
    return {
        **record.document,
        **instants(record.document),
        "DatabaseName": record.database,
        "CreateTime": datetime.fromisoformat(record.created),
        "UpdateTime": datetime.fromisoformat(record.updated),
        "CreatedBy": record.created_by,
        "IsRegisteredWithLakeFormation": registered,
        "CatalogId": account,
        "VersionId": str(record.version),
    }


def partition_answer(record: PartitionRecord, account: str) -> dict[str, Any]:
    """Glue's Partition."""
    return {
        **record.document,
        **instants(record.document),
        "DatabaseName": record.database,
        "TableName": record.table,
        "CreationTime": datetime.fromisoformat(record.created),
        "CatalogId": account,
    }


def instants(document: Mapping[str, Any]) -> dict[str, datetime]:
    """The document's instants, which are kept as text."""
    return {name: datetime.fromisoformat(document[name]) for name in _INSTANTS if document.get(name)}
