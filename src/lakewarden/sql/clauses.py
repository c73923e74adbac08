"""What may stand in a query's clauses: Trino refuses the rest while it analyses, in these words. Pure.

Looks at a qualified tree with types. What is not known is let pass: the engine looks again.
"""

from collections.abc import Iterator

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, traverse_scope

from lakewarden.sql.calls import name_of
from lakewarden.sql.errors import SqlError, TypeMismatch, Unsupported
from lakewarden.sql.functions import FUNCTIONS
from lakewarden.sql.positions import position_of, said
from lakewarden.sql.transforms.conditionals import type_name
from lakewarden.sql.types import D, common, kind


def check(tree: exp.Expression, text: str) -> None:
    """Raise the first :class:`SqlError` that Trino's analysis of the clauses finds."""
    for scope in traverse_scope(tree):
        node = scope.expression
        if isinstance(node, exp.Select):
            _check_stars(node)
            _check_conditions(node, text)
            _check_nesting(node, text)
            _check_grouping(node, scope, text)
        elif isinstance(node, exp.SetOperation):
            _check_set_operation(node, text)
    for subquery in tree.find_all(exp.Subquery):
        _check_width(subquery, text)


def _check_stars(select: exp.Select) -> None:
    """A star that stands for two columns of one name is not expanded."""
    if any(isinstance(one, exp.Star) or (isinstance(one, exp.Column) and one.is_star) for one in select.expressions):
        raise Unsupported("A star over columns of the same name")


def _check_conditions(select: exp.Select, text: str) -> None:
    where, having = select.args.get("where"), select.args.get("having")
    if where is not None:
        found = [said(one, text) for one in _aggregates(where.this, windows=True)]
        if found:
            problem = "WHERE clause cannot contain aggregations, window functions or grouping operations"
            _fail("EXPRESSION_NOT_SCALAR", where, text, f"{problem}: [{', '.join(found)}]")
        _boolean(where.this, "WHERE clause must evaluate to a boolean: actual type {}", text)
    if having is not None:
        _boolean(having.this, "HAVING clause must evaluate to a boolean: actual type {}", text)
    for join in select.args.get("joins") or ():
        if join.args.get("on") is not None:
            _boolean(join.args["on"], "JOIN ON clause must evaluate to a boolean: actual type {}", text)


def _boolean(node: exp.Expression, problem: str, text: str) -> None:
    of = kind(node)
    if of not in {D.BOOLEAN, D.UNKNOWN, D.NULL} and node.type is not None:
        raise TypeMismatch(*position_of(node, text), problem.format(type_name(node.type)))


def _check_nesting(select: exp.Select, text: str) -> None:
    """No aggregate within an aggregate; a window's function needs its OVER."""
    for node in _own(select):
        if not isinstance(node, exp.Anonymous):
            continue
        name = name_of(node)
        function = FUNCTIONS.get(name)
        if function is None:
            continue
        if function.window and not _is_over(node):
            _fail("MISSING_OVER", node, text, f"Window function {name} requires an OVER clause", name)
        if function.aggregate and not _is_over(node):
            inside = [said(one, text) for argument in node.expressions for one in _aggregates(argument, windows=False)]
            if inside:
                problem = f"Cannot nest aggregations inside aggregation '{name}': [{', '.join(inside)}]"
                _fail("NESTED_AGGREGATION", node, text, problem, name)


def _check_grouping(select: exp.Select, scope: Scope, text: str) -> None:
    """Of a query that groups, each output is made of what it groups by, and of aggregates."""
    group, having = select.args.get("group"), select.args.get("having")
    grouped = group is not None or having is not None or any(
        True for item in select.expressions for _ in _aggregates(item, windows=False)
    )  # fmt: skip
    if not grouped:
        return
    keys = {_plain(one) for one in _keys(group)}
    outputs = [item.this if isinstance(item, exp.Alias) else item for item in select.expressions]
    for node in [*outputs, *([having.this] if having is not None else [])]:
        if not _is_grouped(node, keys, scope):
            problem = f"'{said(node, text)}' must be an aggregate expression or appear in GROUP BY clause"
            _fail("EXPRESSION_NOT_AGGREGATE", node, text, problem)


def _keys(group: exp.Expression | None) -> Iterator[exp.Expression]:
    """Each expression that is grouped by, those within GROUPING SETS, CUBE and ROLLUP included."""
    if group is None:
        return
    stack: list[object] = [value for key, value in group.args.items() if key != "all"]
    while stack:
        one = stack.pop()
        if isinstance(one, list):
            stack += one
        elif isinstance(one, exp.GroupingSets | exp.Cube | exp.Rollup | exp.Tuple | exp.Paren):
            yield one
            stack += list(one.args.values())
        elif isinstance(one, exp.Expression):
            yield one


