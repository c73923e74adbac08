"""The engine's output types as Hive and Trino call them: what CTAS, CREATE VIEW and information_schema declare."""

from collections.abc import Mapping

from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakewarden.sql.errors import SqlError
from lakewarden.sql.hive_types import split

Type = exp.DataType.Type
_HIVE: Mapping[exp.DataType.Type, str] = {
    Type.BOOLEAN: "boolean", Type.TINYINT: "tinyint", Type.SMALLINT: "smallint", Type.INT: "int", Type.BIGINT: "bigint",
    Type.INT128: "bigint", Type.UTINYINT: "smallint", Type.USMALLINT: "int", Type.UINT: "bigint", Type.UBIGINT: "bigint",
    Type.FLOAT: "float", Type.DOUBLE: "double", Type.VARCHAR: "string", Type.TEXT: "string", Type.CHAR: "string",
    Type.VARBINARY: "binary", Type.BLOB: "binary", Type.DATE: "date", Type.TIMESTAMP: "timestamp",
    Type.TIMESTAMP_S: "timestamp", Type.TIMESTAMP_MS: "timestamp", Type.TIMESTAMP_NS: "timestamp",
    Type.TIMESTAMPNTZ: "timestamp",
}  # fmt: skip
_TRINO_OF_HIVE: Mapping[str, str] = {
    "int": "integer", "string": "varchar", "float": "real", "binary": "varbinary", "timestamp": "timestamp(3)",
}  # fmt: skip


def hive_type(engine_type: str) -> str:
    """``STRUCT("a" INTEGER)[]`` -> ``array<struct<a:int>>``; raises :class:`SqlError` for what Hive has no type for."""
    try:
        parsed = exp.DataType.build(engine_type, dialect="duckdb")
    except SqlglotError as error:
        raise _unsupported(engine_type) from error
    return _hive(parsed, engine_type)


def _hive(kind: exp.DataType, whole: str) -> str:
    inner = list(kind.expressions)
    if kind.this in {Type.ARRAY, Type.LIST} and len(inner) == 1:
        return f"array<{_hive(inner[0], whole)}>"
    if kind.this is Type.MAP and len(inner) == 2:
        return f"map<{_hive(inner[0], whole)},{_hive(inner[1], whole)}>"
    if kind.this is Type.STRUCT:
        fields = [(one.name, one.args.get("kind")) for one in inner]
        if not all(name and isinstance(field, exp.DataType) for name, field in fields):
            raise _unsupported(whole)
        return f"struct<{','.join(f'{name}:{_hive(field, whole)}' for name, field in fields)}>"
    if kind.this is Type.DECIMAL:
        numbers = [one.name for one in inner] or ["38", "0"]
        return f"decimal({','.join(numbers)})"
    found = _HIVE.get(kind.this)
    if found is None:
        raise _unsupported(whole)
    return found


def trino_type(hive: str) -> str:
    """A Hive type as information_schema and views call it: ``row(a integer)`` for ``struct<a:int>``."""
    text = hive.strip().lower()
    if text.startswith("array<") and text.endswith(">"):
        return f"array({trino_type(text[6:-1])})"
    if text.startswith("map<") and text.endswith(">"):
        return f"map({', '.join(trino_type(part) for part in split(text[4:-1]))})"
    if text.startswith("struct<") and text.endswith(">"):
        fields = [part.partition(":") for part in split(text[7:-1])]
        return f"row({', '.join(f'{name.strip()} {trino_type(kind)}' for name, _, kind in fields)})"
    return _TRINO_OF_HIVE.get(text, text)


def _unsupported(engine_type: str) -> SqlError:
    return SqlError(f"NOT_SUPPORTED: Unsupported Hive type: {engine_type.lower()[:100]}")
