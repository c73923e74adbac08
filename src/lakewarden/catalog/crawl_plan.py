"""From objects to tables: which objects are one table, its partitions, and Glue's TableInput for it. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lakewarden.catalog.model import TableRecord
from lakewarden.kernel.lake import DataFile
from lakewarden.sql import formats

_HIVE = re.compile(r"([^=/]+)=([^=/]*)")
_WIDER = ("tinyint", "smallint", "int", "bigint", "double")
DEPRECATED = "DEPRECATED_BY_CRAWLER"
MADE_BY = "UPDATED_BY_CRAWLER"
_QUOTED = frozenset({"string", "bigint", "int", "double", "boolean"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A table to be: its location, the partition keys, and the files by partition values."""

    name: str
    location: str
    keys: tuple[str, ...]
    files: Mapping[tuple[str, ...], tuple[DataFile, ...]]

    def sample(self, most: int, each: int) -> list[DataFile]:
        """A few of its files, spread over the partitions; at most ``each`` of one."""
        firsts = [files[0] for files in self.files.values()]
        rest = [file for files in self.files.values() for file in files[1:each]]
        return [*firsts, *rest][:most]


@dataclass(frozen=True, slots=True)
class Schema:
    """What the files of a candidate have in common; ``format`` is empty where they have nothing."""

    format: str
    columns: tuple[tuple[str, str], ...] = ()
    serde: Mapping[str, str] = field(default_factory=dict)
    header: bool = False
    path: str = ""


def candidates(target: str, files: Iterable[DataFile], level: int = 0) -> list[Candidate]:
    """The tables below a target path.

    Files right below it, or below ``key=value`` folders, are one table; else each folder below it is one. With ``level``
    each folder of that depth is one, the bucket's being 1, and files above it are none. Folders within a table are its
    partitions: by their names where they are ``key=value``, as partition_0 and so on where they are not.
    """
    root = target.rstrip("/")
    below = [(file, file.uri.removeprefix(root).lstrip("/").split("/")) for file in files]
    whole = any(len(parts) == 1 or _HIVE.fullmatch(parts[0]) for _, parts in below)
    depth = level - len(root.partition("://")[2].split("/")) if level else 0 if whole else 1
    groups: dict[str, list[tuple[DataFile, list[str]]]] = {}
    for file, parts in below:
        if 0 <= depth < len(parts):
            groups.setdefault("/".join((root, *parts[:depth])), []).append((file, parts[depth:]))
    found = (_candidate(location, members) for location, members in sorted(groups.items()))
    return [one for one in found if one is not None]


def _candidate(location: str, members: Sequence[tuple[DataFile, list[str]]]) -> Candidate | None:
    depth = len(members[0][1]) - 1
    if any(len(parts) - 1 != depth for _, parts in members):
        return None
    folders = [parts[:-1] for _, parts in members]
    keys: list[str] = []
    for level in range(depth):
        names = {match.group(1).lower() for one in folders if (match := _HIVE.fullmatch(one[level]))}
        hive = len(names) == 1 and all(_HIVE.fullmatch(one[level]) for one in folders)
        keys.append(names.pop() if hive else f"partition_{level}")
    by_values: dict[tuple[str, ...], tuple[DataFile, ...]] = {}
    for (file, _), folder in zip(members, folders, strict=True):
        values = tuple(
            part.partition("=")[2] if not key.startswith("partition_") else part
            for key, part in zip(keys, folder, strict=True)
        )
        by_values[values] = (*by_values.get(values, ()), file)
    return Candidate(table_name(location.rpartition("/")[2]), location + "/", tuple(keys), by_values)


def table_name(text: str) -> str:
    """A folder's or file's name as a table's."""
    return re.sub(r"[^a-z0-9_]", "_", text.lower())[:200] or "table"


