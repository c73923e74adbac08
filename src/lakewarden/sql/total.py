"""Which expressions can never fail, whatever row they meet: what may run before a filter without a trace.

Read off the translated tree, in the engine's meaning: DuckDB's own rules for decimals, not Trino's. Whatever is not on
the lists here may fail.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from lakewarden.sql.transforms.build import cast
from lakewarden.sql.types import STAMPS, TEXT, WHOLE, D, digits, kind

_COMPARING = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_FLOATING = frozenset({D.DOUBLE, D.FLOAT})
_CHECKED, _WIDEST = 18, 38
_WHOLE_DIGITS = {D.TINYINT: 3, D.SMALLINT: 5, D.INT: 10, D.BIGINT: 19}
_DATE_PARTS = frozenset({"t_year", "t_quarter", "t_month", "t_day"})
_INTERVALS = frozenset({"to_days", "to_weeks", "to_months", "to_quarters", "to_years"})
_LONGEST_INTERVAL = 10_000
_ROWS_DIGITS = 12
"""A sum is over fewer rows than 10 to this."""
_AVG_DIGITS = 15
"""What a double holds exactly, so that an average of such decimals never rounds out of their type."""
Asked = Callable[[exp.Expression], bool]


@dataclass(frozen=True, slots=True)
class Number:
    """``|value| < 10 ** whole``, with ``scale`` digits behind the point.

    ``integer``: of an integer type, whose arithmetic overflows. ``wide``: certainly a decimal of more than 18 digits, with
    which DuckDB calculates in 38 digits; among narrower ones it calculates in 18, and fails beyond.
    """

    whole: int
    scale: int
    integer: bool = False
    wide: bool = False


class Totality:
    """Looks at expressions. ``query`` is asked about subqueries, ``column`` about columns that look harmless.

    ``widened`` collects the decimal operators that are total only in 38 digits, when ``widen`` is set: whoever relies on the
    answer has to :func:`widen` them.
    """

    def __init__(self, query: Asked = lambda _: False, column: Asked = lambda _: True) -> None:
        self._query = query
        self._column = column
        self.widen = False
        self.widened: dict[int, tuple[exp.Expression, Number]] = {}

    def condition(self, node: exp.Expression | None) -> bool:
        """Whether a truth value comes of it on every row."""
        if isinstance(node, exp.Paren | exp.Not):
            return self.condition(node.this)
        if isinstance(node, exp.And | exp.Or):
            return all(self.condition(part) for part in node.flatten())
        if isinstance(node, _COMPARING):
            return self._meet([node.this, node.expression])
        if isinstance(node, exp.Between):
            return self._meet([node.this, node.args["low"], node.args["high"]])
        if isinstance(node, exp.In):
            return self._in(node)
        if isinstance(node, exp.Like):
            return self.text(node.this) and isinstance(node.expression, exp.Literal) and node.expression.is_string
        if isinstance(node, exp.Is):
            return isinstance(node.expression, exp.Null | exp.Boolean) and self.value(node.this)
        if isinstance(node, exp.Exists):
            return self._query(node)
        return isinstance(node, exp.Boolean) or (self._is_column(node) and kind(node) is D.BOOLEAN)

    def value(self, node: exp.Expression | None) -> bool:
        """Whether a value of some known type comes of it on every row."""
        if isinstance(node, exp.Literal | exp.Null | exp.Boolean) or self._is_column(node):
            return True
        if node is None or kind_of(node) is D.UNKNOWN:
            return False
        return self.number(node) is not None or self.text(node) or self._date(node) or self.condition(node)

    def text(self, node: exp.Expression | None) -> bool:
        """Whether it is text, on every row."""
        if isinstance(node, exp.Literal):
            return bool(node.is_string)
        if isinstance(node, exp.Paren):
            return self.text(node.this)
        if isinstance(node, exp.Case):
            return self._case(node, self.text) is not None
        name, arguments = called(node)
        if name in {"min", "max", "lower", "upper"} and len(arguments) == 1:
            return self.text(arguments[0])
        if name == "substring":
            return self.text(arguments[0]) and all(isinstance(one, exp.Literal) for one in arguments[1:])
        return self._is_column(node) and kind(node) in TEXT if node is not None else False

    def number(self, node: exp.Expression | None) -> Number | None:
        """How large it can be where it is an exact number on every row; None for anything else."""
        if isinstance(node, exp.Paren):
            return self.number(node.this)
        if isinstance(node, exp.Literal):
            return _literal(node)
        if isinstance(node, exp.Column):
            return _of_type(node) if self._is_column(node) else None
        if isinstance(node, exp.Neg):
            found = self.number(node.this)
            return None if found is None or (found.integer and not isinstance(node.this, exp.Literal)) else found
        if isinstance(node, exp.Add | exp.Sub | exp.Mul):
            return self._arithmetic(node)
        if isinstance(node, exp.Case):
            branches = self._case(node, self.number)
            return _all(branches) if branches else None
        if isinstance(node, exp.Cast):
            return self._cast(node)
        return self._called(node)

    def _arithmetic(self, node: exp.Binary) -> Number | None:
        left, right = self.number(node.left), self.number(node.right)
        if left is None or right is None or (left.integer and right.integer):
            return None
        wide = left.wide or right.wide
        if isinstance(node, exp.Mul):
            made = Number(left.whole + right.whole, left.scale + right.scale, wide=wide)
        else:
            made = Number(max(left.whole, right.whole) + 1, max(left.scale, right.scale), wide=wide)
        if made.whole + made.scale <= _CHECKED:
            return made
        if made.whole + made.scale > _WIDEST or made.scale > _WIDEST:
            return None
        if not wide:
            to = _declared(node) or (0, 0)
            if not self.widen or to[0] <= _CHECKED or to[0] - to[1] < made.whole or to[1] != made.scale:
                return None
            self.widened[id(node)] = (node, left)
        return replace(made, wide=True)

    def _cast(self, node: exp.Cast) -> Number | None:
        """To a decimal, or of a sum to a bigint, that surely holds it."""
        name, arguments = called(node.this)
        if node.to.this is D.BIGINT:
            summed = self.number(arguments[0]) if name == "sum" else None
            fits = summed is not None and summed.integer and summed.whole + _ROWS_DIGITS < _WHOLE_DIGITS[D.BIGINT]
            return Number(_WHOLE_DIGITS[D.BIGINT], 0, integer=True) if fits else None
        to = _declared(node)
        if to is None:
            return None
        made = Number(to[0] - to[1], to[1], wide=to[0] > _CHECKED)
        found = self.number(arguments[0]) if name == "avg" and to[0] <= _AVG_DIGITS else self.number(node.this)
        if found is None or (name == "avg" and found.integer):
            return None
        room = found.whole + (0 if found.scale <= made.scale or name == "avg" else 1)
        return made if room <= made.whole else None

    def _called(self, node: exp.Expression | None) -> Number | None:
        name, arguments = called(node)
        if name == "count":
            counted = [one for given in arguments for one in _distinct(given)]
            plain = all(isinstance(one, exp.Star) or self.value(one) for one in counted)
            return Number(_WHOLE_DIGITS[D.BIGINT], 0, integer=True) if plain else None
        if name in _DATE_PARTS:
            return Number(7, 0, integer=True) if len(arguments) == 1 and self._date(arguments[0]) else None
        if name not in {"sum", "min", "max"} or len(arguments) != 1:
            return None
        (argument,) = _distinct(arguments[0]) if len(_distinct(arguments[0])) == 1 else (None,)
        found = self.number(argument)
        if found is None or name != "sum":
            return found
        whole = found.whole + _ROWS_DIGITS
        # A sum of integers is wider than any type that it may have here: only its cast is a number.
        return None if found.integer or whole + found.scale > _WIDEST else Number(whole, found.scale, wide=True)

    def _case(self, node: exp.Case, each: "Callable[[exp.Expression], object]") -> list[object] | None:
        """What ``each`` finds in the branches; None unless conditions and branches are total."""
        branches = [one.args["true"] for one in node.args["ifs"]]
        if node.args.get("default") is not None:
            branches.append(node.args["default"])
        if node.this is not None or not all(self.condition(one.this) for one in node.args["ifs"]):
            return None
        found = [each(branch) for branch in branches if not isinstance(branch, exp.Null)]
        return found if found and all(found) else None

    def _in(self, node: exp.In) -> bool:
        if {key for key, value in node.args.items() if value} <= {"this", "expressions"}:
            return self._meet([node.this, *node.expressions])
        query = node.args.get("query")
        inner = query.unnest() if isinstance(query, exp.Expression) else None
        if node.expressions or not isinstance(inner, exp.Select) or len(inner.expressions) != 1:
            return False
        return self._query(node) and self._meet([node.this, inner.expressions[0].unalias()])

    def _meet(self, nodes: Sequence[exp.Expression]) -> bool:
        """Whether they are of one kind, so that no cast between them fails."""
        if all(isinstance(node, exp.Null) for node in nodes):
            return False
        known = [node for node in nodes if not isinstance(node, exp.Null)]
        if all(self.text(node) for node in known) or all(self._date(node) for node in known):
            return True
        if all(self._stamp(node) for node in known) or all(self._truth(node) for node in known):
            return True
        numbers = [self._scalar(node) for node in known]
        if all(one is not None for one in numbers):
            return _all(numbers) is not None
        return any(self._floating(node) for node in known) and all(
            one is not None or self._floating(node) for one, node in zip(numbers, known, strict=True)
        )

    def _scalar(self, node: exp.Expression) -> Number | None:
        """A number, or a scalar subquery that gives one."""
        if isinstance(node, exp.Subquery):
            inner = node.unnest()
            one = isinstance(inner, exp.Select) and len(inner.expressions) == 1 and self._query(node)
            return self.number(inner.expressions[0].unalias()) if one else None
        return self.number(node)

    def _floating(self, node: exp.Expression) -> bool:
        return self._is_column(node) and kind(node) in _FLOATING

    def _stamp(self, node: exp.Expression) -> bool:
        return self._is_column(node) and kind(node) in STAMPS

    def _truth(self, node: exp.Expression) -> bool:
        return isinstance(node, exp.Boolean) or (self._is_column(node) and kind(node) is D.BOOLEAN)

    def _date(self, node: exp.Expression) -> bool:
        """A date: of a column, or a constant that is one."""
        if isinstance(node, exp.Paren):
            return self._date(node.this)
        if self._is_column(node):
            return kind(node) is D.DATE
        name, arguments = called(node)
        if name in {"min", "max"} and len(arguments) == 1:
            return self._date(arguments[0])
        return _constant_date(node)

    def _is_column(self, node: exp.Expression | None) -> bool:
        return isinstance(node, exp.Column) and kind(node) is not D.UNKNOWN and self._column(node)


def is_total(condition: exp.Expression) -> bool:
    """Whether a condition over a table's own columns, translated and with types, cannot fail on any row."""
    return Totality().condition(condition)


