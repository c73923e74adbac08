"""What CTAS, INSERT and UNLOAD may say about the files that they write (Athena User Guide, "CTAS table properties",
"UNLOAD"). Pure. A property that is not known is refused.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakewarden.kernel.lake import Column, Table
from lakewarden.sql import formats
from lakewarden.sql.errors import SqlError, Unsupported

Properties = Mapping[str, str | tuple[str, ...]]
_FORMATS = frozenset({"PARQUET", "ORC", "AVRO", "JSON", "TEXTFILE"})
_CODECS: Mapping[str, frozenset[str]] = {
    "PARQUET": frozenset({"GZIP", "SNAPPY", "ZSTD", "LZ4", "NONE"}),
    "ORC": frozenset({"ZLIB", "SNAPPY", "ZSTD", "LZ4", "NONE"}),
    "AVRO": frozenset({"GZIP", "SNAPPY", "ZSTD", "NONE"}),
    "JSON": frozenset({"GZIP", "ZSTD", "NONE"}),
    "TEXTFILE": frozenset({"GZIP", "ZSTD", "NONE"}),
}
_DEFAULT_CODEC: Mapping[str, str] = {
    "PARQUET": "GZIP",
    "ORC": "ZLIB",
    "AVRO": "GZIP",
    "JSON": "GZIP",
    "TEXTFILE": "GZIP",
}
_FORMAT_OF_SERDE: Mapping[str, str] = {
    formats.PARQUET: "PARQUET", formats.ORC: "ORC", formats.AVRO: "AVRO", formats.LAZY_SIMPLE: "TEXTFILE",
    **dict.fromkeys(formats.JSON_SERDES, "JSON"),
}  # fmt: skip
_UNNAMED = re.compile(r"_col[0-9]+")
_CTAS = frozenset(
    {
        "format", "write_compression", "parquet_compression", "orc_compression", "external_location", "location",
        "partitioned_by", "field_delimiter", "table_type", "is_external",
    }
)  # fmt: skip
_UNLOAD = frozenset({"format", "compression", "partitioned_by", "field_delimiter", "compression_level"})


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How files are written: format, codec, partition keys by name, and where, if the statement says so."""

    format: str
    compression: str
    partitioned_by: tuple[str, ...] = ()
    delimiter: str = "\x01"
    location: str = ""


def of_ctas(properties: Properties) -> FileOptions:
    """The options of CREATE TABLE AS."""
    if _text(properties, "table_type", "HIVE").upper() != "HIVE":
        raise Unsupported(f"CREATE TABLE AS with table_type {_text(properties, 'table_type')}")
    _known(properties, _CTAS)
    if _text(properties, "is_external", "true").lower() != "true":
        raise SqlError("INVALID_TABLE_PROPERTY: A table of table_type HIVE is external")
    found = _options(properties, _text(properties, "format", "PARQUET"), "write_compression")
    location = _text(properties, "external_location") or _text(properties, "location")
    return FileOptions(found.format, found.compression, found.partitioned_by, found.delimiter, location)


def of_unload(properties: Properties) -> FileOptions:
    """The options of UNLOAD."""
    _known(properties, _UNLOAD)
    if "format" not in properties:
        raise SqlError("INVALID_TABLE_PROPERTY: UNLOAD needs the property format")
    if "compression_level" in properties:
        raise Unsupported("compression_level")
    name = _text(properties, "format").upper()
    found = _options(properties, "TEXTFILE" if name == "CSV" else name, "compression")
    if found.format == "TEXTFILE" and "field_delimiter" not in properties:
        return FileOptions(found.format, found.compression, found.partitioned_by, ",")
    return found


def of_table(table: Table) -> FileOptions:
    """The options of INSERT INTO a table: as its files are."""
    if table.parameters.get("table_type", "").upper() == "ICEBERG":
        raise Unsupported("INSERT INTO an Iceberg table")
    name = _FORMAT_OF_SERDE.get(table.serde)
    if name is None:
        raise Unsupported(f"INSERT INTO a table with SerDe {table.serde or 'none'}")
    codec = next(
        (table.parameters[key].upper() for key in _CODEC_PARAMETERS if table.parameters.get(key)), _DEFAULT_CODEC[name]
    )
    codec = {"UNCOMPRESSED": "NONE"}.get(codec, codec)
    if codec not in _CODECS[name]:
        raise Unsupported(f"Compression {codec} for {name}")
    serde = table.serde_parameters
    if name == "TEXTFILE" and serde.get("serialization.null.format", "\\N") != "\\N":
        raise Unsupported("INSERT INTO a table with serialization.null.format")
    delimiter = serde.get("field.delim") or "\x01"
    return FileOptions(name, codec, tuple(key.name for key in table.partition_keys), delimiter)


