"""A process that looks at a few files and says what they are: format, columns, delimiter, header.

Run as ``python -m lakewarden.engines.duckdb.sniff``: the request is one JSON document on standard input, the answer one on
standard output. Files are a stranger's, so that the process can open nothing but them, and lives for one request.
"""

import json
import sys
from collections.abc import Mapping
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
    confine.limit_resources(MEMORY_BYTES)
    confined = confine.confine([*paths, *_SYSTEM_READS], [])
    json.dump({"confined": confined, "files": [look(connection, path) for path in paths]}, sys.stdout)


def look(connection: duckdb.DuckDBPyConnection, path: str) -> Found:
    """What one file is; ``format`` is empty for what cannot be read."""
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
        return _text(connection, path, head, compression or _PLAIN)
    except (duckdb.Error, pa.ArrowException, ValueError, EOFError, OSError, KeyError, RecursionError):
        return {"format": ""}


def _text(connection: duckdb.DuckDBPyConnection, path: str, head: bytes, compression: str) -> Found:
    if compression != _PLAIN or head.lstrip()[:1] in {b"{", b"["}:
        try:
            return _json(connection, path, compression)
        except duckdb.Error:
            if compression == _PLAIN:
                raise
    return _csv(connection, path, compression)


def _json(connection: duckdb.DuckDBPyConnection, path: str, compression: str) -> Found:
    relation = connection.execute(
        "SELECT * FROM read_json(?, format = 'newline_delimited', compression = ?, sample_size = ?, auto_detect = true) "
        "LIMIT 0",
        [path, compression, _SAMPLE_ROWS],
    )
    return _arrow("json", relation.to_arrow_reader(1).schema)


def _csv(connection: duckdb.DuckDBPyConnection, path: str, compression: str) -> Found:
    relation = connection.execute(
        "SELECT Delimiter, Quote, HasHeader, Columns FROM sniff_csv(?, compression = ?, sample_size = ?)",
        [path, compression, _SAMPLE_ROWS],
    )
    row = relation.fetchone()
    if row is None:
        return {"format": ""}
    delimiter, quote, header, columns = row
    kinds = {"BIGINT": "bigint", "DOUBLE": "double", "BOOLEAN": "boolean", "DATE": "date", "TIMESTAMP": "timestamp"}
    return {
        "format": "csv",
        "columns": [[one["name"], kinds.get(one["type"], "string")] for one in columns],
        "delimiter": delimiter,
        "quote": "" if quote == "(empty)" else quote,
        "header": bool(header),
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
