"""The allow-list for syntax: a node that is not listed is refused, whatever it would have meant.

INVARIANT (deny_by_default): both the statement as parsed and the statement as rendered pass through here.
"""

from sqlglot import exp

from lakewarden.sql.errors import FunctionNotFound, Unsupported
from lakewarden.sql.functions import NAMED, TYPED
from lakewarden.sql.positions import position_of

_STRUCTURE = """
    Select Subquery Union Intersect Except With CTE TableAlias From Join Where Group Having Order Ordered Limit Offset
    Fetch Distinct Values Tuple Paren Table Column Identifier Alias Star Literal Boolean Null Var DataType DataTypeParam
    ColumnDef Interval IntervalSpan Window WindowSpec Filter WithinGroup Lambda Kwarg PropertyEQ Slice Bracket Dot
    Cube Rollup GroupingSets Unnest Aliases
    Add Sub Mul Div IntDiv Mod Neg DPipe EQ NEQ GT GTE LT LTE NullSafeEQ NullSafeNEQ Is In Between Not Like ILike Escape
    RegexpLike Any All Exists And Or Xor BitwiseAnd BitwiseOr BitwiseXor BitwiseNot BitwiseLeftShift BitwiseRightShift
    IgnoreNulls RespectNulls Case If Cast TryCast Hint WindowFrame
"""
_NODES = TYPED | {getattr(exp, name) for name in _STRUCTURE.split() if hasattr(exp, name)} - {exp.Hint}
_TABLE_ARGS = frozenset({"this", "db", "catalog", "alias", "joins"})


def check(tree: exp.Expression, text: str) -> None:
    """Raise :class:`Unsupported` or :class:`FunctionNotFound` at the first node that is not allowed."""
    for node in tree.walk():
        kind = type(node)
        if kind is exp.Anonymous:
            if node.name.lower() not in NAMED:
                raise FunctionNotFound(*position_of(node, text), node.name.lower())
        elif kind not in _NODES:
            if isinstance(node, exp.Func):
                raise FunctionNotFound(*position_of(node, text), node.sql_name().lower())
            raise Unsupported(kind.__name__.upper())
        if kind is exp.Table:
            _check_table(node, text)
        elif kind is exp.Star and any(node.args.values()):
            raise Unsupported("A star with EXCLUDE, REPLACE or RENAME")


def _check_table(table: exp.Table, text: str) -> None:
    if isinstance(table.this, exp.Func):
        name = table.this.name if isinstance(table.this, exp.Anonymous) else table.this.sql_name()
        raise FunctionNotFound(*position_of(table, text), name.lower())
    if not isinstance(table.this, exp.Identifier):
        raise Unsupported(type(table.this).__name__.upper())
    odd = [key for key, value in table.args.items() if value and key not in _TABLE_ARGS]
    if odd:
        raise Unsupported(odd[0].upper())
