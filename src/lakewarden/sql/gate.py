"""The allow-list for syntax: a node that is not listed is refused, whatever it would have meant.

INVARIANT (deny_by_default): the statement as parsed passes through here; ``render`` and the engine's worker look again at
the statement as rendered, each with a parser and a list of its own.
"""

import re
from collections.abc import Callable, Mapping

from sqlglot import exp

from lakewarden.sql import file_columns
from lakewarden.sql.calls import name_of
from lakewarden.sql.errors import FunctionNotFound, SqlError, SqlSyntaxError, Unsupported
from lakewarden.sql.functions import FUNCTIONS, MARK, REFUSED
from lakewarden.sql.positions import at, position_of

_STRUCTURE = """
    Select Subquery Union Intersect Except With CTE TableAlias From Join Where Group Having Order Ordered Limit Offset
    Fetch LimitOptions Distinct Values Tuple Paren Table Column Identifier Alias Star Literal Boolean Null Var DataType
    DataTypeParam ColumnDef Interval IntervalSpan Window WindowSpec Filter WithinGroup Lambda Bracket Dot
    Cube Rollup GroupingSets Unnest Lateral TableSample TableFromRows
    Add Sub Mul Div Mod Neg DPipe EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ Is In Between Not Like Escape
    Any All Exists And Or IgnoreNulls RespectNulls Case If Cast TryCast
    Extract Trim Substring StrPosition GroupConcat Normalize Array Map Struct ParseJSON JSON HexString PropertyEQ
    CurrentDate CurrentTimestamp CurrentTime Localtime Localtimestamp AtTimeZone Version
"""
_NODES = frozenset(getattr(exp, name) for name in _STRUCTURE.split())
_TABLE_ARGS = frozenset({"this", "db", "catalog", "alias", "joins", "sample", "version"})
_JOIN_ARGS = frozenset({"this", "side", "kind", "on", "using", "method"})
_SELECT_ARGS = frozenset(
    {
        "with_",
        "expressions",
        "from_",
        "joins",
        "where",
        "group",
        "having",
        "windows",
        "order",
        "limit",
        "offset",
        "distinct",
    }
    | {"kind", "hint", "operation_modifiers", "laterals", "sample"}
)
_WINDOW_ARGS = frozenset({"this", "partition_by", "order", "spec", "alias", "over", "first"})
_ARGS = {exp.Table: _TABLE_ARGS, exp.Join: _JOIN_ARGS, exp.Select: _SELECT_ARGS, exp.Window: _WINDOW_ARGS}
_NAMES = {"match": "MATCH_RECOGNIZE"}


def check(tree: exp.Expression, text: str) -> None:
    """Raise :class:`Unsupported` or :class:`FunctionNotFound` at the first node that is not allowed."""
    for node in tree.walk():
        kind = type(node)
        if kind is exp.Anonymous:
            _check_call(node, text)
        elif kind is exp.Column:
            _check_column(node)
        elif kind not in _NODES:
            if isinstance(node, exp.Func):
                raise FunctionNotFound(*_where(node.sql_name(), node, text), node.sql_name().lower())
            raise Unsupported(kind.__name__.upper())
        else:
            _check_clauses(node, text)


def _check_call(node: exp.Anonymous, text: str) -> None:
    name = name_of(node)
    function = FUNCTIONS.get(name)
    if function is None:
        if name in REFUSED:
            raise Unsupported(f"The function {name} ({REFUSED[name]})")
        raise FunctionNotFound(*_where(node.name, node, text), node.name.removeprefix(MARK).lower()[:128])
    odd = next((one for one in node.expressions if isinstance(one, exp.Distinct | exp.Order)), None)
    if odd is not None and not function.aggregate:
        line, column = _where(name, node, text)
        what = "ORDER BY" if isinstance(odd, exp.Order) else "DISTINCT"
        raise SqlError(
            f"FUNCTION_NOT_AGGREGATE: line {line}:{column}: {what} is not supported for non-aggregation functions"
        )
    if not function.least <= len(node.expressions) <= function.most:
        line, column = _where(name, node, text)
        raise SqlError(f"FUNCTION_NOT_FOUND: line {line}:{column}: Unexpected parameters for function {name}")


def _where(name: str, node: exp.Expression, text: str) -> tuple[int, int]:
    found = re.search(rf"(?i)(?<!\w){re.escape(name.removeprefix(MARK))}\s*\(", text)
    return at(text, found.start()) if found else position_of(node, text)


def _check_column(node: exp.Column) -> None:
    if not isinstance(node.this, exp.Identifier | exp.Star) or node.args.get("join_mark"):
        raise Unsupported("This kind of column")
    if node.name.lower() in file_columns.REFUSED:
        raise Unsupported(f"The column {node.name.lower()}")
    if isinstance(node.this, exp.Star) and any(node.this.args.values()):
        raise Unsupported("A star with EXCLUDE, REPLACE or RENAME")


def _check_clauses(node: exp.Expression, text: str) -> None:
    kind = type(node)
    allowed = _ARGS.get(kind)
    if allowed is not None:
        odd = [key for key, value in node.args.items() if value and key not in allowed]
        if odd:
            raise Unsupported(_said(odd[0]))
    if kind is exp.Table:
        _check_table(node, text)
    check = _CLAUSES.get(kind)
    if check is not None:
        check(node)
    if isinstance(node, exp.SetOperation):
        _check_set_operation(node)


