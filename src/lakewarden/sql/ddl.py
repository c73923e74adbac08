"""Athena's Hive DDL: databases, tables and partitions, by recursive descent over sqlglot's Hive tokens.

Athena User Guide, "DDL statements". A clause that is not known is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lakewarden.kernel.lake import Column
from lakewarden.sql import formats
from lakewarden.sql.alter import alter_database, alter_table
from lakewarden.sql.cursor import Cursor
from lakewarden.sql.errors import SqlError, SqlSyntaxError, Unsupported
from lakewarden.sql.iceberg_model import CreateIcebergTable, PartitionTransform
from lakewarden.sql.iceberg_properties import is_iceberg, properties_of, transform
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


def statement(first: str, cursor: Cursor) -> Statement | CreateIcebergTable:
    """What follows the statement's first word; raises :class:`SqlSyntaxError` or :class:`Unsupported`."""
    found = _PARSERS[first](cursor)
    cursor.end()
    return found


def _create(cursor: Cursor) -> Statement | CreateIcebergTable:
    if cursor.accept("DATABASE") or cursor.accept("SCHEMA"):
        return _create_database(cursor)
    external = cursor.accept("EXTERNAL")
    if not cursor.accept("TABLE"):
        raise Unsupported(f"CREATE {cursor.peek()}")
    if_not_exists = cursor.phrase("IF", "NOT", "EXISTS")
    table = cursor.table()
    if not cursor.symbol("("):
        raise Unsupported("CREATE TABLE without a column list")
    return _table_clauses(cursor, table, cursor.columns(), if_not_exists=if_not_exists, external=external)


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


@dataclass(slots=True)
class _Clauses:
    """What has been said of a table so far."""

    comment: str = ""
    location: str = ""
    keys: tuple[Column, ...] = ()
    transforms: tuple[PartitionTransform, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    layout: formats.Layout = field(default_factory=formats.Layout)


def _table_clauses(
    cursor: Cursor, table: TableRef, columns: tuple[Column, ...], *, if_not_exists: bool, external: bool
) -> CreateTable | CreateIcebergTable:
    found = _Clauses()
    while not cursor.ended:
        _clause(cursor, found)
    if is_iceberg(found.parameters):
        _check_iceberg(found, external=external)
        properties = properties_of(found.parameters)
        return CreateIcebergTable(
            table, if_not_exists, columns, found.transforms, found.location, properties, found.comment
        )
    if found.transforms:
        raise SqlSyntaxError(1, 1, "a partition column needs a type")
    if not found.location:
        raise SqlSyntaxError(1, 1, "LOCATION is required for an external table")
    resolved = found.layout.resolve()
    return CreateTable(
        table, if_not_exists, columns, found.keys, found.location, resolved.input_format, resolved.output_format,
        resolved.serde, resolved.properties, {"EXTERNAL": "TRUE", **found.parameters}, found.comment,
    )  # fmt: skip


def _clause(cursor: Cursor, found: _Clauses) -> None:
    if cursor.accept("COMMENT"):
        found.comment = cursor.string()
    elif cursor.phrase("PARTITIONED", "BY"):
        cursor.expect("(")
        found.keys, found.transforms = _partitions(cursor)
    elif cursor.phrase("CLUSTERED", "BY"):
        raise Unsupported("CLUSTERED BY")
    elif cursor.phrase("ROW", "FORMAT"):
        found.layout = _row_format(cursor, found.layout)
    elif cursor.phrase("STORED", "AS"):
        found.layout = _stored_as(cursor, found.layout)
    elif cursor.phrase("WITH", "SERDEPROPERTIES"):
        found.layout = found.layout.with_properties(cursor.properties())
    elif cursor.accept("LOCATION"):
        found.location = cursor.string()
    elif cursor.accept("TBLPROPERTIES"):
        found.parameters = cursor.properties()
    else:
        raise cursor.unexpected()


def _check_iceberg(found: _Clauses, *, external: bool) -> None:
    if external:
        raise SqlError("INVALID_TABLE_PROPERTY: External keyword not supported for table type ICEBERG")
    if found.keys or found.layout != formats.Layout():
        raise Unsupported("ROW FORMAT, STORED AS or a partition column with a type, of an Iceberg table,")
    if not found.location:
        raise SqlSyntaxError(1, 1, "LOCATION is required for an Iceberg table")


def _partitions(cursor: Cursor) -> tuple[tuple[Column, ...], tuple[PartitionTransform, ...]]:
    """``name type, ...)`` of a Hive table, or ``name, day(name), bucket(4, name), ...)`` of an Iceberg table."""
    if cursor.transforms_ahead:
        found = [_transform(cursor)]
        while cursor.symbol(","):
            found.append(_transform(cursor))
        cursor.expect(")")
        return (), tuple(found)
    return cursor.columns(), ()


def _transform(cursor: Cursor) -> PartitionTransform:
    name = cursor.name()
    if not cursor.symbol("("):
        return PartitionTransform(name, "identity")
    width = 0
    if cursor.number_ahead:
        width = int(cursor.constant())
        cursor.expect(",")
    column = cursor.name()
    cursor.expect(")")
    return transform(name, column, width)


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


_PARSERS: Mapping[str, Callable[[Cursor], Statement | CreateIcebergTable]] = {
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
