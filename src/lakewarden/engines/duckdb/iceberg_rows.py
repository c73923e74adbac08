"""In the worker: changed rows of an Iceberg table, as data files and position deletes in the worker's own folder.

Iceberg table specification, version 2, "Position delete files", "Partition transforms". As Athena, rows that change are
taken out by a delete file and put in anew (merge-on-read).
"""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import mmh3

from lakewarden.engines.duckdb.iceberg import (
    GROUPS,
    PATHS,
    Unread,
    current_fields,
    engine_type,
    metadata_of,
)
from lakewarden.engines.duckdb.protocol import ChangeRequest
from lakewarden.engines.duckdb.writing import identifier, text

MOST_PARTITIONS = 100
_ROWS, _PARTS = "iceberg_rows", "iceberg_parts"
_DELETES = "{file_path: 2147483546, pos: 2147483545}"
_CODECS = frozenset({"zstd", "gzip", "snappy", "lz4", "uncompressed"})
_WHOLE = frozenset({"int", "long"})
_STAMPS = frozenset({"timestamp", "timestamptz"})


class Repeated(Exception):
    """A row of the table is to be changed twice."""


class NullRefused(Exception):
    """A null for a column that takes none."""


class TooManyPartitions(Exception):
    """More partitions than one statement may write."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the table: its own name and field, and the statement's column that fills it, if any."""

    field: Mapping[str, Any]
    source: str
    position: int

    @property
    def select(self) -> str:
        return f"CAST({self.source} AS {engine_type(self.field['type'])}) AS c{self.position}"


def write(connection: duckdb.DuckDBPyConnection, sql: str, change: ChangeRequest) -> Mapping[str, Any]:
    """Write the files; answers their names and counts. Raises ``duckdb.Error`` and the errors above."""
    metadata = metadata_of(change.metadata)
    if metadata["format-version"] != 2:
        raise Unread("a version of the format")
    columns = _columns(metadata, change)
    spec_id = int(metadata["default-spec-id"])
    spec = next(one for one in metadata["partition-specs"] if one["spec-id"] == spec_id)["fields"]
    _materialise(connection, sql, change, columns, spec)
    _check(connection, columns, change)
    files = _write_data(connection, change, columns, spec, spec_id, _codec(metadata))
    deleted = 0
    if not change.rewrite:
        removed = _write_deletes(connection, change)
        deleted = sum(one["records"] for one in removed)
        files += removed
    sources = _column(connection, f"SELECT uri FROM {PATHS}") if change.rewrite else []  # noqa: S608 - our own name
    touched = _column(connection, f"SELECT count(*) FROM {_ROWS}")[0]  # noqa: S608 - our own name
    inserted = sum(one["records"] for one in files if not one["deletes"])
    return {"inserted": inserted, "deleted": deleted, "touched": touched, "files": files, "sources": sources}


def _columns(metadata: Mapping[str, Any], change: ChangeRequest) -> Sequence[_Column]:
    fields = current_fields(metadata)
    given = {name: f"v{number}" for number, name in enumerate(change.columns)}
    if not given.keys() <= fields.keys():
        raise Unread("columns that the metadata does not have")
    return [_Column(field, given.get(name, "NULL"), number) for number, (name, field) in enumerate(fields.items())]


def _codec(metadata: Mapping[str, Any]) -> str:
    codec = str((metadata.get("properties") or {}).get("write.parquet.compression-codec") or "zstd").lower()
    return codec if codec in _CODECS else "zstd"


def _materialise(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    change: ChangeRequest,
    columns: Sequence[_Column],
    spec: Sequence[Mapping[str, Any]],
) -> None:
    """The statement runs once: what it takes out and what it puts in cannot differ."""
    names = ", ".join(["f", "r", "g", "k", *(f"v{number}" for number in range(len(change.columns)))])
    _hashes(connection, spec)
    by_id = {column.field["id"]: column for column in columns}
    keys = "".join(f", {_key(one, by_id)} AS p{number}" for number, one in enumerate(spec))
    items = ", ".join(column.select for column in columns)
    connection.execute(
        f"CREATE TEMP TABLE {_ROWS} AS SELECT *{keys} FROM "  # noqa: S608 - the gate has passed the statement
        f"(SELECT f, r, g, k, {items} FROM ({sql}) AS q({names})) AS w"
    )


