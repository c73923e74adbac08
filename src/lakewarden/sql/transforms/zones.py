"""The zone of a timestamp with time zone.

DuckDB keeps the instant and no zone. So the zone goes beside the expression in the tree, to where it is needed: to what takes
the timestamp apart, and to the result. Where it would be lost on its way, the statement is refused.
"""

import re

from sqlglot import exp

from lakewarden.sql.errors import Unsupported
from lakewarden.sql.transforms.build import call, cast, parenthesised, text
from lakewarden.sql.types import STAMPS, TEXT, ZONED, D, kind

_ZONE = "zone"
_UTC = frozenset({"UTC", "Z", "GMT", "ETC/UTC", "+00:00", "-00:00"})
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?")
_CONSUMING = frozenset(
    {
        "year", "quarter", "month", "week", "week_of_year", "day", "day_of_month", "day_of_week", "dow", "day_of_year", "doy",
        "year_of_week", "yow", "hour", "minute", "second", "millisecond", "date_format", "format_datetime", "date",
        "last_day_of_month", "date_trunc", "to_unixtime",
    }
)  # fmt: skip
_COMPARING = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In, exp.Is)


def with_zone(made: exp.Expression, zone: exp.Expression, place: exp.Expression) -> exp.Expression:
    """``made``, an instant, as a timestamp in ``zone``; it takes the place of ``place``, which must be one that keeps it."""
    if isinstance(zone, exp.Literal) and zone.name.upper() in _UTC:
        return made
    if not _kept(place):
        raise Unsupported("A timestamp with a time zone other than UTC as a value within an expression")
    made.unnest().meta[_ZONE] = zone
    return made


def zone_of(node: exp.Expression) -> exp.Expression | None:
    """The zone that goes with an instant; None for UTC."""
    found = node.unnest().meta.get(_ZONE)
    return found if isinstance(found, exp.Expression) else None


def local(node: exp.Expression) -> exp.Expression:
    """A timestamp with time zone as the clock in its zone shows it; everything else as it is."""
    zone = zone_of(node)
    if zone is not None:
        return _clock(node, zone)
    if kind(node) in ZONED:
        return exp.AtTimeZone(this=parenthesised(node), zone=text("UTC"))
    return call("t_local", node) if kind(node) is D.UNKNOWN else node


def _clock(node: exp.Expression, zone: exp.Expression) -> exp.Expression:
    offset = _OFFSET.fullmatch(zone.name) if isinstance(zone, exp.Literal) else None
    if offset is None:
        return exp.AtTimeZone(this=parenthesised(node), zone=zone.copy())
    minutes = (int(offset.group(2)) * 60 + int(offset.group(3) or 0)) * (-1 if offset.group(1) == "-" else 1)
    utc = exp.AtTimeZone(this=parenthesised(node), zone=text("UTC"))
    return exp.Paren(this=exp.Add(this=utc, expression=call("to_minutes", cast(text(str(minutes)), "INTEGER"))))


def instant(clock: exp.Expression, zone: exp.Expression) -> exp.Expression:
    """The instant at which the clock in ``zone`` shows ``clock``; the inverse of :func:`local`."""
    offset = _OFFSET.fullmatch(zone.name) if isinstance(zone, exp.Literal) else None
    if offset is None:
        return exp.AtTimeZone(this=parenthesised(clock), zone=zone.copy())
    minutes = (int(offset.group(2)) * 60 + int(offset.group(3) or 0)) * (-1 if offset.group(1) == "-" else 1)
    shifted = exp.Sub(this=parenthesised(clock), expression=call("to_minutes", cast(text(str(minutes)), "INTEGER")))
    return exp.AtTimeZone(this=exp.Paren(this=shifted), zone=text("UTC"))


def as_text(node: exp.Expression) -> exp.Expression:
    """``2020-01-01 01:00:00.000 Europe/Paris``."""
    zone = zone_of(node) or text("UTC")
    shown = call("strftime", local(node), text("%Y-%m-%d %H:%M:%S.%g "))
    return exp.Paren(this=exp.DPipe(this=shown, expression=parenthesised(zone.copy())))


def finished(tree: exp.Expression) -> exp.Expression:
    """The outermost query with the zones of its results beside them, as the engine's worker writes them."""
    for item in tree.expressions if isinstance(tree, exp.Select) else ():
        value = item.this if isinstance(item, exp.Alias) else item
        zone = zone_of(value)
        if zone is not None:
            parts = {"$instant": value.copy(), "$local": local(value.copy()), "$zone": cast(zone.copy(), "VARCHAR")}
            value.replace(
                exp.Struct(
                    expressions=[
                        exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=part)
                        for name, part in parts.items()
                    ]
                )
            )
    return tree


def _kept(node: exp.Expression) -> bool:
    """Whether what stands around ``node`` asks for its zone, or for its instant alone."""
    while isinstance(node.parent, exp.Paren):
        node = node.parent
    parent = node.parent
    if isinstance(parent, exp.Alias):
        node, parent = parent, parent.parent
    if isinstance(parent, exp.Select):
        return parent.parent is None and node.arg_key == "expressions" and not parent.args.get("distinct")
    if isinstance(parent, exp.Cast):
        return parent.to.this in {D.DATE, D.TIME, *STAMPS, *TEXT}
    if isinstance(parent, exp.Anonymous):
        return parent.name.removeprefix("$") in _CONSUMING
    return isinstance(parent, (exp.Extract, exp.AtTimeZone, *_COMPARING))
