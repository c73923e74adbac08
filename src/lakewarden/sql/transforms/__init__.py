"""Rewrites from Trino's meaning to DuckDB's: one file a subject, ``expression -> expression``, innermost first.

A new function is a line in ``functions`` and, where the engine has nothing that answers the same, a macro or a rewrite here.
"""

from collections.abc import Mapping

from sqlglot import exp

from lakewarden.sql.calls import name_of
from lakewarden.sql.errors import Unsupported
from lakewarden.sql.functions import FUNCTIONS
from lakewarden.sql.transforms import (
    aggregates,
    arithmetic,
    casts,
    collections,
    conditionals,
    dates,
    json,
    strings,
    unnest,
    zones,
)
from lakewarden.sql.transforms.build import Rewrite, call

CALLS: Mapping[str, Rewrite] = {
    **arithmetic.CALLS,
    **conditionals.CALLS,
    **strings.CALLS,
    **dates.CALLS,
    **collections.CALLS,
    **json.CALLS,
    **aggregates.CALLS,
}
"""Rewrites of calls, by Trino's name."""

NODES: Mapping[type[exp.Expression], Rewrite] = {
    exp.Add: dates.keep_kind,
    exp.Sub: dates.keep_kind,
    exp.Div: arithmetic.divide,
    exp.Mod: arithmetic.remainder,
    exp.DPipe: strings.pipe,
    exp.Substring: strings.substring,
    exp.Trim: strings.trim,
    exp.StrPosition: strings.position,
    exp.Normalize: strings.normalize,
    exp.Cast: casts.rewrite,
    exp.TryCast: casts.rewrite,
    exp.Interval: dates.interval,
    exp.Extract: dates.extract,
    exp.AtTimeZone: dates.at_time_zone,
    exp.CurrentTimestamp: dates.current("current_timestamp", "TIMESTAMPTZ"),
    exp.Localtimestamp: dates.current("localtimestamp", "TIMESTAMP"),
    exp.Localtime: dates.current("localtime", "TIME"),
    exp.CurrentDate: dates.current("current_date", "DATE"),
    exp.CurrentTime: dates.refused("current_time (time with time zone)"),
    exp.Bracket: collections.subscript,
    exp.Struct: collections.row,
    exp.Map: collections.map_of,
    exp.ParseJSON: json.parse,
    exp.GroupConcat: aggregates.listagg,
    exp.IgnoreNulls: aggregates.ignore_nulls,
    exp.RespectNulls: aggregates.respect_nulls,
    exp.Unnest: unnest.rewrite,
}
"""Rewrites of syntax."""

prepare = casts.prepare
"""What must be seen to before types are known."""


def translate(tree: exp.Expression) -> exp.Expression:
    """Every node in the engine's meaning. Needs annotated types; changes ``tree`` in place and answers it."""
    for node in reversed(list(tree.walk())):
        made = _translated(node)
        if made is node:
            continue
        made._type = made._type or node._type
        if node is tree:
            tree = made
        elif node.parent is not None:
            node.replace(made)
    return zones.finished(tree)


def _translated(node: exp.Expression) -> exp.Expression:
    if isinstance(node, exp.Anonymous):
        return _called(node)
    rewrite = NODES.get(type(node))
    return rewrite(node) if rewrite is not None else node


def _called(node: exp.Anonymous) -> exp.Expression:
    name = name_of(node)
    if not name:
        return node
    rewrite = CALLS.get(name)
    if rewrite is not None:
        return rewrite(node)
    function = FUNCTIONS[name]
    if not function.engine:
        raise Unsupported(f"The function {name}")
    return call(function.engine, *node.expressions)
