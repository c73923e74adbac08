"""What the query context needs from elsewhere. Bootstrap plugs the other contexts and the engines in here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event
from typing import BinaryIO, Protocol
from urllib.parse import quote

import pyarrow as pa

from lakewarden.kernel.call import Call
from lakewarden.kernel.lake import EVERY_PARTITION, Column, DataFile, GovernedTable, Table, Wanted
from lakewarden.sql.changes import AddPartitions, DropPartitions, RenamePartition
from lakewarden.sql.model import AlterDatabase, AlterTable, CreateDatabase, CreateTable, PlannedScan, TableRef


@dataclass(frozen=True, slots=True)
class Scan:
    """A planned scan with the files that it may open: nothing else is reachable for the engine."""

    planned: PlannedScan
    files: tuple[DataFile, ...]


@dataclass(frozen=True, slots=True)
class ResultColumn:
    """A column of a result: Athena's type name (``varchar``, ``bigint``, ``decimal``), precision and scale."""

    name: str
    type: str
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True)
class EngineResult:
    """A running result. ``batches`` hold one string column per result column, values in Athena's text form."""

    columns: tuple[ResultColumn, ...]
    batches: Iterator[pa.RecordBatch]


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """Files to be written. ``format`` is PARQUET, ORC, AVRO, JSON or TEXTFILE; ``compression`` NONE, GZIP, SNAPPY ...

    ``columns`` are the names and Hive types of the output, in order; the last ``partitioned`` of them are partition
    keys, which stand in the paths and not in the files.
    """

    format: str
    compression: str
    columns: tuple[Column, ...]
    partitioned: int = 0
    delimiter: str = "\x01"


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that the engine wrote, open for reading; ``partition`` holds its keys' values in order."""

    partition: tuple[str, ...]
    suffix: str
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class Written:
    """What the engine wrote. The files are gone when the context is left."""

    rows: int
    files: tuple[WrittenFile, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """Bytes that are durable and no object yet: ``blob`` is the store's own name for the ``size`` bytes of ``uri``."""

    uri: str
    size: int
    blob: object


class Engine(Protocol):
    """Runs a rewritten statement over exactly the given scans, and nothing else.

    Raises :class:`lakewarden.query.errors.QueryFailed` with Athena's text, ``QueryCancelled`` soon after
    ``cancelled`` is set (under a second). Leaving the context frees the worker, whatever is left unread.
    """

    def run(self, sql: str, scans: Sequence[Scan], cancelled: Event) -> AbstractContextManager[EngineResult]: ...

    def describe(self, sql: str, scans: Sequence[Scan], cancelled: Event) -> tuple[str, ...]:
        """The Hive types of the statement's columns; empty for a type that Hive does not have."""
        ...

    def write(
        self, sql: str, scans: Sequence[Scan], output: OutputFormat, cancelled: Event
    ) -> AbstractContextManager[Written]:
        """Run the statement into files of the engine's own, which it cannot place in the lake."""
        ...


class ReadableLake(Protocol):
    """What queries read of the governed catalog, seen by one caller.

    Every method enforces IAM and Lake Formation for ``call``'s principal.
    What the principal may not see does not exist: ``table`` answers None for absent and hidden tables alike.
    """

    def database_names(self, call: Call) -> Sequence[str]: ...

    def tables(self, call: Call, database: str) -> Sequence[GovernedTable]: ...

    def table(self, call: Call, database: str, name: str) -> GovernedTable | None: ...

    def files(self, call: Call, table: Table, wanted: Wanted = EVERY_PARTITION) -> Sequence[DataFile]: ...


class Lake(ReadableLake, Protocol):
    """The whole of it: what statements other than queries do."""

    def table_names(self, call: Call, database: str) -> Sequence[str]: ...

    def create_database(self, call: Call, statement: CreateDatabase) -> None: ...

    def alter_database(self, call: Call, statement: AlterDatabase) -> None: ...

    def drop_database(self, call: Call, name: str, *, if_exists: bool, cascade: bool) -> None: ...

    def create_table(self, call: Call, statement: CreateTable) -> None: ...

    def create_view(
        self, call: Call, table: TableRef, text: str, columns: Sequence[Column], *, replace: bool
    ) -> None: ...

    def alter_table(self, call: Call, statement: AlterTable) -> None: ...

    def drop_table(self, call: Call, table: TableRef, *, if_exists: bool, view: bool = False) -> None: ...


class Partitions(Protocol):
    """The partitions of the catalog's tables, under the caller's rights."""

    def require_add(self, call: Call, database: str, name: str) -> None: ...

    def listed(self, call: Call, governed: GovernedTable) -> Sequence[tuple[str, ...]]: ...

    def add(self, call: Call, governed: GovernedTable, change: AddPartitions) -> None: ...

    def register(self, call: Call, database: str, name: str, written: Iterable[tuple[str, ...]]) -> None: ...

    def drop(self, call: Call, governed: GovernedTable, change: DropPartitions) -> None: ...

    def rename(self, call: Call, governed: GovernedTable, change: RenamePartition) -> None: ...

    def repair(self, call: Call, governed: GovernedTable) -> Sequence[tuple[str, ...]]: ...


class Warehouse(Protocol):
    """Where data goes. Every method enforces what ``call``'s principal may write, and where.

    ``require_`` methods raise, or answer whether Lake Formation vends the access; where it does not, IAM is asked for
    each object that is stored.
    """

    def require_create(self, call: Call, table: TableRef, location: str) -> bool:
        """May the caller create the table and put its data at the empty ``location``?"""
        ...

    def require_insert(self, call: Call, governed: GovernedTable) -> bool:
        """May the caller add files to the table?"""
        ...

    def require_unload(self, call: Call, location: str) -> bool:
        """May the caller put objects at the empty ``location``?"""
        ...

    def store(
        self, call: Call, location: str, names: Sequence[str], files: Sequence[WrittenFile], *, vended: bool, owner: str
    ) -> int:
        """Store each file under ``location`` and its name, all or none; answers the bytes. ``owner`` may be empty."""
        ...

    def discard(self, location: str, names: Sequence[str]) -> None:
        """Remove what :meth:`store` has stored, when what followed it failed."""
        ...


class Prepared(Protocol):
    """The prepared statements of a workgroup, under the caller's rights. Raises InvalidRequestException."""

    def prepare(self, call: Call, workgroup: str, name: str, text: str) -> None: ...

    def text(self, call: Call, workgroup: str, name: str) -> str: ...

    def deallocate(self, call: Call, workgroup: str, name: str) -> None: ...


class ResultStore(Protocol):
    """Writes and reads result objects with the caller's own rights (``s3:PutObject``, ``s3:GetObject``)."""

    def may_write(self, call: Call, uri: str) -> None:
        """Raise AccessDenied unless the caller may put objects at ``uri`` (before any data is read)."""
        ...

    def may_read(self, call: Call, uri: str) -> None:
        """Raise AccessDenied unless the caller may get the object at ``uri``."""
        ...

    def draft(self, call: Call, uri: str, chunks: Iterator[bytes]) -> Draft:
        """Write the bytes durably, if the caller may put objects at ``uri``; there is no object yet."""
        ...

    def keep(self, call: Call, drafts: Sequence[Draft]) -> None:
        """Make objects of drafts; called within the transaction that ends the execution, and part of it."""
        ...

    def discard(self, drafts: Sequence[Draft]) -> None:
        """Forget drafts that were not kept."""
        ...

    def read(self, call: Call, uri: str, start: int, length: int) -> bytes:
        """Bytes ``[start, start + length)`` of the object, fewer at its end."""
        ...


class AccessAudit(Protocol):
    """Durable audit records that are not the API call's own. Returns only when the record is durable."""

    def data_access(self, call: Call, query_id: str, accesses: Sequence[tuple[GovernedTable, Sequence[str]]]) -> None:
        """One GetDataAccess record (SEMANTICS.md) for each table with its columns, before a byte of any is read."""
        ...

    def write_access(
        self, call: Call, query_id: str, governed: GovernedTable, permissions: Sequence[str] = ("INSERT",)
    ) -> None:
        """One GetDataAccess record with what is done to the table, before a byte is written to it."""
        ...

    def outcome(self, call: Call, query_id: str, details: Mapping[str, object]) -> None:
        """How the query ended: state, error, rows, bytes, columns read."""
        ...


_HIVE_SAFE = "".join(map(chr, range(32, 127))).translate(str.maketrans("", "", "\"#%'*/:=?\\{}[]^")) + " "


def partition_path(keys: Sequence[str], values: Sequence[str]) -> str:
    """``key=value/`` for each key, escaped as Hive does."""
    return "".join(
        f"{quote(key, safe=_HIVE_SAFE)}={quote(value, safe=_HIVE_SAFE)}/"
        for key, value in zip(keys, values, strict=True)
    )