def widen(found: Totality) -> None:
    """Make the decimal operators that it collected calculate in 38 digits; each still gives the type that Trino gives it."""
    for node, left in found.widened.values():
        to = _declared(node)
        assert to is not None, node  # noqa: S101 - they were collected for having one
        precision = max(_CHECKED + 1, left.whole + left.scale)
        node.set("this", cast(node.this, f"DECIMAL({precision},{left.scale})"))
        outer = cast(exp.Null(), f"DECIMAL({to[0]},{to[1]})")
        outer._type = node._type
        node.replace(outer)
        outer.set("this", node)


def called(node: exp.Expression | None) -> tuple[str, list[exp.Expression]]:
    """The engine's name of a call, lower case, and its arguments; no name for anything else."""
    if isinstance(node, exp.Anonymous):
        return node.name.lower(), list(node.expressions)
    return "", []


def kind_of(node: exp.Expression) -> exp.DType:
    """The kind of a node, of what is in it where the node is a piece of the engine's SQL that has none."""
    found = kind(node)
    return D.BOOLEAN if found is D.UNKNOWN and isinstance(node, exp.Predicate | exp.Not | exp.Connector) else found


def _distinct(node: exp.Expression) -> list[exp.Expression]:
    return list(node.expressions) if isinstance(node, exp.Distinct) else [node]


