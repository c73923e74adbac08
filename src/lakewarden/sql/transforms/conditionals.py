"""IF, TRY and typeof."""

from sqlglot import exp

from lakewarden.sql.errors import Unsupported
from lakewarden.sql.transforms.build import Calls, arguments_of, call, either, text
from lakewarden.sql.types import D, kind


def _if(node: exp.Expression) -> exp.Expression:
    condition, then, *rest = arguments_of(node)
    return either(condition, then, rest[0] if rest else None)


def _try(node: exp.Expression) -> exp.Expression:
    """TRY gives null where its argument fails. It looks at rows, so it takes no aggregate, as in Trino's plans."""
    return call("try", arguments_of(node)[0])


def _typeof(node: exp.Expression) -> exp.Expression:
    of = arguments_of(node)[0]
    if kind(of) is D.UNKNOWN or of.type is None:
        raise Unsupported("typeof of this expression")
    return text(type_name(of.type))


def type_name(of: exp.DataType) -> str:
    """A type in Trino's words."""
    names = {D.INT: "integer", D.TEXT: "varchar", D.FLOAT: "real", D.NULL: "unknown"}
    if of.this in names:
        return names[of.this]
    return str(of.sql(dialect="trino")).lower().replace('"', "").replace(", ", ",")


CALLS: Calls = {"if": _if, "try": _try, "typeof": _typeof}
