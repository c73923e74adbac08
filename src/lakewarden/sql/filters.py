"""Row filters: Trino predicates over a table's own columns, as the engine's SQL.

A filter never meets the user's statement: it is parsed, checked and rendered by itself, and stands in the scan, under a
barrier. Hidden columns are among those that it may use.
"""

from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify

from lakewarden.kernel.lake import RowFilter, Table
from lakewarden.sql import calls, comparisons, gate
from lakewarden.sql.errors import InvalidRowFilter, SqlError
from lakewarden.sql.functions import FUNCTIONS
from lakewarden.sql.hive_types import UnknownType, duckdb_type
from lakewarden.sql.limits import check_tokens
from lakewarden.sql.normalize import normalize
from lakewarden.sql.resolve import is_local
from lakewarden.sql.total import is_total
from lakewarden.sql.transforms import translate
from lakewarden.sql.types import D, annotate, catalog, kind

_TRINO = sqlglot.Dialect.get_or_raise("trino")
_RELATION = "filtered"
Schema = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A filter as the engine's SQL, and the table's columns that it reads."""

    sql: str
    columns: frozenset[str]


def predicate_of(rows: RowFilter, table: Table) -> Predicate | None:
    """The predicate for ``rows``; None for all rows. Raises :class:`InvalidRowFilter` for what cannot be enforced.

    INVARIANT (non_interference): several filters are a union; a row for which one fails is a row that it does not admit.
    """
    if rows.all_rows:
        return None
    schema = tuple((column.name, column.type) for column in table.all_columns)
    parts = [compiled(expression, schema) for expression in rows.expressions]
    if not parts:
        return Predicate("false", frozenset())
    sql = " OR ".join(f"coalesce({part.sql}, false)" for part in parts) if len(parts) > 1 else parts[0].sql
    return Predicate(sql, frozenset[str]().union(*(part.columns for part in parts)))


@lru_cache(maxsize=1024)
def compiled(expression: str, schema: Schema) -> Predicate:
    """One filter expression over columns of these names and Glue types; raises :class:`InvalidRowFilter`."""
    try:
        return _compiled(expression, schema)
    except (SqlError, SqlglotError, UnknownType, RecursionError) as error:
        raise InvalidRowFilter from error


def _compiled(expression: str, schema: Schema) -> Predicate:
    text = f"SELECT 1 FROM {_RELATION} WHERE (\n{expression}\n)"  # noqa: S608 - parsed, checked and rendered anew
    tokens = list(_TRINO.tokenize(text))
    check_tokens(tokens, text)
    # A comment could swallow what stands around the expression where several are put together.
    if any(token.comments for token in tokens):
        raise InvalidRowFilter
    trees = _TRINO.parser().parse(calls.mark(tokens), text)
    if len(trees) != 1 or not isinstance(trees[0], exp.Select):
        raise InvalidRowFilter
    tree = normalize(trees[0])
    gate.check(tree, text)
    condition = _only_condition(tree)
    for identifier in tree.find_all(exp.Identifier):
        identifier.set("this", identifier.name.lower())
        identifier.set("quoted", True)
    types = {name: duckdb_type(kind) for name, kind in schema}
    known = catalog({_RELATION: types})
    qualify(tree, schema=known, dialect="trino", validate_qualify_columns=False, identify=True)
    annotate(tree, known)
    comparisons.check(tree, text)
    condition = translate(tree).args["where"].this
    if kind(condition) is not D.BOOLEAN:
        raise InvalidRowFilter
    read = set()
    for column in condition.find_all(exp.Column):
        if not column.table and is_local(column):
            continue
        if column.name not in types:
            raise InvalidRowFilter
        read.add(column.name)
        column.set("table", None)
    total = is_total(condition)
    sql = condition.sql(dialect="duckdb")
    return Predicate(f"({sql})" if total else f"try({sql})", frozenset(read))


def _only_condition(tree: exp.Select) -> exp.Expression:
    """The WHERE clause, when the text was one expression of rows and not SQL that breaks out of its place."""
    clauses = {key for key, value in tree.args.items() if value and key not in {"expressions", "from_", "where"}}
    where = tree.args.get("where")
    if clauses or len(tree.expressions) != 1 or where is None or not isinstance(where.this, exp.Paren):
        raise InvalidRowFilter
    for node in where.walk():
        if isinstance(node, exp.Query | exp.Window | exp.Table):
            raise InvalidRowFilter
        if isinstance(node, exp.Anonymous):
            function = FUNCTIONS[calls.name_of(node)]
            if function.aggregate or function.window or function.name in {"rand", "random", "uuid", "shuffle"}:
                raise InvalidRowFilter
    return where.this
