"""What functions, casts and operators take: Trino refuses other types while it analyses, in these words. Pure.

Only types that are known for certain are judged; the rest is the engine's to refuse.
"""

from collections.abc import Callable, Mapping, Sequence

from sqlglot import exp

from lakewarden.sql.calls import name_of
from lakewarden.sql.clauses import meet
from lakewarden.sql.errors import SqlError, TypeMismatch
from lakewarden.sql.positions import position_of, said
from lakewarden.sql.transforms.conditionals import type_name
from lakewarden.sql.types import STAMPS, TEXT, WHOLE, ZONED, D, kind

_FAMILIES: Mapping[exp.DType, str] = {
    **dict.fromkeys(WHOLE, "number"),
    **dict.fromkeys((D.DECIMAL, D.DOUBLE, D.FLOAT), "number"),
    **dict.fromkeys(TEXT, "text"),
    **dict.fromkeys(STAMPS, "timestamp"),
    **dict.fromkeys(ZONED, "zoned"),
    D.DATE: "date", D.TIME: "time", D.BOOLEAN: "boolean", D.VARBINARY: "binary", D.INTERVAL: "interval",
}  # fmt: skip
_INSTANTS = frozenset({"date", "timestamp", "zoned"})
_CASTS: Mapping[str, frozenset[str]] = {
    "number": frozenset({"number", "text", "boolean"}),
    "text": frozenset({"number", "text", "boolean", "date", "timestamp", "zoned", "time", "binary", "interval"}),
    "boolean": frozenset({"boolean", "number", "text"}),
    "date": frozenset({"date", "timestamp", "zoned", "text"}),
    "timestamp": frozenset({"date", "timestamp", "zoned", "time", "text"}),
    "zoned": frozenset({"date", "timestamp", "zoned", "time", "text"}),
    "time": frozenset({"time", "timestamp", "zoned", "text"}),
    "interval": frozenset({"interval", "text"}),
    "binary": frozenset({"binary", "text"}),
}
_NUMBERS = (
    "abs acos asin atan cbrt ceil ceiling cos cosh degrees exp floor ln log2 log10 radians sin sinh sqrt tan tanh sign"
)
_TEXTS = "lower length ltrim rtrim split split_part starts_with strpos regexp_like regexp_extract regexp_extract_all url_decode"
_FIRST: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_NUMBERS.split(), frozenset({"number"})),
    **dict.fromkeys(("sum", "avg"), frozenset({"number", "interval"})),
    **dict.fromkeys(
        ["stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp", "geometric_mean"],
        frozenset({"number"}),
    ),
    **dict.fromkeys(("bool_and", "bool_or", "every", "count_if"), frozenset({"boolean"})),
    **dict.fromkeys(_TEXTS.split(), frozenset({"text", "binary"})),
    **dict.fromkeys(("upper", "trim", "url_encode", "json_parse", "date_parse"), frozenset({"text"})),
    **dict.fromkeys(("substr", "substring", "reverse", "lpad", "rpad"), frozenset({"text", "binary"})),
    "replace": frozenset({"text"}),
    "date_format": _INSTANTS,
}
"""Function -> the families that its first argument may be of."""


def check(tree: exp.Expression, text: str) -> None:
    """Raise the first :class:`SqlError` that Trino's analysis of types finds."""
    for node in tree.walk():
        judge = _JUDGES.get(type(node))
        if judge is not None:
            judge(node, text)


def _check_call(node: exp.Expression, text: str) -> None:
    assert isinstance(node, exp.Anonymous)  # noqa: S101 - for the type checker
    name, arguments = name_of(node), node.expressions
    allowed = _FIRST.get(name)
    if allowed is not None and arguments:
        first = _inside(arguments[0])
        family = _family(first)
        if family is not None and family not in allowed:
            _unexpected(node, name, arguments, text)
    if name == "coalesce":
        _alike(arguments, node, "All COALESCE operands must be the same type or coercible to a common type", text)
    if name == "if" and len(arguments) == 3:
        _boolean(arguments[0], "IF condition must evaluate to a boolean: actual type {}", text)
        if not meet(arguments[1], arguments[2]):
            where = position_of(node, text, name)
            problem = f"Result types for IF must be the same: {_type(arguments[1])}, {_type(arguments[2])}"
            raise TypeMismatch(*where, problem)


