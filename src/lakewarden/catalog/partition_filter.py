"""GetPartitions' Expression: read with an allow-list, and turned into a condition that the store evaluates.

Glue API reference, GetPartitions: comparisons of partition keys with constants, ``BETWEEN IN LIKE IS NULL``, ``AND OR``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from lakewarden.catalog.details import partitions
from lakewarden.catalog.errors import InvalidInputException
from lakewarden.kernel.lake import Column

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
NUMBERS = frozenset({"tinyint", "smallint", "int", "integer", "bigint", "long", "float", "double", "decimal"})
_LONGEST = 2048
_DEEPEST = 100
Clause = sa.ColumnElement[bool]
_COMPARE: Mapping[type[exp.Expression], Callable[[sa.ColumnElement[object], object], Clause]] = {
    exp.EQ: lambda a, b: a == b,
    exp.NEQ: lambda a, b: a != b,
    exp.LT: lambda a, b: a < b,
    exp.LTE: lambda a, b: a <= b,
    exp.GT: lambda a, b: a > b,
    exp.GTE: lambda a, b: a >= b,
}
_TURNED: Mapping[type[exp.Expression], type[exp.Expression]] = {
    exp.LT: exp.GT, exp.LTE: exp.GTE, exp.GT: exp.LT, exp.GTE: exp.LTE,
}  # fmt: skip


def is_number(kind: str) -> bool:
    """Whether a partition key of that Glue type is compared as a number."""
    return kind.strip().lower().partition("(")[0] in NUMBERS


def partition_condition(text: str, keys: Sequence[Column], dialect: str) -> Clause:
    """``text`` as a condition on the store's partitions; raises InvalidInputException.

    INVARIANT (least_reach): the client's text never reaches the database; names are looked up, constants are bound.
    """
    if len(text) > _LONGEST:
        raise InvalidInputException(f"Expression is longer than {_LONGEST} characters.")
    try:
        trees = sqlglot.parse(text, dialect="trino")
        if len(trees) != 1 or trees[0] is None:
            raise InvalidInputException("Expression must be one condition.")
        return _Reader(keys, dialect).clause(trees[0], 0)
    except (SqlglotError, RecursionError) as error:
        raise InvalidInputException("Expression cannot be read.") from error


class _Reader:
    def __init__(self, keys: Sequence[Column], dialect: str) -> None:
        self._keys = {key.name: (number, is_number(key.type)) for number, key in enumerate(keys)}
        self._dialect = dialect

    def clause(self, tree: exp.Expression, depth: int) -> Clause:
        if depth > _DEEPEST:
            raise InvalidInputException("Expression is nested too deeply.")
        if isinstance(tree, exp.Paren):
            return self.clause(tree.this, depth + 1)
        if isinstance(tree, exp.Not):
            return sa.not_(self.clause(tree.this, depth + 1))
        if isinstance(tree, exp.And | exp.Or):
            return self._chain(tree, depth)
        if type(tree) in _COMPARE:
            return self._comparison(tree)
        if isinstance(tree, exp.Between):
            value, number = self._key(tree.this)
            return sa.and_(value >= _constant(tree.args["low"], number), value <= _constant(tree.args["high"], number))
        if isinstance(tree, exp.In) and tree.expressions and set(_given(tree)) <= {"this", "expressions"}:
            value, number = self._key(tree.this)
            return value.in_([_constant(one, number) for one in tree.expressions])
        if isinstance(tree, exp.Like):
            return self._like(tree)
        if isinstance(tree, exp.Is) and isinstance(tree.expression, exp.Null):
            return self._text(self._position(tree.this)) == NULL_PARTITION
        raise InvalidInputException(f"Expression: {tree.key.upper()} is not supported.")

    def _chain(self, tree: exp.Expression, depth: int) -> Clause:
        parts = []
        operand: exp.Expression = tree
        while isinstance(operand, type(tree)):
            parts.append(self.clause(operand.expression, depth + 1))
            operand = operand.this
        parts.append(self.clause(operand, depth + 1))
        return sa.and_(*parts) if isinstance(tree, exp.And) else sa.or_(*parts)

    def _comparison(self, tree: exp.Expression) -> Clause:
        kind, left, right = type(tree), tree.this, tree.expression
        if not isinstance(left, exp.Column):
            kind, left, right = _TURNED.get(kind, kind), right, left
        value, number = self._key(left)
        return _COMPARE[kind](value, _constant(right, number))

    def _like(self, tree: exp.Like) -> Clause:
        if not isinstance(tree.expression, exp.Literal) or not tree.expression.is_string:
            raise InvalidInputException("Expression: LIKE takes a text.")
        value, pattern = self._text(self._position(tree.this)), tree.expression.name
        if self._dialect != "sqlite":
            return value.like(pattern, escape="\\")
        # SQLite's LIKE ignores case, GLOB does not.
        letters = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
        return value.bool_op("GLOB")("".join(letters.get(letter, letter) for letter in pattern))

    def _key(self, tree: exp.Expression | None) -> tuple[sa.ColumnElement[object], bool]:
        """A key's value, compared as a number or as a text; the null partition's value is null."""
        position = self._position(tree)
        number = self._keys[tree.name.lower()][1] if tree is not None else False
        text = self._text(position)
        value: sa.ColumnElement[Any] = sa.cast(text, sa.Double) if number else text
        return sa.case((text == NULL_PARTITION, sa.null()), else_=value), number

    def _position(self, tree: exp.Expression | None) -> int:
        if not isinstance(tree, exp.Column) or tree.table or tree.name.lower() not in self._keys:
            raise InvalidInputException("Expression compares partition keys with constants.")
        return self._keys[tree.name.lower()][0]

    def _text(self, position: int) -> sa.ColumnElement[str]:
        text = partitions.c.entries[position].as_string()
        return text if self._dialect == "sqlite" else sa.collate(text, "C")


def _given(tree: exp.Expression) -> list[str]:
    return [name for name, value in tree.args.items() if value]


def _constant(tree: exp.Expression | None, number: bool) -> object:
    sign = 1
    if isinstance(tree, exp.Neg):
        sign, tree = -1, tree.this
    if isinstance(tree, exp.Cast) and (tree.is_type("date") or tree.is_type("timestamp")):
        tree = tree.this
    if not isinstance(tree, exp.Literal):
        raise InvalidInputException("Expression compares partition keys with constants.")
    if not number:
        return tree.name if sign == 1 else f"-{tree.name}"
    try:
        return sign * float(tree.name)
    except ValueError as error:
        raise InvalidInputException("Expression: a number is needed.") from error