def _is_grouped(node: exp.Expression, keys: set[str], scope: Scope) -> bool:
    if _plain(node) in keys or isinstance(node, exp.Query | exp.Exists | exp.GroupConcat | exp.DataType):
        return True
    if isinstance(node, exp.Anonymous):
        function = FUNCTIONS.get(name_of(node))
        if function is not None and function.aggregate and not _is_over(node):
            return True
    if isinstance(node, exp.Filter):
        return _is_grouped(node.this, keys, scope)
    if isinstance(node, exp.Column):
        return not node.table or node.table not in scope.sources
    parts = [one for one in node.iter_expressions() if not isinstance(one, exp.Identifier)]
    return all(_is_grouped(one, keys, scope) for one in parts)


def _plain(node: exp.Expression) -> str:
    text: str = node.unnest().sql(dialect="duckdb", comments=False)
    return text


def _check_set_operation(node: exp.SetOperation, text: str) -> None:
    left, right = node.left, node.right
    if not isinstance(left, exp.Query) or not isinstance(right, exp.Query):
        return
    name = type(node).__name__.upper()
    first, second = left.selects, right.selects
    if len(first) != len(second):
        problem = f"{name} query has different number of fields: {len(first)}, {len(second)}"
        raise TypeMismatch(*position_of(right, text), problem)
    for number, (one, other) in enumerate(zip(first, second, strict=True), 1):
        if not meet(one, other) and one.type is not None and other.type is not None:
            kinds = f"{type_name(one.type)}, {type_name(other.type)}"
            problem = f"column {number} in {name} query has incompatible types: {kinds}"
            raise TypeMismatch(*position_of(right, text), problem)


_ALIKE = (frozenset({D.DATE, D.TIMESTAMP, D.TIMESTAMPNTZ, D.TIMESTAMPTZ, D.DATETIME}),)
_SCALAR = frozenset({
    D.BOOLEAN, D.TINYINT, D.SMALLINT, D.INT, D.BIGINT, D.DECIMAL, D.DOUBLE, D.FLOAT, D.VARCHAR, D.CHAR, D.TEXT, D.DATE,
    D.TIMESTAMP, D.TIMESTAMPNTZ, D.TIMESTAMPTZ, D.TIME, D.VARBINARY, D.INTERVAL,
})  # fmt: skip


def meet(one: exp.Expression, other: exp.Expression) -> bool:
    """Whether two values have a common type; when in doubt, they have."""
    kinds = {kind(one), kind(other)}
    if not kinds <= _SCALAR or len(kinds) == 1 or any(kinds <= alike for alike in _ALIKE):
        return True
    return kind_of(common([one, other])) is not D.UNKNOWN


def kind_of(of: exp.DataType) -> exp.DType:
    """The bare type."""
    found: exp.DType = of.this
    return found


def _check_width(subquery: exp.Subquery, text: str) -> None:
    """A query that stands for a value has one column."""
    parent = subquery.parent
    valued = isinstance(parent, exp.Alias | exp.Anonymous | exp.Binary) and not isinstance(parent, exp.EQ | exp.NEQ)
    if not valued and not (isinstance(parent, exp.Select) and subquery.arg_key == "expressions"):
        return
    if not isinstance(subquery.this, exp.Query) or isinstance(parent, exp.SetOperation):
        return
    width = len(subquery.this.selects)
    if width > 1:
        where = position_of(subquery, text)
        raise Unsupported(f"line {where[0]}:{where[1]}: A subquery of {width} columns as a value")


# Pieces


def _own(select: exp.Select) -> Iterator[exp.Expression]:
    """The nodes of a query that are not a query's within it."""
    for node in select.walk(prune=lambda one: isinstance(one, exp.Query) and one is not select):
        if not isinstance(node, exp.Query):
            yield node


def _aggregates(node: exp.Expression, *, windows: bool) -> Iterator[exp.Expression]:
    """The aggregate calls in ``node``, and with ``windows`` the window functions; not those of queries within it."""
    for one in node.walk(prune=lambda inner: isinstance(inner, exp.Query)):
        if isinstance(one, exp.GroupConcat) or (isinstance(one, exp.Window) and windows):
            yield one
        elif isinstance(one, exp.Anonymous):
            function = FUNCTIONS.get(name_of(one))
            if function is not None and function.aggregate and not _is_over(one):
                yield one


def _is_over(node: exp.Expression) -> bool:
    """Whether the call is one with OVER, which is no aggregation."""
    top = node
    while isinstance(top.parent, exp.Filter | exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup):
        if top.parent.this is not top:
            return False
        top = top.parent
    return isinstance(top.parent, exp.Window) and top.parent.this is top


def _fail(error: str, node: exp.Expression, text: str, problem: str, name: str = "") -> None:
    line, column = position_of(node, text, name)
    raise SqlError(f"{error}: line {line}:{column}: {problem}")
