"""A table's files as a DuckDB relation: exactly the permitted columns, of exactly the given files.

A new file format is a function here and a row in ``_READERS``.
"""

from collections.abc import Callable, Mapping, Sequence

from lakewarden.engines.duckdb.protocol import ScanRequest
from lakewarden.kernel.lake import Column, Table
from lakewarden.query.errors import QueryFailed
from lakewarden.query.ports import Scan
from lakewarden.sql import formats
from lakewarden.sql.hive_types import UnknownType, duckdb_type

_NEVER = "\x01\x02 no field reads like this \x02\x01"


def scan_request(scan: Scan) -> ScanRequest:
    """The relation of one scan; raises :class:`QueryFailed` for a format that is not read here."""
    planned = scan.planned
    if planned.rows.all_rows:
        select = _select(scan, planned.columns)
        return ScanRequest(planned.relation, select, barrier=False)
    # INVARIANT (non_interference): the permitted rows are materialised before any of the user's SQL can see a row.
    inner = _select(scan, planned.read) if planned.predicate else _empty(planned.read)
    items = ", ".join(name(column.name) for column in planned.columns) or "1 AS nothing"
    select = f"SELECT {items} FROM ({inner}) AS unfiltered WHERE {planned.predicate or 'false'}"  # noqa: S608 - rendered by sql.filters
    return ScanRequest(planned.relation, select, barrier=True)


def _select(scan: Scan, columns: Sequence[Column]) -> str:
    return _reader(scan.planned.governed.table)(scan, columns) if scan.files else _empty(columns)


def _empty(columns: Sequence[Column]) -> str:
    items = ", ".join(f"CAST(NULL AS {_type(column)}) AS {name(column.name)}" for column in columns)
    return f"SELECT {items or 'NULL AS nothing'} WHERE false"


def _reader(table: Table) -> Callable[[Scan, Sequence[Column]], str]:
    found = _READERS.get(table.serde)
    if found is None:
        raise QueryFailed(
            f"HIVE_UNSUPPORTED_FORMAT: Tables with SerDe {table.serde or 'none'} are not supported", 2, 1303
        )
    return found


def _parquet(scan: Scan, columns: Sequence[Column]) -> str:
    table = scan.planned.governed.table
    declared = {column.name for column in table.columns}
    items = [
        f"CAST({name(column.name)} AS {_type(column)}) AS {name(column.name)}"
        if column.name in declared
        else name(column.name)
        for column in columns
    ]
    parts = [
        f"SELECT {', '.join(_with_partition(items, columns, table, values)) or '1 AS nothing'} "  # noqa: S608 - names are quoted
        f"FROM read_parquet({_paths(paths)}, hive_partitioning=false, union_by_name={str(len(paths) > 1).lower()})"
        for values, paths in _by_partition(scan).items()
    ]
    return " UNION ALL ".join(parts)


def _open_csv(scan: Scan, columns: Sequence[Column]) -> str:
    """OpenCSVSerde: every field text. The quote is doubled, or escaped by the escape character where that is its own.

    Hive's reader takes a doubled quote whatever escapeChar says, and files in the wild double it; so do we, unless
    the table names the quote character's escape to be something that is neither a backslash nor the quote.
    """
    table = scan.planned.governed.table
    serde = table.serde_parameters
    quote = serde.get("quoteChar", '"')
    escape = serde.get("escapeChar", "\\")
    return _csv(
        scan, columns, serde.get("separatorChar", ","), quote, quote if escape == "\\" else escape, as_text=True
    )


def _lazy_simple(scan: Scan, columns: Sequence[Column]) -> str:
    serde = scan.planned.governed.table.serde_parameters
    delimiter = serde.get("field.delim") or "\x01"
    return _csv(scan, columns, delimiter, "", serde.get("escape.delim", ""), as_text=False)


