"""Decide and rewrite: a query and what its caller may read, to the statement that may run."""

import re
from collections.abc import Mapping
from dataclasses import replace

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify

from lakewarden.kernel.lake import GovernedTable
from lakewarden.sql import comparisons
from lakewarden.sql.admission import completed
from lakewarden.sql.errors import NoAccessibleColumns, SqlError, TableNotFound, Unsupported
from lakewarden.sql.filters import predicate_of
from lakewarden.sql.hive_types import duckdb_type
from lakewarden.sql.model import EnginePlan, PlannedScan, Select, TableRef
from lakewarden.sql.names import is_cte, table_ref
from lakewarden.sql.positions import at, position_of
from lakewarden.sql.render import render
from lakewarden.sql.resolve import bind_having, columns_read, not_found
from lakewarden.sql.transforms import translate
from lakewarden.sql.types import annotate, catalog

_UNKNOWN = re.compile(r"(?:Unknown column: |Column ')\"?([^\"'\s]+)")
Tables = Mapping[tuple[str, str], GovernedTable]


def plan(query: Select, tables: Tables, text: str, database: str) -> EnginePlan:
    """The engine's statement for ``query``. ``tables`` lacks what is absent or hidden; ``text`` is the statement's.

    Raises :class:`TableNotFound`, :class:`ColumnNotFound`, :class:`NoAccessibleColumns` or another SqlError.
    """
    for ref in query.tables:
        if ref.key not in tables:
            raise TableNotFound(ref.line, ref.column, ref.database, ref.name)
    for ref in query.tables:
        if not tables[ref.key].access.columns:
            raise NoAccessibleColumns(*_first_item(query.tree, text))
    prefix = _free_prefix(query.tree)
    relations = {ref.key: f"{prefix}{number}" for number, ref in enumerate(query.tables)}
    tree = query.tree.copy()
    _fold_names(tree)
    _replace_tables(tree, relations, text, database)
    schema = {relations[ref.key]: _columns(tables[ref.key]) for ref in query.tables}
    tree = _qualified(tree, schema, text)
    read = columns_read(tree, schema, text)
    names = tuple(tree.named_selects)
    comparisons.check(tree, text)
    tree = translate(tree)
    scans = tuple(_scan(ref, relations[ref.key], tables[ref.key], read) for ref in query.tables)
    admitted = completed(tree) if any(scan.predicate for scan in scans) else None
    if admitted is not None:
        tree, scans = admitted, tuple(replace(scan, barrier=False) for scan in scans)
    return EnginePlan(render(tree, frozenset(relations.values())), scans, names)


def _free_prefix(tree: exp.Expression) -> str:
    """INVARIANT (non_interference): no CTE of the user's takes the name, and with it the place, of a governed relation."""
    names = [cte.alias.lower() for cte in tree.find_all(exp.CTE)]
    prefix = "scan_"
    while any(name.startswith(prefix) for name in names):
        prefix += "_"
    return prefix


def _columns(governed: GovernedTable) -> dict[str, str]:
    allowed = set(governed.access.columns)
    return {column.name: duckdb_type(column.type) for column in governed.table.all_columns if column.name in allowed}


def _scan(ref: TableRef, relation: str, governed: GovernedTable, read: Mapping[str, set[str]]) -> PlannedScan:
    used = read.get(relation, set())
    columns = tuple(column for column in governed.table.all_columns if column.name in used)
    # INVARIANT (least_reach): a scan exposes only columns that were granted.
    assert {column.name for column in columns} <= set(governed.access.columns), ref  # noqa: S101 - a second look
    rows = governed.access.rows_for(column.name for column in columns)
    predicate = predicate_of(rows, governed.table)
    if predicate is None:
        return PlannedScan(relation, governed, columns, rows)
    # The filter's own columns are read under the barrier and do not leave it.
    read_columns = tuple(
        column for column in governed.table.all_columns if column.name in used or column.name in predicate.columns
    )
    return PlannedScan(relation, governed, columns, rows, predicate.sql, read_columns)


def _fold_names(tree: exp.Expression) -> None:
    """Trino folds every identifier to lower case, quoted ones too."""
    for identifier in tree.find_all(exp.Identifier):
        identifier.set("this", identifier.name.lower())
        identifier.set("quoted", True)


def _replace_tables(tree: exp.Expression, relations: Mapping[tuple[str, str], str], text: str, database: str) -> None:
    """Every catalog table becomes its generated relation, under the name by which the query calls it.

    INVARIANT (least_reach): no name of the user's is left that the engine could resolve by itself.
    """
    for table in list(tree.find_all(exp.Table)):
        if is_cte(table):
            continue
        ref = table_ref(table, text, database)
        alias = table.alias or table.name
        columns = table.args["alias"].args.get("columns") if table.args.get("alias") else None
        table.set("this", exp.to_identifier(relations[ref.key], quoted=True))
        table.set("db", None)
        table.set("catalog", None)
        table.set("version", None)
        name = exp.TableAlias(this=exp.to_identifier(alias, quoted=True), columns=columns)
        table.set("alias", name)
    for column in tree.find_all(exp.Column):
        # db.table.column names the table that goes by its own name; other dotted names may be fields of a struct.
        if (column.db, column.table) in relations:
            column.set("db", None)
            column.set("catalog", None)


def _qualified(tree: exp.Expression, schema: Mapping[str, Mapping[str, str]], text: str) -> exp.Query:
    _name_outputs(tree)
    known = catalog(schema)
    try:
        qualified = qualify(
            tree,
            schema=known,
            dialect="trino",
            validate_qualify_columns=False,
            identify=True,
            quote_identifiers=True,
            expand_alias_refs=False,
        )
        bind_having(qualified, schema)
        qualified = annotate(qualified, known)
    except SqlglotError as error:
        raise _unresolved(error, tree, text) from error
    except RecursionError as error:
        raise Unsupported("A statement that is nested so deeply") from error
    if not isinstance(qualified, exp.Query):
        raise Unsupported("This statement")
    return qualified


def _unresolved(error: SqlglotError, tree: exp.Expression, text: str) -> SqlError:
    """sqlglot's finding in Trino's words; its own may say what it looked at, so they are not passed on."""
    found = _UNKNOWN.search(str(error))
    if found is not None:
        name = found.group(1).lower()
        columns = [column for column in tree.find_all(exp.Column) if column.name == name and column.table]
        if columns:
            return not_found(columns, text)
    if "mbiguous" in str(error):
        return SqlError("AMBIGUOUS_NAME: Column is ambiguous")
    return SqlError("SYNTAX_ERROR: the statement cannot be resolved")


def _name_outputs(tree: exp.Expression) -> None:
    """Trino calls an unnamed output ``_col`` and its position from 0."""
    query = tree
    while not isinstance(query, exp.Select):
        if isinstance(query, exp.SetOperation):
            query = query.left
        elif isinstance(query, exp.Subquery):
            query = query.this
        else:
            return
    for number, item in enumerate(query.expressions):
        if not isinstance(item, exp.Alias | exp.Column | exp.Dot | exp.Star):
            item.replace(exp.alias_(item.copy(), f"_col{number}", quoted=True))


def _first_item(tree: exp.Query, text: str) -> tuple[int, int]:
    for item in tree.selects:
        found = position_of(item, text)
        if found != (1, 1):
            return found
    offset = text.find("*")
    return at(text, offset) if offset >= 0 else (1, 1)
