"""The column types that the catalog takes: Hive's, and those that Iceberg tables and views bring. Pure."""

import re

from lakewarden.catalog.errors import InvalidInputException

_SIMPLE = frozenset(
    {
        "boolean", "tinyint", "smallint", "int", "integer", "bigint", "long", "float", "real", "double", "decimal",
        "string", "varchar", "char", "binary", "varbinary", "date", "timestamp", "timestamp with time zone",
        "timestamp with local time zone", "time", "uuid", "json", "void", "interval_year_month", "interval_day_time",
    }
)  # fmt: skip
_PARAMETERS = re.compile(
    r"(?:varchar|char|time|timestamp|fixed|binary)\([0-9]{1,9}\)|decimal\([0-9]{1,2}(?:, ?[0-9]{1,2})?\)"
)
_LONGEST = 131_072
_DEEPEST = 100


def check_type(text: str) -> None:
    """Raise InvalidInputException for what is no type; nesting is followed 100 levels deep."""
    if len(text) > _LONGEST or not _known(text.strip().lower(), 0):
        raise InvalidInputException(f"Invalid column type: {text[:200]!r}")


def _known(text: str, depth: int) -> bool:
    if text in _SIMPLE or _PARAMETERS.fullmatch(text):
        return True
    kind, _, inner = text.partition("<")
    if depth > _DEEPEST or not inner.endswith(">"):
        return False
    parts = _split(inner[:-1])
    if kind == "array":
        return len(parts) == 1 and _known(parts[0].strip(), depth + 1)
    if kind == "map":
        return len(parts) == 2 and all(_known(part.strip(), depth + 1) for part in parts)
    if kind == "uniontype":
        return all(_known(part.strip(), depth + 1) for part in parts)
    if kind == "struct":
        fields = [part.partition(":") for part in parts]
        return all(name.strip() and _known(of.strip(), depth + 1) for name, _, of in fields)
    return False


def _split(text: str) -> list[str]:
    """Split at the commas of the outermost level."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text):
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    return [*parts, text[start:]]
