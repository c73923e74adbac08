"""The worker process: one locked DuckDB instance per query, made ready before the query comes.

Run as ``python -m lakewarden.engines.duckdb.worker``; the settings come as the first message on standard input.
"""

import io
import json
import os
import sys
from typing import BinaryIO

import duckdb
import msgspec
import pyarrow as pa

from lakewarden.engines.duckdb import confine, iceberg, iceberg_rows, reading, recheck, seccomp, writing
from lakewarden.engines.duckdb.macros import needed
from lakewarden.engines.duckdb.protocol import LENGTH, Reply, Request, Settings
from lakewarden.engines.duckdb.values import JAVA_DOUBLE, JAVA_DOUBLE_CAST, java_double, text_sql

_BATCH_ROWS = 20_000
_SYSTEM_READS = [
    "/dev/urandom",
    "/dev/null",
    "/proc/meminfo",
    "/proc/self",
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/usr/share/zoneinfo",
]
_LIBRARIES = [sys.prefix, sys.base_prefix, "/usr/lib", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache"]


def main() -> None:
    """Serve queries from standard input until it closes."""
    confine.die_with_parent()
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Nothing that a library prints may get into the protocol.
    os.dup2(2, 1)
    settings = msgspec.msgpack.decode(_message(source), type=Settings)
    confine.limit_resources(settings.memory_bytes)
    # Landlock holds a thread and those that it makes, so a first wall stands before any library makes threads of its own;
    # the second, closer one leaves the libraries out, once all that is loaded lazily is loaded.
    reads = [settings.objects, *settings.own, *_SYSTEM_READS]
    confined = confine.confine([*reads, *_LIBRARIES, *filter(None, sys.path)], [settings.spill])
    _warm_up(settings)
    confined = confined and confine.confine(reads, [settings.spill]) and seccomp.forbid()
    _send(sink, msgspec.msgpack.encode(Reply(message="confined" if confined else "")))
    while True:
        connection = _ready(settings)
        body = _message(source)
        if not body:
            return
        _answer(connection, msgspec.msgpack.decode(body, type=Request), sink)
        connection.close()


def _warm_up(settings: Settings) -> None:
    """Run one query of every kind of value, so that all that is loaded lazily is loaded before the wall goes up."""
    connection = _ready(settings)
    statement = (
        "SELECT 1 AS a, 1e300 AS b, list_value(CAST('2020-01-01' AS DATE)) AS c, now() AS d, 'x' AS e, 1.5 AS f, "
        "t_double_text(1.5e0) AS g, strftime(timezone('Europe/Berlin', now()), '%Y') AS h, to_json(1) AS i"
    )
    _answer(connection, Request(sql=statement, scans=(), paths=()), io.BytesIO())
    connection.close()


def _ready(settings: Settings) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": str(settings.threads),
            "memory_limit": f"{settings.memory_bytes}B",
            "temp_directory": settings.spill,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_unsigned_extensions": "false",
            "python_enable_replacements": "false",
        },
    )
    connection.create_function(JAVA_DOUBLE, java_double, ["DOUBLE"], "VARCHAR")
    connection.create_function(JAVA_DOUBLE_CAST, java_double, ["DOUBLE"], "VARCHAR")
    return connection


def _lock(connection: duckdb.DuckDBPyConnection, paths: tuple[str, ...], folder: str) -> None:
    # INVARIANT (least_reach): exactly this query's files, nothing else, and no way back.
    listed = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
    connection.execute(f"SET allowed_paths = [{listed}]")
    if folder:
        connection.execute(f"SET allowed_directories = [{writing.text(folder + '/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _answer(connection: duckdb.DuckDBPyConnection, request: Request, sink: BinaryIO) -> None:
    try:
        recheck.check(connection, request.sql, frozenset(scan.relation for scan in request.scans))
        _lock(connection, request.paths, _folder(request))
        made: set[str] = set()
        _make_macros(connection, " ".join((request.sql, *(scan.select for scan in request.scans))), made)
        reading.prepare(connection, request)
        described = connection.execute(f"DESCRIBE {request.sql}").fetchall()
        types = tuple(str(row[1]) for row in described)
        if request.change is not None:
            written = json.dumps(iceberg_rows.write(connection, request.sql, request.change))
            _send(sink, msgspec.msgpack.encode(Reply(types=types, message=written)))
            return
        if request.describe or request.output is not None:
            rows = writing.write(connection, request.sql, request.output) if request.output is not None else 0
            _send(sink, msgspec.msgpack.encode(Reply(types=types, rows=rows)))
            return
        names = [f"c{number}" for number in range(len(types))]
        items = ", ".join(f"{text_sql(name, kind)} AS {name}" for name, kind in zip(names, types, strict=True))
        statement = f"SELECT {items} FROM ({request.sql}) AS q({', '.join(names)})"  # noqa: S608 - the gate has passed it
        _make_macros(connection, statement, made)
        reader = connection.execute(statement).to_arrow_reader(_BATCH_ROWS)
        batches = iter(reader)
        first = next(batches, None)
    except _FAILURES as error:
        _send(sink, msgspec.msgpack.encode(Reply(error=type(error).__name__, message=str(error)[:2000])))
        return
    _send(sink, msgspec.msgpack.encode(Reply(types=types)))
    try:
        while first is not None:
            _send(sink, _ipc(first))
            first = next(batches, None)
    except duckdb.Error as error:
        _send(sink, b"")
        _send(sink, msgspec.msgpack.encode(Reply(error=type(error).__name__, message=str(error)[:2000])))
        return
    _send(sink, b"")
    _send(sink, msgspec.msgpack.encode(Reply()))


_FAILURES = (
    duckdb.Error, recheck.Refused, reading.BadFile, iceberg.Unread, iceberg.NoVersion, iceberg_rows.Repeated,
    iceberg_rows.NullRefused, iceberg_rows.TooManyPartitions, pa.ArrowException,
)  # fmt: skip


def _folder(request: Request) -> str:
    """The only folder that the query may write to, where it writes files."""
    written = request.output or request.change
    return written.folder if written is not None else ""


def _make_macros(connection: duckdb.DuckDBPyConnection, sql: str, made: set[str]) -> None:
    for macro in needed(sql, made):
        connection.execute(macro)


def _ipc(batch: pa.RecordBatch) -> bytes:
    buffer = pa.BufferOutputStream()
    with pa.ipc.new_stream(buffer, batch.schema) as writer:
        writer.write_batch(batch)
    return buffer.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _message(source: BinaryIO) -> bytes:
    """The next message; empty when the server has closed the pipe."""
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return b""
    return source.read(LENGTH.unpack(head)[0])


def _send(sink: BinaryIO, body: bytes) -> None:
    sink.write(LENGTH.pack(len(body)))
    sink.write(body)
    sink.flush()


if __name__ == "__main__":
    main()
    sys.exit(0)
