"""DuckDB's errors as Athena's classes. Their own words may hold paths or values, so none of them pass."""

import re
from collections.abc import Mapping

from lakewarden.engines.duckdb.protocol import Reply
from lakewarden.query.errors import QueryFailed

ERRORS: Mapping[str, str] = {
    "DIVISION_BY_ZERO": "DIVISION_BY_ZERO: Division by zero",
    "CAST": "INVALID_CAST_ARGUMENT: A value cannot be cast to the type",
    "SUBSCRIPT": "INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal to array length",
    "SUBSCRIPT_ZERO": "INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1",
    "SUBSCRIPT_NEGATIVE": "INVALID_FUNCTION_ARGUMENT: Array subscript is negative",
    "KEY": "INVALID_FUNCTION_ARGUMENT: Key not present in map",
    "RANDOM_BOUND": "INVALID_FUNCTION_ARGUMENT: bound must be positive",
    "BUCKET_COUNT": "INVALID_FUNCTION_ARGUMENT: bucketCount must be greater than 0",
    "BUCKET_BOUNDS": "INVALID_FUNCTION_ARGUMENT: bounds cannot equal each other",
    "BITS": "INVALID_FUNCTION_ARGUMENT: Bits specified in bit_count must be between 2 and 64",
    "NOT_A_NUMBER": "INVALID_FUNCTION_ARGUMENT: Not a valid number in this base",
    "CODE_POINT": "INVALID_FUNCTION_ARGUMENT: Not a valid Unicode code point",
    "ONE_CHARACTER": "INVALID_FUNCTION_ARGUMENT: Input string must be a single character string",
    "SAME_LENGTH": "INVALID_FUNCTION_ARGUMENT: The input strings to hamming_distance function must have the same length",
    "LUHN": "INVALID_FUNCTION_ARGUMENT: luhn_check takes digits only",
    "INDEX": "INVALID_FUNCTION_ARGUMENT: Index must be greater than zero",
    "LIMIT": "INVALID_FUNCTION_ARGUMENT: Limit must be positive",
    "SPLIT_TO_MAP": "INVALID_FUNCTION_ARGUMENT: Key-value delimiter must appear exactly once in each entry",
    "INSTANCE": "INVALID_FUNCTION_ARGUMENT: 'instance' must be a positive or negative number.",
    "SOUNDEX": "INVALID_FUNCTION_ARGUMENT: soundex takes letters only",
    "BIG_ENDIAN": "INVALID_FUNCTION_ARGUMENT: expected 4-byte or 8-byte input",
    "ISO_DATE": "INVALID_FUNCTION_ARGUMENT: Not an ISO 8601 date",
    "ISO_TIMESTAMP": "INVALID_FUNCTION_ARGUMENT: Not an ISO 8601 timestamp",
    "NGRAMS": "INVALID_FUNCTION_ARGUMENT: N must be positive",
    "SEQUENCE": "INVALID_FUNCTION_ARGUMENT: sequence stop value should be greater than or equal to start value if step is "
    "greater than zero otherwise stop should be less than or equal to start",
    "SLICE": "INVALID_FUNCTION_ARGUMENT: length must be greater than or equal to 0",
    "TRIM_ARRAY": "INVALID_FUNCTION_ARGUMENT: size must be between 0 and the array's length",
    "JSON": "INVALID_FUNCTION_ARGUMENT: Cannot convert value to JSON",
    "SCALAR": "SUBQUERY_MULTIPLE_ROWS: Scalar sub-query has returned multiple rows",
}
"""What a macro or rewrite fails with (``'!CODE'``) -> Athena's text."""

# Exception class of DuckDB's Python API -> text, AthenaError category and type.
_KNOWN: Mapping[str, tuple[str, int, int]] = {
    "ConversionException": (ERRORS["CAST"], 2, 1002),
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
    "NoVersion": ("INVALID_ARGUMENTS: The Iceberg table has no such version", 2, 1301),
    "Repeated": (
        "MERGE_TARGET_ROW_MULTIPLE_MATCHES: One MERGE target table row matched more than one source row",
        2,
        1301,
    ),
    "NullRefused": ("CONSTRAINT_VIOLATION: NULL value not allowed for a NOT NULL column", 2, 1301),
    "TooManyPartitions": (
        "ICEBERG_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers for partitions",
        2,
        1102,
    ),
    "PermissionException": ("GENERIC_INTERNAL_ERROR: The statement reached for something outside the query", 1, 401),
    "Refused": ("NOT_SUPPORTED: This statement is not supported", 2, 1303),
    "BinderException": ("SYNTAX_ERROR: The statement does not fit the types of its values", 2, 1301),
    "CatalogException": ("SYNTAX_ERROR: The statement names something that does not exist", 2, 1301),
    "ParserException": ("SYNTAX_ERROR: The statement cannot be parsed", 2, 1301),
    "NotImplementedException": ("NOT_SUPPORTED: This statement is not supported", 2, 1303),
}
_CODE = re.compile(r"'!([A-Z_]+)'|\"!([A-Z_]+)\"")
_OUT_OF_RANGE = re.compile(
    r"out of range|Overflow|could not be cast to (?:INT|DECIMAL)|cannot be cast because|out of the range", re.IGNORECASE
)


def _own_words(message: str) -> str:
    """What stands before the first quoted value."""
    return message.replace("can't", "cannot").split("'", 1)[0]


def failure(reply: Reply) -> QueryFailed:
    """The error that the query ends with.

    INVARIANT (non_interference): the text is one of ours; the engine's words only choose among them.
    """
    found = _CODE.search(reply.message)
    code = str(found.group(1) or found.group(2)) if found else ""
    if reply.error in {"ConversionException", "InvalidInputException"} and code in ERRORS:
        return QueryFailed(ERRORS[code], 2, 1002)
    if "More than one row returned by a subquery" in reply.message:
        return QueryFailed(ERRORS["SCALAR"], 2, 1301)
    if re.search(r"(?:date|time|timestamp) field value out of range", _own_words(reply.message)):
        return QueryFailed(*_KNOWN["ConversionException"])
    if reply.error in {"ConversionException", "InvalidInputException"} and _OUT_OF_RANGE.search(
        _own_words(reply.message)
    ):
        return QueryFailed(*_KNOWN["OutOfRangeException"])
    known = _KNOWN.get(reply.error)
    if known is not None:
        return QueryFailed(*known)
    return QueryFailed("GENERIC_INTERNAL_ERROR: The engine could not run the query", 1, 401)
