"""Statements that only Iceberg tables take. Frozen values, as in ``model``."""

from collections.abc import Mapping
from dataclasses import dataclass

from lakewarden.kernel.lake import Column
from lakewarden.sql.model import Select, Statement, StatementKind, TableRef

READ, PUT_IN, TAKE_OUT = "SELECT", "INSERT", "DELETE"
"""Lake Formation's permissions that changing rows asks for."""


@dataclass(frozen=True, slots=True)
class PartitionTransform:
    """``day(ts)``, ``bucket(16, id)``, ``truncate(4, name)``, or ``identity`` of a column."""

    column: str
    transform: str
    width: int = 0


@dataclass(frozen=True, slots=True)
class CreateIcebergTable:
    """CREATE TABLE ... TBLPROPERTIES ('table_type' = 'ICEBERG'); ``properties`` are Iceberg's own names."""

    table: TableRef
    if_not_exists: bool
    columns: tuple[Column, ...]
    partitioned_by: tuple[PartitionTransform, ...]
    location: str
    properties: Mapping[str, str]
    comment: str = ""
    kind: StatementKind = StatementKind.DDL
    substatement: str = "CREATE_TABLE"


@dataclass(frozen=True, slots=True)
class Clause:
    """What is done with a row for which ``condition`` holds, and which none of the clauses before took.

    ``matched``: a row of the table; else one of the source that has no partner in it. ``action`` is ``delete``, ``update``
    or ``insert``. ``condition`` and ``values`` are places in the select list of :attr:`ChangeTable.asked`, ``condition`` None
    where there is none; ``columns`` are what the values go to, empty for all of the table's.
    """

    matched: bool
    action: str
    condition: int | None
    columns: tuple[str, ...] = ()
    values: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeTable:
    """DELETE, UPDATE and MERGE INTO.

    ``asked`` is the query that the statement asks: of the table alone, or of the source with the table as its last join. Its
    select list holds the conditions and values of the clauses, as they were written.
    """

    table: TableRef
    alias: str
    asked: Select
    merged: bool
    clauses: tuple[Clause, ...]
    substatement: str
    kind: StatementKind = StatementKind.DML

    @property
    def needs(self) -> frozenset[str]:
        """Lake Formation's permissions on the table: all of it is read, and rows are taken out, put in, or both."""
        actions = {one.action for one in self.clauses}
        found = {READ}
        if actions & {"delete", "update"}:
            found.add(TAKE_OUT)
        if actions & {"insert", "update"}:
            found.add(PUT_IN)
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Optimize:
    """OPTIMIZE table REWRITE DATA USING BIN_PACK."""

    table: TableRef
    kind: StatementKind = StatementKind.DML
    substatement: str = "OPTIMIZE"


@dataclass(frozen=True, slots=True)
class Vacuum:
    """VACUUM table."""

    table: TableRef
    kind: StatementKind = StatementKind.DML
    substatement: str = "VACUUM_TABLE"


IcebergStatement = CreateIcebergTable | ChangeTable | Optimize | Vacuum

AnyStatement = Statement | IcebergStatement
"""All that Athena takes."""
