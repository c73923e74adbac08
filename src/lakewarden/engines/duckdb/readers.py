"""File formats as DuckDB relations: a new one is a function here and a row in ``READERS``.

DuckDB reads Parquet and text by itself; what it does not read (ORC, Avro) or reads otherwise than Athena does (JSON) is
a *source*: a relation that the worker makes before the statement (``reading.py``).
"""

from collections.abc import Callable, Mapping, Sequence

from lakewarden.engines.duckdb.protocol import SourceRequest
from lakewarden.kernel.lake import Column, DataFile, Table
from lakewarden.query.errors import QueryFailed
from lakewarden.query.ports import Scan
from lakewarden.sql import formats
from lakewarden.sql.hive_types import UnknownType, duckdb_type, split

NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_NEVER = "\x01\x02 no field reads like this \x02\x01"
_CODECS: Mapping[str, str] = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd"}
_UNREAD = frozenset({".bz2", ".lz4", ".snappy", ".deflate", ".lzo", ".xz", ".zip", ".br"})


def reader(table: Table) -> Callable[[Scan, Sequence[Column]], str]:
    """The function that gives a table's relation; raises :class:`QueryFailed` for a format that is not read here."""
    found = _from_source if is_iceberg(table) else READERS.get(table.serde)
    if found is None:
        raise QueryFailed(
            f"HIVE_UNSUPPORTED_FORMAT: Tables with SerDe {table.serde or 'none'} are not supported", 2, 1303
        )
    return found


# Parquet


def _parquet(scan: Scan, columns: Sequence[Column]) -> str:
    table = scan.planned.governed.table
    items = [f"CAST({name(column.name)} AS {type_of(column)}) AS {name(column.name)}" for column in columns]
    return _union(scan, columns, items, lambda files: _read_parquet(table, files))


def _read_parquet(table: Table, files: Sequence[DataFile]) -> str:
    del table
    return f"read_parquet({_paths(files)}, hive_partitioning=false, union_by_name={str(len(files) > 1).lower()})"


def plain_parquet(scan: Scan, columns: Sequence[Column]) -> str:
    """The columns as they lie in the files, each read as its own partition reads them; empty where none is read."""
    items = ", ".join(name(column.name) for column in columns)
    reads = [_read_parquet(scan.planned.governed.table, files) for files in _by_partition(scan).values()]
    return " UNION ALL ".join(f"SELECT {items} FROM {read}" for read in reads) if items else ""  # noqa: S608 - names are quoted


def lenient_parquet(scan: Scan) -> Mapping[str, str]:
    """What to read where a column is in none of the files: the same, with the table's columns as nulls beside it.

    A column that was added to the table later is null in older files (Athena User Guide, "Schema updates").
    """
    table = scan.planned.governed.table
    if table.serde != formats.PARQUET or is_iceberg(table) or not scan.files:
        return {}
    nulls = ", ".join(f"CAST(NULL AS {type_of(column)}) AS {name(column.name)}" for column in table.columns)
    reads = {_read_parquet(table, files) for files in _by_partition(scan).values()}
    return {
        read: f"(SELECT * FROM {read} UNION ALL BY NAME SELECT {nulls} WHERE false)"  # noqa: S608 - names are quoted
        for read in reads
    }


# Text


def _open_csv(scan: Scan, columns: Sequence[Column]) -> str:
    """OpenCSVSerde: every field text. The quote is doubled, or escaped by the escape character where that is its own.

    Hive's reader takes a doubled quote whatever escapeChar says, and files in the wild double it; so do we, unless
    the table names the quote character's escape to be something that is neither a backslash nor the quote.
    """
    serde = scan.planned.governed.table.serde_parameters
    quote = serde.get("quoteChar", '"')
    escape = serde.get("escapeChar", "\\")
    items = [_from_open_csv(column) for column in columns]
    return _csv(scan, columns, items, serde.get("separatorChar", ","), quote, quote if escape == "\\" else escape, "")


def _from_open_csv(column: Column) -> str:
    """OpenCSVSerde hands out text and Athena casts it; an empty field is an empty string, never a null."""
    kind = type_of(column)
    if kind == "VARCHAR":
        return f"coalesce({name(column.name)}, '') AS {name(column.name)}"
    return f"CAST(nullif({name(column.name)}, '') AS {kind}) AS {name(column.name)}"


