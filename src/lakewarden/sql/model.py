"""What a statement is, before and after the decision. Frozen values only; ``Unsupported`` for what is not known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from sqlglot import exp

from lakewarden.kernel.lake import Column, GovernedTable, RowFilter


class StatementKind(Enum):
    """Athena's StatementType."""

    DDL = "DDL"
    DML = "DML"
    UTILITY = "UTILITY"


@dataclass(frozen=True, slots=True)
class TableRef:
    """A table as a statement names it, lower case; ``database`` is the execution's default where none is written.

    ``line`` and ``column`` (from 1) are where the name stands in the text, for Trino's error messages.
    """

    database: str
    name: str
    line: int = 1
    column: int = 1

    @property
    def key(self) -> tuple[str, str]:
        """``(database, name)``: what identifies the table, wherever it is named."""
        return (self.database, self.name)


@dataclass(frozen=True, slots=True)
class Select:
    """A query. ``tree`` is its syntax tree; ``tables`` are the catalog tables it names (CTE names excluded)."""

    tree: exp.Query
    tables: tuple[TableRef, ...]
    kind: StatementKind = StatementKind.DML
    substatement: str = "SELECT"


@dataclass(frozen=True, slots=True)
class Explain:
    """EXPLAIN of a query; it needs the same rights as the query itself."""

    query: Select
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "EXPLAIN"


@dataclass(frozen=True, slots=True)
class CreateDatabase:
    """CREATE DATABASE | SCHEMA."""

    name: str
    if_not_exists: bool
    comment: str = ""
    location: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    kind: StatementKind = StatementKind.DDL
    substatement: str = "CREATE_DATABASE"


@dataclass(frozen=True, slots=True)
class DropDatabase:
    """DROP DATABASE | SCHEMA."""

    name: str
    if_exists: bool
    cascade: bool
    kind: StatementKind = StatementKind.DDL
    substatement: str = "DROP_DATABASE"


@dataclass(frozen=True, slots=True)
class CreateTable:
    """CREATE EXTERNAL TABLE, its clauses already resolved to the formats and SerDe that Glue stores."""

    table: TableRef
    if_not_exists: bool
    columns: tuple[Column, ...]
    partition_keys: tuple[Column, ...]
    location: str
    input_format: str
    output_format: str
    serde: str
    serde_parameters: Mapping[str, str]
    parameters: Mapping[str, str]
    comment: str = ""
    kind: StatementKind = StatementKind.DDL
    substatement: str = "CREATE_TABLE"


@dataclass(frozen=True, slots=True)
class DropTable:
    """DROP TABLE."""

    table: TableRef
    if_exists: bool
    kind: StatementKind = StatementKind.DDL
    substatement: str = "DROP_TABLE"


@dataclass(frozen=True, slots=True)
class ShowDatabases:
    """SHOW DATABASES | SCHEMAS [LIKE 'pattern'] (``*`` and ``|`` as in Hive)."""

    pattern: str = ""
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "SHOW_DATABASES"


@dataclass(frozen=True, slots=True)
class ShowTables:
    """SHOW TABLES [IN database] ['pattern']."""

    database: str
    pattern: str = ""
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "SHOW_TABLES"


@dataclass(frozen=True, slots=True)
class ShowColumns:
    """SHOW COLUMNS IN table."""

    table: TableRef
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "SHOW_COLUMNS"


@dataclass(frozen=True, slots=True)
class ShowCreateTable:
    """SHOW CREATE TABLE table."""

    table: TableRef
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "SHOW_CREATE_TABLE"


@dataclass(frozen=True, slots=True)
class Describe:
    """DESCRIBE [EXTENDED | FORMATTED] table."""

    table: TableRef
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "DESCRIBE_TABLE"


Statement = (
    Select
    | Explain
    | CreateDatabase
    | DropDatabase
    | CreateTable
    | DropTable
    | ShowDatabases
    | ShowTables
    | ShowColumns
    | ShowCreateTable
    | Describe
)


@dataclass(frozen=True, slots=True)
class PlannedScan:
    """One base relation of a rewritten query: ``relation`` is its generated name in the engine's SQL.

    ``columns`` are the permitted columns that the query really reads, in table order; the engine must expose
    no others, and only the rows that ``rows`` admits. Where those are not all, ``predicate`` is the engine's SQL for
    them over ``read``, the columns with the filter's own.
    """

    relation: str
    governed: GovernedTable
    columns: tuple[Column, ...]
    rows: RowFilter
    predicate: str = ""
    read: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """The statement that may run: engine SQL that names nothing but ``scans``, and the names of its output columns."""

    sql: str
    scans: tuple[PlannedScan, ...]
    columns: tuple[str, ...]
