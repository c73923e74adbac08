"""A process that looks at a few files and says what they are: format, columns, delimiter, header.

Run as ``python -m lakewarden.engines.duckdb.sniff``: the request is one JSON document on standard input, the answer one on
standard output. Files are a stranger's, so that the process can open nothing but them, and lives for one request.
"""

import gzip
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet

from lakewarden.engines.duckdb import confine

MEMORY_BYTES = 1 << 30
_SAMPLE_ROWS = 20_480
_LARGEST_JSON = 32 << 20
_PLAIN = "uncompressed"
_SYSTEM_READS = ["/dev/null", "/dev/urandom", "/proc/meminfo", "/proc/self", "/usr/share/zoneinfo", "/sys/fs/cgroup"]
_AVRO = {"int": "int", "long": "bigint", "float": "float", "double": "double", "boolean": "boolean", "bytes": "binary"}
_AVRO_LOGICAL = {"date": "date", "timestamp-millis": "timestamp", "timestamp-micros": "timestamp"}
Found = dict[str, Any]


def main() -> None:
    """Answer one request."""
    confine.die_with_parent()
    request = json.load(sys.stdin)
    paths: list[str] = request["paths"]
    connection = duckdb.connect(":memory:", config={"threads": "1", "memory_limit": f"{MEMORY_BYTES}B"})
    connection.execute("SELECT 1").fetchall()
    # Arrow looks for pandas once, in places that are closed afterwards.
    pa.array([1])
    confine.limit_resources(MEMORY_BYTES)
    confined = confine.confine([*paths, *_SYSTEM_READS], [])
    classifiers: list[Found] = request.get("classifiers") or []
    json.dump({"confined": confined, "files": [look(connection, path, classifiers) for path in paths]}, sys.stdout)


def look(connection: duckdb.DuckDBPyConnection, path: str, classifiers: Sequence[Found] = ()) -> Found:
    """What one file is; ``format`` is empty for what cannot be read. Text is what the first classifier takes it for."""
    with Path(path).open("rb") as file:
        head = file.read(4096)
    compression = "gzip" if head[:2] == b"\x1f\x8b" else "zstd" if head[:4] == b"\x28\xb5\x2f\xfd" else ""
    try:
        if head[:4] == b"PAR1":
            return _arrow("parquet", pa.parquet.read_schema(path))
        if head[:3] == b"ORC":
            return _arrow("orc", pa.orc.ORCFile(path).schema)
        if head[:4] == b"Obj\x01":
            return _avro(path)
        for one in classifiers:
            found = classified(connection, path, compression or _PLAIN, one)
            if found is not None:
                return found
        return _text(connection, path, head, compression or _PLAIN)
    except Exception:  # noqa: BLE001 - the edge: whatever a reader makes of a stranger's bytes, they are no table
        return {"format": ""}


def classified(connection: duckdb.DuckDBPyConnection, path: str, compression: str, classifier: Found) -> Found | None:
    """What the file is by one of Glue's classifiers; None where it does not fit."""
    try:
        if "CsvClassifier" in classifier:
            return _csv(connection, path, compression, classifier["CsvClassifier"])
        return _json_at(path, compression, classifier["JsonClassifier"]["JsonPath"])
    except (duckdb.Error, ValueError, pa.ArrowException):
        return None


def _json_at(path: str, compression: str, place: str) -> Found | None:
    """The columns of the objects that a JSON path leads to."""
    if compression not in {_PLAIN, "gzip"} or Path(path).stat().st_size > _LARGEST_JSON:
        return None
    with gzip.open(path) if compression == "gzip" else Path(path).open("rb") as file:
        text = file.read(_LARGEST_JSON + 1)
    if len(text) > _LARGEST_JSON:
        return None
    found = [json.loads(text)]
    for step in re.findall(r"\.([^.\[]+)|(\[\*\])", place):
        found = [value for one in found for value in _stepped(one, *step)]
    rows = [one for one in found if isinstance(one, dict)][:_SAMPLE_ROWS]
    if not rows or len(rows) != len(found[:_SAMPLE_ROWS]):
        return None
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return {**_arrow("json", pa.Table.from_pydict(columns).schema), "path": place}


def _stepped(value: Any, name: str, every: str) -> list[Any]:
    if every:
        return value if isinstance(value, list) else []
    return [value[name]] if isinstance(value, dict) and name in value else []


def _text(connection: duckdb.DuckDBPyConnection, path: str, head: bytes, compression: str) -> Found:
    if compression == _PLAIN and (not head.strip() or b"\0" in head):
        return {"format": ""}
    if compression != _PLAIN or head.lstrip()[:1] in {b"{", b"["}:
        try:
            return _json(connection, path, compression)
        except duckdb.Error:
            if compression == _PLAIN:
                raise
    return _csv(connection, path, compression) or {"format": ""}


