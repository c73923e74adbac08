"""Trino compares like with like: a number with a string is an error while planning, never a cast."""

from sqlglot import exp

from lakewarden.sql.errors import TypeMismatch
from lakewarden.sql.positions import position_of
from lakewarden.sql.transforms.conditionals import type_name
from lakewarden.sql.types import STAMPS, TEXT, WHOLE, ZONED, D, kind

_COMPARING = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_SIGNS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_FAMILIES = {
    **dict.fromkeys((*WHOLE, D.DECIMAL, D.DOUBLE, D.FLOAT), "number"),
    **dict.fromkeys(TEXT, "text"),
    **dict.fromkeys((D.DATE, *STAMPS, *ZONED), "date"),
    D.BOOLEAN: "boolean",
    D.TIME: "time",
    D.VARBINARY: "binary",
    D.INTERVAL: "interval",
}


def check(tree: exp.Expression, text: str) -> None:
    """Raise :class:`TypeMismatch` at the first comparison or arithmetic of kinds that do not meet."""
    for node in tree.find_all(*_COMPARING, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.In, exp.Between):
        if isinstance(node, exp.In):
            pairs = [(node.this, one) for one in node.expressions]
        elif isinstance(node, exp.Between):
            pairs = [(node.this, node.args["low"]), (node.this, node.args["high"])]
        else:
            pairs = [(node.this, node.expression)]
        for left, right in pairs:
            _meet(node, left, right, text)


def _meet(node: exp.Expression, left: exp.Expression, right: exp.Expression, text: str) -> None:
    if isinstance(right, exp.Any | exp.All):
        return
    families = _FAMILIES.get(kind(left)), _FAMILIES.get(kind(right))
    if None in families or left.type is None or right.type is None:
        return
    if isinstance(node, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod):
        fits = families == ("number", "number") or bool({"interval", "date", "time"} & set(families))
        sign = {"add": "+", "sub": "-", "mul": "*", "div": "/", "mod": "%"}[node.key]
    else:
        fits, sign = families[0] == families[1], _SIGNS.get(type(node), "=")
    if not fits:
        said = f"Cannot apply operator: {type_name(left.type)} {sign} {type_name(right.type)}"
        raise TypeMismatch(*position_of(node, text), said)
