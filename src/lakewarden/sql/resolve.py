"""What the names of a qualified query mean: the columns that it reads of each relation."""

from collections.abc import Mapping, Sequence

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from lakewarden.sql.errors import ColumnNotFound, SqlError
from lakewarden.sql.positions import at


def bind_having(tree: exp.Expression, schema: Mapping[str, Mapping[str, str]]) -> None:
    """Qualify the bare columns of HAVING, which sqlglot leaves alone because elsewhere they may be outputs' names.

    What is in no source, or in two, stays bare, and :func:`columns_read` refuses it.
    """
    for scope in traverse_scope(tree):
        having = scope.expression.args.get("having") if isinstance(scope.expression, exp.Select) else None
        if having is None:
            continue
        for column in list(having.find_all(exp.Column)):
            if column.table or is_local(column) or column.find_ancestor(exp.Select) is not scope.expression:
                continue
            owners = [name for name, source in scope.selected_sources.items() if _gives(source[1], column.name, schema)]
            if len(owners) == 1:
                column.set("table", exp.to_identifier(owners[0], quoted=True))


def _gives(source: exp.Expression | Scope, name: str, schema: Mapping[str, Mapping[str, str]]) -> bool:
    if isinstance(source, exp.Table):
        return name in schema.get(source.name, {})
    return isinstance(source, Scope) and _has_output(source, name)


def columns_read(tree: exp.Query, schema: Mapping[str, Mapping[str, str]], text: str) -> Mapping[str, set[str]]:
    """The columns that are read of each relation; raises :class:`ColumnNotFound` for the first that is not there."""
    read: dict[str, set[str]] = {}
    missing: list[exp.Column] = []
    seen: set[int] = set()
    for scope in traverse_scope(tree):
        for column in scope.columns:
            seen.add(id(column))
            if isinstance(column.this, exp.Star):
                continue
            source = _source(scope, column.table) if column.table else None
            if isinstance(source, exp.Table) and column.name in schema.get(source.name, {}):
                read.setdefault(source.name, set()).add(column.name)
            elif not (isinstance(source, Scope) and _has_output(source, column.name)) and not is_local(column):
                missing.append(column)
    missing += [one for one in tree.find_all(exp.Column) if id(one) not in seen and not one.table and not is_local(one)]
    if missing:
        raise _ambiguous(tree, missing, schema, text) or not_found(missing, text)
    return read


def _ambiguous(
    tree: exp.Query, missing: Sequence[exp.Column], schema: Mapping[str, Mapping[str, str]], text: str
) -> SqlError | None:
    """The error for a bare column, first in the text, that several of its query's relations have."""
    first = min(missing, key=_offset)
    if first.table:
        return None
    for scope in traverse_scope(tree):
        if any(column is first for column in scope.columns):
            owners = [one for one in scope.selected_sources.values() if _gives(one[1], first.name, schema)]
            if len(owners) > 1:
                line, column = at(text, _offset(first)) if _offset(first) < len(text) else (1, 1)
                return SqlError(f"AMBIGUOUS_NAME: line {line}:{column}: Column '{_written(first)}' is ambiguous")
    return None


def not_found(columns: Sequence[exp.Column], text: str) -> ColumnNotFound:
    """The error for the column that stands first in the text."""
    first = min(columns, key=_offset)
    offset = _offset(first)
    return ColumnNotFound(*(at(text, offset) if offset < len(text) else (1, 1)), _written(first))


def _source(scope: Scope, name: str) -> exp.Expression | Scope | None:
    """What a table name means in ``scope`` or, for correlated queries, around it."""
    inside: Scope | None = scope
    while inside is not None:
        found = inside.sources.get(name)
        if found is not None:
            return found
        inside = inside.parent
    return None


def _has_output(source: Scope, name: str) -> bool:
    """Whether a derived table, CTE or UNNEST gives a column of that name."""
    if isinstance(source.expression, exp.Unnest | exp.Values):
        offset = source.expression.args.get("offset")
        named = isinstance(offset, exp.Identifier) and name == offset.name
        return named or name in source.expression.alias_column_names
    if not isinstance(source.expression, exp.Query):
        return True
    return name in (source.outer_columns or source.expression.named_selects)


def is_local(column: exp.Column) -> bool:
    """A name that is no column of a source: a lambda's parameter, or an output's alias in ORDER BY."""
    if column.table:
        return False
    lambda_ = column.find_ancestor(exp.Lambda)
    while lambda_ is not None:
        if column.name in {parameter.name for parameter in lambda_.expressions}:
            return True
        lambda_ = lambda_.find_ancestor(exp.Lambda)
    order = column.find_ancestor(exp.Order)
    query = order.parent if order is not None else None
    return isinstance(query, exp.Query) and column.name in query.named_selects


def _offset(column: exp.Column) -> int:
    starts = [one.meta["start"] for one in column.walk() if "start" in one.meta]
    return min(starts, default=1 << 30)


def _written(column: exp.Column) -> str:
    """The column as it was written, without quotes: ``t.x`` where it was qualified."""
    return ".".join(part.name for part in column.parts if "start" in part.meta) or column.name
