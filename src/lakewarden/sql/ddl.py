"""Athena's Hive DDL: databases, tables and partitions, by recursive descent over sqlglot's Hive tokens.

Athena User Guide, "DDL statements". A clause that is not known is refused.
"""

from collections.abc import Callable, Mapping

from lakewarden.kernel.lake import Column
from lakewarden.sql import formats
from lakewarden.sql.alter import alter_database, alter_table
from lakewarden.sql.cursor import Cursor
from lakewarden.sql.errors import SqlSyntaxError, Unsupported
from lakewarden.sql.model import (
    CreateDatabase,
    CreateTable,
    DropDatabase,
    DropTable,
    DropView,
    RepairTable,
    Statement,
    TableRef,
)
from lakewarden.sql.showing import describe, show


def statement(first: str, cursor: Cursor) -> Statement:
    """What follows the statement's first word; raises :class:`SqlSyntaxError` or :class:`Unsupported`."""
    found = _PARSERS[first](cursor)
    cursor.end()
    return found


def _create(cursor: Cursor) -> Statement:
    if cursor.accept("DATABASE") or cursor.accept("SCHEMA"):
        return _create_database(cursor)
    cursor.accept("EXTERNAL")
    if not cursor.accept("TABLE"):
        raise Unsupported(f"CREATE {cursor.peek()}")
    if_not_exists = cursor.phrase("IF", "NOT", "EXISTS")
    table = cursor.table()
    if not cursor.symbol("("):
        raise Unsupported("CREATE TABLE without a column list")
    return _table_clauses(cursor, table, cursor.columns(), if_not_exists=if_not_exists)


def _create_database(cursor: Cursor) -> CreateDatabase:
    if_not_exists = cursor.phrase("IF", "NOT", "EXISTS")
    name = cursor.name()
    comment = location = ""
    properties: Mapping[str, str] = {}
    while not cursor.ended:
        if cursor.accept("COMMENT"):
            comment = cursor.string()
        elif cursor.accept("LOCATION"):
            location = cursor.string()
        elif cursor.phrase("WITH", "DBPROPERTIES"):
            properties = cursor.properties()
        else:
            raise cursor.unexpected()
    return CreateDatabase(name, if_not_exists, comment, location, properties)


def _table_clauses(cursor: Cursor, table: TableRef, columns: tuple[Column, ...], *, if_not_exists: bool) -> CreateTable:
    comment = location = ""
    keys: tuple[Column, ...] = ()
    parameters: Mapping[str, str] = {}
    layout = formats.Layout()
    while not cursor.ended:
        if cursor.accept("COMMENT"):
            comment = cursor.string()
        elif cursor.phrase("PARTITIONED", "BY"):
            cursor.expect("(")
            keys = cursor.columns()
        elif cursor.phrase("CLUSTERED", "BY"):
            raise Unsupported("CLUSTERED BY")
        elif cursor.phrase("ROW", "FORMAT"):
            layout = _row_format(cursor, layout)
        elif cursor.phrase("STORED", "AS"):
            layout = _stored_as(cursor, layout)
        elif cursor.phrase("WITH", "SERDEPROPERTIES"):
            layout = layout.with_properties(cursor.properties())
        elif cursor.accept("LOCATION"):
            location = cursor.string()
        elif cursor.accept("TBLPROPERTIES"):
            parameters = cursor.properties()
        else:
            raise cursor.unexpected()
    if any(name.lower() == "table_type" and value.lower() == "iceberg" for name, value in parameters.items()):
        raise Unsupported("CREATE TABLE of an Iceberg table")
    if not location:
        raise SqlSyntaxError(1, 1, "LOCATION is required for an external table")
    resolved = layout.resolve()
    return CreateTable(
        table, if_not_exists, columns, keys, location, resolved.input_format, resolved.output_format,
        resolved.serde, resolved.properties, {"EXTERNAL": "TRUE", **parameters}, comment,
    )  # fmt: skip


def _row_format(cursor: Cursor, layout: formats.Layout) -> formats.Layout:
    if cursor.accept("SERDE"):
        return layout.with_serde(cursor.string())
    if not cursor.accept("DELIMITED"):
        raise cursor.unexpected()
    properties: dict[str, str] = {}
    clauses = {
        ("FIELDS", "TERMINATED", "BY"): "field.delim",
        ("ESCAPED", "BY"): "escape.delim",
        ("COLLECTION", "ITEMS", "TERMINATED", "BY"): "collection.delim",
        ("MAP", "KEYS", "TERMINATED", "BY"): "mapkey.delim",
        ("LINES", "TERMINATED", "BY"): "line.delim",
        ("NULL", "DEFINED", "AS"): "serialization.null.format",
    }
    while True:
        key = next((name for words, name in clauses.items() if cursor.phrase(*words)), None)
        if key is None:
            break
        properties[key] = cursor.string()
    if "field.delim" in properties:
        properties["serialization.format"] = properties["field.delim"]
    return layout.with_serde(formats.LAZY_SIMPLE).with_properties(properties)


def _stored_as(cursor: Cursor, layout: formats.Layout) -> formats.Layout:
    if cursor.accept("INPUTFORMAT"):
        input_format = cursor.string()
        if not cursor.accept("OUTPUTFORMAT"):
            raise cursor.unexpected()
        return layout.with_formats(input_format, cursor.string())
    name = cursor.word()
    try:
        return layout.stored_as(name)
    except KeyError:
        raise Unsupported(f"STORED AS {name}") from None


def _drop(cursor: Cursor) -> Statement:
    if cursor.accept("DATABASE") or cursor.accept("SCHEMA"):
        if_exists = cursor.phrase("IF", "EXISTS")
        name = cursor.name()
        cascade = cursor.accept("CASCADE")
        if not cascade:
            cursor.accept("RESTRICT")
        return DropDatabase(name, if_exists, cascade)
    if cursor.accept("TABLE"):
        if_exists = cursor.phrase("IF", "EXISTS")
        return DropTable(cursor.table(), if_exists)
    if cursor.accept("VIEW"):
        if_exists = cursor.phrase("IF", "EXISTS")
        return DropView(cursor.table(), if_exists)
    raise Unsupported(f"DROP {cursor.peek()}")


def _alter(cursor: Cursor) -> Statement:
    if cursor.accept("DATABASE") or cursor.accept("SCHEMA"):
        return alter_database(cursor)
    if cursor.accept("TABLE"):
        return alter_table(cursor)
    raise Unsupported(f"ALTER {cursor.peek()}")


def _repair(cursor: Cursor) -> Statement:
    if not cursor.phrase("REPAIR", "TABLE"):
        raise cursor.unexpected()
    return RepairTable(cursor.table())


_PARSERS: Mapping[str, Callable[[Cursor], Statement]] = {
    "CREATE": _create,
    "DROP": _drop,
    "ALTER": _alter,
    "MSCK": _repair,
    "SHOW": show,
    "DESCRIBE": describe,
    "DESC": describe,
}
KEYWORDS = frozenset(_PARSERS)
"""The first words of the statements that are read here."""