_CODEC_PARAMETERS = ("write.compression", "parquet.compression", "parquet.compress", "orc.compress")


def _options(properties: Properties, name: str, codec_property: str) -> FileOptions:
    name = name.upper()
    if name not in _FORMATS:
        raise Unsupported(f"The format {name}")
    codec = _text(properties, codec_property) or _text(properties, f"{name.lower()}_compression")
    codec = {"UNCOMPRESSED": "NONE"}.get(codec.upper(), codec.upper()) or _DEFAULT_CODEC[name]
    if codec not in _CODECS[name]:
        raise Unsupported(f"Compression {codec} for {name}")
    keys = properties.get("partitioned_by", ())
    if isinstance(keys, str):
        raise SqlError("INVALID_TABLE_PROPERTY: partitioned_by must be an ARRAY")
    delimiter = _text(properties, "field_delimiter", "\x01")
    if len(delimiter.encode()) != 1 or delimiter in "\r\n\0":
        raise SqlError("INVALID_TABLE_PROPERTY: field_delimiter must be a single character")
    return FileOptions(name, codec, tuple(key.lower() for key in keys), delimiter)


def _known(properties: Properties, known: frozenset[str]) -> None:
    for name in properties:
        if name not in known:
            raise Unsupported(f"The property {name}")


def _text(properties: Properties, name: str, default: str = "") -> str:
    value = properties.get(name, default)
    if not isinstance(value, str):
        raise SqlError(f"INVALID_TABLE_PROPERTY: {name} must be a text")
    return value


# Columns


def output_columns(names: Sequence[str], types: Sequence[str], keys: Sequence[str]) -> tuple[Column, ...]:
    """The columns of a table to be, partition keys last as the statement must have them."""
    for position, (name, kind) in enumerate(zip(names, types, strict=True), 1):
        if _UNNAMED.fullmatch(name):
            raise SqlError(f"MISSING_COLUMN_NAME: line 1:1: Column name not specified at position {position}")
        if not kind:
            raise SqlError(f"NOT_SUPPORTED: Column type is unknown: {name}, or Hive has no such type")
    if len(set(names)) != len(names):
        raise SqlError("DUPLICATE_COLUMN_NAME: line 1:1: A column name is specified more than once")
    if keys and tuple(names[-len(keys) :]) != tuple(keys):
        raise SqlError(
            "HIVE_COLUMN_ORDER_MISMATCH: Partition keys must be the last columns in the table and in the same order "
            "as the table properties"
        )
    if len(keys) >= len(names):
        raise SqlError("INVALID_TABLE_PROPERTY: Table contains only partition columns")
    return tuple(Column(name, kind) for name, kind in zip(names, types, strict=True))


def check_insert(wanted: Sequence[Column], types: Sequence[str]) -> None:
    """Raise unless a query of these types may be inserted into the columns: no type is changed but to a wider one."""
    if len(wanted) != len(types) or not all(
        _fits(kind, column.type) for column, kind in zip(wanted, types, strict=False)
    ):
        left = ", ".join(column.type for column in wanted)
        right = ", ".join(kind or "unknown" for kind in types)
        raise SqlError(
            f"TYPE_MISMATCH: line 1:1: Insert query has mismatched column types: Table: [{left}], Query: [{right}]"
        )


_WIDER = ("tinyint", "smallint", "int", "bigint")


def _fits(kind: str, column: str) -> bool:
    column = {"integer": "int", "real": "float"}.get(column.strip().lower(), column.strip().lower())
    text = column == "string" or column.startswith(("varchar", "char"))
    if not kind or kind == column or (kind == "string" and text):
        return True
    if kind in _WIDER:
        if column in _WIDER:
            return _WIDER.index(kind) <= _WIDER.index(column)
        return column in {"float", "double"} or column.startswith("decimal")
    if kind.startswith("decimal"):
        return column.startswith("decimal") or column in {"float", "double"}
    return (kind, column) in {("float", "double"), ("date", "timestamp")}
