"""Trino's types of expressions: what sqlglot's annotator does not know, told to it as annotators of ours.

Where a type stays unknown (a lambda's parameter), the engine's macros decide by the values' own types.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.schema import MappingSchema

from lakewarden.sql import file_columns
from lakewarden.sql.calls import name_of
from lakewarden.sql.functions import FUNCTIONS

D = exp.DType
UNKNOWN = exp.DataType(this=D.UNKNOWN)
WHOLE = {D.TINYINT: 0, D.SMALLINT: 1, D.INT: 2, D.BIGINT: 3, D.INT128: 4}
TEXT = frozenset({D.VARCHAR, D.CHAR, D.TEXT})
STAMPS = frozenset({D.TIMESTAMP, D.TIMESTAMPNTZ, D.DATETIME})
ZONED = frozenset({D.TIMESTAMPTZ, D.TIMESTAMPLTZ})
_DIGITS = {D.TINYINT: 3, D.SMALLINT: 5, D.INT: 10, D.BIGINT: 19}
_MOST_DIGITS = 38


def kind(node: exp.Expression) -> exp.DType:
    """The bare type of an annotated node."""
    found = node.type
    return found.this if isinstance(found, exp.DataType) and isinstance(found.this, exp.DType) else D.UNKNOWN


@lru_cache(maxsize=512)
def built(text: str) -> exp.DataType:
    """A type from Trino's text for it. Shared: never change it."""
    return exp.DataType.build(text, dialect="trino")


def decimal(precision: int, scale: int) -> exp.DataType:
    """``decimal(precision, scale)``, within Trino's 38 digits."""
    return built(f"decimal({max(1, min(_MOST_DIGITS, precision))},{max(0, min(_MOST_DIGITS, scale))})")


def digits(node: exp.Expression) -> tuple[int, int] | None:
    """Precision and scale of a decimal or of what becomes one next to a decimal; None for any other type."""
    of = kind(node)
    if of in _DIGITS:
        return _DIGITS[of], 0
    if of is not D.DECIMAL or node.type is None:
        return None
    numbers = [int(one.name) for one in node.type.expressions if one.name.isdigit()]
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0) if numbers else (_MOST_DIGITS, 0)


def item(of: exp.DataType | None, number: int = 0) -> exp.DataType:
    """The element of an array, or the key (0) and value (1) of a map."""
    parts = of.expressions if isinstance(of, exp.DataType) and of.this in {D.ARRAY, D.LIST, D.MAP} else []
    found = parts[number] if number < len(parts) else None
    return found if isinstance(found, exp.DataType) else UNKNOWN


def field_names(of: exp.DataType | None) -> list[str]:
    """The names of a row's fields; those without one are called field0, field1."""
    parts = of.expressions if isinstance(of, exp.DataType) and of.this is D.STRUCT else []
    return [one.name if isinstance(one, exp.ColumnDef) else f"field{place}" for place, one in enumerate(parts)]


def common(nodes: list[exp.Expression]) -> exp.DataType:
    """The type that all of ``nodes`` become when they meet."""
    found = [node for node in nodes if kind(node) not in {D.NULL}]
    kinds = {kind(node) for node in found}
    if not found or D.UNKNOWN in kinds:
        return UNKNOWN
    if len(kinds) == 1 and D.DECIMAL not in kinds:
        return found[0].type or UNKNOWN
    if kinds <= WHOLE.keys():
        return max(found, key=lambda node: WHOLE[kind(node)]).type or UNKNOWN
    if D.DOUBLE in kinds:
        return built("double")
    if D.FLOAT in kinds:
        return built("real")
    if D.DECIMAL in kinds and kinds <= {D.DECIMAL, *_DIGITS}:
        pairs = [pair for node in found if (pair := digits(node)) is not None]
        scale = max(pair[1] for pair in pairs)
        return decimal(max(pair[0] - pair[1] for pair in pairs) + scale, scale)
    if kinds <= TEXT:
        return built("varchar")
    return (built("timestamp") if kinds <= {D.DATE, *STAMPS} else UNKNOWN) if len(kinds) > 1 else UNKNOWN


def _arithmetic(node: exp.Binary) -> exp.DataType:
    left, right = node.left, node.right
    kinds = {kind(left), kind(right)}
    if D.INTERVAL in kinds and isinstance(node, exp.Mul | exp.Div):
        return exp.DataType(this=D.INTERVAL)
    if D.INTERVAL in kinds or kinds & {D.DATE, *STAMPS, *ZONED}:
        others = [one for one in (left, right) if kind(one) is not D.INTERVAL and not isinstance(one, exp.Interval)]
        return (others[0].type or UNKNOWN) if len(others) == 1 and kind(others[0]) is not D.UNKNOWN else UNKNOWN
    pair = digits(left), digits(right)
    if D.DECIMAL in kinds and pair[0] is not None and pair[1] is not None:
        return _decimal_result(type(node), *pair[0], *pair[1])
    return common([left, right])


