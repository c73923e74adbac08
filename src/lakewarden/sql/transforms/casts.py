"""CAST and TRY_CAST as Trino does them."""

import re

from sqlglot import exp

from lakewarden.sql.errors import Unsupported
from lakewarden.sql.transforms import zones
from lakewarden.sql.transforms.as_text import as_text
from lakewarden.sql.transforms.build import call, cast, cast_to, text
from lakewarden.sql.types import STAMPS, TEXT, WHOLE, ZONED, D, kind

_ZONE = re.compile(
    r"\s*(\d+-\d+-\d+)(?:[ T](\d+:\d+)(?::(\d+(?:\.\d+)?))?)?\s*(Z|[+-]\d\d(?::?\d\d)?|[A-Za-z][\w/+-]*)\s*"
)
_ALLOWED = (
    frozenset({D.BOOLEAN, D.DATE, D.TIME, D.DECIMAL, D.DOUBLE, D.FLOAT, D.VARBINARY, D.JSON, D.UUID, D.INTERVAL})
    | frozenset({D.ARRAY, D.LIST, D.MAP, D.STRUCT})
    | WHOLE.keys() - {D.INT128}
    | TEXT
    | STAMPS
    | ZONED
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_PATTERNS = {D.DATE: "t_cast_date", D.BOOLEAN: "t_cast_boolean"}


def prepare(tree: exp.Expression) -> None:
    """A timestamp literal with a zone is a timestamp with time zone; a bare ``decimal '1.50'`` has its digits' type."""
    for node in tree.find_all(exp.Cast):
        value = node.this
        if not isinstance(value, exp.Literal) or not value.is_string:
            continue
        zoned = _ZONE.fullmatch(value.name) if node.to.this in STAMPS | ZONED else None
        if zoned is not None:
            day, time, second, zone = zoned.groups()
            gap = " " if zone[0].isalpha() and zone != "Z" else ""
            node.set("this", text(f"{day} {time or '00:00'}:{second or '00'}{gap}{zone}"))
            node.set("to", exp.DataType(this=D.TIMESTAMPTZ))
        elif node.to.this is D.DECIMAL and not node.to.expressions:
            whole, _, part = value.name.strip().lstrip("+-").partition(".")
            if (whole + part).isdigit():
                size = max(1, len(whole.lstrip("0") + part))
                node.set("to", exp.DataType.build(f"DECIMAL({size},{len(part)})", dialect="duckdb"))


def rewrite(node: exp.Expression) -> exp.Expression:
    """``CAST(x AS t)`` and ``TRY_CAST(x AS t)``."""
    made = _zoned(node) or _cast(node.this, node.args["to"])
    return call("try", made) if isinstance(node, exp.TryCast) else made


def _zoned(node: exp.Expression) -> exp.Expression | None:
    """A timestamp literal that names its zone, and the clock of a timestamp that has one."""
    value, to = node.this, node.args["to"]
    if kind(value) in ZONED and to.this in {D.DATE, D.TIME, *STAMPS}:
        return cast_to(zones.local(value), engine_type(to))
    if to.this is not D.TIMESTAMPTZ or not isinstance(value, exp.Literal) or not value.is_string:
        return None
    zoned = _ZONE.fullmatch(value.name)
    return zones.with_zone(cast_to(value, to), text(zoned.group(4)), node) if zoned is not None else None


def _cast(value: exp.Expression, to: exp.DataType) -> exp.Expression:
    target, source = to.this, kind(value)
    for part in to.find_all(exp.DataType):
        if part.this not in _ALLOWED:
            raise Unsupported(f"The type {part.sql('trino')[:40]}")
    if target in TEXT:
        return _to_text(value, to)
    if target is D.JSON:
        return call("to_json", value)
    if source is D.JSON and target in WHOLE | {D.DOUBLE: 0, D.FLOAT: 0, D.BOOLEAN: 0, D.DECIMAL: 0}.keys():
        return cast_to(call("json_extract_string", value, text("$")), engine_type(to))
    if target in WHOLE and source not in WHOLE:
        return cast_to(_to_whole(value, source), engine_type(to))
    if source in TEXT and target in _PATTERNS:
        plain = target is D.DATE and isinstance(value, exp.Literal) and _DATE.fullmatch(value.name)
        return cast_to(value, to) if plain else call(_PATTERNS[target], value)
    if source in TEXT and target in {D.DOUBLE, D.FLOAT, D.DECIMAL}:
        return cast_to(call("t_number_text", value), engine_type(to))
    if target is D.DECIMAL and not to.expressions:
        return cast(value, "DECIMAL(38,0)")
    if target is D.VARBINARY and source in TEXT:
        return call("encode", value)
    if isinstance(value, exp.Struct) and target is D.STRUCT:
        return _row(value, to)
    return cast_to(value, engine_type(to))


def engine_type(to: exp.DataType) -> exp.DataType:
    """DuckDB's type for one of Trino's: no precision on timestamps, no length on text, bare decimals of 38 digits."""
    made = to.copy()
    for part in list(made.find_all(exp.DataType)):
        if part.this in STAMPS | ZONED | TEXT | {D.TIME}:
            part.set("expressions", [])
        if part.this is D.CHAR:
            part.set("this", D.VARCHAR)
        elif part.this is D.DECIMAL and not part.expressions:
            part.set("expressions", exp.DataType.build("DECIMAL(38,0)", dialect="duckdb").expressions)
        elif part.this is D.TIMESTAMPLTZ:
            part.set("this", D.TIMESTAMPTZ)
    return made


def _to_whole(value: exp.Expression, source: exp.DType) -> exp.Expression:
    """Text must be digits and a sign; fractions round half up, away from zero."""
    if source in TEXT:
        return call("t_whole_text", value)
    return call("round", value) if source in {D.DOUBLE, D.FLOAT, D.DECIMAL} else value


def _to_text(value: exp.Expression, to: exp.DataType) -> exp.Expression:
    source = kind(value)
    size = to.expressions[0].name if to.expressions else ""
    made = as_text(value)
    if not size.isdigit():
        return made
    if to.this is D.CHAR:
        return call("rpad", made, cast(text(size), "INTEGER"), text(" "))
    if source in TEXT or source is D.JSON:
        return call("left", made, cast(text(size), "BIGINT"))
    return call("t_fitting", made, cast(text(size), "BIGINT"))


def _row(value: exp.Struct, to: exp.DataType) -> exp.Expression:
    """A row literal cast to a row type: fields by position, each cast to its type."""
    fields = [one for one in to.expressions if isinstance(one, exp.ColumnDef)]
    values = [one.expression if isinstance(one, exp.PropertyEQ) else one for one in value.expressions]
    if len(fields) != len(values) or any(field.kind is None for field in fields):
        raise Unsupported("This cast to a row")
    return exp.Struct(
        expressions=[
            exp.PropertyEQ(this=exp.to_identifier(field.name, quoted=True), expression=_cast(one, field.kind))
            for field, one in zip(fields, values, strict=True)
        ]
    )
