"""A value as CAST(x AS varchar) writes it."""

from sqlglot import exp

from lakewarden.sql.errors import Unsupported
from lakewarden.sql.transforms import zones
from lakewarden.sql.transforms.build import call, cast, text
from lakewarden.sql.types import STAMPS, TEXT, WHOLE, ZONED, D, kind

_PLAIN = frozenset({*WHOLE, D.DECIMAL, D.BOOLEAN, D.DATE, D.UUID, D.NULL})
_MACROS = {D.DOUBLE: "t_double_text", D.TIME: "t_time_text", D.INTERVAL: "t_interval_text"}


def as_text(value: exp.Expression) -> exp.Expression:
    """The text of ``value`` by its type; of an unknown type, as the engine writes it."""
    of = kind(value)
    if of in TEXT:
        return value
    if of in _PLAIN:
        return cast(value, "VARCHAR")
    if of in _MACROS:
        return call(_MACROS[of], value)
    if of is D.FLOAT:
        return call("t_double_text", cast(cast(value, "VARCHAR"), "DOUBLE"))
    if of in STAMPS:
        return call("strftime", value, text("%Y-%m-%d %H:%M:%S.%g"))
    if of in ZONED:
        return zones.as_text(value)
    if of is D.JSON:
        return call("json_extract_string", value, text("$"))
    if of is not D.UNKNOWN:
        raise Unsupported(f"CAST of {of.value.lower()} to varchar")
    return cast(value, "VARCHAR")
