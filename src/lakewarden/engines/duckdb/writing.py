"""In the worker: a statement's rows as files in the worker's own folder, which is all that it may write to."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import fastavro
import pyarrow as pa
from pyarrow import orc

from lakewarden.engines.duckdb.protocol import OutputRequest

NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_BATCH_ROWS = 50_000


def write(connection: duckdb.DuckDBPyConnection, sql: str, output: OutputRequest) -> int:
    """Write the rows of ``sql``; answers how many. Raises ``duckdb.Error``."""
    names = [f"c{number}" for number in range(len(output.names))]
    items = ", ".join(
        f"CAST({name} AS {kind}) AS {identifier(called)}"
        for name, kind, called in zip(names, output.types, output.names, strict=True)
    )
    select = f"SELECT {items} FROM ({sql}) AS q({', '.join(names)})"  # noqa: S608 - the gate has passed it
    if output.format in {"ORC", "AVRO"}:
        return _write_arrow(connection, select, output)
    if output.format == "JSON" and output.partitioned:
        return _write_json_partitions(connection, select, output)
    options = [*_OPTIONS[output.format](output)]
    target = Path(output.folder) / "part"
    if output.partitioned:
        keys = ", ".join(identifier(name) for name in output.names[-output.partitioned :])
        options.append(f"PARTITION_BY ({keys})")
    done = connection.execute(f"COPY ({select}) TO {text(str(target))} ({', '.join(options)})").fetchone()
    return int(done[0]) if done is not None else 0


def _parquet(output: OutputRequest) -> list[str]:
    codec = "uncompressed" if output.compression == "NONE" else output.compression.lower()
    return ["FORMAT parquet", f"COMPRESSION {codec}"]


def _json(output: OutputRequest) -> list[str]:
    return ["FORMAT json", f"COMPRESSION {output.compression.lower()}"]


def _textfile(output: OutputRequest) -> list[str]:
    return [
        "FORMAT csv", "HEADER false", "QUOTE ''", "ESCAPE ''", "NULLSTR '\\N'",
        f"DELIM {text(output.delimiter)}", f"COMPRESSION {output.compression.lower()}",
    ]  # fmt: skip


_OPTIONS: Mapping[str, Callable[[OutputRequest], list[str]]] = {
    "PARQUET": _parquet,
    "JSON": _json,
    "TEXTFILE": _textfile,
}


def _write_json_partitions(connection: duckdb.DuckDBPyConnection, select: str, output: OutputRequest) -> int:
    """DuckDB partitions no JSON: the rows once into a table, then each partition by itself."""
    connection.execute(f"CREATE TEMP TABLE json_rows AS {select}")
    width = len(output.names) - output.partitioned
    keys = [identifier(name) for name in output.names[width:]]
    items = ", ".join(identifier(name) for name in output.names[:width])
    texts = ", ".join(f"CAST({key} AS VARCHAR)" for key in keys)
    rows = 0
    for values in connection.execute(f"SELECT DISTINCT {texts} FROM json_rows").fetchall():  # noqa: S608
        wanted = " AND ".join(
            f"CAST({key} AS VARCHAR) IS NOT DISTINCT FROM {'NULL' if value is None else text(value)}"
            for key, value in zip(keys, values, strict=True)
        )
        folder = _folder(output, tuple(NO_PARTITION if value is None else value for value in values))
        part = f"SELECT {items} FROM json_rows WHERE {wanted}"  # noqa: S608 - names are quoted
        done = connection.execute(
            f"COPY ({part}) TO {text(str(folder / 'data'))} ({', '.join(_json(output))})"
        ).fetchone()
        rows += int(done[0]) if done is not None else 0
    return rows


def _write_arrow(connection: duckdb.DuckDBPyConnection, select: str, output: OutputRequest) -> int:
    """ORC and Avro, which DuckDB does not write: Arrow batches, one file for each partition."""
    rows = 0
    writers: dict[tuple[str, ...], _OrcFile | _AvroFile] = {}
    try:
        for batch in connection.execute(select).to_arrow_reader(_BATCH_ROWS):
            rows += batch.num_rows
            for values, part in _parts(pa.Table.from_batches([batch]), output):
                if values not in writers:
                    path = _folder(output, values) / "data"
                    kind = _OrcFile if output.format == "ORC" else _AvroFile
                    writers[values] = kind(path, part.schema, output.compression)
                writers[values].write(part)
    finally:
        for writer in writers.values():
            writer.close()
    return rows


def _parts(table: pa.Table, output: OutputRequest) -> list[tuple[tuple[str, ...], pa.Table]]:
    """The rows of each partition, without the keys."""
    if not output.partitioned:
        return [((), table)]
    width = len(output.names) - output.partitioned
    keys = [table.column(number).cast(pa.string()).to_pylist() for number in range(width, len(output.names))]
    rows: dict[tuple[str, ...], list[int]] = {}
    for number, values in enumerate(zip(*keys, strict=True)):
        rows.setdefault(tuple(NO_PARTITION if one is None else one for one in values), []).append(number)
    data = table.select(list(range(width)))
    return [(values, data.take(pa.array(numbers))) for values, numbers in rows.items()]


def _folder(output: OutputRequest, values: tuple[str, ...]) -> Path:
    folder = Path(output.folder)
    for name, value in zip(output.names[len(output.names) - output.partitioned :], values, strict=True):
        folder /= f"{quote(name, safe='')}={quote(value, safe='')}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class _OrcFile:
    def __init__(self, path: Path, schema: pa.Schema, compression: str) -> None:
        del schema
        codec = "uncompressed" if compression == "NONE" else compression.lower()
        self._writer = orc.ORCWriter(str(path), compression="zlib" if codec == "gzip" else codec)

    def write(self, table: pa.Table) -> None:
        self._writer.write(table)

    def close(self) -> None:
        self._writer.close()


class _AvroFile:
    """fastavro writes whole files; blocks are appended batch by batch."""

    def __init__(self, path: Path, schema: pa.Schema, compression: str) -> None:
        self._path = path
        self._schema = fastavro.parse_schema(avro_schema(schema))
        self._codec = {"GZIP": "deflate", "NONE": "null", "SNAPPY": "snappy", "ZSTD": "zstandard"}.get(
            compression, "null"
        )

    def write(self, table: pa.Table) -> None:
        mode = "a+b" if self._path.exists() else "wb"
        with self._path.open(mode) as file:
            fastavro.writer(file, self._schema, table.to_pylist(), codec=self._codec)

    def close(self) -> None:
        """Nothing is left open."""


def avro_schema(schema: pa.Schema) -> dict[str, Any]:
    """The Avro record of an Arrow schema, every field nullable."""
    fields = [
        {"name": field.name, "type": ["null", _avro(field.type, field.name)], "default": None} for field in schema
    ]
    return {"type": "record", "name": "row", "fields": fields}


def _avro(kind: Any, name: str) -> Any:
    types = pa.types
    for test, found in (
        (types.is_boolean, "boolean"),
        (types.is_int64, "long"),
        (types.is_integer, "int"),
        (types.is_float32, "float"),
        (types.is_floating, "double"),
        (types.is_date, {"type": "int", "logicalType": "date"}),
        (types.is_timestamp, {"type": "long", "logicalType": "timestamp-millis"}),
        (types.is_binary, "bytes"),
    ):
        if test(kind):
            return found
    if types.is_decimal(kind):
        return {"type": "bytes", "logicalType": "decimal", "precision": kind.precision, "scale": kind.scale}
    if types.is_list(kind):
        return {"type": "array", "items": ["null", _avro(kind.value_type, f"{name}_item")]}
    if types.is_struct(kind):
        fields = [
            {"name": one.name, "type": ["null", _avro(one.type, f"{name}_{one.name}")], "default": None} for one in kind
        ]
        return {"type": "record", "name": f"{name}_record", "fields": fields}
    return "string"


def identifier(value: str) -> str:
    """A quoted identifier."""
    escaped = value.replace('"', '""')
    return f'"{escaped}"'


def text(value: str) -> str:
    """A quoted string literal."""
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
