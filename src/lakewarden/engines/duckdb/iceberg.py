"""In the worker: an Iceberg table's current snapshot as a relation (Iceberg table specification, versions 1 and 2).

Metadata is data that somebody wrote: it is read here, behind the wall, and names nothing but the files that were given.
"""

import gzip
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import pyarrow as pa

from lakewarden.engines.duckdb.protocol import SourceRequest

FILE, ROW, GROUP = "$iceberg_file", "$iceberg_row", "$iceberg_group"
"""Hidden columns of a table whose rows are to be changed: a file's URI, the row's place in it, its partition's number."""
GROUPS, PATHS = "iceberg_groups", "iceberg_paths"
"""Tables about it: each partition's number, spec and values; each file's path, URI, partition, and whether it deletes."""
_ADDRESSES: Mapping[str, str] = {FILE: "u.uri", ROW: "d.file_row_number", GROUP: "u.partition"}
_LIVE = (0, 1)
_STRING = pa.string()
_TYPES: Mapping[str, str] = {
    "boolean": "BOOLEAN", "int": "INTEGER", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "date": "DATE",
    "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP WITH TIME ZONE", "string": "VARCHAR", "binary": "BLOB",
    "uuid": "UUID", "time": "TIME",
}  # fmt: skip


class Unread(Exception):
    """A table of a kind that is not read here: another version, or with equality deletes."""


class NoVersion(Exception):
    """A version that the table does not have, or not any more."""


@dataclass(frozen=True, slots=True)
class _File:
    """A live file: its URI, and the spec and values of its partition."""

    uri: str
    spec: int
    partition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    fields: Mapping[str, Mapping[str, Any]]
    data: tuple[_File, ...]
    deletes: tuple[_File, ...]


def create(connection: duckdb.DuckDBPyConnection, source: SourceRequest) -> None:
    """Make the relation; raises ``duckdb.Error``, ``KeyError`` for files that were not given, or :class:`Unread`."""
    files = dict(zip(source.uris, source.paths, strict=True))
    snapshot = _snapshot(files, source.options["metadata_location"], source.options.get("$as_of", ""))
    addressed = any(name in _ADDRESSES for name, _ in source.columns)
    if addressed:
        _number(connection, files, snapshot)
    columns = [_item(name, kind, snapshot) for name, kind in source.columns]
    if snapshot.data:
        paths = ", ".join(_text(files[one.uri]) for one in snapshot.data)
        read = f"read_parquet([{paths}], {_schema(snapshot)}, hive_partitioning=false, filename=true, file_row_number=true)"
        named = f"JOIN {PATHS} AS u ON u.path = d.filename" if addressed else ""
        rows = _undeleted(connection, source.name, files, snapshot)
        select = f"SELECT {', '.join(columns)} FROM {read} AS d {named} {rows}"  # noqa: S608 - names are quoted
    else:
        nulls = ", ".join(f"CAST(NULL AS {kind}) AS {_name(name)}" for name, kind in source.columns)
        select = f"SELECT {nulls} WHERE false"
    connection.execute(f"CREATE TEMP VIEW {_name(source.name)} AS {select}")


def _item(name: str, kind: str, snapshot: _Snapshot) -> str:
    if name in _ADDRESSES:
        return f"{_ADDRESSES[name]} AS {_name(name)}"
    if name in snapshot.fields:
        return f"CAST(d.{_name(str(snapshot.fields[name]['name']))} AS {kind}) AS {_name(name)}"
    return f"CAST(NULL AS {kind}) AS {_name(name)}"


def _number(connection: duckdb.DuckDBPyConnection, files: Mapping[str, str], snapshot: _Snapshot) -> None:
    """Say which file has which URI and lies in which partition, for who changes rows."""
    numbers: dict[tuple[int, str], int] = {}
    rows: list[tuple[str, str, int, bool]] = []
    for deletes, members in ((False, snapshot.data), (True, snapshot.deletes)):
        for one in members:
            group = (one.spec, json.dumps([_plain(value) for value in one.partition.values()]))
            number = numbers.setdefault(group, len(numbers))
            rows.append((files[one.uri], one.uri, number, deletes))
    groups = [(number, *group) for group, number in numbers.items()]
    _table(connection, PATHS, {"path": _STRING, "uri": _STRING, "partition": pa.int32(), "deletes": pa.bool_()}, rows)
    _table(connection, GROUPS, {"partition": pa.int32(), "spec": pa.int32(), "vals": _STRING}, groups)


def _table(
    connection: duckdb.DuckDBPyConnection, name: str, types: Mapping[str, pa.DataType], rows: Sequence[tuple[Any, ...]]
) -> None:
    """A table of the instance, filled at once."""
    columns = zip(*rows, strict=True) if rows else ([] for _ in types)
    filled = {column: pa.array(values, kind) for (column, kind), values in zip(types.items(), columns, strict=True)}
    connection.register("iceberg_filled", pa.table(filled))
    connection.execute(f"CREATE TEMP TABLE {_name(name)} AS SELECT * FROM iceberg_filled")  # noqa: S608 - our own name
    connection.unregister("iceberg_filled")


def _plain(value: Any) -> Any:
    """A partition value as Iceberg keeps it: days, microseconds, a decimal as its text."""
    if isinstance(value, datetime):
        passed = value.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days
    if isinstance(value, Decimal):
        return str(value)
    if value is not None and not isinstance(value, bool | int | str):
        raise Unread("a partition by values of this type")
    return value


