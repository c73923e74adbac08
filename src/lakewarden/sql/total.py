"""Which expressions can never fail and never depend on the order of rows: what may run before a filter without a trace."""

from sqlglot import exp

from lakewarden.sql.types import D, kind

_PLAIN = (
    exp.Column, exp.Identifier, exp.Literal, exp.Null, exp.Boolean, exp.Paren, exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ,
    exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.In, exp.Between, exp.Like, exp.NullSafeEQ, exp.NullSafeNEQ, exp.DataType,
    exp.DataTypeParam,
)  # fmt: skip


def is_total(tree: exp.Expression) -> bool:
    """Whether ``tree``, of the engine's meaning and with types, cannot fail on any row. When in doubt, it may."""
    for node in tree.walk(prune=lambda one: isinstance(one, exp.Cast)):
        if isinstance(node, exp.Cast):
            if not (isinstance(node.this, exp.Literal) and node.to.this in {D.DATE, D.TIMESTAMP}):
                return False
        elif not isinstance(node, _PLAIN) or (isinstance(node, exp.Column) and kind(node) is D.UNKNOWN):
            return False
    return True