def common(found: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> Schema:
    """The schema of several files: one format, all their columns, each of a type that holds all."""
    kinds = {one["format"] for one in found}
    forms = {(one.get("delimiter"), one.get("header"), one.get("path"), one.get("serde")) for one in found}
    if len(kinds) != 1 or "" in kinds or len(forms) != 1:
        return Schema("")
    columns: dict[str, str] = {}
    for one in found:
        for name, kind in one["columns"]:
            lower = name.lower()
            columns[lower] = wider(columns[lower], kind) if lower in columns else kind
    for key in keys:
        columns.pop(key, None)
    first = found[0]
    kind = first["format"]
    serde = first.get("serde") or ""
    quoted = kind == "csv" and (serde == "OpenCSVSerDe" or (not serde and any(one.get("quote") for one in found)))
    if quoted:
        columns = {name: one if one in _QUOTED else "string" for name, one in columns.items()}
    return Schema(
        kind, tuple(columns.items()), _serde(first, quoted=quoted), bool(first.get("header")), first.get("path") or ""
    )


def wider(one: str, other: str) -> str:
    """A type that holds the values of both."""
    if one == other:
        return one
    if one in _WIDER and other in _WIDER:
        return _WIDER[max(_WIDER.index(one), _WIDER.index(other))]
    return "string"


def _serde(found: Mapping[str, Any], *, quoted: bool) -> dict[str, str]:
    if found["format"] != "csv":
        return {"serialization.format": "1"}
    if quoted:
        return {"separatorChar": found["delimiter"], "quoteChar": found.get("quote") or '"', "escapeChar": "\\"}
    return {"field.delim": found["delimiter"], "serialization.format": found["delimiter"]}


def table_input(name: str, candidate: Candidate, schema: Schema, crawler: str) -> dict[str, Any]:
    """Glue's TableInput."""
    stored = "TEXTFILE" if schema.format == "csv" else schema.format.upper()
    quoted = "separatorChar" in schema.serde
    layout = formats.Layout(serde=formats.OPEN_CSV if quoted else "").stored_as(stored)
    parameters = {"classification": schema.format, MADE_BY: crawler, "EXTERNAL": "TRUE"}
    if schema.path:
        parameters["jsonPath"] = schema.path
    if schema.header:
        parameters["skip.header.line.count"] = "1"
    if schema.format == "csv":
        parameters["delimiter"] = schema.serde.get("separatorChar") or schema.serde["field.delim"]
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "PartitionKeys": [{"Name": key, "Type": "string"} for key in candidate.keys],
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": kind} for column, kind in schema.columns],
            "Location": candidate.location,
            "InputFormat": layout.input_format,
            "OutputFormat": layout.output_format,
            "SerdeInfo": {"SerializationLibrary": layout.serde, "Parameters": dict(schema.serde)},
        },
    }


def differs(record: TableRecord, wanted: Mapping[str, Any]) -> bool:
    """Whether a table's columns, keys or form are not those wanted, or it was taken for one whose files are gone."""
    if DEPRECATED in (record.document.get("Parameters") or {}):
        return True
    present, storage = record.document, record.document.get("StorageDescriptor") or {}
    asked = wanted["StorageDescriptor"]
    return (present.get("PartitionKeys") or []) != (wanted.get("PartitionKeys") or []) or any(
        storage.get(name) != asked.get(name) for name in ("Columns", "InputFormat", "SerdeInfo")
    )


def merged(record: TableRecord, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The table as it is, with the columns of ``wanted`` that it does not have behind its own."""
    present = {name: value for name, value in (record.document.get("Parameters") or {}).items() if name != DEPRECATED}
    storage = dict(record.document.get("StorageDescriptor") or {})
    columns = list(storage.get("Columns") or ())
    names = {column.name for column in record.table().all_columns}
    storage["Columns"] = columns + [one for one in wanted["StorageDescriptor"]["Columns"] if one["Name"] not in names]
    return {**record.document, "Parameters": present, "StorageDescriptor": storage}