def _check_with(node: exp.Expression) -> None:
    names = [one.alias.lower() for one in node.expressions]
    for name in names:
        if names.count(name) > 1:
            raise SqlError(f"DUPLICATE_NAMED_QUERY: WITH query name '{name[:128]}' specified more than once")


def _check_set_operation(node: exp.Expression) -> None:
    if any(node.args.get(key) for key in ("by_name", "on", "side", "kind", "match_by_name")):
        raise Unsupported("A set operation BY NAME")
    if not all(isinstance(one.unnest(), exp.Query) for one in (node.this, node.expression)):
        raise SqlSyntaxError(1, 1, "a set operation is of queries")


def _check_subquery(node: exp.Expression) -> None:
    if not isinstance(node.this, exp.Query | exp.Table | exp.Values):
        raise SqlSyntaxError(1, 1, "a query is expected within the parentheses")


def _check_modifier(node: exp.Expression) -> None:
    """DISTINCT and ORDER BY within a call: around something."""
    call = node.parent
    while isinstance(call, exp.Order | exp.Distinct):
        call = call.parent
    if not isinstance(call, exp.Anonymous):
        return
    what = "ORDER BY" if isinstance(node, exp.Order) else "DISTINCT"
    if not (node.this if isinstance(node, exp.Order) else node.expressions):
        raise SqlSyntaxError(1, 1, f"mismatched input '{what}'")


def _check_alias(node: exp.Expression) -> None:
    if isinstance(node.this, exp.Star) or (isinstance(node.this, exp.Column) and node.this.is_star):
        raise SqlSyntaxError(1, 1, f"mismatched input '{node.alias[:60]}'")


def _check_unnest(node: exp.Expression) -> None:
    if not isinstance(node.parent, exp.From | exp.Join | exp.Lateral):
        raise SqlSyntaxError(1, 1, "UNNEST is a relation, not a value")


def _check_star(node: exp.Expression) -> None:
    whole = node.parent if isinstance(node.parent, exp.Column) else node
    if not isinstance(whole.parent, exp.Select) and not (whole is node and isinstance(node.parent, exp.Anonymous)):
        raise SqlSyntaxError(1, 1, "mismatched input '*'")
    if any(node.args.values()):
        raise Unsupported("A star with EXCLUDE, REPLACE or RENAME")


def _check_distinct(node: exp.Expression) -> None:
    _check_modifier(node)
    if node.args.get("on"):
        raise Unsupported("DISTINCT ON")


def _check_limit_options(node: exp.Expression) -> None:
    if node.args.get("with_ties") or node.args.get("percent"):
        raise Unsupported("FETCH FIRST ... WITH TIES or PERCENT")


def _check_limit(node: exp.Expression) -> None:
    if not _plain_count(node.expression):
        raise Unsupported("A LIMIT that is no number")


def _check_cast(node: exp.Expression) -> None:
    if any(node.args.get(key) for key in ("format", "action", "default")):
        raise Unsupported("CAST with a FORMAT")


def _check_sample(node: exp.Expression) -> None:
    method = str(node.args.get("method") or "").upper()
    if method not in {"BERNOULLI", "SYSTEM"} or not node.args.get("percent"):
        raise Unsupported("This kind of TABLESAMPLE")


def _plain_count(node: exp.Expression | None) -> bool:
    return node is None or (isinstance(node, exp.Literal) and not node.is_string)


def _said(clause: str) -> str:
    return _NAMES.get(clause) or clause.strip("_").replace("_", " ").upper()


def _check_select(node: exp.Expression) -> None:
    if node.args.get("kind") or node.args.get("hint") or node.args.get("operation_modifiers"):
        raise Unsupported("SELECT AS or a hint")


def _check_join(node: exp.Expression) -> None:
    method = str(node.args.get("method") or "").upper()
    if method not in {"", "NATURAL"} or str(node.args.get("kind") or "").upper() not in {"", "INNER", "OUTER", "CROSS"}:
        raise Unsupported(f"A {method} {node.args.get('kind') or ''} JOIN".replace("  ", " "))
    if method == "NATURAL":
        raise Unsupported("NATURAL JOIN")


def _check_table(table: exp.Table, text: str) -> None:
    if isinstance(table.this, exp.Dot):
        raise SqlSyntaxError(*position_of(table, text), "Too many dots in table name")
    if not isinstance(table.this, exp.Identifier):
        name = table.this.name if isinstance(table.this, exp.Anonymous) else table.this.key
        name = name.removeprefix(MARK).lower()
        raise FunctionNotFound(*_where(name, table, text), name)


def _check_dot(node: exp.Expression) -> None:
    # The parser makes half a dot of ``LATERAL . a``.
    if node.args.get("this") is None:
        raise SqlSyntaxError(1, 1, "mismatched input '.'")


_CLAUSES: Mapping[type[exp.Expression], Callable[[exp.Expression], None]] = {
    exp.Select: _check_select,
    exp.Star: _check_star,
    exp.Alias: _check_alias,
    exp.Unnest: _check_unnest,
    exp.Subquery: _check_subquery,
    exp.With: _check_with,
    exp.Order: _check_modifier,
    exp.Distinct: _check_distinct,
    exp.LimitOptions: _check_limit_options,
    exp.Limit: _check_limit,
    exp.Cast: _check_cast,
    exp.TryCast: _check_cast,
    exp.TableSample: _check_sample,
    exp.Join: _check_join,
    exp.Dot: _check_dot,
}
