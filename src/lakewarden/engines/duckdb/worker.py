"""The worker process: queries on locked DuckDB instances, one after the other.

Run as ``python -m lakewarden.engines.duckdb.worker``; the settings come as the first message on standard input.
"""

import io
import json
import os
import sys
from collections.abc import Iterator
from typing import BinaryIO

import duckdb
import msgspec
import pyarrow as pa

from lakewarden.engines.duckdb import confine, iceberg, iceberg_rows, reading, recheck, seccomp, writing
from lakewarden.engines.duckdb.instances import Instances
from lakewarden.engines.duckdb.macros import needed
from lakewarden.engines.duckdb.protocol import Reply, Request, Settings, received, send
from lakewarden.engines.duckdb.values import text_sql

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
    settings = msgspec.msgpack.decode(received(source), type=Settings)
    confine.limit_resources(settings.memory_bytes)
    # Landlock holds a thread and those that it makes, so a first wall stands before any library makes threads of its own;
    # the second, closer one leaves the libraries out, once all that is loaded lazily is loaded.
    reads = [settings.objects, *settings.own, *_SYSTEM_READS]
    confined = confine.confine([*reads, *_LIBRARIES, *filter(None, sys.path)], [settings.spill])
    _warm_up(settings)
    confined = confined and confine.confine(reads, [settings.spill]) and seccomp.forbid()
    send(sink, msgspec.msgpack.encode(Reply(message="confined" if confined else "")))
    instances = Instances(settings)
    while True:
        instances.prepare()
        body = received(source)
        if not body:
            return
        request = msgspec.msgpack.decode(body, type=Request)
        connection = instances.connection(request)
        well = _answer(connection, request, sink)
        connection.close()
        instances.done(keep=well and not request.folder)


def _warm_up(settings: Settings) -> None:
    """Run one query of every kind of value, so that all that is loaded lazily is loaded before the wall goes up."""
    instances = Instances(settings)
    statement = (
        "SELECT 1 AS a, 1e300 AS b, list_value(CAST('2020-01-01' AS DATE)) AS c, now() AS d, 'x' AS e, 1.5 AS f, "
        "t_double_text(1.5e0) AS g, strftime(timezone('Europe/Berlin', now()), '%Y') AS h, to_json(1) AS i"
    )
    request = Request(sql=statement, scans=(), paths=())
    connection = instances.connection(request)
    _answer(connection, request, io.BytesIO())
    connection.close()
    instances.done(keep=False)


def _answer(connection: duckdb.DuckDBPyConnection, request: Request, sink: BinaryIO) -> bool:
    """Run the request on a locked instance and send what comes of it; answers whether it went well."""
    try:
        recheck.check(connection, request.sql, frozenset(scan.relation for scan in request.scans))
        made: set[str] = set()
        _make_macros(connection, " ".join((request.sql, *(scan.select for scan in request.scans))), made)
        reading.prepare(connection, request)
        types = tuple(str(kind) for kind in connection.sql(request.sql).types)
        if request.change is not None:
            written = json.dumps(iceberg_rows.write(connection, request.sql, request.change))
            send(sink, msgspec.msgpack.encode(Reply(types=types, message=written, last=True)))
            return True
        if request.describe or request.output is not None:
            rows = writing.write(connection, request.sql, request.output) if request.output is not None else 0
            send(sink, msgspec.msgpack.encode(Reply(types=types, rows=rows, last=True)))
            return True
        names = [f"c{number}" for number in range(len(types))]
        items = ", ".join(f"{text_sql(name, kind)} AS {name}" for name, kind in zip(names, types, strict=True))
        statement = f"SELECT {items} FROM ({request.sql}) AS q({', '.join(names)})"  # noqa: S608 - the gate has passed it
        _make_macros(connection, statement, made)
        batches = iter(connection.execute(statement).to_arrow_reader(_BATCH_ROWS))
        first, second = next(batches, None), next(batches, None)
    except _FAILURES as error:
        send(sink, msgspec.msgpack.encode(_failed(error)))
        return False
    # A result of one batch is the whole of one message.
    reply = Reply(types=types, batch=b"" if first is None else _ipc(first), last=second is None)
    send(sink, msgspec.msgpack.encode(reply))
    return second is None or _stream(second, batches, sink)


def _stream(batch: pa.RecordBatch | None, batches: Iterator[pa.RecordBatch], sink: BinaryIO) -> bool:
    """The batches after the first, an empty message, and how it ended."""
    end = Reply()
    try:
        while batch is not None:
            send(sink, _ipc(batch))
            batch = next(batches, None)
    except duckdb.Error as error:
        end = _failed(error)
    send(sink, b"")
    send(sink, msgspec.msgpack.encode(end))
    return not end.error


def _failed(error: Exception) -> Reply:
    return Reply(error=type(error).__name__, message=str(error)[:2000])


_FAILURES = (
    duckdb.Error, recheck.Refused, reading.BadFile, iceberg.Unread, iceberg.NoVersion, iceberg_rows.Repeated,
    iceberg_rows.NullRefused, iceberg_rows.TooManyPartitions, pa.ArrowException,
)  # fmt: skip


def _make_macros(connection: duckdb.DuckDBPyConnection, sql: str, made: set[str]) -> None:
    for macro in needed(sql, made):
        connection.execute(macro)


def _ipc(batch: pa.RecordBatch) -> bytes:
    buffer = pa.BufferOutputStream()
    with pa.ipc.new_stream(buffer, batch.schema) as writer:
        writer.write_batch(batch)
    return buffer.getvalue().to_pybytes()  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
    sys.exit(0)
