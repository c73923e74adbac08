"""Tables of the lake and what a principal may do with them: the words that catalog, permissions and query share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``type`` is a Glue (Hive) type such as ``bigint`` or ``array<struct<a:int>>``."""

    name: str
    type: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the Glue catalog, reduced to what reading it needs. Names are lower case, as Glue keeps them.

    ``columns`` excludes ``partition_keys``. ``location`` is an ``s3://`` URI. ``table_id`` is stable for the table's
    life and never reused, so that a grant cannot survive into a new table of the same name.
    """

    database: str
    name: str
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...] = ()
    location: str = ""
    input_format: str = ""
    output_format: str = ""
    serde: str = ""
    serde_parameters: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    table_type: str = "EXTERNAL_TABLE"
    view_text: str = ""
    comment: str = ""
    owner: str = ""
    table_id: str = ""

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Data columns, then partition keys: the order of ``SELECT *``."""
        return self.columns + self.partition_keys


class AccessMode(Enum):
    """Who decides about a table (SEMANTICS.md, hybrid access mode).

    ``UNREGISTERED``: grants decide what is visible, and IAM on S3 must allow reading the files as well, because
    the table's location is not under Lake Formation's control.
    """

    NONE = "none"
    LAKE_FORMATION = "lake-formation"
    UNREGISTERED = "unregistered"
    IAM = "iam"


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows: ``all_rows``, or those for which ANY of ``expressions`` (SQL predicates) is true; none if empty."""

    all_rows: bool
    expressions: tuple[str, ...] = ()


NO_ROWS = RowFilter(all_rows=False)
ALL_ROWS = RowFilter(all_rows=True)


@dataclass(frozen=True, slots=True)
class Cells:
    """What one grant gives to read: some columns, in some rows."""

    columns: frozenset[str]
    rows: RowFilter


@dataclass(frozen=True, slots=True)
class TableAccess:
    """The total answer to "what may this principal do with this table": never optional, empty means nothing.

    ``columns`` are the readable column names in table order (partition keys last), ``actions`` the Lake Formation
    permissions held on the table (``DESCRIBE``, ``SELECT``, ``INSERT``, ``DELETE``, ``ALTER``, ``DROP``),
    implied ones included.
    ``rows`` are those in which ALL of ``columns`` may be read; a query that reads fewer columns asks :meth:`rows_for`.
    ``because`` names the grants that determined it. ``described`` are the columns whose names and types may be shown:
    all of them to who holds a right on the whole table, else those that are readable. ``cells`` are the readable cells
    grant by grant where the grants differ in their rows, and empty where ``rows`` is all that there is to say.
    """

    mode: AccessMode
    actions: frozenset[str]
    columns: tuple[str, ...]
    rows: RowFilter
    because: tuple[str, ...] = ()
    described: tuple[str, ...] = ()
    cells: tuple[Cells, ...] = ()

    @property
    def visible(self) -> bool:
        """Whether listings may show that the table exists."""
        return bool(self.actions)

    def rows_for(self, read: Iterable[str]) -> RowFilter:
        """The rows that a query which reads just these columns may see: every cell that it reads is granted.

        With no column read (``count(*)``): the rows in which there is anything to read.
        """
        return rows_of(self.cells, read) if self.cells else self.rows


def rows_of(cells: Iterable[Cells], read: Iterable[str]) -> RowFilter:
    """The rows in which all columns of ``read`` are granted, each by any of ``cells``.

    INVARIANT (non_interference): a cell that no single grant gives is never in a row that is answered, however the
    grants of one principal are put together.
    """
    held = tuple(cells)
    wanted = frozenset(read)
    if not wanted:
        return _any_of(held)
    parts: dict[RowFilter, None] = {}
    for column in sorted(wanted):
        parts[_any_of(tuple(one for one in held if column in one.columns))] = None
    # Of two unions the one within the other is the stricter, and says all.
    sets = [frozenset(one.expressions) for one in parts if not one.all_rows]
    limits = [
        one for one in parts if not one.all_rows and not any(other < frozenset(one.expressions) for other in sets)
    ]
    if not limits:
        return ALL_ROWS
    if len(limits) == 1:
        return limits[0]
    if NO_ROWS in limits:
        return NO_ROWS
    both = " AND ".join(f"({_one(limit)})" for limit in sorted(limits, key=lambda limit: limit.expressions))
    return RowFilter(all_rows=False, expressions=(both,))


def _any_of(cells: tuple[Cells, ...]) -> RowFilter:
    if any(one.rows.all_rows for one in cells):
        return ALL_ROWS
    return RowFilter(False, tuple(sorted({text for one in cells for text in one.rows.expressions})))


def _one(rows: RowFilter) -> str:
    return " OR ".join(f"({expression})" for expression in rows.expressions)


NO_ACCESS = TableAccess(AccessMode.NONE, frozenset(), (), NO_ROWS)


@dataclass(frozen=True, slots=True)
class DatabaseAccess:
    """The same for a database: ``actions`` are ``DESCRIBE``, ``CREATE_TABLE``, ``ALTER``, ``DROP``."""

    mode: AccessMode
    actions: frozenset[str]
    because: tuple[str, ...] = ()

    @property
    def visible(self) -> bool:
        """Whether listings may show that the database exists."""
        return bool(self.actions)


@dataclass(frozen=True, slots=True)
class GovernedTable:
    """A table together with what one principal may do with it."""

    table: Table
    access: TableAccess


@dataclass(frozen=True, slots=True)
class DataFile:
    """One object of a table: its ``s3://`` URI, size in bytes, and the local path that holds exactly its bytes.

    ``partition`` are the values of the table's partition keys for this file, in key order.
    """

    uri: str
    size: int
    path: str
    partition: tuple[str, ...] = ()


Wanted = Mapping[str, frozenset[str]]
"""The only values of partition keys that a query can need, as texts; a key that is not there is not restricted."""

EVERY_PARTITION: Wanted = {}
