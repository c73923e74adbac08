"""DuckDB's errors as Athena's classes. Their own words may hold paths or values, so only safe ones pass."""

from collections.abc import Mapping

from lakewarden.engines.duckdb.protocol import Reply
from lakewarden.query.errors import QueryFailed

# Exception class of DuckDB's Python API -> text, AthenaError category and type.
_KNOWN: Mapping[str, tuple[str, int, int]] = {
    "ConversionException": ("INVALID_CAST_ARGUMENT: A value cannot be cast to the type", 2, 1002),
    "OutOfRangeException": ("NUMERIC_VALUE_OUT_OF_RANGE: A number is out of its type's range", 2, 1002),
    "OutOfMemoryException": ("EXCEEDED_LOCAL_MEMORY_LIMIT: Query exceeded the engine's memory limit", 1, 200),
    "InvalidInputException": (
        "INVALID_FUNCTION_ARGUMENT: A function or cast was given a value that it cannot take",
        2,
        1002,
    ),
    "IOException": ("HIVE_CANNOT_OPEN_SPLIT: A data file of the table cannot be read", 2, 1100),
    "BadFile": ("HIVE_BAD_DATA: A data file of the table is not of the table's format", 2, 1100),
    "Unread": ("NOT_SUPPORTED: Iceberg tables of this version, or with equality deletes, are not supported", 2, 1303),
    "PermissionException": ("GENERIC_INTERNAL_ERROR: The statement reached for something outside the query", 1, 401),
}
_DISCLOSING = ("/", "scan_", "read_")
_SPEAKING = frozenset({"BinderException", "CatalogException", "ParserException", "NotImplementedException"})


def failure(reply: Reply) -> QueryFailed:
    """The error that the query ends with."""
    known = _KNOWN.get(reply.error)
    if known is not None:
        return QueryFailed(*known)
    first = reply.message.split("\n", 1)[0].partition(": ")[2][:300]
    # INVARIANT (non_interference): the engine's words pass only when they can name neither files nor relations.
    if reply.error in _SPEAKING and first and not any(part in first for part in _DISCLOSING):
        return QueryFailed(f"SYNTAX_ERROR: {first}", 2, 1301)
    return QueryFailed("GENERIC_INTERNAL_ERROR: The engine could not run the query", 1, 401)
