"""What of a table's document a principal may see. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from lakewarden.catalog.model import PartitionRecord, TableRecord
from lakewarden.kernel.lake import GovernedTable

_TOLD_PARAMETERS = frozenset(
    {
        "classification", "external", "comment", "compressiontype", "typeofdata", "delimiter", "has_encrypted_data",
        "table_type", "skip.header.line.count", "skip.footer.line.count", "storage.location.template",
        "projection.enabled", "parquet.compression", "parquet.compress", "orc.compress", "write.compression",
        "exclusions", "areaswithinquotes",
    }
)  # fmt: skip
_TOLD_SERDE_PARAMETERS = frozenset(
    {
        "serialization.format", "serialization.encoding", "serialization.null.format", "field.delim", "line.delim",
        "collection.delim", "mapkey.delim", "escape.delim", "separatorchar", "quotechar", "escapechar",
        "ignore.malformed.json", "timestamp.formats", "case.insensitive", "dots.in.keys", "skip.header.line.count",
    }
)  # fmt: skip
_TOLD_MEMBERS = frozenset(
    {
        "Name", "Description", "Owner", "LastAccessTime", "LastAnalyzedTime", "Retention", "TableType",
        "StorageDescriptor", "PartitionKeys", "Parameters",
    }
)  # fmt: skip
_TOLD_STORAGE = frozenset(
    {
        "Columns", "Location", "InputFormat", "OutputFormat", "Compressed", "NumberOfBuckets", "SerdeInfo",
        "StoredAsSubDirectories", "BucketColumns", "SortColumns",
    }
)  # fmt: skip


def visible_record(record: TableRecord, governed: GovernedTable) -> TableRecord:
    """The record with the permitted columns only, and without whatever else may name the others.

    INVARIANT (non_interference): every answer about a table passes through here. Engines keep whole schemas in
    parameters (Spark's ``spark.sql.sources.schema``, Avro's literal, JSON's paths), so that to who may not see every
    column only the members and parameters are told that are known to name none.
    """
    allowed = frozenset(governed.access.described)
    if len(allowed) == len(governed.table.all_columns):
        return record
    document = _only(record.document, _TOLD_MEMBERS)
    if "Parameters" in document:
        document["Parameters"] = _told(document["Parameters"], _TOLD_PARAMETERS)
    if "PartitionKeys" in document:
        document["PartitionKeys"] = _columns(document["PartitionKeys"], allowed)
    if "StorageDescriptor" in document:
        document["StorageDescriptor"] = visible_storage(document["StorageDescriptor"], allowed)
    return replace(record, document=document)


def visible_partition(record: PartitionRecord, governed: GovernedTable) -> PartitionRecord:
    """The same for a partition: its values, and of the rest what names no hidden column."""
    allowed = frozenset(governed.access.described)
    if len(allowed) == len(governed.table.all_columns):
        return record
    document = _only(record.document, frozenset({"Values", "LastAccessTime", "LastAnalyzedTime", "StorageDescriptor"}))
    if "StorageDescriptor" in document:
        document["StorageDescriptor"] = visible_storage(document["StorageDescriptor"], allowed)
    return replace(record, document=document)


def visible_version(document: Mapping[str, Any], record: TableRecord, governed: GovernedTable) -> Mapping[str, Any]:
    """An earlier version's document; to who does not see all, the columns only that it still sees today.

    INVARIANT (non_interference): a column that was renamed or dropped may be one that the caller was never to see.
    """
    if len(governed.access.described) == len(governed.table.all_columns):
        return document
    return visible_record(replace(record, document=document), governed).document


def visible_storage(storage: Mapping[str, Any] | None, allowed: Collection[str]) -> dict[str, Any]:
    """A StorageDescriptor that names the ``allowed`` columns only."""
    told = _only(storage or {}, _TOLD_STORAGE)
    if "Columns" in told:
        told["Columns"] = _columns(told["Columns"], allowed)
    if "BucketColumns" in told:
        told["BucketColumns"] = [name for name in told["BucketColumns"] or () if name.lower() in allowed]
    if "SortColumns" in told:
        told["SortColumns"] = [one for one in told["SortColumns"] or () if one["Column"].lower() in allowed]
    if told.get("SerdeInfo"):
        serde = dict(told["SerdeInfo"])
        serde["Parameters"] = _told(serde.get("Parameters"), _TOLD_SERDE_PARAMETERS)
        told["SerdeInfo"] = serde
    return told


def _columns(columns: list[Mapping[str, Any]] | None, allowed: Collection[str]) -> list[Mapping[str, Any]]:
    return [
        _only(one, frozenset({"Name", "Type", "Comment"})) for one in columns or () if one["Name"].lower() in allowed
    ]


def _only(document: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name in names}


def _told(parameters: Mapping[str, str] | None, names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in (parameters or {}).items() if name.lower() in names}