def _json(connection: duckdb.DuckDBPyConnection, path: str, compression: str) -> Found:
    relation = connection.execute(
        "SELECT * FROM read_json(?, format = 'newline_delimited', compression = ?, sample_size = ?, auto_detect = true) "
        "LIMIT 0",
        [path, compression, _SAMPLE_ROWS],
    )
    return _arrow("json", relation.to_arrow_reader(1).schema)


def _csv(
    connection: duckdb.DuckDBPyConnection, path: str, compression: str, classifier: Found | None = None
) -> Found | None:
    """A CSV file's form; with a CsvClassifier the form that it says, or None where the file has not that form."""
    said = classifier or {}
    options: dict[str, Any] = {"compression": compression, "sample_size": _SAMPLE_ROWS}
    if said.get("Delimiter"):
        options["delim"] = said["Delimiter"]
    if said.get("QuoteSymbol"):
        options["quote"] = said["QuoteSymbol"]
    if said.get("ContainsHeader") in {"PRESENT", "ABSENT"}:
        options["header"] = said["ContainsHeader"] == "PRESENT"
    named = ", ".join(f"{name} = ?" for name in options)
    relation = connection.execute(
        f"SELECT Delimiter, Quote, HasHeader, Columns FROM sniff_csv(?, {named})",  # noqa: S608 - names of our own
        [path, *options.values()],
    )
    row = relation.fetchone()
    if row is None:
        return None
    delimiter, quote, header, columns = row
    names = said.get("Header") or [one["name"] for one in columns]
    if classifier is not None and (
        len(names) != len(columns) or (len(columns) < 2 and not said.get("AllowSingleColumn"))
    ):
        return None
    kinds = {"BIGINT": "bigint", "DOUBLE": "double", "BOOLEAN": "boolean", "DATE": "date", "TIMESTAMP": "timestamp"}
    serde = said.get("Serde") or ""
    return {
        "format": "csv",
        "columns": [[name, kinds.get(one["type"], "string")] for name, one in zip(names, columns, strict=True)],
        "delimiter": delimiter,
        "quote": "" if quote == "(empty)" else quote,
        "header": bool(header),
        "serde": "" if serde == "None" else serde,
    }


def _arrow(name: str, schema: pa.Schema) -> Found:
    return {"format": name, "columns": [[field.name, glue_type(field.type)] for field in schema]}


def glue_type(kind: pa.DataType) -> str:
    """An Arrow type as Glue's; raises ``ValueError`` for one that has none."""
    if pa.types.is_struct(kind):
        fields = ",".join(f"{kind.field(n).name}:{glue_type(kind.field(n).type)}" for n in range(kind.num_fields))
        return f"struct<{fields}>"
    if pa.types.is_map(kind):
        return f"map<{glue_type(kind.key_type)},{glue_type(kind.item_type)}>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"array<{glue_type(kind.value_type)}>"
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_dictionary(kind):
        return glue_type(kind.value_type)
    simple = {
        "int8": "tinyint", "int16": "smallint", "int32": "int", "int64": "bigint", "uint8": "smallint",
        "uint16": "int", "uint32": "bigint", "uint64": "decimal(20,0)", "halffloat": "float", "float": "float",
        "double": "double", "bool": "boolean", "string": "string", "large_string": "string", "string_view": "string",
        "binary": "binary", "large_binary": "binary", "date32[day]": "date", "date64[ms]": "date", "null": "string",
        "extension<arrow.json>": "string",
    }  # fmt: skip
    found = simple.get(str(kind))
    if found is None:
        raise ValueError(f"no Glue type for {kind}")
    return found


def _avro(path: str) -> Found:
    with Path(path).open("rb") as file:
        schema = fastavro.reader(file).writer_schema
    if not isinstance(schema, Mapping) or schema.get("type") != "record":
        raise ValueError("not a record")
    return {"format": "avro", "columns": [[one["name"], _avro_type(one["type"])] for one in schema["fields"]]}


def _avro_type(kind: Any) -> str:
    if isinstance(kind, list):
        rest = [one for one in kind if one != "null"]
        if len(rest) != 1:
            raise ValueError("a union has no Glue type")
        return _avro_type(rest[0])
    if isinstance(kind, Mapping):
        logical = kind.get("logicalType")
        if logical in _AVRO_LOGICAL:
            return _AVRO_LOGICAL[str(logical)]
        if logical == "decimal":
            return f"decimal({kind['precision']},{kind.get('scale', 0)})"
        if kind["type"] == "array":
            return f"array<{_avro_type(kind['items'])}>"
        if kind["type"] == "map":
            return f"map<string,{_avro_type(kind['values'])}>"
        if kind["type"] == "record":
            return f"struct<{','.join(one['name'] + ':' + _avro_type(one['type']) for one in kind['fields'])}>"
        return _avro_type(kind["type"]) if isinstance(kind["type"], str) else "string"
    return _AVRO.get(kind, "string")


if __name__ == "__main__":
    main()