def _decimal_result(operator: type, p1: int, s1: int, p2: int, s2: int) -> exp.DataType:
    """Trino's documentation, "Decimal functions and operators"."""
    if operator is exp.Mul:
        return decimal(p1 + p2, s1 + s2)
    if operator is exp.Div:
        return decimal(p1 + s2 + max(0, s2 - s1), max(s1, s2))
    if operator is exp.Mod:
        scale = max(s1, s2)
        return decimal(min(p2 - s2, p1 - s1) + scale, scale)
    scale = max(s1, s2)
    return decimal(max(p1 - s1, p2 - s2) + scale + 1, scale)


def _literal(node: exp.Literal) -> exp.DataType:
    if node.is_string:
        return built("varchar")
    text = node.name
    if "e" in text.lower():
        return built("double")
    whole, point, part = text.partition(".")
    if point:
        return decimal(len(whole.lstrip("0")) + len(part), len(part))
    return (
        built("integer") if int(text) < 1 << 31 else built("bigint") if int(text) < 1 << 63 else decimal(len(text), 0)
    )


def _called(node: exp.Anonymous) -> exp.DataType:
    function = FUNCTIONS.get(name_of(node))
    if function is None:
        return UNKNOWN
    arguments = [_argument(one) for one in node.expressions]
    special = _RESULTS.get(function.name)
    if special is not None and arguments:
        return special(arguments)
    first = arguments[0].type if arguments else None
    simple: Mapping[str, Callable[[], exp.DataType | None]] = {
        "?": lambda: UNKNOWN,
        "same": lambda: first,
        "arg2": lambda: arguments[1].type,
        "common": lambda: common(arguments),
        "element": lambda: item(first, 1 if first is not None and first.this is D.MAP else 0),
        "keys": lambda: _array(item(first, 0)),
        "values": lambda: _array(item(first, 1)),
    }
    found = simple.get(function.returns)
    return (found() if found else built(function.returns)) or UNKNOWN


def _argument(node: exp.Expression) -> exp.Expression:
    """The value inside DISTINCT and ORDER BY."""
    while isinstance(node, exp.Order | exp.Distinct):
        node = node.this if isinstance(node, exp.Order) else node.expressions[0]
    return node


def _array(of: exp.DataType) -> exp.DataType:
    return exp.DataType(this=D.ARRAY, expressions=[of.copy()], nested=True)


def _sum(arguments: list[exp.Expression]) -> exp.DataType:
    of = kind(arguments[0])
    if of in WHOLE:
        return built("bigint")
    pair = digits(arguments[0])
    return decimal(_MOST_DIGITS, pair[1]) if pair else arguments[0].type or UNKNOWN


def _average(arguments: list[exp.Expression]) -> exp.DataType:
    return built("double") if kind(arguments[0]) in WHOLE else arguments[0].type or UNKNOWN


def _numbered(arguments: list[exp.Expression]) -> exp.DataType:
    """``max(x, n)`` and ``max_by(x, y, n)`` give arrays."""
    return arguments[0].type or UNKNOWN


def _whole(arguments: list[exp.Expression]) -> exp.DataType:
    pair = digits(arguments[0])
    if kind(arguments[0]) is not D.DECIMAL or pair is None:
        return arguments[0].type or UNKNOWN
    return decimal(pair[0] - pair[1] + min(1, pair[1]), 0)


def _rounded(arguments: list[exp.Expression]) -> exp.DataType:
    if len(arguments) == 1:
        return _whole(arguments)
    pair = digits(arguments[0])
    return decimal(pair[0] + 1, pair[1]) if kind(arguments[0]) is D.DECIMAL and pair else arguments[0].type or UNKNOWN


def _random(arguments: list[exp.Expression]) -> exp.DataType:
    return arguments[-1].type or UNKNOWN


def _filled(arguments: list[exp.Expression]) -> exp.DataType:
    return built("varbinary") if kind(arguments[0]) is D.VARBINARY else built("varchar")


def _joined(arguments: list[exp.Expression]) -> exp.DataType:
    arrays = [one for one in arguments if kind(one) in {D.ARRAY, D.LIST}]
    return (arrays[0].type or UNKNOWN) if arrays else built("varchar") if kind(arguments[0]) in TEXT else UNKNOWN


