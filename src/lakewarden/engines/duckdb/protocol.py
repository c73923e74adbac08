"""What server and worker say to each other over pipes: length-prefixed msgpack heads, then Arrow IPC bytes."""

import struct

import msgspec

LENGTH = struct.Struct("!Q")


class ScanRequest(msgspec.Struct, frozen=True):
    """A relation to be: its engine SQL over the files that it may open."""

    relation: str
    select: str
    barrier: bool


class Request(msgspec.Struct, frozen=True):
    """A query: the statement, its relations, and every path that the instance may open."""

    sql: str
    scans: tuple[ScanRequest, ...]
    paths: tuple[str, ...]


class Reply(msgspec.Struct, frozen=True):
    """How it went: DuckDB's output types, or an error's class and text. Arrow IPC bytes follow when it went well."""

    types: tuple[str, ...] = ()
    error: str = ""
    message: str = ""


class Settings(msgspec.Struct, frozen=True):
    """A worker's limits: bytes of memory, threads, its own temporary directory, and where objects lie.

    ``own`` are directories of the server's own tables.
    """

    memory_bytes: int
    threads: int
    spill: str
    objects: str
    own: tuple[str, ...] = ()
