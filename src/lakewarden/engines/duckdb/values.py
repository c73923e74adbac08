"""DuckDB's types and values in Athena's form: the type's name, and the SQL that writes a value as text."""

import re
from collections.abc import Mapping

from lakewarden.query.ports import ResultColumn

_SIMPLE: Mapping[str, tuple[str, int]] = {
    "BOOLEAN": ("boolean", 0),
    "TINYINT": ("tinyint", 3),
    "SMALLINT": ("smallint", 5),
    "UTINYINT": ("smallint", 5),
    "INTEGER": ("integer", 10),
    "USMALLINT": ("integer", 10),
    "BIGINT": ("bigint", 19),
    "UINTEGER": ("bigint", 19),
    "UBIGINT": ("bigint", 19),
    "HUGEINT": ("bigint", 19),
    "FLOAT": ("float", 17),
    "DOUBLE": ("double", 17),
    "VARCHAR": ("varchar", 2147483647),
    "BLOB": ("varbinary", 1073741824),
    "DATE": ("date", 0),
    "TIME": ("time", 3),
    "TIMESTAMP": ("timestamp", 3),
    "TIMESTAMP_S": ("timestamp", 3),
    "TIMESTAMP_MS": ("timestamp", 3),
    "TIMESTAMP_NS": ("timestamp", 3),
    "TIMESTAMP WITH TIME ZONE": ("timestamp with time zone", 3),
    "INTERVAL": ("interval day to second", 0),
    "JSON": ("json", 0),
    "UUID": ("uuid", 0),
    '"NULL"': ("unknown", 0),
}
_DECIMAL = re.compile(r"DECIMAL\(([0-9]+),([0-9]+)\)")
ZONED = 'STRUCT("$instant" TIMESTAMP WITH TIME ZONE, "$local" TIMESTAMP, "$zone" VARCHAR)'
"""A timestamp with time zone and its zone, as ``sql.transforms.zones`` writes results."""
JAVA_DOUBLE = "java_double"
JAVA_DOUBLE_CAST = "java_double_cast"
"""The same for CAST(x AS varchar); Trino 4xx writes both as Java does."""


def result_column(name: str, duckdb_type: str) -> ResultColumn:
    """Athena's ColumnInfo for a DuckDB output type."""
    found = _SIMPLE.get("TIMESTAMP WITH TIME ZONE" if duckdb_type == ZONED else duckdb_type)
    if found is not None:
        return ResultColumn(name, *found)
    decimal = _DECIMAL.fullmatch(duckdb_type)
    if decimal is not None:
        return ResultColumn(name, "decimal", int(decimal.group(1)), int(decimal.group(2)))
    if duckdb_type.endswith("]"):
        return ResultColumn(name, "array")
    kind = "map" if duckdb_type.startswith("MAP(") else "row" if duckdb_type.startswith("STRUCT(") else "varchar"
    return ResultColumn(name, kind)


def text_sql(value: str, duckdb_type: str, depth: int = 0) -> str:
    """The SQL expression that writes ``value`` (SQL of that type) as Athena does; null stays null."""
    if duckdb_type.endswith("]"):
        item = f"e{depth}"
        inner = text_sql(item, duckdb_type[: duckdb_type.rindex("[")], depth + 1)
        items = f"list_transform({value}, lambda {item} : coalesce({inner}, 'null'))"
        return f"('[' || array_to_string({items}, ', ') || ']')"
    if duckdb_type.startswith("MAP("):
        key_type, value_type = split_types(duckdb_type[4:-1])
        entry = f"e{depth}"
        key = text_sql(f"{entry}.key", key_type, depth + 1)
        item = text_sql(f"{entry}.value", value_type, depth + 1)
        items = f"list_transform(map_entries({value}), lambda {entry} : {key} || '=' || coalesce({item}, 'null'))"
        return f"('{{' || array_to_string({items}, ', ') || '}}')"
    if duckdb_type == ZONED:
        return f"""strftime({value}."$local", '%Y-%m-%d %H:%M:%S.%g ') || {value}."$zone\""""
    if duckdb_type.startswith("STRUCT("):
        fields = [_field(part) for part in split_types(duckdb_type[7:-1])]
        parts = [
            f"'{name.replace(chr(39), chr(39) * 2)}=' || "
            f"coalesce({text_sql(f'{value}.{_quoted(name)}', kind, depth + 1)}, 'null')"
            for name, kind in fields
        ]
        joined = " || ', ' || ".join(parts)
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE '{{' || {joined} || '}}' END"
    return _scalar_sql(value, duckdb_type)


def _scalar_sql(value: str, duckdb_type: str) -> str:
    if duckdb_type == "VARCHAR":
        return value
    if duckdb_type in {"DOUBLE", "FLOAT"}:
        plain = f"({value} = 0 OR (abs({value}) >= 1e-3 AND abs({value}) < 1e7))"
        odd = (
            f"{JAVA_DOUBLE}(CAST({value} AS DOUBLE))"
            if duckdb_type == "DOUBLE"
            else f"{JAVA_DOUBLE}({_via_text(value)})"
        )
        return f"CASE WHEN {plain} THEN CAST({value} AS VARCHAR) ELSE {odd} END"
    if duckdb_type == "BLOB":
        return f"rtrim(regexp_replace(lower(hex({value})), '(..)', '\\1 ', 'g'))"
    if duckdb_type.startswith("TIMESTAMP WITH"):
        return f"strftime({value} AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M:%S.%g UTC')"
    if duckdb_type.startswith("TIMESTAMP"):
        return f"strftime(CAST({value} AS TIMESTAMP), '%Y-%m-%d %H:%M:%S.%g')"
    if duckdb_type == "TIME":
        return f"t_time_text({value})"
    if duckdb_type == "INTERVAL":
        return f"t_interval_text({value})"
    return f"CAST({value} AS VARCHAR)"


def _via_text(value: str) -> str:
    return f"CAST(CAST({value} AS VARCHAR) AS DOUBLE)"


def java_double(value: float) -> str:
    """Trino prints doubles as Java does: ``1.0E10``, ``NaN``, ``Infinity``."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    mantissa, _, exponent = f"{value!r}".lower().partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, part = mantissa.lstrip("-").partition(".")
    power = int(exponent or 0) + len(whole) - 1
    digits = (whole + part).lstrip("0") if whole.strip("0") else part.lstrip("0")
    if not whole.strip("0"):
        power = int(exponent or 0) - (len(part) - len(part.lstrip("0"))) - 1
    rest = digits[1:].rstrip("0") or "0"
    return f"{sign}{digits[0]}.{rest}E{power}"


def split_types(text: str) -> list[str]:
    """Split a list of types at the commas of its outermost level; quoted names may hold anything."""
    parts, depth, quoted = [""], 0, False
    for letter in text:
        if letter == '"':
            quoted = not quoted
        depth += 0 if quoted else (letter in "([") - (letter in ")]")
        if letter == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _field(text: str) -> tuple[str, str]:
    if text.startswith('"'):
        end = text.index('"', 1)
        while text[end + 1 : end + 2] == '"':
            end = text.index('"', end + 2)
        return text[1:end].replace('""', '"'), text[end + 1 :].strip()
    name, _, kind = text.partition(" ")
    return name, kind.strip()


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