def metadata_of(path: str) -> dict[str, Any]:
    """The table's metadata; raises :class:`Unread` for another version of the format."""
    body = Path(path).read_bytes()
    metadata: dict[str, Any] = json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
    if metadata["format-version"] not in {1, 2}:
        raise Unread("a version of the format")
    return metadata


def current_fields(metadata: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The fields of the current schema by their names in lower case."""
    schemas = metadata.get("schemas") or [metadata["schema"]]
    schema = next(one for one in schemas if one.get("schema-id", 0) == metadata.get("current-schema-id", 0))
    return {str(field["name"]).lower(): field for field in schema["fields"]}


def _snapshot(files: Mapping[str, str], metadata_location: str, as_of: str) -> _Snapshot:
    """INVARIANT (non_interference): whichever snapshot it is, its rows are read by today's columns and their field ids,
    so that a column's old name opens nothing that its new name does not."""
    metadata = metadata_of(files[metadata_location])
    fields = current_fields(metadata)
    current = _past(metadata, as_of) if as_of else metadata.get("current-snapshot-id", -1)
    if current in {-1, None}:
        return _Snapshot(fields, (), ())
    snapshot = next(one for one in metadata["snapshots"] if one["snapshot-id"] == current)
    data: list[_File] = []
    deletes: list[_File] = []
    for spec, entry in _entries(files, snapshot):
        if entry["file_format"].upper() != "PARQUET":
            raise Unread("files of another format")
        content = entry.get("content") or 0
        if content == 2:
            raise Unread("equality deletes")
        found = _File(entry["file_path"], spec, entry.get("partition") or {})
        (deletes if content else data).append(found)
    return _Snapshot(fields, tuple(data), tuple(deletes))


def _past(metadata: Mapping[str, Any], as_of: str) -> int:
    """The snapshot that was current then, or that bears the id; raises :class:`NoVersion`."""
    kind, _, text = as_of.partition(" ")
    number = int(text)
    if kind == "snapshot":
        found = [one["snapshot-id"] for one in metadata.get("snapshots", ()) if one["snapshot-id"] == number]
    else:
        moment = number if kind == "time" else round(time.time() * 1000) - number
        log = metadata.get("snapshot-log") or ()
        found = [one["snapshot-id"] for one in log if one["timestamp-ms"] <= moment]
    if not found:
        raise NoVersion("no such version")
    return int(found[-1])


def _entries(files: Mapping[str, str], snapshot: Mapping[str, Any]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The live files of the snapshot's manifests, each with its partition spec."""
    if "manifest-list" in snapshot:
        listed = _avro(files[snapshot["manifest-list"]])
        manifests = [(str(one["manifest_path"]), int(one.get("partition_spec_id") or 0)) for one in listed]
    else:
        manifests = [(one, 0) for one in snapshot["manifests"]]
    for manifest, spec in manifests:
        for entry in _avro(files[manifest]):
            if entry["status"] in _LIVE:
                yield spec, entry["data_file"]


def _avro(path: str) -> Iterator[dict[str, Any]]:
    with Path(path).open("rb") as file:
        for record in fastavro.reader(file):
            if not isinstance(record, dict):
                raise TypeError("not a record")
            yield record


def _schema(snapshot: _Snapshot) -> str:
    """INVARIANT (non_interference): columns are found by their field ids, so that renamed ones are, and so that one
    which took the name of another shows nothing of it."""
    parts = [
        f"{int(field['id'])}: {{name: {_text(str(field['name']))}, type: {_text(engine_type(field['type']))}, "
        "default_value: NULL}"
        for field in snapshot.fields.values()
    ]
    return f"schema=MAP {{{', '.join(parts)}}}"


def engine_type(kind: Any) -> str:
    """DuckDB's type for a type of Iceberg's; raises :class:`Unread`."""
    if isinstance(kind, str):
        if kind.startswith("decimal("):
            precision, scale = (int(one) for one in kind[8:-1].split(","))
            return f"DECIMAL({precision},{scale})"
        if kind.startswith("fixed["):
            return "BLOB"
        if kind in _TYPES:
            return _TYPES[kind]
        raise Unread("a type")
    if kind["type"] == "list":
        return f"{engine_type(kind['element'])}[]"
    if kind["type"] == "map":
        return f"MAP({engine_type(kind['key'])}, {engine_type(kind['value'])})"
    if kind["type"] == "struct":
        fields = [f"{_name(str(field['name']))} {engine_type(field['type'])}" for field in kind["fields"]]
        return f"STRUCT({', '.join(fields)})"
    raise Unread("a type")


def _undeleted(connection: duckdb.DuckDBPyConnection, name: str, files: Mapping[str, str], snapshot: _Snapshot) -> str:
    """The join that leaves out the rows that position deletes name."""
    if not snapshot.deletes:
        return ""
    deleted, known = f"{name}_deleted", f"{name}_known"
    uris = [(one.uri, files[one.uri]) for one in snapshot.data]
    _table(connection, known, {"uri": _STRING, "path": _STRING}, uris)
    paths = ", ".join(_text(files[one.uri]) for one in snapshot.deletes)
    connection.execute(
        f"CREATE TEMP TABLE {_name(deleted)} AS SELECT DISTINCT k.path, x.pos "  # noqa: S608 - our own names
        f"FROM read_parquet([{paths}]) AS x JOIN {_name(known)} AS k ON k.uri = x.file_path"
    )
    return f"ANTI JOIN {_name(deleted)} AS x ON x.path = d.filename AND x.pos = d.file_row_number"


def _name(value: str) -> str:
    escaped = value.replace('"', '""')
    return f'"{escaped}"'


def _text(value: str) -> str:
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
