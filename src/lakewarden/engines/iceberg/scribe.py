"""The scribe: a process that turns a table's metadata into the next, and can open nothing but what it is given.

Run as ``python -m lakewarden.engines.iceberg.scribe``; settings come as the first message on standard input. Metadata is
data that somebody wrote: it is parsed here, behind the same walls as a query's files.
"""

import os
import resource
import sys
import tempfile
import uuid
import warnings
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.exceptions import ValidationError
from pyiceberg.serializers import FromInputFile, ToOutputFile
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import TableUpdate, update_table_metadata

from lakewarden.engines.duckdb import confine, seccomp
from lakewarden.engines.duckdb.protocol import Settings, received, send
from lakewarden.engines.iceberg import expiry, tables
from lakewarden.engines.iceberg.files import GivenFiles
from lakewarden.engines.iceberg.protocol import Done, Order
from lakewarden.engines.iceberg.snapshots import Commit
from lakewarden.engines.iceberg.types import UnsupportedType
from lakewarden.kernel.iceberg import Alter, ChangeRows, ColumnOf, Create, Expire, NewFile, PartitionBy, Reach

_SYSTEM_READS = ["/dev/urandom", "/dev/null", "/proc/meminfo", "/proc/self", "/usr/share/zoneinfo"]
_LONGEST_METADATA = 256 << 20
_ADDRESSES = 2 << 30
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    IndexError,
    ValidationError,
    MemoryError,
)


def main() -> None:
    """Serve orders from standard input until it closes."""
    confine.die_with_parent()
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # Nothing that a library prints may get into the protocol.
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    settings = msgspec.msgpack.decode(received(source), type=Settings)
    confine.limit_resources(settings.memory_bytes)
    # What unpacks to more than this ends the process, and with it one statement.
    bound = settings.memory_bytes + _ADDRESSES
    resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    _warm_up(settings.spill)
    confined = confine.confine([settings.objects, *_SYSTEM_READS], [settings.spill]) and seccomp.forbid()
    send(sink, msgspec.msgpack.encode(Done(message="confined" if confined else "")))
    while body := received(source):
        send(sink, msgspec.msgpack.encode(done(msgspec.msgpack.decode(body, type=Order))))


def _warm_up(spill: str) -> None:
    """Make, fill and change a small table, so that all that is loaded lazily is loaded before the wall goes up."""
    columns = (ColumnOf("a", "bigint"), ColumnOf("b", "decimal(3,1)"), ColumnOf("c", "array<string>"))
    with tempfile.TemporaryDirectory(dir=spill) as folder:
        rows = f"{folder}/rows.parquet"
        pq.write_table(pa.table({"a": pa.array([1], pa.int64())}), rows)
        data = NewFile("s3://w/rows", rows, 1, 1, (1,))
        deletes = NewFile("s3://w/deletes", rows, 1, 1, (1,), deletes=True)
        files: dict[str, str] = {}
        base = ""
        for work in (
            Create("s3://w", columns, (PartitionBy("a", "identity"),), {}),
            ChangeRows((data, deletes), "overwrite"), ChangeRows((data,), "replace", ("s3://w/rows",)),
            Alter(added=(ColumnOf("d", "date"),)), Expire(0, 1, 1), Reach(),
        ):  # fmt: skip
            made = _done(Order(folder, "s3://w/m", base, files, work, 1 << 60))
            files = {f"s3://w/m/{path.name}": str(path) for path in Path(folder).iterdir()}
            base = f"s3://w/m/{made.metadata}" if made.metadata else base


def done(order: Order) -> Done:
    """Do what is ordered. Errors' own words may hold data, so that none pass but those that are ours."""
    try:
        return _done(order)
    except UnsupportedType as error:
        return Done(error="UnsupportedType", message=str(error))
    except tables.Invalid as error:
        return Done(error="Invalid", message=str(error))
    except _UNREADABLE:
        return Done(error="BadMetadata")


def _done(order: Order) -> Done:
    files = GivenFiles(order.files, order.folder)
    work = order.work
    if isinstance(work, Create):
        return _written(tables.create(work), order, files)
    base = _read(order.base, files)
    if isinstance(work, Reach):
        found = expiry.reached(base, files) | {one.metadata_file for one in base.metadata_log} | {order.base}
        return Done(columns=tables.columns(base), unreached=tuple(sorted(found)))
    updates = _updates(base, order, files)
    if not updates:
        return Done(columns=tables.columns(base))
    changed = update_table_metadata(base, updates, enforce_validation=True, metadata_location=order.base)
    unreached: set[str] = set()
    if isinstance(work, Expire):
        unreached = expiry.reached(base, files) - expiry.reached(changed, files)
        logged, most = changed.metadata_log, expiry.settled(base, work).metadata_files
        if len(logged) > most:
            unreached |= {one.metadata_file for one in logged[:-most]}
            changed = changed.model_copy(update={"metadata_log": logged[-most:]})
    return _written(changed, order, files, tuple(sorted(unreached)))


def _updates(base: TableMetadata, order: Order, files: GivenFiles) -> tuple[TableUpdate, ...]:
    work = order.work
    if isinstance(work, ChangeRows):
        return Commit(base, files, order.place, order.now_ms).updates(work)
    if isinstance(work, Alter):
        return tables.altered(base, work)
    if isinstance(work, Expire):
        return expiry.expired(base, expiry.settled(base, work), order.now_ms)
    return ()


def _read(uri: str, files: GivenFiles) -> TableMetadata:
    given = files.new_input(uri)
    if len(given) > _LONGEST_METADATA:
        raise ValueError("too long")
    return FromInputFile.table_metadata(given)


def _written(metadata: TableMetadata, order: Order, files: GivenFiles, unreached: tuple[str, ...] = ()) -> Done:
    number = int(order.base.rpartition("/")[2].partition("-")[0]) + 1 if _numbered(order.base) else 0
    name = f"{number:05d}-{uuid.uuid4()}.metadata.json"
    ToOutputFile.table_metadata(metadata, files.new_output(f"{order.place}/{name}"))
    return Done(name, tables.columns(metadata), unreached)


def _numbered(uri: str) -> bool:
    head = uri.rpartition("/")[2].partition("-")[0]
    return head.isdigit() and len(head) < 9


if __name__ == "__main__":
    main()
    sys.exit(0)
