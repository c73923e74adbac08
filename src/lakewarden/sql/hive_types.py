"""Glue's (Hive's) types, as DuckDB and as Athena call them."""

import re

_DUCKDB = {
    "boolean": "BOOLEAN", "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "integer": "INTEGER",
    "bigint": "BIGINT", "float": "REAL", "real": "REAL", "double": "DOUBLE", "string": "VARCHAR", "varchar": "VARCHAR",
    "char": "VARCHAR", "binary": "BLOB", "timestamp": "TIMESTAMP", "date": "DATE", "decimal": "DECIMAL(38,0)",
}  # fmt: skip
_PARAMETERS = re.compile(r"(varchar|char|decimal)\(([0-9, ]+)\)")
_FIELD = re.compile(r"[\w$ .-]+")


class UnknownType(ValueError):
    """A type that Glue does not have."""


def duckdb_type(text: str) -> str:
    """``array<struct<a:int>>`` -> ``STRUCT("a" INTEGER)[]``; raises :class:`UnknownType`."""
    text = text.strip().lower()
    if text in _DUCKDB:
        return _DUCKDB[text]
    found = _PARAMETERS.fullmatch(text)
    if found is not None:
        return f"DECIMAL({found.group(2)})" if found.group(1) == "decimal" else "VARCHAR"
    kind, _, inner = text.partition("<")
    if not inner.endswith(">"):
        raise UnknownType(text[:100])
    parts = split(inner[:-1])
    if kind == "array" and len(parts) == 1:
        return f"{duckdb_type(parts[0])}[]"
    if kind == "map" and len(parts) == 2:
        return f"MAP({duckdb_type(parts[0])}, {duckdb_type(parts[1])})"
    if kind == "struct" and parts:
        return f"STRUCT({', '.join(_field(part) for part in parts)})"
    raise UnknownType(text[:100])


def _field(text: str) -> str:
    name, _, kind = text.partition(":")
    if not _FIELD.fullmatch(name.strip()):
        raise UnknownType(text[:100])
    return f'"{name.strip()}" {duckdb_type(kind)}'


def split(text: str) -> list[str]:
    """What stands between the brackets of a type, split at the commas of the outermost level."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
