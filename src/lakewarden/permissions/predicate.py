"""A data cells filter's row expression: read, checked against the table, and written anew for the engines. Pure.

Lake Formation Developer Guide, "PartiQL support in row filter expressions": columns are compared with constants by
``= <> != < <= > >= BETWEEN IN LIKE``, ``IS [NOT] NULL``, and combined by ``AND OR NOT``; no functions, no subqueries, no
column against column.
"""

from collections.abc import Sequence
from datetime import date, datetime

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakewarden.kernel.lake import Column
from lakewarden.permissions.errors import InvalidInputException

_LONGEST = 2048
_DEEPEST = 100
_FAMILIES = {
    "string": "text", "char": "text", "varchar": "text",
    "tinyint": "number", "smallint": "number", "int": "number", "integer": "number", "bigint": "number",
    "float": "number", "real": "number", "double": "number", "decimal": "number",
    "boolean": "boolean", "date": "date", "timestamp": "timestamp",
}  # fmt: skip
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


def checked_predicate(text: str, columns: Sequence[Column]) -> str:
    """``text`` as one Trino expression over ``columns``, every name quoted; raises InvalidInputException.

    INVARIANT (non_interference): what engines enforce is written from the checked tree, never the text that was given, so
    that no comment, quote or parenthesis in it can end the filter early. Constants must be of the column's type: no
    comparison converts a value, and so none can fail on a row that stays hidden.
    """
    if not text.strip() or len(text) >= _LONGEST:
        raise _invalid("it must have 1 to 2047 characters")
    try:
        if any(token.comments for token in sqlglot.tokenize(text, dialect="trino")):
            raise _invalid("it must not hold comments")
        trees = sqlglot.parse(text, dialect="trino")
        if len(trees) != 1 or trees[0] is None:
            raise _invalid("it must be one expression")
        tree = trees[0]
        types = {column.name: _family(column.type) for column in columns}
        _check(tree, types, 0)
        for one in tree.walk():
            one.comments = None
        for cast in tree.find_all(exp.Cast):
            if cast.is_type("timestamp"):
                # Without a precision the text's fractions of a second would be cut off.
                cast.set("to", exp.DataType.build("timestamp(6)", dialect="trino"))
        for identifier in tree.find_all(exp.Identifier):
            identifier.set("this", identifier.name.lower())
            identifier.set("quoted", True)
        written: str = tree.sql(dialect="trino", comments=False)
    except (SqlglotError, RecursionError) as error:
        raise _invalid("it cannot be read") from error
    return written


def _check(tree: exp.Expression, types: dict[str, str], depth: int) -> None:
    if depth > _DEEPEST:
        raise _invalid("it is nested too deeply")
    if isinstance(tree, exp.And | exp.Or):
        # A long chain leans to the left: its own depth is no nesting.
        operand: exp.Expression = tree
        while isinstance(operand, type(tree)):
            _check(operand.expression, types, depth + 1)
            operand = operand.this
        _check(operand, types, depth + 1)
    elif isinstance(tree, exp.Not | exp.Paren):
        _check(tree.this, types, depth + 1)
    elif isinstance(tree, _COMPARISONS):
        _check_comparison(tree, types)
    elif isinstance(tree, exp.Between):
        family = _column(tree.this, types)
        _constant(tree.args["low"], family)
        _constant(tree.args["high"], family)
    elif isinstance(tree, exp.In):
        _check_in(tree, types)
    elif isinstance(tree, exp.Like):
        if _column(tree.this, types) != "text":
            raise _invalid("LIKE is for text")
        _constant(tree.expression, "text")
    elif isinstance(tree, exp.Is):
        _column(tree.this, types)
        if not isinstance(tree.expression, exp.Null):
            raise _invalid("IS is for NULL")
    else:
        raise _invalid(f"{tree.key.upper()} is not supported")


def _check_comparison(tree: exp.Expression, types: dict[str, str]) -> None:
    left, right = tree.this, tree.expression
    if not isinstance(left, exp.Column):
        left, right = right, left
    _constant(right, _column(left, types))


def _check_in(tree: exp.In, types: dict[str, str]) -> None:
    family = _column(tree.this, types)
    if any(value for name, value in tree.args.items() if name not in {"this", "expressions"}) or not tree.expressions:
        raise _invalid("IN takes a list of constants")
    for one in tree.expressions:
        _constant(one, family)


def _column(tree: exp.Expression | None, types: dict[str, str]) -> str:
    if not isinstance(tree, exp.Column) or not isinstance(tree.this, exp.Identifier):
        raise _invalid("a column must be compared with a constant")
    if tree.table or tree.name.lower() not in types:
        raise _invalid(f"there is no column {'.'.join(part.name for part in tree.parts)[:200]}")
    family = types[tree.name.lower()]
    if not family:
        raise _invalid(f"the type of column {tree.name[:200]} is not supported")
    return family


def _constant(tree: exp.Expression | None, family: str) -> None:
    if isinstance(tree, exp.Neg) and family == "number":
        tree = tree.this
    fits = (
        (isinstance(tree, exp.Literal) and tree.is_string == (family == "text") and family in {"text", "number"})
        or (isinstance(tree, exp.Boolean) and family == "boolean")
        or (isinstance(tree, exp.Cast) and _instant(tree) == family)
    )
    if not fits:
        raise _invalid(f"a constant of type {family} is needed")


def _instant(tree: exp.Cast) -> str:
    """``date`` or ``timestamp`` for a valid literal of that type; empty for anything else."""
    if not isinstance(tree.this, exp.Literal) or not tree.this.is_string or isinstance(tree, exp.TryCast):
        return ""
    try:
        if tree.is_type("date"):
            date.fromisoformat(tree.this.name)
            return "date"
        if tree.is_type("timestamp"):
            return "timestamp" if datetime.fromisoformat(tree.this.name).tzinfo is None else ""
    except ValueError:
        return ""
    return ""


def _family(kind: str) -> str:
    return _FAMILIES.get(kind.strip().lower().partition("(")[0].strip(), "")


def _invalid(why: str) -> InvalidInputException:
    return InvalidInputException(f"Invalid filter expression: {why}.")