def _declared(node: exp.Expression) -> tuple[int, int] | None:
    """Precision and scale of a cast's target, or of an operator's own type."""
    of = node.to if isinstance(node, exp.Cast) else node.type
    if not isinstance(of, exp.DataType) or of.this is not D.DECIMAL:
        return None
    numbers = [int(one.name) for one in of.expressions if one.name.isdigit()]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else None


def _literal(node: exp.Literal) -> Number | None:
    if node.is_string or "e" in node.name.lower():
        return None
    try:
        value = Decimal(node.name)
    except InvalidOperation:
        return None
    scale = max(0, -int(value.as_tuple().exponent))
    whole = max(value.adjusted() + 1, -scale + 1) if value else 0
    return Number(whole, scale, integer=scale == 0) if max(whole, 0) + scale <= _WIDEST else None


def _of_type(node: exp.Column) -> Number | None:
    of = kind(node)
    if of in _WHOLE_DIGITS:
        return Number(_WHOLE_DIGITS[of], 0, integer=True)
    pair = digits(node) if of is D.DECIMAL else None
    return None if pair is None else Number(pair[0] - pair[1], pair[1])


def _all(numbers: Sequence[object]) -> Number | None:
    """What holds each of them; None where no decimal does."""
    known = [one for one in numbers if isinstance(one, Number)]
    whole, scale = max(one.whole for one in known), max(one.scale for one in known)
    return Number(whole, scale, all(one.integer for one in known)) if max(whole, 0) + scale <= _WIDEST else None


def _constant_date(node: exp.Expression | None) -> bool:
    """``CAST('2020-01-31' AS DATE)``, or some days, months or years from it."""
    if not isinstance(node, exp.Cast) or node.to.this is not D.DATE:
        return False
    inner = node.this.unnest()
    if isinstance(inner, exp.Literal) and inner.is_string:
        try:
            return bool(date.fromisoformat(inner.name))
        except ValueError:
            return False
    if not isinstance(inner, exp.Add | exp.Sub) or not _constant_date(inner.this):
        return False
    name, arguments = called(inner.expression)
    number = arguments[0].this if name in _INTERVALS and isinstance(arguments[0], exp.Cast) else None
    return isinstance(number, exp.Literal) and number.name.isdigit() and int(number.name) <= _LONGEST_INTERVAL


EXACT: Mapping[exp.DType, bool] = dict.fromkeys((D.BOOLEAN, *WHOLE, D.DECIMAL, *TEXT, D.DATE, *STAMPS), True)
"""Types whose equal values are written with the same letters, so that no order of rows shows in a minimum or a group."""