def _lazy_simple(scan: Scan, columns: Sequence[Column]) -> str:
    serde = scan.planned.governed.table.serde_parameters
    delimiter = serde.get("field.delim") or "\x01"
    inner = (serde.get("collection.delim") or "\x02", serde.get("mapkey.delim") or "\x03")
    items = [f"{_lazy(name(column.name), type_text(column), inner)} AS {name(column.name)}" for column in columns]
    null = serde.get("serialization.null.format", "\\N")
    return _csv(scan, columns, items, delimiter, "", serde.get("escape.delim", ""), null)


def _lazy(value: str, kind: str, delimiters: tuple[str, str]) -> str:
    """LazySimpleSerDe's reading of a field: what does not convert is null; collections by their delimiters."""
    outer, inner = text(delimiters[0]), text(delimiters[1])
    head, _, rest = kind.partition("<")
    if not rest:
        return _lazy_scalar(value, kind)
    parts = split(rest[:-1])
    if head == "array" and "<" not in parts[0]:
        item = _lazy_scalar("e", parts[0])
        return (
            f"CASE WHEN {value} IS NULL THEN NULL WHEN {value} = '' THEN [] "
            f"ELSE list_transform(str_split({value}, {outer}), lambda e : {item}) END"
        )
    if head == "map" and "<" not in rest:
        key, item = (_lazy_scalar(f"split_part(e, {inner}, {number})", one) for number, one in enumerate(parts, 1))
        entry = f"list_transform(str_split({value}, {outer}), lambda e : {{'key': {key}, 'value': {item}}})"
        return f"CASE WHEN {value} IS NULL OR {value} = '' THEN NULL ELSE map_from_entries({entry}) END"
    if head == "struct" and "<" not in rest:
        fields = [part.partition(":") for part in parts]
        items = ", ".join(
            f"{text(field.strip())}: {_lazy_scalar(f'split_part({value}, {outer}, {number})', one)}"
            for number, (field, _, one) in enumerate(fields, 1)
        )
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE {{{items}}} END"
    raise QueryFailed(f"NOT_SUPPORTED: The type {kind} in a text file is not supported", 2, 1303)


def _lazy_scalar(value: str, kind: str) -> str:
    engine = duckdb_type(kind)
    if engine == "VARCHAR":
        return value
    if engine == "BLOB":
        return f"TRY(from_base64({value}))"
    return f"TRY_CAST(nullif({value}, '') AS {engine})"


def _csv(
    scan: Scan, columns: Sequence[Column], items: Sequence[str], separator: str, quote: str, escape: str, null: str
) -> str:
    table = scan.planned.governed.table
    skipped = _property(table, "skip.header.line.count") or "0"
    if _property(table, "skip.footer.line.count") not in {"", "0"}:
        raise QueryFailed("NOT_SUPPORTED: skip.footer.line.count is not supported", 2, 1303)
    declared = ", ".join(f"{text(column.name)}: 'VARCHAR'" for column in table.columns)
    options = (
        f"columns={{{declared}}}, auto_detect=false, header=false, skip={int(skipped) if skipped.isdigit() else 0}, "
        f"delim={text(separator)}, quote={text(quote)}, escape={text(escape)}, nullstr={text(null or _NEVER)}, "
        f"strict_mode=false, null_padding=true, parallel=false, max_line_size=16777216"
    )
    return _union(
        scan,
        columns,
        items,
        lambda files: f"read_csv({_paths(files)}, {options}, compression='{codec(files[0].uri)}')",
        by_codec=True,
    )


def _property(table: Table, key: str) -> str:
    return table.parameters.get(key) or table.serde_parameters.get(key) or ""


def codec(uri: str) -> str:
    """The compression that a text file's name tells; raises :class:`QueryFailed` for one that is not read here."""
    stem, dot, ending = uri.rpartition("/")[2].rpartition(".")
    suffix = f".{ending.lower()}" if dot and stem else ""
    if suffix in _UNREAD:
        raise QueryFailed(f"NOT_SUPPORTED: Text files compressed as {suffix} are not supported", 2, 1303)
    return _CODECS.get(suffix, "uncompressed")


# Sources


def _from_source(scan: Scan, columns: Sequence[Column]) -> str:
    items = [f"CAST({name(column.name)} AS {type_of(column)}) AS {name(column.name)}" for column in columns]
    sources = {paths: one.name for one in sources_of(scan) for paths in (one.paths,)}
    return _union(scan, columns, items, lambda files: name(sources[tuple(file.path for file in files)]), by_codec=True)


