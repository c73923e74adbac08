"""Aggregates that DuckDB calls or builds otherwise. Those of numbers are in :mod:`.arithmetic`."""

from sqlglot import exp

from lakewarden.sql.errors import Unsupported
from lakewarden.sql.transforms.as_text import as_text
from lakewarden.sql.transforms.build import Calls, Rewrite, arguments_of, call, cast, text, wrapped


def _as_bigint(name: str) -> Rewrite:
    def rewrite(node: exp.Expression) -> exp.Expression:
        inner = call(name, *arguments_of(node))
        return wrapped(node, inner, lambda top: cast(top, "BIGINT"))

    return rewrite


def _bits(name: str) -> Rewrite:
    def rewrite(node: exp.Expression) -> exp.Expression:
        return call(name, cast(arguments_of(node)[0], "BIGINT"))

    return rewrite


def _extreme(name: str) -> Rewrite:
    def rewrite(node: exp.Expression) -> exp.Expression:
        return call(name, *arguments_of(node))

    return rewrite


def _distinct(node: exp.Expression) -> exp.Expression:
    """The second argument asks for a standard error; DuckDB's HyperLogLog has one of its own."""
    return call("approx_count_distinct", arguments_of(node)[0])


def _percentile(node: exp.Expression) -> exp.Expression:
    value, part, *rest = arguments_of(node)
    if rest:
        raise Unsupported("approx_percentile with weights or accuracy")
    return call("approx_quantile", value, part)


def _pairs(macro: str) -> Rewrite:
    """Aggregates of keys and values: a list of pairs, made a map by ``macro``."""

    def rewrite(node: exp.Expression) -> exp.Expression:
        key, value = arguments_of(node)
        if isinstance(key, exp.Distinct):
            raise Unsupported("DISTINCT in an aggregate of maps")
        pair = exp.Struct(
            expressions=[
                exp.PropertyEQ(this=exp.to_identifier("k", quoted=True), expression=key),
                exp.PropertyEQ(this=exp.to_identifier("v", quoted=True), expression=value),
            ]
        )
        return wrapped(node, call("list", pair), lambda top: call(macro, top))

    return rewrite


def _histogram(node: exp.Expression) -> exp.Expression:
    return wrapped(node, call("histogram", *arguments_of(node)), lambda top: call("t_histogram", top))


def _union(node: exp.Expression) -> exp.Expression:
    return wrapped(node, call("list", *arguments_of(node)), lambda top: call("t_map_union", top))


def listagg(node: exp.Expression) -> exp.Expression:
    """``listagg(x, ',') WITHIN GROUP (ORDER BY y)``."""
    if node.args.get("on_overflow"):
        raise Unsupported("LISTAGG ... ON OVERFLOW")
    value, separator = node.this, node.args.get("separator") or text("")
    order = value.expressions if isinstance(value, exp.Order) else []
    value = value.this if isinstance(value, exp.Order) else value
    distinct = isinstance(value, exp.Distinct)
    item = as_text(value.expressions[0] if distinct else value)
    item = exp.Distinct(expressions=[item]) if distinct else item
    return call("string_agg", item, exp.Order(this=separator, expressions=list(order)) if order else separator)


_SKIPPING = {
    "first_value": exp.FirstValue,
    "last_value": exp.LastValue,
    "lag": exp.Lag,
    "lead": exp.Lead,
    "nth_value": exp.NthValue,
}


def ignore_nulls(node: exp.Expression) -> exp.Expression:
    """``lag(x) IGNORE NULLS``: only nodes that the renderer knows keep the clause."""
    inner = node.this
    made = _SKIPPING.get(inner.name) if isinstance(inner, exp.Anonymous) else None
    if made is None:
        raise Unsupported("IGNORE NULLS of this function")
    value, *rest = inner.expressions
    names = ("offset", "default")
    return exp.IgnoreNulls(this=made(this=value, **dict(zip(names, rest, strict=False))))


def respect_nulls(node: exp.Expression) -> exp.Expression:
    """What window functions do anyway."""
    return node.this


CALLS: Calls = {
    "count_if": _as_bigint("count_if"),
    "max": _extreme("max"),
    "min": _extreme("min"),
    "bitwise_and_agg": _bits("bit_and"),
    "bitwise_or_agg": _bits("bit_or"),
    "bitwise_xor_agg": _bits("bit_xor"),
    "approx_distinct": _distinct,
    "approx_percentile": _percentile,
    "map_agg": _pairs("t_map_agg"),
    "multimap_agg": _pairs("t_multimap_agg"),
    "map_union": _union,
    "histogram": _histogram,
}
