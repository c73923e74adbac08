"""What writing Iceberg tables needs from elsewhere: the scribe of their metadata, and the catalog and lake around them."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Event
from typing import BinaryIO, Protocol

from lakewarden.kernel.call import Call
from lakewarden.kernel.iceberg import ColumnOf, NewFile, Value, Work
from lakewarden.kernel.lake import DataFile, GovernedTable
from lakewarden.query.ports import Scan
from lakewarden.sql.model import TableRef


@dataclass(frozen=True, slots=True)
class Scribed:
    """The next metadata: the new metadata file's name (empty where nothing changes), and every new file by name.

    ``columns`` are the table's then; ``unreached`` the URIs of files that nothing leads to any more.
    """

    metadata: str
    columns: tuple[ColumnOf, ...]
    unreached: tuple[str, ...]
    files: Mapping[str, BinaryIO]


class Scribe(Protocol):
    """Writes Iceberg metadata, behind walls of its own. Raises QueryFailed."""

    def work(
        self, work: Work, *, base: str, place: str, files: Mapping[str, str], now_ms: int
    ) -> AbstractContextManager[Scribed]:
        """Do ``work`` on the metadata at the URI ``base``; ``files`` are local paths by URI, ``place`` where it goes."""
        ...


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file that the engine wrote, open for reading."""

    file: BinaryIO
    records: int
    partition: tuple[Value, ...]
    spec_id: int
    deletes: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """What the engine wrote for a table: rows that were put in, rows that were taken out, and the files.

    ``sources`` are the URIs of the data files that rewritten rows come from.
    """

    inserted: int
    deleted: int
    touched: int
    files: tuple[ChangedFile, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowChange:
    """How the engine shall read the statement's rows: file, row, group, whether there is a new row, then ``columns``.

    ``metadata`` is the local path of the table's metadata; ``rewrite`` that rows move into new files unchanged.
    """

    metadata: str
    columns: tuple[str, ...]
    rewrite: bool = False


class RowEngine(Protocol):
    """The engine's part of a change of rows. Raises QueryFailed or QueryCancelled."""

    def change(
        self, sql: str, scans: Sequence[Scan], change: RowChange, cancelled: Event
    ) -> AbstractContextManager[Changed]:
        """Run the statement, and write its rows as Iceberg files of the engine's own."""
        ...


class IcebergLake(Protocol):
    """Iceberg tables in the catalog and the lake. Every method enforces what ``call``'s principal may do."""

    def require_create(self, call: Call, table: TableRef, location: str) -> bool:
        """May the caller create the table at the empty ``location``? Answers whether its access is vended."""
        ...

    def require_change(self, call: Call, governed: GovernedTable, actions: frozenset[str]) -> bool:
        """Does the caller hold the Lake Formation ``actions``, and may it write there? Answers whether it is vended.

        With SELECT among them it must be able to read every column and row.
        """
        ...

    def require_drop(self, call: Call, governed: GovernedTable) -> bool:
        """May the caller drop the table with its data? Answers whether its access is vended."""
        ...

    def require_remove(self, call: Call, governed: GovernedTable, *, vended: bool) -> None:
        """May the caller delete objects of the table?"""
        ...

    def current(self, call: Call, governed: GovernedTable) -> GovernedTable:
        """The same table as it is now; raises when it is gone."""
        ...

    def files(self, call: Call, governed: GovernedTable) -> Sequence[DataFile]:
        """The objects below the table's location that are there for the caller."""
        ...

    def create(
        self, call: Call, table: TableRef, location: str, metadata: str, columns: Sequence[ColumnOf], comment: str
    ) -> None:
        """Name the table in the catalog; raises AlreadyExistsException."""
        ...

    def rename(self, call: Call, governed: GovernedTable, new: TableRef) -> None:
        """Give the table another name; only who could give all of it away may."""
        ...

    def commit(
        self,
        call: Call,
        governed: GovernedTable,
        actions: frozenset[str],
        metadata: str,
        columns: Sequence[ColumnOf] | None,
    ) -> bool:
        """Make ``metadata`` the table's, unless another commit came first (False). ``columns`` change with ALTER only."""
        ...

    def store(self, call: Call, folder: str, files: Mapping[str, BinaryIO], *, vended: bool) -> Sequence[NewFile]:
        """Store each file below ``folder`` under its name, all or none."""
        ...

    def discard(self, uris: Sequence[str]) -> None:
        """Remove what :meth:`store` has stored, when what followed it failed."""
        ...

    def remove(self, call: Call, governed: GovernedTable, uris: Sequence[str], *, vended: bool) -> int:
        """Delete objects of the table, none of anything else; answers how many."""
        ...
