"""The query behind DELETE, UPDATE and MERGE: which rows of the table go, and which come. Pure.

Its outputs: the file and the place in it of a row that goes (null for one that only comes), the number of its partition,
whether a row comes, and that row's values in the table's order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlglot import exp

from lakewarden.kernel.lake import Column, GovernedTable
from lakewarden.sql.errors import SqlError
from lakewarden.sql.files import check_insert
from lakewarden.sql.iceberg_model import ChangeTable, Clause
from lakewarden.sql.model import Select, TableRef
from lakewarden.sql.names import catalog_tables
from lakewarden.sql.result_types import trino_type

FILE, ROW, GROUP = "$iceberg_file", "$iceberg_row", "$iceberg_group"
"""The hidden columns by which a row is found; ``engines.duckdb.iceberg`` fills them."""
_ADDRESS = (Column(FILE, "string"), Column(ROW, "bigint"), Column(GROUP, "int"))
_ROWS = "$rows"


def addressed(governed: GovernedTable) -> GovernedTable:
    """The table with the columns that say where a row lies, for its caller may read all of it."""
    table, access = governed.table, governed.access
    names = tuple(column.name for column in _ADDRESS)
    return GovernedTable(
        replace(table, columns=(*table.columns, *_ADDRESS)), replace(access, columns=(*access.columns, *names))
    )


def rows_name(ref: TableRef) -> tuple[str, str]:
    """The key by which the table with its addresses goes in the statement; a name of the user's stays the table's own."""
    return (ref.database, ref.name + _ROWS)


def check(statement: ChangeTable, columns: Sequence[Column], types: Sequence[str]) -> None:
    """Raise unless every value fits its column. ``types`` are those of the items of ``statement.asked``."""
    for clause in statement.clauses:
        wanted = _targets(clause, columns) if clause.action != "delete" else ()
        check_insert(wanted, [types[place] for place in clause.values])


def rows(statement: ChangeTable, columns: Sequence[Column], types: Sequence[str], text: str, database: str) -> Select:
    """The query; checked by :func:`check`."""
    tree: exp.Select = statement.asked.tree.copy()
    items = [item.copy() for item in tree.selects]
    _point(tree, statement)
    alias = statement.alias
    tests = [_test(clause, items, alias, merged=statement.merged) for clause in statement.clauses]
    values = [_values(clause, columns, items, types, alias) for clause in statement.clauses]
    kept = [exp.false() if clause.action == "delete" else exp.true() for clause in statement.clauses]
    selects = [_address(name, alias) for name in (FILE, ROW, GROUP)]
    selects.append(_case(tests, kept, merged=statement.merged))
    selects += [_case(tests, [of[column.name] for of in values], merged=statement.merged) for column in columns]
    named = [exp.alias_(item, f"_w{number}", quoted=True) for number, item in enumerate(selects)]
    tree.set("expressions", named)
    if statement.merged:
        tree.set("where", exp.Where(this=exp.or_(*(test.copy() for test in tests)) if tests else exp.false()))
    return Select(tree, tuple(catalog_tables(tree, text, database)))


def all_rows(table: TableRef, columns: Sequence[Column]) -> Select:
    """The query that moves every row of the table into new files."""
    node = exp.to_table(_ROWS)
    node.set("this", exp.to_identifier(rows_name(table)[1], quoted=True))
    node.set("db", exp.to_identifier(table.database, quoted=True))
    node.set("alias", exp.TableAlias(this=exp.to_identifier("t", quoted=True)))
    selects = [_address(FILE, "t"), _address(ROW, "t"), _address(GROUP, "t"), exp.true()]
    selects += [_address(column.name, "t") for column in columns]
    named = [exp.alias_(item, f"_w{number}", quoted=True) for number, item in enumerate(selects)]
    ref = TableRef(*rows_name(table), table.line, table.column)
    return Select(exp.Select(expressions=named).from_(node), (ref,))


def _point(tree: exp.Select, statement: ChangeTable) -> None:
    """Let the changed table be the one with addresses, and names that say its database say its alias."""
    from_ = tree.args.get("from_") or tree.args["from"]
    node = tree.args["joins"][-1].this if statement.merged else from_.this
    database, name = rows_name(statement.table)
    node.set("this", exp.to_identifier(name, quoted=True))
    node.set("db", exp.to_identifier(database, quoted=True))
    node.set("catalog", None)
    for column in tree.find_all(exp.Column):
        if column.db.lower() == statement.table.database and column.table.lower() == statement.table.name:
            column.set("db", None)
            column.set("catalog", None)


def _targets(clause: Clause, columns: Sequence[Column]) -> Sequence[Column]:
    known = {column.name: column for column in columns}
    if not clause.columns:
        return columns
    for name in clause.columns:
        if name not in known:
            what = "Insert" if clause.action == "insert" else "Update"
            raise SqlError(f"COLUMN_NOT_FOUND: line 1:1: {what} column name does not exist in target table: {name}")
    return [known[name] for name in clause.columns]


def _test(clause: Clause, items: Sequence[exp.Expression], alias: str, *, merged: bool) -> exp.Expression:
    if not merged:
        return exp.true()
    there: exp.Expression = exp.Is(this=_address(FILE, alias), expression=exp.null())
    if clause.matched:
        there = exp.not_(there)
    return there if clause.condition is None else exp.and_(there, exp.paren(items[clause.condition].copy()))


def _values(
    clause: Clause, columns: Sequence[Column], items: Sequence[exp.Expression], types: Sequence[str], alias: str
) -> Mapping[str, exp.Expression]:
    """The clause's new row: what it does not name stays as it is, or is null in a new one."""
    found: dict[str, exp.Expression] = {}
    if clause.action != "delete":
        for column, place in zip(_targets(clause, columns), clause.values, strict=True):
            found[column.name] = _fitted(items[place].copy(), column, types[place])
    for column in columns:
        if column.name not in found:
            found[column.name] = _address(column.name, alias) if clause.action == "update" else exp.null()
    return found


def _fitted(value: exp.Expression, column: Column, kind: str) -> exp.Expression:
    if not kind or kind == column.type.strip().lower():
        return value
    return exp.cast(exp.paren(value), exp.DataType.build(trino_type(column.type), dialect="trino"))


def _case(tests: Sequence[exp.Expression], values: Sequence[exp.Expression], *, merged: bool) -> exp.Expression:
    """The value of the first clause whose test holds."""
    if not merged:
        return values[0].copy()
    if not tests or all(isinstance(value, exp.Null) for value in values):
        return exp.null()
    ifs = [exp.If(this=test.copy(), true=value.copy()) for test, value in zip(tests, values, strict=True)]
    return exp.Case(ifs=ifs)


def _address(name: str, alias: str) -> exp.Expression:
    return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(alias, quoted=True))
