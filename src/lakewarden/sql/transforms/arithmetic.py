"""Numbers: Trino's division, decimals, rounding and aggregates of numbers."""

from sqlglot import exp

from lakewarden.sql.transforms.build import (
    Calls,
    Rewrite,
    arguments_of,
    call,
    cast,
    cast_to,
    either,
    failing,
    number,
    parenthesised,
    wrapped,
)
from lakewarden.sql.types import WHOLE, D, digits, kind

_ZERO = "DIVISION_BY_ZERO"
_FLOATING = frozenset({D.DOUBLE, D.FLOAT})


def divide(node: exp.Expression) -> exp.Expression:
    """Whole numbers divide to whole numbers, decimals to decimals, and neither divides by zero."""
    left, right = node.this, node.expression
    kinds = {kind(left), kind(right)}
    if kinds <= WHOLE.keys():
        return exp.IntDiv(this=parenthesised(left), expression=parenthesised(nonzero(right)))
    if kinds & _FLOATING:
        return exp.Div(this=cast_wide(left), expression=cast_wide(right), typed=False, safe=False)
    pair = digits(left), digits(right)
    if pair[0] is not None and pair[1] is not None and node.type is not None:
        return _divide_decimals(left, right, pair[0][1], pair[1][1], node.type)
    return call("t_div", left, right)


def cast_wide(node: exp.Expression) -> exp.Expression:
    """A decimal next to a double is a double."""
    return parenthesised(node) if kind(node) in _FLOATING else cast(node, "DOUBLE")


def _divide_decimals(left: exp.Expression, right: exp.Expression, s1: int, s2: int, to: exp.DataType) -> exp.Expression:
    """Exact, rounded half up, in whole numbers: ``left * 10^(s - s1 + s2) / right`` on unscaled values."""
    scale = int(to.expressions[1].name)
    quotient = call(
        "t_quotient", _unscaled(left, s1), _unscaled(right, s2), cast(number(10 ** (scale - s1 + s2)), "HUGEINT")
    )
    return _scaled(quotient, scale, to)


def _unscaled(node: exp.Expression, scale: int) -> exp.Expression:
    if scale == 0:
        return cast(node, "HUGEINT")
    wide = cast(node, f"DECIMAL(38,{scale})")
    return cast(exp.Mul(this=wide, expression=number(10**scale)), "HUGEINT")


def _scaled(node: exp.Expression, scale: int, to: exp.DataType) -> exp.Expression:
    whole = cast(node, "DECIMAL(38,0)")
    if scale == 0:
        return cast_to(whole, to)
    unit = cast(exp.Literal.number(f"0.{'0' * (scale - 1)}1"), f"DECIMAL({scale},{scale})")
    return cast_to(exp.Mul(this=whole, expression=unit), to)


def nonzero(node: exp.Expression) -> exp.Expression:
    """``node``, or Trino's error where it is zero."""
    inner = node.unnest()
    if isinstance(inner, exp.Literal) and not inner.is_string and float(inner.name) != 0:
        return node
    if node.type is None or kind(node) not in {*WHOLE, D.DECIMAL}:
        return call("t_nonzero", node)
    return either(exp.EQ(this=parenthesised(node.copy()), expression=number(0)), failing(_ZERO, node.type), node)


def remainder(node: exp.Expression) -> exp.Expression:
    """``%`` and ``mod``."""
    left, right = (node.this, node.expression) if isinstance(node, exp.Mod) else arguments_of(node)
    if kind(right) not in _FLOATING:
        right = nonzero(right)
    return exp.Mod(this=parenthesised(left), expression=parenthesised(right))


def _sum(node: exp.Expression) -> exp.Expression:
    """sum of whole numbers is a bigint, and of reals a real; DuckDB widens both."""
    value = arguments_of(node)[0]
    of = kind(_inside(value))
    inner = call("sum", value)
    if of in WHOLE or of is D.FLOAT:
        return wrapped(node, inner, lambda top: cast(top, "BIGINT" if of in WHOLE else "REAL"))
    return inner


def _avg(node: exp.Expression) -> exp.Expression:
    """avg of decimals is a decimal of the same kind."""
    value = arguments_of(node)[0]
    of = _inside(value)
    inner = call("avg", value)
    if kind(of) is D.DECIMAL and of.type is not None:
        to = of.type
        return wrapped(node, inner, lambda top: cast_to(top, to))
    if kind(of) is D.FLOAT:
        return wrapped(node, inner, lambda top: cast(top, "REAL"))
    return inner


def _inside(node: exp.Expression) -> exp.Expression:
    while isinstance(node, exp.Order | exp.Distinct):
        node = node.this if isinstance(node, exp.Order) else node.expressions[0]
    return node


def _to_whole(name: str) -> Rewrite:
    def rewrite(node: exp.Expression) -> exp.Expression:
        value = arguments_of(node)[0]
        if kind(value) in WHOLE:
            return value
        return cast_to(call(name, value), node.type) if kind(value) is D.DECIMAL and node.type else call(name, value)

    return rewrite


def _round(node: exp.Expression) -> exp.Expression:
    arguments = arguments_of(node)
    of = kind(arguments[0])
    if of in WHOLE and len(arguments) == 1:
        return arguments[0]
    rounded = call("t_round_whole" if of in WHOLE else "round", *arguments)
    keep = node.type is not None and (of in WHOLE or of is D.DECIMAL)
    return cast_to(rounded, node.type) if keep and node.type is not None else rounded


def _truncate(node: exp.Expression) -> exp.Expression:
    arguments = arguments_of(node)
    if kind(arguments[0]) in WHOLE and len(arguments) == 1:
        return arguments[0]
    cut = call("trunc" if len(arguments) == 1 else "t_truncate", *arguments)
    return cast_to(cut, node.type) if node.type is not None and kind(node) is not D.UNKNOWN else cut


def _sign(node: exp.Expression) -> exp.Expression:
    value = arguments_of(node)[0]
    signed = call("sign", value)
    return signed if node.type is None or kind(value) is D.UNKNOWN else cast_to(signed, node.type)


def _random(node: exp.Expression) -> exp.Expression:
    arguments = arguments_of(node)
    if not arguments:
        return call("random")
    low, high = (number(0), arguments[0]) if len(arguments) == 1 else arguments
    return cast(call("t_random", low, high), "BIGINT")


def _any_null(name: str) -> Rewrite:
    """greatest and least are null where any argument is."""

    def rewrite(node: exp.Expression) -> exp.Expression:
        arguments = arguments_of(node)
        nulls = [exp.Is(this=parenthesised(one.copy()), expression=exp.Null()) for one in arguments]
        return either(exp.or_(*nulls, copy=False), exp.Null(), call(name, *arguments))

    return rewrite


def _bucket(node: exp.Expression) -> exp.Expression:
    arguments = arguments_of(node)
    return call("t_width_bucket" if len(arguments) > 2 else "t_bucket_of", *arguments)


CALLS: Calls = {
    "sum": _sum,
    "avg": _avg,
    "mod": remainder,
    "ceil": _to_whole("ceil"),
    "ceiling": _to_whole("ceil"),
    "floor": _to_whole("floor"),
    "round": _round,
    "truncate": _truncate,
    "sign": _sign,
    "rand": _random,
    "random": _random,
    "greatest": _any_null("greatest"),
    "least": _any_null("least"),
    "width_bucket": _bucket,
}
