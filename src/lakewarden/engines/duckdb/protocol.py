"""What server and worker say to each other over pipes: length-prefixed msgpack heads, then Arrow IPC bytes."""

import struct
from typing import BinaryIO

import msgspec

LENGTH = struct.Struct("!Q")


class ScanRequest(msgspec.Struct, frozen=True):
    """A relation to be: its engine SQL over the files that it may open.

    ``barrier``: its rows are materialised before the statement runs. A relation without one gets it
    all the same where ``plain``, their columns as they lie in the files, are not of these ``types``.
    """

    relation: str
    select: str
    barrier: bool
    plain: str = ""
    types: tuple[str, ...] = ()


class SourceRequest(msgspec.Struct, frozen=True):
    """A relation over files that the worker reads by itself: ORC, AVRO, JSON or ICEBERG, with the table's columns and types."""

    name: str
    format: str
    paths: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    options: dict[str, str]
    uris: tuple[str, ...] = ()


class OutputRequest(msgspec.Struct, frozen=True):
    """Files to write into ``folder``: names and DuckDB types of the columns, the last ``partitioned`` being keys."""

    folder: str
    format: str
    compression: str
    names: tuple[str, ...]
    types: tuple[str, ...]
    partitioned: int
    delimiter: str


class ChangeRequest(msgspec.Struct, frozen=True):
    """Rows of an Iceberg table to write into ``folder``: the path of its metadata, and the columns of the statement.

    The statement gives the file's URI, the row's place, the partition's number, whether there is a new row, and its values.
    """

    folder: str
    metadata: str
    columns: tuple[str, ...]
    rewrite: bool


class Request(msgspec.Struct, frozen=True):
    """A query: the statement, its relations, and every path that the instance may open.

    With ``describe`` only its types are asked for; with ``output`` or ``change`` it goes into files. ``lenient``
    are texts within the relations, and what to put in their place where a column is in no file.
    """

    sql: str
    scans: tuple[ScanRequest, ...]
    paths: tuple[str, ...]
    describe: bool = False
    output: OutputRequest | None = None
    sources: tuple[SourceRequest, ...] = ()
    change: ChangeRequest | None = None
    lenient: dict[str, str] = {}

    @property
    def folder(self) -> str:
        """The only folder that the query may write to, where it writes files."""
        written = self.output or self.change
        return written.folder if written is not None else ""


class Reply(msgspec.Struct, frozen=True):
    """How it went: DuckDB's output types and the first batch as Arrow IPC bytes, or an error's class and text.

    Where it is not the ``last`` message, the other batches follow, an empty message, and a reply that tells how it ended.
    """

    types: tuple[str, ...] = ()
    error: str = ""
    message: str = ""
    rows: int = 0
    batch: bytes = b""
    last: bool = False


class Settings(msgspec.Struct, frozen=True):
    """A worker's limits: bytes of memory, threads, its own temporary directory, and where objects lie.

    ``own`` are directories of the server's own tables.
    """

    memory_bytes: int
    threads: int
    spill: str
    objects: str
    own: tuple[str, ...] = ()


def received(source: BinaryIO) -> bytes:
    """A worker's next message; empty when the server has closed the pipe."""
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return b""
    return source.read(LENGTH.unpack(head)[0])


def send(sink: BinaryIO, body: bytes) -> None:
    """Answer the server."""
    sink.write(LENGTH.pack(len(body)))
    sink.write(body)
    sink.flush()
