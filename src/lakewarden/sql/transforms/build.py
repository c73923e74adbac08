"""The engine's SQL, piece by piece: calls, casts and literals of DuckDB."""

from collections.abc import Callable, Mapping

from sqlglot import exp

from lakewarden.sql.errors import Unsupported

Rewrite = Callable[[exp.Expression], exp.Expression]
Calls = Mapping[str, Rewrite]


def call(name: str, *arguments: exp.Expression) -> exp.Anonymous:
    """A call of a DuckDB function or of a macro of ours."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def cast(node: exp.Expression, to: str) -> exp.Cast:
    """``CAST(node AS to)``; ``to`` is DuckDB's name of a type."""
    return exp.Cast(this=node, to=exp.DataType.build(to, dialect="duckdb"))


def cast_to(node: exp.Expression, to: exp.DataType) -> exp.Cast:
    """The same with a type of the tree."""
    return exp.Cast(this=node, to=to.copy())


def text(value: str) -> exp.Literal:
    """A string literal."""
    return exp.Literal.string(value)


def number(value: int) -> exp.Expression:
    """A number literal."""
    return exp.Literal.number(value)


def failing(code: str, to: exp.DataType) -> exp.Expression:
    """An expression of type ``to`` that ends the query with the error ``code`` when it is evaluated.

    A cast that cannot succeed: unlike DuckDB's ``error`` it is not volatile, so it neither blocks the optimiser nor TRY.
    """
    return cast_to(text(f"!{code}"), to)


def either(condition: exp.Expression, then: exp.Expression, otherwise: exp.Expression | None = None) -> exp.Case:
    """``CASE WHEN condition THEN then ELSE otherwise END``."""
    return exp.Case(ifs=[exp.If(this=condition, true=then)], default=otherwise)


def arguments_of(node: exp.Expression) -> list[exp.Expression]:
    """The arguments of a marked call."""
    return list(node.expressions)


def literal_text(node: exp.Expression, what: str) -> str:
    """The value of a string literal; raises :class:`Unsupported` for anything else."""
    if isinstance(node, exp.Literal) and node.is_string:
        return str(node.name)
    raise Unsupported(f"{what} that is not a literal")


def wrapped(node: exp.Expression, inner: exp.Expression, wrap: Rewrite) -> exp.Expression:
    """Put ``inner`` in the place of the aggregate call ``node``, and ``wrap`` around its FILTER and OVER clauses.

    Answers what now stands in ``node``'s place.
    """
    top = node
    while isinstance(top.parent, exp.Filter | exp.Window | exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup):
        if top.parent.this is not top:
            break
        top = top.parent
    if top is node:
        return wrap(inner)
    node.replace(inner)
    hole = exp.Placeholder()
    top.replace(hole)
    outside = wrap(top)
    outside._type = top._type
    hole.replace(outside)
    return inner


def parenthesised(node: exp.Expression) -> exp.Expression:
    """``node`` as an operand: in parentheses where it is an operator itself."""
    return exp.Paren(this=node) if isinstance(node, exp.Binary | exp.Unary | exp.Between | exp.In | exp.Is) else node