def _check(connection: duckdb.DuckDBPyConnection, columns: Sequence[_Column], change: ChangeRequest) -> None:
    if not change.rewrite and _column(
        connection,
        f"SELECT 1 FROM {_ROWS} WHERE f IS NOT NULL GROUP BY f, r HAVING count(*) > 1 LIMIT 1",  # noqa: S608
    ):
        raise Repeated
    needed = [f"c{column.position} IS NULL" for column in columns if column.field.get("required")]
    if needed and _column(
        connection,
        f"SELECT 1 FROM {_ROWS} WHERE k AND ({' OR '.join(needed)}) LIMIT 1",  # noqa: S608 - our own names
    ):
        raise NullRefused


# Files


def _write_data(
    connection: duckdb.DuckDBPyConnection,
    change: ChangeRequest,
    columns: Sequence[_Column],
    spec: Sequence[Mapping[str, Any]],
    spec_id: int,
    codec: str,
) -> list[dict[str, Any]]:
    keys = [f"p{number}" for number in range(len(spec))]
    connection.execute(
        f"CREATE TEMP TABLE {_PARTS} AS SELECT row_number() OVER () AS n, * FROM "  # noqa: S608 - our own names
        f"(SELECT DISTINCT {', '.join(keys) or '0 AS nothing'} FROM {_ROWS} WHERE k LIMIT {MOST_PARTITIONS + 1})"
    )
    parts = connection.execute(f"SELECT * FROM {_PARTS} ORDER BY n").fetchall()  # noqa: S608 - our own name
    if len(parts) > MOST_PARTITIONS:
        raise TooManyPartitions
    items = ", ".join(f"w.c{one.position} AS {identifier(str(one.field['name']))}" for one in columns)
    ids = ", ".join(
        f"{identifier(str(one.field['name']))}: {_ids(one.field['id'], one.field['type'])}" for one in columns
    )
    same = "".join(f" AND w.{key} IS NOT DISTINCT FROM p.{key}" for key in keys)
    files = []
    for number, *values in parts:
        name = f"data-{int(number):05d}.parquet"
        select = f"SELECT {items} FROM {_ROWS} AS w JOIN {_PARTS} AS p ON p.n = {int(number)}{same} WHERE w.k"  # noqa: S608
        options = f"FORMAT parquet, COMPRESSION {codec}, FIELD_IDS {{{ids}}}"
        records = _copy(connection, select, change, name, options)
        partition = values if keys else []
        files.append({"name": name, "records": records, "partition": partition, "spec": spec_id, "deletes": False})
    return files


def _write_deletes(connection: duckdb.DuckDBPyConnection, change: ChangeRequest) -> list[dict[str, Any]]:
    """One file of deletes for each partition, for a delete file is applied within its own partition only."""
    groups = _column(connection, f"SELECT DISTINCT g FROM {_ROWS} WHERE f IS NOT NULL ORDER BY g")  # noqa: S608
    if len(groups) > MOST_PARTITIONS:
        raise TooManyPartitions
    files = []
    for group in groups:
        name = f"deletes-{int(group):05d}.parquet"
        select = (
            f"SELECT f AS file_path, r AS pos FROM {_ROWS} "  # noqa: S608 - our own names
            f"WHERE f IS NOT NULL AND g = {int(group)} ORDER BY file_path, pos"
        )
        records = _copy(connection, select, change, name, f"FORMAT parquet, COMPRESSION zstd, FIELD_IDS {_DELETES}")
        row = connection.execute(f"SELECT spec, vals FROM {GROUPS} WHERE partition = {int(group)}").fetchone()  # noqa: S608
        spec, values = row if row is not None else (0, "[]")
        files.append({"name": name, "records": records, "partition": json.loads(values), "spec": spec, "deletes": True})
    return files


def _copy(connection: duckdb.DuckDBPyConnection, select: str, change: ChangeRequest, name: str, options: str) -> int:
    done = connection.execute(f"COPY ({select}) TO {text(str(Path(change.folder) / name))} ({options})").fetchone()
    return int(done[0]) if done is not None else 0


def _column(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Any]:
    return [row[0] for row in connection.execute(sql).fetchall()]


def _ids(number: int, kind: Any) -> str:
    """DuckDB's FIELD_IDS for a field and all within it."""
    if isinstance(kind, str):
        return str(int(number))
    inner = {
        "list": lambda: {"element": (kind["element-id"], kind["element"])},
        "map": lambda: {"key": (kind["key-id"], kind["key"]), "value": (kind["value-id"], kind["value"])},
        "struct": lambda: {str(field["name"]): (field["id"], field["type"]) for field in kind["fields"]},
    }[kind["type"]]()
    parts = [f"__duckdb_field_id: {int(number)}", *(f"{identifier(name)}: {_ids(*of)}" for name, of in inner.items())]
    return f"{{{', '.join(parts)}}}"


