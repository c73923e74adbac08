"""DATE plus or minus whole days stays a DATE in Trino; DuckDB makes a timestamp of it."""

from sqlglot import exp

_WHOLE = frozenset({"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"})


def keep_dates(node: exp.Expression) -> exp.Expression:
    """Cast date arithmetic with whole units back to DATE. Needs annotated types."""
    if not isinstance(node, exp.Add | exp.Sub | exp.DateAdd | exp.DateTrunc | exp.TimestampTrunc):
        return node
    if not node.this.is_type(exp.DataType.Type.DATE):
        return node
    if isinstance(node, exp.Add | exp.Sub):
        interval = node.expression
        if not isinstance(interval, exp.Interval) or _unit(interval) not in _WHOLE:
            return node
    elif _unit(node) not in _WHOLE:
        return node
    return exp.cast(node, exp.DataType.Type.DATE)


def _unit(node: exp.Expression) -> str:
    unit = node.args.get("unit")
    return unit.name.upper().removesuffix("S") if unit is not None else ""
