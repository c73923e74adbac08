"""In the worker: an Iceberg table's current snapshot as a relation (Iceberg table specification, versions 1 and 2).

Metadata is data that somebody wrote: it is read here, behind the wall, and names nothing but the files that were given.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import fastavro

from lakewarden.engines.duckdb.protocol import SourceRequest

_LIVE = (0, 1)
_TYPES: Mapping[str, str] = {
    "boolean": "BOOLEAN", "int": "INTEGER", "long": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "date": "DATE",
    "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP WITH TIME ZONE", "string": "VARCHAR", "binary": "BLOB",
}  # fmt: skip


class Unread(Exception):
    """A table of a kind that is not read here: another version, or with equality deletes."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    fields: Mapping[str, Mapping[str, Any]]
    data: tuple[str, ...]
    deletes: tuple[str, ...]


def create(connection: duckdb.DuckDBPyConnection, source: SourceRequest) -> None:
    """Make the relation; raises ``duckdb.Error``, ``KeyError`` for files that were not given, or :class:`Unread`."""
    files = dict(zip(source.uris, source.paths, strict=True))
    snapshot = _snapshot(files, source.options["metadata_location"])
    columns = [
        f"CAST({_name(str(snapshot.fields[name]['name']))} AS {kind}) AS {_name(name)}"
        if name in snapshot.fields
        else f"CAST(NULL AS {kind}) AS {_name(name)}"
        for name, kind in source.columns
    ]
    if snapshot.data:
        paths = ", ".join(_text(files[uri]) for uri in snapshot.data)
        read = f"read_parquet([{paths}], {_schema(snapshot)}, hive_partitioning=false, filename=true, file_row_number=true)"
        rows = _undeleted(connection, source.name, files, snapshot)
        select = f"SELECT {', '.join(columns)} FROM {read} AS d {rows}"  # noqa: S608 - names are quoted
    else:
        nulls = ", ".join(f"CAST(NULL AS {kind}) AS {_name(name)}" for name, kind in source.columns)
        select = f"SELECT {nulls} WHERE false"
    connection.execute(f"CREATE TEMP VIEW {_name(source.name)} AS {select}")


def _snapshot(files: Mapping[str, str], metadata_location: str) -> _Snapshot:
    body = Path(files[metadata_location]).read_bytes()
    metadata = json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
    if metadata["format-version"] not in {1, 2}:
        raise Unread("a version of the format")
    schemas = metadata.get("schemas") or [metadata["schema"]]
    schema = next(one for one in schemas if one.get("schema-id", 0) == metadata.get("current-schema-id", 0))
    fields = {str(field["name"]).lower(): field for field in schema["fields"]}
    current = metadata.get("current-snapshot-id", -1)
    if current in {-1, None}:
        return _Snapshot(fields, (), ())
    snapshot = next(one for one in metadata["snapshots"] if one["snapshot-id"] == current)
    data: list[str] = []
    deletes: list[str] = []
    for entry in _entries(files, snapshot):
        if entry["file_format"].upper() != "PARQUET":
            raise Unread("files of another format")
        content = entry.get("content") or 0
        if content == 2:
            raise Unread("equality deletes")
        (deletes if content else data).append(entry["file_path"])
    return _Snapshot(fields, tuple(data), tuple(deletes))


def _entries(files: Mapping[str, str], snapshot: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The live files of the snapshot's manifests."""
    if "manifest-list" in snapshot:
        manifests = [str(one["manifest_path"]) for one in _avro(files[snapshot["manifest-list"]])]
    else:
        manifests = list(snapshot["manifests"])
    for manifest in manifests:
        for entry in _avro(files[manifest]):
            if entry["status"] in _LIVE:
                yield entry["data_file"]


def _avro(path: str) -> Iterator[dict[str, Any]]:
    with Path(path).open("rb") as file:
        for record in fastavro.reader(file):
            if not isinstance(record, dict):
                raise TypeError("not a record")
            yield record


def _schema(snapshot: _Snapshot) -> str:
    """Columns are found by their field ids, so that renamed ones are; where a type is nested, by name."""
    parts = []
    for field in snapshot.fields.values():
        kind = _kind(field["type"])
        if kind is None:
            return "union_by_name=true"
        name = _text(str(field["name"]))
        parts.append(f"{int(field['id'])}: {{name: {name}, type: {_text(kind)}, default_value: NULL}}")
    return f"schema=MAP {{{', '.join(parts)}}}"


def _kind(kind: object) -> str | None:
    if not isinstance(kind, str):
        return None
    if kind.startswith("decimal("):
        precision, scale = (int(one) for one in kind[8:-1].split(","))
        return f"DECIMAL({precision},{scale})"
    return _TYPES.get(kind)


def _undeleted(connection: duckdb.DuckDBPyConnection, name: str, files: Mapping[str, str], snapshot: _Snapshot) -> str:
    """The join that leaves out the rows that position deletes name."""
    if not snapshot.deletes:
        return ""
    deleted = f"{name}_deleted"
    connection.execute(f"CREATE TEMP TABLE {_name(deleted)} (path VARCHAR, pos BIGINT)")
    for uri in snapshot.deletes:
        rows = connection.execute(f"SELECT file_path, pos FROM read_parquet({_text(files[uri])})").fetchall()  # noqa: S608
        known = [(files[path], position) for path, position in rows if path in files]
        if known:
            connection.executemany(f"INSERT INTO {_name(deleted)} VALUES (?, ?)", known)  # noqa: S608 - our own name
    return f"ANTI JOIN {_name(deleted)} AS x ON x.path = d.filename AND x.pos = d.file_row_number"


def _name(value: str) -> str:
    escaped = value.replace('"', '""')
    return f'"{escaped}"'


def _text(value: str) -> str:
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