# Partition transforms


def _key(field: Mapping[str, Any], columns: Mapping[int, _Column]) -> str:
    """A partition value of a row, as Iceberg keeps it."""
    column = columns.get(field["source-id"])
    transform, _, width = str(field["transform"]).rstrip("]").partition("[")
    if transform == "void" or column is None:
        return "CAST(NULL AS INTEGER)"
    made = _TRANSFORMS.get(transform)
    kind = column.field["type"]
    if made is None or not isinstance(kind, str):
        raise Unread("a partition transform")
    return made(f"c{column.position}", kind, int(width or 0))


def _identity(value: str, kind: str, width: int) -> str:  # noqa: ARG001 - a transform's signature
    if kind in _WHOLE or kind in {"string", "boolean"}:
        return value
    if kind == "date":
        return f"date_diff('day', DATE '1970-01-01', {value})"
    if kind in _STAMPS:
        return f"epoch_us({value})"
    if kind.startswith("decimal("):
        return f"CAST({value} AS VARCHAR)"
    raise Unread("a partition by values of this type")


def _utc(value: str, kind: str) -> str:
    if kind == "timestamptz":
        return f"timezone('UTC', {value})"
    if kind in {"date", "timestamp"}:
        return value
    raise Unread("a partition transform of this type")


def _year(value: str, kind: str, width: int) -> str:  # noqa: ARG001 - a transform's signature
    return f"CAST(date_part('year', {_utc(value, kind)}) - 1970 AS INTEGER)"


def _month(value: str, kind: str, width: int) -> str:  # noqa: ARG001 - a transform's signature
    at = _utc(value, kind)
    return f"CAST((date_part('year', {at}) - 1970) * 12 + date_part('month', {at}) - 1 AS INTEGER)"


def _day(value: str, kind: str, width: int) -> str:  # noqa: ARG001 - a transform's signature
    return f"CAST(date_diff('day', DATE '1970-01-01', CAST({_utc(value, kind)} AS DATE)) AS INTEGER)"


def _hour(value: str, kind: str, width: int) -> str:  # noqa: ARG001 - a transform's signature
    if kind not in _STAMPS:
        raise Unread("a partition transform of this type")
    return f"CAST(floor(epoch_us({value}) / 3600000000) AS INTEGER)"


def _truncate(value: str, kind: str, width: int) -> str:
    if kind in _WHOLE:
        return f"{value} - ((({value} % {width}) + {width}) % {width})"
    if kind == "string":
        return f"left({value}, {width})"
    raise Unread("a partition transform of this type")


def _bucket(value: str, kind: str, width: int) -> str:
    if kind in _WHOLE or kind == "date" or kind in _STAMPS:
        hashed = f"iceberg_hash_long(CAST({_identity(value, kind, 0)} AS BIGINT))"
    elif kind == "string":
        hashed = f"iceberg_hash_text({value})"
    elif kind.startswith("decimal("):
        hashed = f"iceberg_hash_decimal(CAST({value} AS VARCHAR))"
    else:
        raise Unread("a partition transform of this type")
    return f"({hashed} & 2147483647) % {width}"


_TRANSFORMS: Mapping[str, Callable[[str, str, int], str]] = {
    "identity": _identity, "year": _year, "month": _month, "day": _day, "hour": _hour, "truncate": _truncate,
    "bucket": _bucket,
}  # fmt: skip


def _hashes(connection: duckdb.DuckDBPyConnection, spec: Sequence[Mapping[str, Any]]) -> None:
    """Iceberg's hash (specification, appendix B) as functions, where a bucket needs one."""
    if any(str(one["transform"]).startswith("bucket[") for one in spec):
        connection.create_function("iceberg_hash_long", hash_long, ["BIGINT"], "INTEGER")
        connection.create_function("iceberg_hash_text", hash_text, ["VARCHAR"], "INTEGER")
        connection.create_function("iceberg_hash_decimal", hash_decimal, ["VARCHAR"], "INTEGER")


def hash_long(value: int) -> int:
    """Of integers, dates as days, timestamps as microseconds."""
    return int(mmh3.hash(struct.pack("<q", value)))


def hash_text(value: str) -> int:
    """Of the UTF-8 bytes."""
    return int(mmh3.hash(value.encode()))


def hash_decimal(value: str) -> int:
    """Of the fewest bytes that hold the unscaled value, two's complement, big-endian."""
    unscaled = int(value.replace(".", ""))
    size = (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
    return int(mmh3.hash(unscaled.to_bytes(size, "big", signed=True)))
