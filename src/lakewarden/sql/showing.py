"""SHOW and DESCRIBE statements (Athena User Guide, "SHOW ...", "DESCRIBE")."""

from lakewarden.sql.cursor import Cursor
from lakewarden.sql.errors import Unsupported
from lakewarden.sql.model import (
    Describe,
    ShowColumns,
    ShowCreateTable,
    ShowCreateView,
    ShowDatabases,
    ShowPartitions,
    ShowProperties,
    ShowTables,
    ShowViews,
    Statement,
    TableRef,
)


def show(cursor: Cursor) -> Statement:
    """What follows SHOW."""
    if cursor.accept("DATABASES") or cursor.accept("SCHEMAS"):
        return ShowDatabases(cursor.pattern())
    if cursor.accept("TABLES"):
        return ShowTables(_database(cursor), cursor.pattern())
    if cursor.accept("VIEWS"):
        return ShowViews(_database(cursor), cursor.pattern())
    if cursor.accept("COLUMNS"):
        if not _within(cursor):
            raise cursor.unexpected()
        table = cursor.table()
        if _within(cursor):
            table = TableRef(cursor.name(), table.name, table.line, table.column)
        return ShowColumns(table)
    if cursor.accept("PARTITIONS"):
        return ShowPartitions(cursor.table())
    if cursor.accept("TBLPROPERTIES"):
        table = cursor.table()
        name = ""
        if cursor.symbol("("):
            name = cursor.string()
            cursor.expect(")")
        return ShowProperties(table, name)
    if cursor.phrase("CREATE", "TABLE"):
        return ShowCreateTable(cursor.table())
    if cursor.phrase("CREATE", "VIEW"):
        return ShowCreateView(cursor.table())
    raise Unsupported(f"SHOW {cursor.peek()}")


def describe(cursor: Cursor) -> Statement:
    """What follows DESCRIBE; PARTITION and nested fields are refused."""
    if not cursor.accept("EXTENDED"):
        cursor.accept("FORMATTED")
    table = cursor.table()
    return Describe(table, "" if cursor.ended else cursor.name())


def _database(cursor: Cursor) -> str:
    return cursor.name() if _within(cursor) else cursor.database


def _within(cursor: Cursor) -> bool:
    return cursor.accept("IN") or cursor.accept("FROM")
