"""What the query context needs from elsewhere. Bootstrap plugs the other contexts and the engines in here."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event
from typing import Protocol

import pyarrow as pa

from lakewarden.kernel.call import Call
from lakewarden.kernel.lake import EVERY_PARTITION, DataFile, GovernedTable, Table, Wanted
from lakewarden.sql.model import CreateDatabase, CreateTable, PlannedScan, TableRef


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


class Engine(Protocol):
    """Runs a rewritten statement over exactly the given scans, and nothing else.

    Raises :class:`lakewarden.query.errors.QueryFailed` with Athena's text, ``QueryCancelled`` soon after
    ``cancelled`` is set (under a second). Leaving the context frees the worker, whatever is left unread.
    """

    def run(self, sql: str, scans: Sequence[Scan], cancelled: Event) -> AbstractContextManager[EngineResult]: ...


class Lake(Protocol):
    """The governed catalog, seen by one caller. Every method enforces IAM and Lake Formation for ``call``'s principal.

    What the principal may not see does not exist: ``table`` answers None for absent and hidden tables alike.
    """

    def database_names(self, call: Call) -> Sequence[str]: ...

    def table_names(self, call: Call, database: str) -> Sequence[str]: ...

    def table(self, call: Call, database: str, name: str) -> GovernedTable | None: ...

    def files(self, table: Table, wanted: Wanted = EVERY_PARTITION) -> Sequence[DataFile]: ...

    def create_database(self, call: Call, statement: CreateDatabase) -> None: ...

    def drop_database(self, call: Call, name: str, *, if_exists: bool, cascade: bool) -> None: ...

    def create_table(self, call: Call, statement: CreateTable) -> None: ...

    def drop_table(self, call: Call, table: TableRef, *, if_exists: bool) -> None: ...


class ResultStore(Protocol):
    """Writes and reads result objects with the caller's own rights (``s3:PutObject``, ``s3:GetObject``)."""

    def may_write(self, call: Call, uri: str) -> None:
        """Raise AccessDenied unless the caller may put objects at ``uri`` (before any data is read)."""
        ...

    def may_read(self, call: Call, uri: str) -> None:
        """Raise AccessDenied unless the caller may get the object at ``uri``."""
        ...

    def write(self, call: Call, uri: str, chunks: Iterator[bytes]) -> int:
        """Store durably, all or nothing; answers the size in bytes."""
        ...

    def read(self, call: Call, uri: str, start: int, length: int) -> bytes:
        """Bytes ``[start, start + length)`` of the object, fewer at its end."""
        ...


class AccessAudit(Protocol):
    """Durable audit records that are not the API call's own. Returns only when the record is durable."""

    def data_access(self, call: Call, query_id: str, governed: GovernedTable, columns: Sequence[str]) -> None:
        """One GetDataAccess record (SEMANTICS.md), before a byte of the table is read."""
        ...

    def outcome(self, call: Call, query_id: str, details: Mapping[str, object]) -> None:
        """How the query ended: state, error, rows, bytes, columns read."""
        ...
