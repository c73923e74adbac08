"""What CREATE TABLE, CTAS and ALTER may say of an Iceberg table (Athena User Guide, "Iceberg table properties"). Pure.

Athena's names on the left become Iceberg's own. A property that is not known is refused.
"""

import re
from collections.abc import Mapping

from lakewarden.kernel.iceberg import VACUUM_AGE, VACUUM_KEEP, VACUUM_METADATA
from lakewarden.sql.errors import SqlError, Unsupported
from lakewarden.sql.files import Properties
from lakewarden.sql.iceberg_model import PartitionTransform

_NUMBERS = frozenset(
    {
        VACUUM_AGE, VACUUM_KEEP, VACUUM_METADATA, "optimize_rewrite_data_file_threshold",
        "optimize_rewrite_delete_file_threshold", "optimize_rewrite_min_data_file_size_bytes",
        "optimize_rewrite_max_data_file_size_bytes", "write_target_data_file_size_bytes",
    }
)  # fmt: skip
_OWN = frozenset({"table_type", "is_external", "location", "partitioning"})
_CODECS = frozenset({"zstd", "gzip", "snappy", "lz4", "uncompressed"})
_TRANSFORMS = frozenset({"year", "month", "day", "hour", "bucket", "truncate"})
_PLURAL = {"years": "year", "months": "month", "days": "day", "hours": "hour"}
_CALL = re.compile(r"\s*(\w+)\s*\(\s*(?:(\d+)\s*,\s*)?\"?(\w+)\"?\s*(?:,\s*(\d+)\s*)?\)\s*")


def is_iceberg(properties: Properties) -> bool:
    """Whether the properties of a statement ask for an Iceberg table."""
    kind = next((value for name, value in properties.items() if name.lower() == "table_type"), "")
    return isinstance(kind, str) and kind.lower() == "iceberg"


def properties_of(properties: Properties) -> Mapping[str, str]:
    """The table's properties under Iceberg's names, without those that say what the table is."""
    found: dict[str, str] = {}
    for written, value in properties.items():
        name = written.lower()
        if name in _OWN:
            continue
        if not isinstance(value, str):
            raise SqlError(f"INVALID_TABLE_PROPERTY: {name} must be a text")
        found |= _property(name, value.strip())
    return found


def _property(name: str, value: str) -> Mapping[str, str]:
    if name == "format":
        if value.lower() != "parquet":
            raise Unsupported(f"An Iceberg table in the format {value.upper()[:40]}")
        return {}
    if name in {"write_compression", "parquet_compression"}:
        codec = {"none": "uncompressed"}.get(value.lower(), value.lower())
        if codec not in _CODECS:
            raise Unsupported(f"Compression {value[:40]} for an Iceberg table")
        return {"write.parquet.compression-codec": codec}
    if name in _NUMBERS:
        if not value.isascii() or not value.isdigit() or len(value) > 18:
            raise SqlError(f"INVALID_TABLE_PROPERTY: {name} must be a number")
        return {name: value}
    raise Unsupported(f"The property {name[:100]}")


def name_of(property_name: str) -> str:
    """Iceberg's name of a property that Athena calls so; raises :class:`Unsupported`."""
    name = property_name.lower()
    if name in {"write_compression", "parquet_compression"}:
        return "write.parquet.compression-codec"
    if name not in _NUMBERS:
        raise Unsupported(f"The property {name[:100]}")
    return name


def partitioning(properties: Properties) -> tuple[PartitionTransform, ...]:
    """CTAS: ``partitioning = ARRAY['day(ts)', 'bucket(id, 16)', 'name']``."""
    written = properties.get("partitioning", ())
    if isinstance(written, str):
        raise SqlError("INVALID_TABLE_PROPERTY: partitioning must be an ARRAY")
    if "partitioned_by" in properties:
        raise SqlError("INVALID_TABLE_PROPERTY: An Iceberg table is partitioned by the property partitioning")
    return tuple(_written(text) for text in written)


def _written(text: str) -> PartitionTransform:
    found = _CALL.fullmatch(text)
    if found is not None:
        width = int(found.group(2) or found.group(4) or 0)
        return transform(found.group(1), found.group(3), width)
    name = text.strip().strip('"').lower()
    if not name.replace("_", "a").isalnum():
        raise SqlError(f"INVALID_TABLE_PROPERTY: Unable to parse partitioning value: {text[:100]}")
    return PartitionTransform(name, "identity")


def transform(name: str, column: str, width: int) -> PartitionTransform:
    """A checked transform of a column; raises :class:`Unsupported` or :class:`SqlError`."""
    called = _PLURAL.get(name.lower(), name.lower())
    if called not in _TRANSFORMS:
        raise Unsupported(f"The partition transform {name.lower()[:40]}")
    if (called in {"bucket", "truncate"}) != bool(width):
        raise SqlError(f"INVALID_TABLE_PROPERTY: The partition transform {called} takes another number of arguments")
    if width >= 1 << 31:
        raise SqlError(f"INVALID_TABLE_PROPERTY: The partition transform {called} takes a smaller number")
    return PartitionTransform(column.lower(), called, width)
