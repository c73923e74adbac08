"""What a statement is, before and after the decision. Frozen values only; ``Unsupported`` for what is not known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from sqlglot import exp

from lakewarden.kernel.lake import Column, GovernedTable, RowFilter
from lakewarden.sql.changes import Change
from lakewarden.sql.refs import TableRef as TableRef


class StatementKind(Enum):
    """Athena's StatementType."""

    DDL = "DDL"
    DML = "DML"
    UTILITY = "UTILITY"


@dataclass(frozen=True, slots=True)
class Select:
    """A query. ``tree`` is its syntax tree; ``tables`` are the catalog tables it names (CTE names excluded)."""

    tree: exp.Query
    tables: tuple[TableRef, ...]
    kind: StatementKind = StatementKind.DML
    substatement: str = "SELECT"


@dataclass(frozen=True, slots=True)
class Explain:
    """EXPLAIN [ANALYZE] of a query; it needs the same rights as the query itself. ``form`` is TEXT or JSON."""

    query: Select
    analyze: bool = False
    form: str = "TEXT"
    validate: bool = False
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "EXPLAIN"


@dataclass(frozen=True, slots=True)
class CreateTableAs:
    """CREATE TABLE AS. ``properties`` are those of WITH, names lower case: text, or several texts for an ARRAY."""

    table: TableRef
    if_not_exists: bool
    properties: Mapping[str, str | tuple[str, ...]]
    query: Select
    with_data: bool = True
    kind: StatementKind = StatementKind.DDL
    substatement: str = "CREATE_TABLE_AS_SELECT"


@dataclass(frozen=True, slots=True)
class Insert:
    """INSERT INTO; ``columns`` is empty where the statement names none."""

    table: TableRef
    columns: tuple[str, ...]
    query: Select
    kind: StatementKind = StatementKind.DML
    substatement: str = "INSERT"


@dataclass(frozen=True, slots=True)
class Unload:
    """UNLOAD (query) TO 'location' WITH (...)."""

    query: Select
    location: str
    properties: Mapping[str, str | tuple[str, ...]]
    kind: StatementKind = StatementKind.DML
    substatement: str = "UNLOAD"


@dataclass(frozen=True, slots=True)
class CreateView:
    """CREATE [OR REPLACE] VIEW; ``text`` is the query as it was written."""

    table: TableRef
    or_replace: bool
    query: Select
    text: str
    kind: StatementKind = StatementKind.DDL
    substatement: str = "CREATE_VIEW"


@dataclass(frozen=True, slots=True)
class DropView:
    """DROP VIEW."""

    table: TableRef
    if_exists: bool
    kind: StatementKind = StatementKind.DDL
    substatement: str = "DROP_VIEW"


@dataclass(frozen=True, slots=True)
class Prepare:
    """PREPARE name FROM statement."""

    name: str
    text: str
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "PREPARE"


@dataclass(frozen=True, slots=True)
class Execute:
    """EXECUTE name [USING literals]; ``parameters`` are the literals' texts."""

    name: str
    parameters: tuple[str, ...]
    kind: StatementKind = StatementKind.DML
    substatement: str = "EXECUTE"


@dataclass(frozen=True, slots=True)
class Deallocate:
    """DEALLOCATE PREPARE name."""

    name: str
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "DEALLOCATE"


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
class AlterDatabase:
    """ALTER DATABASE | SCHEMA name SET DBPROPERTIES."""

    name: str
    properties: Mapping[str, str]
    kind: StatementKind = StatementKind.DDL
    substatement: str = "ALTER_DATABASE"


@dataclass(frozen=True, slots=True)
class AlterTable:
    """ALTER TABLE."""

    table: TableRef
    change: Change
    kind: StatementKind = StatementKind.DDL
    substatement: str = "ALTER_TABLE"


@dataclass(frozen=True, slots=True)
class RepairTable:
    """MSCK REPAIR TABLE."""

    table: TableRef
    kind: StatementKind = StatementKind.DDL
    substatement: str = "MSCK_REPAIR_TABLE"


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
class ShowViews:
    """SHOW VIEWS [IN database] [LIKE 'pattern']."""

    database: str
    pattern: str = ""
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "SHOW_VIEWS"


@dataclass(frozen=True, slots=True)
class ShowPartitions:
    """SHOW PARTITIONS table."""

    table: TableRef
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "SHOW_PARTITIONS"


@dataclass(frozen=True, slots=True)
class ShowProperties:
    """SHOW TBLPROPERTIES table [('name')]."""

    table: TableRef
    name: str = ""
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "SHOW_TBLPROPERTIES"


@dataclass(frozen=True, slots=True)
class ShowCreateView:
    """SHOW CREATE VIEW view."""

    table: TableRef
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "SHOW_CREATE_VIEW"


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
    """DESCRIBE [EXTENDED | FORMATTED] table or view; ``column`` is a column's name where one is asked for."""

    table: TableRef
    column: str = ""
    kind: StatementKind = StatementKind.UTILITY
    substatement: str = "DESCRIBE_TABLE"


Statement = (
    Select
    | Explain
    | CreateTableAs
    | Insert
    | Unload
    | CreateView
    | DropView
    | Prepare
    | Execute
    | Deallocate
    | CreateDatabase
    | AlterDatabase
    | DropDatabase
    | CreateTable
    | AlterTable
    | RepairTable
    | DropTable
    | ShowDatabases
    | ShowTables
    | ShowViews
    | ShowColumns
    | ShowPartitions
    | ShowProperties
    | ShowCreateTable
    | ShowCreateView
    | Describe
)


@dataclass(frozen=True, slots=True)
class PlannedScan:
    """One base relation of a rewritten query: ``relation`` is its generated name in the engine's SQL.

    ``columns`` are the permitted columns that the query really reads, in table order; the engine must expose
    no others, and only the rows that ``rows`` admits. Where those are not all, ``predicate`` is the engine's SQL for
    them over ``read``, the columns with the filter's own. ``barrier``: the rows must be admitted before the query sees any;
    without it the filter may be a condition beside the query's own.
    """

    relation: str
    governed: GovernedTable
    columns: tuple[Column, ...]
    rows: RowFilter
    predicate: str = ""
    read: tuple[Column, ...] = ()
    barrier: bool = True


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """The statement that may run: engine SQL that names nothing but ``scans``, and the names of its output columns."""

    sql: str
    scans: tuple[PlannedScan, ...]
    columns: tuple[str, ...]
