"""In the worker: relations over files that DuckDB does not read, or reads otherwise than Athena does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import fastavro
import pyarrow as pa
import pyarrow.dataset as ds

from lakewarden.engines.duckdb import iceberg
from lakewarden.engines.duckdb.protocol import Request, ScanRequest, SourceRequest

_BATCH_ROWS = 20_000
_UNREADABLE = (
    duckdb.InvalidInputException, duckdb.BinderException, pa.ArrowException, OSError, ValueError, KeyError, TypeError,
    EOFError, StopIteration,
)  # fmt: skip


class BadFile(Exception):
    """A file that is not of its table's format; its own words may hold data, so they stay here."""


def prepare(connection: duckdb.DuckDBPyConnection, request: Request) -> None:
    """Make the sources, then the relations of the statement; raises ``duckdb.Error`` or :class:`BadFile`."""
    for source in request.sources:
        try:
            _SOURCES[source.format](connection, source)
        except _UNREADABLE as error:
            raise BadFile(f"a {source.format} file cannot be read") from error
    for scan in request.scans:
        barrier = scan.barrier or not _of_their_types(connection, scan)
        _create(connection, "TEMP TABLE" if barrier else "TEMP VIEW", scan, request.lenient)


def _of_their_types(connection: duckdb.DuckDBPyConnection, scan: ScanRequest) -> bool:
    """Whether the files' columns are of the table's types, so that no value can fail to become one."""
    if not scan.plain:
        return True
    try:
        described = connection.execute(f"DESCRIBE {scan.plain}").fetchall()
    except duckdb.BinderException:
        return False
    return tuple(str(row[1]) for row in described) == scan.types


def _create(connection: duckdb.DuckDBPyConnection, kind: str, scan: ScanRequest, lenient: dict[str, str]) -> None:
    head = f'CREATE {kind} "{scan.relation}" AS '
    try:
        connection.execute(head + scan.select)
    except duckdb.BinderException:
        select = scan.select
        for read, instead in lenient.items():
            select = select.replace(read, instead)
        if select == scan.select:
            raise
        connection.execute(head + select)


def _orc(connection: duckdb.DuckDBPyConnection, source: SourceRequest) -> None:
    """ORC by pyarrow, which reads the columns that are asked for; a column that no file has is null."""
    data = ds.dataset(list(source.paths), format="orc")
    inside = f"{source.name}_files"
    connection.register(inside, data)
    present = {field.name.lower(): field.name for field in data.schema}
    items = [
        f"{_name(present[name])} AS {_name(name)}" if name in present else f"CAST(NULL AS {kind}) AS {_name(name)}"
        for name, kind in source.columns
    ]
    select = f"SELECT {', '.join(items)} FROM {_name(inside)}"  # noqa: S608 - names are quoted
    connection.execute(f"CREATE TEMP VIEW {_name(source.name)} AS {select}")


def _avro(connection: duckdb.DuckDBPyConnection, source: SourceRequest) -> None:
    """Avro by fastavro, into a table of the instance, which spills when it is large."""
    declared = ", ".join(f"{_name(name)} {kind}" for name, kind in source.columns)
    connection.execute(f"CREATE TEMP TABLE {_name(source.name)} ({declared})")
    names = [name for name, _ in source.columns]
    items = ", ".join(_name(name) for name in names)
    for path in source.paths:
        for records in _batches(Path(path)):
            rows = [{key.lower(): value for key, value in record.items()} for record in records]
            batch = pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})
            connection.register("avro_batch", batch)
            connection.execute(f"INSERT INTO {_name(source.name)} SELECT {items} FROM avro_batch")  # noqa: S608
            connection.unregister("avro_batch")


def _batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    with path.open("rb") as file:
        records: list[dict[str, Any]] = []
        for record in fastavro.reader(file):
            if not isinstance(record, dict):
                raise BadFile("an Avro file of something else than records")
            records.append(record)
            if len(records) == _BATCH_ROWS:
                yield records
                records = []
        if records:
            yield records


def _json(connection: duckdb.DuckDBPyConnection, source: SourceRequest) -> None:
    """One object a line. Keys are matched without regard to case, as both of Athena's JSON SerDes do."""
    paths = ", ".join(_text(path) for path in source.paths)
    ignore = source.options.get("ignore.malformed.json", "").lower() == "true"
    options = (
        f"format='newline_delimited', compression='{source.options['codec']}', ignore_errors={str(ignore).lower()}"
    )
    keys = _keys(connection, f"read_json([{paths}], {options}, columns={{j: 'JSON'}}, records=false)")
    wanted = [
        (name, kind, _spellings(source.options.get(f"mapping.{name}", name), keys)) for name, kind in source.columns
    ]
    spelled = {key: kind for _, kind, spellings in wanted for key in spellings}
    declared = ", ".join(f"{_text(key)}: {_text(kind)}" for key, kind in spelled.items())
    items = [
        f"coalesce({', '.join(_name(key) for key in spellings)}) AS {_name(name)}"
        if spellings
        else f"CAST(NULL AS {kind}) AS {_name(name)}"
        for name, kind, spellings in wanted
    ]
    # An object without any of the keys is a row all the same.
    read = f"read_json([{paths}], {options}, columns={{{declared or _text('nothing') + ': ' + _text('VARCHAR')}}})"
    select = f"SELECT {', '.join(items)} FROM {read}"  # noqa: S608 - names are quoted
    connection.execute(f"CREATE TEMP VIEW {_name(source.name)} AS {select}")


def _keys(connection: duckdb.DuckDBPyConnection, read: str) -> list[str]:
    """Every key of the outermost objects, as it is spelled."""
    found = connection.execute(f"SELECT DISTINCT unnest(json_keys(j)) AS k FROM {read} ORDER BY k").fetchall()  # noqa: S608
    return [str(row[0]) for row in found]


def _spellings(wanted: str, keys: list[str]) -> list[str]:
    return [key for key in keys if key.lower() == wanted.lower()]


_SOURCES = {"ORC": _orc, "AVRO": _avro, "JSON": _json, "ICEBERG": iceberg.create}


def _name(value: str) -> str:
    escaped = value.replace('"', '""')
    return f'"{escaped}"'


def _text(value: str) -> str:
    escaped = value.replace("'", "''")
    return f"'{escaped}'"