_RESULTS: Mapping[str, Callable[[list[exp.Expression]], exp.DataType]] = {
    "sum": _sum,
    "avg": _average,
    "min": lambda a: a[0].type or UNKNOWN if len(a) == 1 else _array(a[0].type or UNKNOWN),
    "max": lambda a: a[0].type or UNKNOWN if len(a) == 1 else _array(a[0].type or UNKNOWN),
    "min_by": lambda a: a[0].type or UNKNOWN if len(a) == 2 else _array(a[0].type or UNKNOWN),
    "max_by": lambda a: a[0].type or UNKNOWN if len(a) == 2 else _array(a[0].type or UNKNOWN),
    "array_agg": lambda a: _array(a[0].type or UNKNOWN),
    "ceil": _whole,
    "ceiling": _whole,
    "floor": _whole,
    "round": _rounded,
    "truncate": lambda a: _whole(a) if len(a) == 1 else a[0].type or UNKNOWN,
    "if": lambda a: common(a[1:]),
    "sign": lambda a: built("decimal(1,0)") if kind(a[0]) is D.DECIMAL else a[0].type or UNKNOWN,
    "rand": _random,
    "random": _random,
    "lpad": _filled,
    "rpad": _filled,
    "concat": _joined,
    "date_add": lambda a: a[2].type or UNKNOWN,
    "repeat": lambda a: _array(a[0].type or UNKNOWN),
    "sequence": lambda a: _array(a[0].type or UNKNOWN),
    "histogram": lambda a: exp.DataType(
        this=D.MAP, expressions=[(a[0].type or UNKNOWN).copy(), built("bigint").copy()], nested=True
    ),
    "array_histogram": lambda a: exp.DataType(
        this=D.MAP, expressions=[item(a[0].type).copy(), built("bigint").copy()], nested=True
    ),
    "map_agg": lambda a: exp.DataType(
        this=D.MAP, expressions=[(a[0].type or UNKNOWN).copy(), (a[1].type or UNKNOWN).copy()], nested=True
    ),
    "approx_percentile": lambda a: a[0].type or UNKNOWN,
}


def _annotator(of: Callable[[Any], exp.DataType | None]) -> dict[str, Any]:
    return {"annotator": lambda annotator, node: annotator._set_type(node, of(node) or UNKNOWN)}


def _case(node: exp.Case) -> exp.DataType:
    results = [one.args["true"] for one in node.args["ifs"]]
    default = node.args.get("default")
    return common([*results, default] if default is not None else results)


def _bracket(node: exp.Bracket) -> exp.DataType:
    of = node.this.type
    return item(of, 1 if isinstance(of, exp.DataType) and of.this is D.MAP else 0)


_BASE = dict(sqlglot.Dialect.get_or_raise("trino").EXPRESSION_METADATA)
_METADATA = {
    **_BASE,
    exp.Anonymous: _annotator(_called),
    exp.Literal: _annotator(_literal),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod), _annotator(_arithmetic)),
    exp.Neg: _annotator(lambda node: node.this.type),
    exp.Paren: _annotator(lambda node: node.this.type),
    exp.Case: _annotator(_case),
    exp.Bracket: _annotator(_bracket),
    exp.Extract: _annotator(lambda _: built("bigint")),
    exp.StrPosition: _annotator(lambda _: built("bigint")),
    exp.AtTimeZone: _annotator(lambda _: built("timestamp with time zone")),
    exp.Filter: _annotator(lambda node: node.this.type),
    exp.Window: _annotator(lambda node: node.this.type),
    exp.IgnoreNulls: _annotator(lambda node: node.this.type),
    exp.RespectNulls: _annotator(lambda node: node.this.type),
    exp.DPipe: _annotator(lambda node: _joined([node.left, node.right])),
    exp.HexString: _annotator(lambda _: built("varbinary")),
}


def catalog(schema: Mapping[str, Mapping[str, str]]) -> MappingSchema:
    """The columns of relations, names as they are, types DuckDB's: for qualifying and annotating alike.

    A star does not stand for the hidden columns among them.
    """
    types = {name: {column: _engine_type(kind) for column, kind in columns.items()} for name, columns in schema.items()}
    starred = {name: [one for one in columns if one not in file_columns.NAMES] for name, columns in schema.items()}
    return MappingSchema(types, visible=starred, dialect="duckdb", normalize=False)


@lru_cache(maxsize=4096)
def _engine_type(text: str) -> exp.DataType:
    return exp.DataType.build(text, dialect="duckdb")


def annotate(tree: exp.Expression, schema: MappingSchema) -> exp.Expression:
    """Give every node of a qualified tree its Trino type."""
    return annotate_types(tree, schema=schema, expression_metadata=_METADATA, dialect="duckdb")