def _inside(node: exp.Expression) -> exp.Expression:
    while isinstance(node, exp.Order | exp.Distinct):
        node = node.this if isinstance(node, exp.Order) else node.expressions[0]
    return node


def _unexpected(node: exp.Expression, name: str, arguments: Sequence[exp.Expression], text: str) -> None:
    kinds = ", ".join(_type(_inside(one)) for one in arguments)
    line, column = position_of(node, text, name)
    raise SqlError(f"FUNCTION_NOT_FOUND: line {line}:{column}: Unexpected parameters ({kinds}) for function {name}")


def _check_cast(node: exp.Expression, text: str) -> None:
    if isinstance(node.this, exp.Literal):
        return
    source, target = _family(node.this), _FAMILIES.get(node.args["to"].this)
    if source is not None and target is not None and target not in _CASTS[source]:
        raise TypeMismatch(*position_of(node, text), f"Cannot cast {_type(node.this)} to {type_name(node.args['to'])}")


def _check_logical(node: exp.Expression, text: str) -> None:
    for side in (node.this, node.expression):
        _boolean(side, "Logical expression term must evaluate to a boolean (actual: {})", text)


def _check_not(node: exp.Expression, text: str) -> None:
    _boolean(node.this, "Value of logical NOT expression must evaluate to a boolean (actual: {})", text)


def _check_sign(node: exp.Expression, text: str) -> None:
    if _family(node.this) not in {None, "number", "interval"}:
        raise TypeMismatch(*position_of(node, text), f"Cannot negate {_type(node.this)}")


def _check_field(node: exp.Expression, text: str) -> None:
    if _family(node.this) is not None or kind(node.this) in {D.ARRAY, D.LIST, D.MAP}:
        raise TypeMismatch(*position_of(node, text), f"Expression {said(node.this, text)} is not of type ROW")


def _boolean(node: exp.Expression, problem: str, text: str) -> None:
    if _family(node) not in {None, "boolean"}:
        raise TypeMismatch(*position_of(node, text), problem.format(_type(node)))


def _check_like(node: exp.Expression, text: str) -> None:
    for side, what in ((node.this, "Left side of LIKE expression"), (node.expression, "Pattern for LIKE expression")):
        if _family(side) not in {None, "text"}:
            raise TypeMismatch(*position_of(side, text), f"{what} must evaluate to a varchar (actual: {_type(side)})")


def _check_case(node: exp.Expression, text: str) -> None:
    results = [one.args["true"] for one in node.args["ifs"]]
    default = node.args.get("default")
    found = [*results, default] if default is not None else results
    _alike(found, node, "All CASE results must be the same type or coercible to a common type", text)
    for one in node.args["ifs"] if node.this is None else ():
        _boolean(one.this, "CASE WHEN clause must evaluate to a boolean: actual type {}", text)


def _alike(nodes: Sequence[exp.Expression], around: exp.Expression, problem: str, text: str) -> None:
    for one in nodes[1:]:
        if not meet(nodes[0], one):
            kinds = f"Cannot find common type between {_type(nodes[0])} and {_type(one)}"
            raise TypeMismatch(*position_of(around, text), f"{problem}. {kinds}")


def _check_pipe(node: exp.Expression, text: str) -> None:
    families = _family(node.this), _family(node.expression)
    if None not in families and (families[0] != families[1] or families[0] not in {"text", "binary"}):
        _unexpected(node, "concat", (node.this, node.expression), text)


def _family(node: exp.Expression) -> str | None:
    return _FAMILIES.get(kind(node))


def _type(node: exp.Expression) -> str:
    return type_name(node.type) if node.type is not None else "unknown"


_JUDGES: Mapping[type[exp.Expression], Callable[[exp.Expression, str], None]] = {
    exp.Anonymous: _check_call,
    exp.Cast: _check_cast,
    exp.TryCast: _check_cast,
    exp.And: _check_logical,
    exp.Or: _check_logical,
    exp.Not: _check_not,
    exp.Like: _check_like,
    exp.Case: _check_case,
    exp.Neg: _check_sign,
    exp.Dot: _check_field,
    exp.DPipe: _check_pipe,
}