def _csv(scan: Scan, columns: Sequence[Column], separator: str, quote: str, escape: str, *, as_text: bool) -> str:
    table = scan.planned.governed.table
    skipped = (
        table.parameters.get("skip.header.line.count") or table.serde_parameters.get("skip.header.line.count") or "0"
    )
    declared = ", ".join(f"{text(column.name)}: 'VARCHAR'" for column in table.columns)
    null = _NEVER if as_text else table.serde_parameters.get("serialization.null.format", "\\N")
    options = (
        f"columns={{{declared}}}, auto_detect=false, header=false, skip={int(skipped) if skipped.isdigit() else 0}, "
        f"delim={text(separator)}, quote={text(quote)}, escape={text(escape)}, nullstr={text(null or _NEVER)}, "
        f"strict_mode=false, null_padding=true, parallel=false, max_line_size=16777216"
    )
    names = {column.name for column in table.columns}
    items = [_from_text(column, as_text=as_text) if column.name in names else name(column.name) for column in columns]
    parts = [
        f"SELECT {', '.join(_with_partition(items, columns, table, values)) or '1 AS nothing'} "  # noqa: S608 - names are quoted
        f"FROM read_csv({_paths(paths)}, {options})"
        for values, paths in _by_partition(scan).items()
    ]
    return " UNION ALL ".join(parts)


def _from_text(column: Column, *, as_text: bool) -> str:
    """OpenCSVSerde hands out text and Athena casts it; LazySimpleSerDe makes null of what does not convert."""
    kind = _type(column)
    if kind == "VARCHAR":
        # An empty field is an empty string to a text SerDe, never a null.
        return f"coalesce({name(column.name)}, '') AS {name(column.name)}" if as_text else name(column.name)
    cast = "CAST" if as_text else "TRY_CAST"
    value = f"nullif({name(column.name)}, '')"
    return f"{cast}({value} AS {kind}) AS {name(column.name)}"


def _json(scan: Scan, columns: Sequence[Column]) -> str:
    table = scan.planned.governed.table
    declared = ", ".join(f"{text(column.name)}: {text(_type(column))}" for column in table.columns)
    items = [name(column.name) for column in columns]
    parts = [
        f"SELECT {', '.join(_with_partition(items, columns, table, values)) or '1 AS nothing'} "  # noqa: S608 - names are quoted
        f"FROM read_json({_paths(paths)}, format='newline_delimited', columns={{{declared}}}, hive_partitioning=false)"
        for values, paths in _by_partition(scan).items()
    ]
    return " UNION ALL ".join(parts)


_READERS: Mapping[str, Callable[[Scan, Sequence[Column]], str]] = {
    formats.PARQUET: _parquet,
    formats.OPEN_CSV: _open_csv,
    formats.LAZY_SIMPLE: _lazy_simple,
    **dict.fromkeys(formats.JSON_SERDES, _json),
}


def _with_partition(
    items: Sequence[str], columns: Sequence[Column], table: Table, values: tuple[str, ...]
) -> list[str]:
    """The items, partition keys replaced by the constants of their files."""
    constants = {key.name: value for key, value in zip(table.partition_keys, values, strict=False)}
    return [
        f"CAST({text(constants[column.name])} AS {_type(column)}) AS {name(column.name)}"
        if column.name in constants
        else item
        for item, column in zip(items, columns, strict=True)
    ]


def _by_partition(scan: Scan) -> Mapping[tuple[str, ...], list[str]]:
    groups: dict[tuple[str, ...], list[str]] = {}
    for file in scan.files:
        groups.setdefault(file.partition, []).append(file.path)
    return groups


def _paths(paths: Sequence[str]) -> str:
    return f"[{', '.join(text(path) for path in paths)}]"


def _type(column: Column) -> str:
    try:
        return duckdb_type(column.type)
    except UnknownType as error:
        raise QueryFailed(f"HIVE_UNSUPPORTED_FORMAT: Unknown column type {error}", 2, 1303) from error


def name(value: str) -> str:
    """A quoted identifier."""
    escaped = value.replace('"', '""')
    return f'"{escaped}"'


def text(value: str) -> str:
    """A quoted string literal."""
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
