"""Which columns an output comes from, pure: read from a statement's text and the columns that it was seen to read."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope

from lakewarden.audit.lineage_changes import asked

_UNLOAD = re.compile(r"\s*UNLOAD\s*(?=\()", re.IGNORECASE)
_TO = re.compile(r"\s*TO\s*'((?:[^']|'')*)'", re.IGNORECASE)
_READABLE = re.compile(
    r"\s*(?:SELECT|WITH|VALUES|\(|INSERT|UNLOAD|MERGE|UPDATE|DELETE|CREATE\s+(?:OR\s+REPLACE\s+)?(?:TABLE|VIEW)\b.*\bAS\b)",
    re.IGNORECASE | re.DOTALL,
)
_CATALOG = "awsdatacatalog"
Column = tuple[str, str]
"""A table as ``database.table``, and a column of it."""


@dataclass(frozen=True, slots=True)
class Output:
    """A column of the result, and the columns that its values are made of."""

    name: str
    sources: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Lineage:
    """A statement's lineage. ``target`` is a ``database.table`` or an ``s3://`` location that it writes, or empty.

    ``inputs`` are the tables that it names. ``influences`` are the columns that decide which rows there are (filters,
    joins, groups, order) without becoming values. ``kind`` is SELECT, CTAS, INSERT, UNLOAD, VIEW, MERGE, UPDATE or
    DELETE, empty for others.
    """

    kind: str = ""
    target: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()
    influences: tuple[Column, ...] = ()


NONE = Lineage()


def lineage(text: str, database: str, read: Mapping[str, Sequence[str]]) -> Lineage:
    """The lineage of ``text``. ``read`` are the columns of each table that the execution read, in table order.

    Never raises: of a statement that cannot be followed only as much is told as is certain.
    """
    try:
        kind, target, query = _parts(text, database)
    except (SqlglotError, RecursionError):
        return NONE
    if query is None:
        return NONE
    inputs = _inputs(query, database)
    try:
        outputs, influences = _columns(query, database, read)
    except (SqlglotError, RecursionError, KeyError):
        return Lineage(kind, target, inputs)
    if kind in {"MERGE", "UPDATE", "DELETE"}:
        outputs = _united(outputs) if kind != "DELETE" else ()
    return Lineage(kind, target, inputs, outputs, influences)


def _united(outputs: Iterable[Output]) -> tuple[Output, ...]:
    """One output for each column, from all that any clause sets it to."""
    found: dict[str, set[Column]] = {}
    for one in outputs:
        found.setdefault(one.name, set()).update(one.sources)
    return tuple(Output(name, tuple(sorted(sources))) for name, sources in found.items() if name != "_col0")


def _parts(text: str, database: str) -> tuple[str, str, exp.Query | None]:
    if not _READABLE.match(text):
        return "", "", None
    unload = _UNLOAD.match(text)
    if unload is not None:
        return _unload(text, unload.end())
    tree = sqlglot.parse_one(text.rstrip().rstrip(";"), dialect="athena")
    if isinstance(tree, exp.Query):
        return "SELECT", "", tree
    changed = asked(tree)
    if changed is not None:
        kind, table, query = changed
        return kind, _name(table, database), query
    query = tree.args.get("expression")
    if not isinstance(query, exp.Query):
        return "", "", None
    if isinstance(tree, exp.Insert):
        return "INSERT", _target(tree.this, database), _with(tree, query)
    if isinstance(tree, exp.Create):
        return "VIEW" if tree.kind == "VIEW" else "CTAS", _target(tree.this, database), query
    return "", "", None


def _unload(text: str, start: int) -> tuple[str, str, exp.Query | None]:
    """``UNLOAD (query) TO 'location' ...``: the query is what stands between the first parenthesis and its partner."""
    depth = 0
    for token in sqlglot.tokenize(text[start:], dialect="trino"):
        depth += {"L_PAREN": 1, "R_PAREN": -1}.get(token.token_type.name, 0)
        if depth == 0:
            end = start + token.end
            to = _TO.match(text, end + 1)
            query = sqlglot.parse_one(text[start + 1 : end], dialect="trino")
            target = to.group(1).replace("''", "'") if to else ""
            return "UNLOAD", target, query if isinstance(query, exp.Query) else None
    return "", "", None


def _with(insert: exp.Insert, query: exp.Query) -> exp.Query:
    """``WITH ... INSERT`` keeps its CTEs at the statement; they belong to the query."""
    for name in ("with_", "with"):
        if insert.args.get(name) is not None and query.args.get(name) is None:
            query.set(name, insert.args[name].copy())
    return query


def _target(node: exp.Expression, database: str) -> str:
    table = node if isinstance(node, exp.Table) else node.find(exp.Table)
    return _name(table, database) if table is not None else ""


def _name(table: exp.Table, database: str) -> str:
    return f"{(table.db or database).lower()}.{table.name.lower()}"


def _inputs(query: exp.Query, database: str) -> tuple[str, ...]:
    scope = build_scope(query)
    if scope is None:
        return ()
    found: dict[str, None] = {}
    for one in scope.traverse():
        for source in one.sources.values():
            if isinstance(source, exp.Table) and source.name:
                found[_name(source, database)] = None
    return tuple(found)


def _columns(
    query: exp.Query, database: str, read: Mapping[str, Sequence[str]]
) -> tuple[tuple[Output, ...], tuple[Column, ...]]:
    tree = query.copy()
    for identifier in tree.find_all(exp.Identifier):
        identifier.set("this", identifier.name.lower())
    for table in tree.find_all(exp.Table):
        if table.catalog == _CATALOG:
            table.set("catalog", None)
    _name_outputs(tree)
    tree = qualify(
        tree,
        dialect="trino",
        db=database,
        schema=_schema(read),
        validate_qualify_columns=False,
        identify=False,
        expand_alias_refs=False,
    )
    scope = build_scope(tree)
    if scope is None or not isinstance(tree, exp.Query):
        return (), ()
    outputs = tuple(
        Output(name or f"_col{number}", tuple(sorted(_sources(scope, number, frozenset()))))
        for number, name in enumerate(tree.named_selects)
    )
    values = {column for output in outputs for column in output.sources}
    return outputs, tuple(sorted(_all_columns(scope) - values))


def _name_outputs(tree: exp.Expression) -> None:
    """Athena calls an output without a name ``_col`` and its position from 0."""
    for number, item in enumerate(getattr(tree, "selects", ())):
        if not isinstance(item, exp.Alias | exp.Column | exp.Dot | exp.Star):
            item.replace(exp.alias_(item.copy(), f"_col{number}", quoted=True))


def _schema(read: Mapping[str, Sequence[str]]) -> dict[str, dict[str, dict[str, str]]]:
    nested: dict[str, dict[str, dict[str, str]]] = {}
    for table, columns in read.items():
        database, _, name = table.partition(".")
        nested.setdefault(database, {})[name] = dict.fromkeys(columns, "unknown")
    return nested


def _sources(scope: Scope, position: int, above: frozenset[tuple[int, int]]) -> set[Column]:
    """The table columns that the output at ``position`` is made of."""
    here = (id(scope), position)
    if here in above:
        return set()
    above |= {here}
    if isinstance(scope.expression, exp.SetOperation):
        return set().union(*(_sources(part, position, above) for part in scope.set_operation_scopes))
    selects = scope.expression.selects if isinstance(scope.expression, exp.Query) else ()
    if position >= len(selects):
        return set()
    return _inside(scope, selects[position], above)


def _inside(scope: Scope, item: exp.Expression, above: frozenset[tuple[int, int]]) -> set[Column]:
    found: set[Column] = set()
    nested = [inner for inner in scope.subquery_scopes if _within(inner.expression, item)]
    inner_columns = {id(column) for inner in nested for column in inner.expression.find_all(exp.Column)}
    for column in item.find_all(exp.Column):
        if id(column) not in inner_columns:
            found |= _of(scope, column, above)
    for inner in nested:
        for position in range(len(getattr(inner.expression, "selects", ()))):
            found |= _sources(inner, position, above)
    return found


def _of(scope: Scope, column: exp.Column, above: frozenset[tuple[int, int]]) -> set[Column]:
    source = _source(scope, column.table)
    if isinstance(source, exp.Table):
        return {(_name(source, ""), column.name)}
    if isinstance(source, Scope):
        if not isinstance(source.expression, exp.Query):
            # UNNEST and VALUES: what they unfold.
            return set().union(
                *(_of(scope, one, above) for one in source.expression.find_all(exp.Column) if one is not column)
            )
        names = list(source.outer_columns or source.expression.named_selects)
        return _sources(source, names.index(column.name), above) if column.name in names else set()
    return set()


def _source(scope: Scope, name: str) -> exp.Expression | Scope | None:
    inside: Scope | None = scope
    while inside is not None:
        if name in inside.sources:
            return inside.sources[name]
        inside = inside.parent
    return None


def _within(node: exp.Expression, item: exp.Expression) -> bool:
    above: exp.Expression | None = node
    while above is not None:
        if above is item:
            return True
        above = above.parent
    return False


def _all_columns(scope: Scope) -> set[Column]:
    found: set[Column] = set()
    for one in scope.traverse():
        for column in _columns_of(one):
            source = _source(one, column.table)
            if isinstance(source, exp.Table) and not isinstance(column.this, exp.Star):
                found.add((_name(source, ""), column.name))
    return found


def _columns_of(scope: Scope) -> Iterable[exp.Column]:
    return [column for column in scope.columns if isinstance(column, exp.Column)]