def sources_of(scan: Scan) -> Sequence[SourceRequest]:
    """The sources that the scan's relation is made of; none for the formats that DuckDB reads."""
    table = scan.planned.governed.table
    kind = "ICEBERG" if is_iceberg(table) else _SOURCES.get(table.serde)
    if kind is None or not scan.files:
        return ()
    found = []
    for number, files in enumerate(_grouped(scan, by_codec=kind == "JSON").values()):
        options = {"codec": codec(files[0].uri) if kind == "JSON" else "", **_source_options(table)}
        found.append(
            SourceRequest(
                f"source_{scan.planned.relation}_{number}",
                kind,
                tuple(file.path for file in files),
                tuple((column.name, type_of(column)) for column in table.columns),
                options,
                tuple(file.uri for file in files) if kind == "ICEBERG" else (),
            )
        )
    return found


def is_iceberg(table: Table) -> bool:
    """Whether the table's files are what its Iceberg metadata says, and not what lies at its location."""
    return table.parameters.get("table_type", "").upper() == "ICEBERG"


def _source_options(table: Table) -> Mapping[str, str]:
    """Properties that the worker knows; ``mapping.<column>`` names a column's key in the JSON."""
    if is_iceberg(table):
        return {name: table.parameters.get(name, "") for name in ("metadata_location", "$as_of")}
    return {
        key: value
        for key, value in table.serde_parameters.items()
        if key.startswith("mapping.") or key in {"ignore.malformed.json", "case.insensitive"}
    }


_SOURCES: Mapping[str, str] = {
    formats.ORC: "ORC",
    formats.AVRO: "AVRO",
    **dict.fromkeys(formats.JSON_SERDES, "JSON"),
}
READERS: Mapping[str, Callable[[Scan, Sequence[Column]], str]] = {
    formats.PARQUET: _parquet,
    formats.OPEN_CSV: _open_csv,
    formats.LAZY_SIMPLE: _lazy_simple,
    **dict.fromkeys(_SOURCES, _from_source),
}


# Partitions


def _union(
    scan: Scan,
    columns: Sequence[Column],
    items: Sequence[str],
    read: Callable[[Sequence[DataFile]], str],
    *,
    by_codec: bool = False,
) -> str:
    """All partitions of the scan, each with its keys' values as constants."""
    table = scan.planned.governed.table
    parts = [
        f"SELECT {', '.join(_with_partition(items, columns, table, values)) or '1 AS nothing'} FROM {read(files)}"  # noqa: S608 - names are quoted
        for (values, _), files in _grouped(scan, by_codec=by_codec).items()
    ]
    return " UNION ALL ".join(parts)


def _with_partition(
    items: Sequence[str], columns: Sequence[Column], table: Table, values: tuple[str, ...]
) -> list[str]:
    """The items, partition keys replaced by the constants of their files."""
    constants = {key.name: value for key, value in zip(table.partition_keys, values, strict=False)}
    return [
        f"CAST({_constant(constants[column.name])} AS {type_of(column)}) AS {name(column.name)}"
        if column.name in constants
        else item
        for item, column in zip(items, columns, strict=True)
    ]


def _constant(value: str) -> str:
    return "NULL" if value == NO_PARTITION else text(value)


def _by_partition(scan: Scan) -> Mapping[tuple[tuple[str, ...], str], list[DataFile]]:
    return _grouped(scan, by_codec=False)


def _grouped(scan: Scan, *, by_codec: bool) -> Mapping[tuple[tuple[str, ...], str], list[DataFile]]:
    """Files by partition, and by compression where that must be said."""
    groups: dict[tuple[tuple[str, ...], str], list[DataFile]] = {}
    for file in scan.files:
        groups.setdefault((file.partition, codec(file.uri) if by_codec else ""), []).append(file)
    return groups


# Pieces


def _paths(files: Sequence[DataFile]) -> str:
    return f"[{', '.join(text(file.path) for file in files)}]"


def type_of(column: Column) -> str:
    """DuckDB's type of a column; raises :class:`QueryFailed` for one that is not known."""
    try:
        return duckdb_type(column.type)
    except UnknownType as error:
        raise QueryFailed(f"HIVE_UNSUPPORTED_FORMAT: Unknown column type {error}", 2, 1303) from error


def type_text(column: Column) -> str:
    """A checked Hive type without spaces, lower case."""
    type_of(column)
    return "".join(column.type.lower().split())


def name(value: str) -> str:
    """A quoted identifier."""
    escaped = value.replace('"', '""')
    return f'"{escaped}"'


def text(value: str) -> str:
    """A quoted string literal."""
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
