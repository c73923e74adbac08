"""DELETE, UPDATE, MERGE INTO, OPTIMIZE and VACUUM (Athena User Guide, "DML queries"), for Iceberg tables only.

sqlglot reads the statement; what it asks is put together anew as one query, which passes the same gate as every other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError
from sqlglot.tokens import Token

from lakewarden.sql import calls, gate
from lakewarden.sql.cursor import Cursor
from lakewarden.sql.errors import SqlError, SqlSyntaxError, Unsupported
from lakewarden.sql.iceberg_model import ChangeTable, Clause, IcebergStatement, Optimize, Vacuum
from lakewarden.sql.model import Select, TableRef
from lakewarden.sql.names import catalog_tables, table_ref
from lakewarden.sql.normalize import normalize

_TRINO = sqlglot.Dialect.get_or_raise("trino")
_DELETE_ARGS = frozenset({"this", "where"})
_UPDATE_ARGS = frozenset({"this", "expressions", "where"})
_MERGE_ARGS = frozenset({"this", "using", "on", "whens"})
_WHEN_ARGS = frozenset({"matched", "condition", "then"})
_INSERT_ARGS = frozenset({"this", "expression"})
_TARGET_ARGS = frozenset({"this", "db", "catalog", "alias"})


@dataclass(slots=True)
class _Asked:
    """The select list in the making."""

    items: list[exp.Expression] = field(default_factory=list)

    def add(self, item: exp.Expression) -> int:
        self.items.append(item.copy())
        return len(self.items) - 1


def statement(first: str, tokens: list[Token], text: str, database: str) -> IcebergStatement:
    """The statement of all ``tokens`` (without the first word, of :data:`MAINTENANCE`).

    Raises :class:`SqlSyntaxError` or :class:`Unsupported`.
    """
    if first in MAINTENANCE:
        return _maintenance(first, Cursor(tokens, text, database))
    try:
        trees = _TRINO.parser().parse(calls.mark(tokens), text)
    except ParseError as error:
        found = error.errors[0] if error.errors else {}
        word = str(found.get("highlight") or "<EOF>")
        line, column = found.get("line") or 1, max(1, (found.get("col") or 1) - len(word) + 1)
        raise SqlSyntaxError(line, column, f"mismatched input '{word[:60]}'") from error
    except RecursionError as error:
        raise SqlSyntaxError(1, 1, "the statement is nested too deeply") from error
    tree = trees[0] if len(trees) == 1 else None
    read = _READERS[first]
    if not isinstance(tree, read[0]):
        raise Unsupported("This statement")
    return read[1](tree, text, database)


def _maintenance(first: str, cursor: Cursor) -> IcebergStatement:
    table = cursor.table()
    if first == "VACUUM":
        cursor.end()
        return Vacuum(table)
    if not cursor.phrase("REWRITE", "DATA", "USING", "BIN_PACK"):
        raise cursor.unexpected()
    if cursor.accept("WHERE"):
        raise Unsupported("OPTIMIZE ... WHERE")
    cursor.end()
    return Optimize(table)


def _delete(tree: exp.Delete, text: str, database: str) -> ChangeTable:
    _only(tree, _DELETE_ARGS)
    asked = _Asked()
    asked.add(exp.true())
    query = _over(_target(tree.this), asked, tree.args.get("where"))
    return _change(query, (Clause(True, "delete", None),), tree.this, text, database, "DELETE")


def _update(tree: exp.Update, text: str, database: str) -> ChangeTable:
    _only(tree, _UPDATE_ARGS)
    asked = _Asked()
    columns, values = _assigned(tree.expressions, asked)
    query = _over(_target(tree.this), asked, tree.args.get("where"))
    return _change(query, (Clause(True, "update", None, columns, values),), tree.this, text, database, "UPDATE")


def _merge(tree: exp.Merge, text: str, database: str) -> ChangeTable:
    _only(tree, _MERGE_ARGS)
    source, whens = tree.args["using"], tree.args.get("whens")
    if not isinstance(source, exp.Table | exp.Subquery | exp.Values) or whens is None or tree.args.get("on") is None:
        raise Unsupported("This kind of MERGE")
    asked = _Asked()
    clauses = tuple(_clause(when, asked) for when in whens.expressions)
    if not asked.items:
        asked.add(exp.true())
    join = exp.Join(this=_target(tree.this), side="LEFT", on=tree.args["on"].copy())
    query = exp.Select(expressions=asked.items).from_(source.copy())
    query.set("joins", [join])
    return _change(query, clauses, tree.this, text, database, "MERGE", merged=True)


def _clause(when: exp.Expression, asked: _Asked) -> Clause:
    _only(when, _WHEN_ARGS)
    matched, then = bool(when.args.get("matched")), when.args["then"]
    condition = when.args.get("condition")
    place = None if condition is None else asked.add(condition)
    if condition is not None and any(calls.name_of(one) in _CHANGING for one in condition.find_all(exp.Anonymous)):
        raise Unsupported("A condition of MERGE that answers differently each time")
    if matched and isinstance(then, exp.Var) and then.name.upper() == "DELETE":
        return Clause(True, "delete", place)
    if matched and isinstance(then, exp.Update):
        return Clause(True, "update", place, *_assigned(then.expressions, asked))
    if not matched and isinstance(then, exp.Insert):
        _only(then, _INSERT_ARGS)
        return Clause(False, "insert", place, *_inserted(then, asked))
    raise Unsupported("This clause of MERGE")


_CHANGING = frozenset({"rand", "random", "uuid", "shuffle"})


def _assigned(items: list[exp.Expression], asked: _Asked) -> tuple[tuple[str, ...], tuple[int, ...]]:
    columns: list[str] = []
    values: list[int] = []
    for item in items:
        if (
            not isinstance(item, exp.EQ)
            or not isinstance(item.this, exp.Column)
            or isinstance(item.this.this, exp.Star)
        ):
            raise Unsupported("This kind of SET")
        columns.append(item.this.name.lower())
        values.append(asked.add(item.expression))
    if not columns or len(set(columns)) != len(columns):
        raise SqlError("SYNTAX_ERROR: Multiple assignments for the same column")
    return tuple(columns), tuple(values)


def _inserted(then: exp.Insert, asked: _Asked) -> tuple[tuple[str, ...], tuple[int, ...]]:
    names, row = then.this, then.args.get("expression")
    if not isinstance(row, exp.Tuple):
        raise Unsupported("This kind of INSERT in MERGE")
    columns = tuple(one.name.lower() for one in names.expressions) if isinstance(names, exp.Tuple) else ()
    if len(set(columns)) != len(columns):
        raise SqlError("SYNTAX_ERROR: Insert query has a column name that stands twice")
    if columns and len(columns) != len(row.expressions):
        raise SqlError("SYNTAX_ERROR: Insert column count does not match the number of values")
    return columns, tuple(asked.add(one) for one in row.expressions)


def _over(target: exp.Table, asked: _Asked, where: exp.Expression | None) -> exp.Select:
    query = exp.Select(expressions=asked.items).from_(target)
    if where is not None:
        query.set("where", where.copy())
    return query


def _target(table: exp.Expression) -> exp.Table:
    """The table that is changed, under a name of its own."""
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        raise Unsupported("This kind of table")
    _only(table, _TARGET_ARGS)
    target: exp.Table = table.copy()
    if not target.alias:
        target.set("alias", exp.TableAlias(this=exp.to_identifier(table.name, quoted=True)))
    return target


def _change(
    query: exp.Select,
    clauses: tuple[Clause, ...],
    table: exp.Table,
    text: str,
    database: str,
    substatement: str,
    *,
    merged: bool = False,
) -> ChangeTable:
    ref: TableRef = table_ref(table, text, database)
    tree = normalize(query)
    if not isinstance(tree, exp.Select):
        raise Unsupported("This statement")
    # INVARIANT (deny_by_default): every condition, value and source stands in this query, and passes the gate with it.
    gate.check(tree, text)
    asked = Select(tree, tuple(catalog_tables(tree, text, database)))
    return ChangeTable(ref, (table.alias or table.name).lower(), asked, merged, clauses, substatement)


def _only(node: exp.Expression, known: frozenset[str]) -> None:
    for name, value in node.args.items():
        if value and name not in known:
            raise Unsupported(f"{name.strip('_').replace('_', ' ').upper()} in this statement")


_READERS: Mapping[str, tuple[type, Callable[[exp.Expression, str, str], ChangeTable]]] = {
    "DELETE": (exp.Delete, _delete),
    "UPDATE": (exp.Update, _update),
    "MERGE": (exp.Merge, _merge),
}
MAINTENANCE = frozenset({"OPTIMIZE", "VACUUM"})
KEYWORDS = MAINTENANCE | _READERS.keys()
"""The first words of the statements that are read here."""
