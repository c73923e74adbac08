"""ALTER DATABASE and ALTER TABLE (Athena User Guide, "ALTER TABLE ...")."""

from lakewarden.kernel.lake import Column
from lakewarden.sql.changes import (
    AddColumns,
    AddPartitions,
    Change,
    ChangeColumn,
    DropColumn,
    DropPartitions,
    PartitionSpec,
    RenamePartition,
    RenameTable,
    ReplaceColumns,
    SetLocation,
    SetProperties,
    UnsetProperties,
)
from lakewarden.sql.cursor import Cursor
from lakewarden.sql.errors import SqlSyntaxError, Unsupported
from lakewarden.sql.model import AlterDatabase, AlterTable


def alter_database(cursor: Cursor) -> AlterDatabase:
    """``name SET DBPROPERTIES (...)``."""
    name = cursor.name()
    if not cursor.phrase("SET", "DBPROPERTIES"):
        raise cursor.unexpected()
    return AlterDatabase(name, cursor.properties())


def alter_table(cursor: Cursor) -> AlterTable:
    """``table`` and one change."""
    table = cursor.table()
    return AlterTable(table, _change(cursor))


def _change(cursor: Cursor) -> Change:
    if cursor.accept("ADD"):
        return _add(cursor)
    if cursor.phrase("REPLACE", "COLUMNS"):
        cursor.expect("(")
        return ReplaceColumns(cursor.columns())
    if cursor.accept("CHANGE"):
        cursor.accept("COLUMN")
        name, new, kind = cursor.name(), cursor.name(), cursor.type()
        return ChangeColumn(name, Column(new, kind, cursor.string() if cursor.accept("COMMENT") else ""))
    if cursor.accept("SET"):
        return _set(cursor)
    if cursor.phrase("UNSET", "TBLPROPERTIES"):
        return UnsetProperties(_names(cursor))
    if cursor.phrase("DROP", "COLUMN"):
        return DropColumn(cursor.name())
    if cursor.accept("DROP"):
        return _drop(cursor)
    if cursor.phrase("RENAME", "TO"):
        return RenameTable(cursor.table())
    if cursor.accept("PARTITION"):
        old = _spec(cursor)
        if not cursor.phrase("RENAME", "TO", "PARTITION"):
            raise Unsupported(f"ALTER TABLE PARTITION {cursor.peek()}")
        return RenamePartition(old, _spec(cursor))
    raise Unsupported(f"ALTER TABLE {cursor.peek()}")


def _set(cursor: Cursor) -> Change:
    if cursor.accept("TBLPROPERTIES"):
        return SetProperties(cursor.properties())
    if cursor.accept("LOCATION"):
        return SetLocation(cursor.string())
    raise Unsupported(f"ALTER TABLE SET {cursor.peek()}")


def _names(cursor: Cursor) -> tuple[str, ...]:
    """``('name', ...)``."""
    cursor.expect("(")
    names = [cursor.string()]
    while cursor.symbol(","):
        names.append(cursor.string())
    cursor.expect(")")
    return tuple(names)


def _add(cursor: Cursor) -> Change:
    if cursor.accept("COLUMNS"):
        cursor.expect("(")
        return AddColumns(cursor.columns())
    if_not_exists = cursor.phrase("IF", "NOT", "EXISTS")
    found: list[PartitionSpec] = []
    while cursor.accept("PARTITION"):
        spec = _spec(cursor)
        if cursor.accept("LOCATION"):
            spec = PartitionSpec(spec.values, cursor.string())
        found.append(spec)
    if not found:
        raise cursor.unexpected()
    return AddPartitions(tuple(found), if_not_exists)


def _drop(cursor: Cursor) -> Change:
    if_exists = cursor.phrase("IF", "EXISTS")
    found: list[PartitionSpec] = []
    while cursor.accept("PARTITION"):
        found.append(_spec(cursor))
        cursor.symbol(",")
    if not found:
        raise Unsupported(f"ALTER TABLE DROP {cursor.peek()}")
    return DropPartitions(tuple(found), if_exists)


def _spec(cursor: Cursor) -> PartitionSpec:
    """``(key = value, ...)``; values are texts or numbers."""
    cursor.expect("(")
    values: dict[str, str] = {}
    while True:
        name = cursor.name()
        cursor.expect("=")
        if name in values:
            raise SqlSyntaxError(1, 1, f"partition key '{name}' stands twice")
        values[name] = cursor.constant()
        if cursor.symbol(")"):
            return PartitionSpec(values)
        cursor.expect(",")
