"""Dates, times and intervals."""

import re

from sqlglot import exp

from lakewarden.sql.errors import SqlError, Unsupported
from lakewarden.sql.transforms import zones
from lakewarden.sql.transforms.build import Calls, Rewrite, arguments_of, call, cast, literal_text, parenthesised, text
from lakewarden.sql.transforms.zones import local, with_zone
from lakewarden.sql.types import STAMPS, TEXT, ZONED, D, kind

_ENGINE_TYPES = {
    D.DATE: "DATE",
    D.TIME: "TIME",
    **dict.fromkeys(STAMPS, "TIMESTAMP"),
    **dict.fromkeys(ZONED, "TIMESTAMPTZ"),
}
_UNITS = {
    "millisecond": "to_milliseconds", "second": "to_seconds", "minute": "to_minutes", "hour": "to_hours",
    "day": "to_days", "week": "to_weeks", "month": "to_months", "quarter": "to_quarters", "year": "to_years",
}  # fmt: skip
_SMALL = frozenset({"millisecond", "second", "minute", "hour"})
_FIELDS = {
    "YEAR": "t_year", "QUARTER": "t_quarter", "MONTH": "t_month", "WEEK": "t_week", "DAY": "t_day", "DAY_OF_MONTH": "t_day",
    "DAY_OF_WEEK": "t_dow", "DOW": "t_dow", "DAYOFWEEK": "t_dow", "DAY_OF_YEAR": "t_doy", "DOY": "t_doy",
    "DAYOFYEAR": "t_doy", "YEAR_OF_WEEK": "t_yow", "YOW": "t_yow", "HOUR": "t_hour", "MINUTE": "t_minute",
    "SECOND": "t_second", "TIMEZONE_HOUR": "t_timezone_hour", "TIMEZONE_MINUTE": "t_timezone_minute",
}  # fmt: skip


def keep_kind(node: exp.Expression) -> exp.Expression:
    """A date plus or minus an interval stays a date in Trino; DuckDB makes a timestamp of it."""
    operation = type(node)(this=parenthesised(node.this), expression=parenthesised(node.expression))
    if kind(node) is D.DATE and D.INTERVAL in {kind(node.this), kind(node.expression)}:
        return cast(operation, "DATE")
    if isinstance(node, exp.Sub) and kind(node.this) is D.DATE and kind(node.expression) is D.DATE:
        return call("to_days", cast(operation, "INTEGER"))
    return operation


def interval(node: exp.Expression) -> exp.Expression:
    """Trino's interval literals: ``'2' DAY``, ``'1-2' YEAR TO MONTH``, ``'1 02:03:04' DAY TO SECOND``."""
    value = literal_text(node.this, "An interval") if node.this is not None else ""
    unit = node.args.get("unit")
    if isinstance(unit, exp.IntervalSpan):
        return _span(value, unit.name.upper(), unit.expression.name.upper())
    word = unit.name.lower().removesuffix("s") if unit is not None else ""
    if word not in _UNITS or not re.fullmatch(r"\s*[+-]?[0-9]+(\.[0-9]+)?\s*", value):
        raise SqlError(f"INVALID_LITERAL: '{value[:40]}' is not a valid interval literal")
    return call(_UNITS[word], _amount(value.strip(), word))


def _amount(value: str, unit: str) -> exp.Expression:
    if unit == "second":
        return cast(text(value), "DOUBLE")
    if "." in value:
        raise SqlError(f"INVALID_LITERAL: '{value[:40]}' is not a valid interval literal")
    return cast(text(value), "INTEGER")


def _span(value: str, first: str, last: str) -> exp.Expression:
    months = re.fullmatch(r"\s*([+-]?)([0-9]+)-([0-9]+)\s*", value)
    if (first, last) == ("YEAR", "MONTH") and months:
        total = int(months.group(2)) * 12 + int(months.group(3))
        return call("to_months", cast(text(f"{months.group(1)}{total}"), "INTEGER"))
    whole = re.fullmatch(r"\s*([+-]?)(?:([0-9]+) )?([0-9]+)(?::([0-9]+))?(?::([0-9]+(?:\.[0-9]+)?))?\s*", value)
    if first not in {"DAY", "HOUR", "MINUTE"} or whole is None:
        raise SqlError(f"INVALID_LITERAL: '{value[:40]}' is not a valid interval literal")
    parts = [part for part in whole.groups()[1:] if part is not None]
    units = ("DAY", "HOUR", "MINUTE", "SECOND")
    names = units[units.index(first) : units.index(last) + 1] if last in units else ()
    if len(parts) != len(names):
        raise SqlError(f"INVALID_LITERAL: '{value[:40]}' is not a valid interval literal")
    sizes = {"DAY": 86_400, "HOUR": 3_600, "MINUTE": 60, "SECOND": 1}
    seconds = sum(float(part) * sizes[name] for part, name in zip(parts, names, strict=True))
    return call("to_seconds", cast(text(f"{whole.group(1)}{seconds!r}"), "DOUBLE"))


def extract(node: exp.Expression) -> exp.Expression:
    """``extract(field FROM x)``."""
    field = node.this.name.upper()
    if field not in _FIELDS:
        raise Unsupported(f"extract of {field[:30]}")
    return call(_FIELDS[field], local(node.expression))


def _field(macro: str) -> Rewrite:
    def rewrite(node: exp.Expression) -> exp.Expression:
        return call(macro, local(arguments_of(node)[0]))

    return rewrite


def _date(node: exp.Expression) -> exp.Expression:
    value = arguments_of(node)[0]
    return call("t_cast_date", value) if kind(value) in TEXT else cast(local(value), "DATE")


def at_time_zone(node: exp.Expression) -> exp.Expression:
    """``x AT TIME ZONE 'zone'``."""
    return with_zone(_instant(node.this), node.args["zone"], node)


def _at_timezone(node: exp.Expression) -> exp.Expression:
    value, zone = arguments_of(node)
    return with_zone(_instant(value), zone, node)


def _with_timezone(node: exp.Expression) -> exp.Expression:
    """A timestamp as the clock in a zone shows it."""
    value, zone = arguments_of(node)
    return with_zone(zones.instant(cast(value, "TIMESTAMP"), zone), zone, node)


def _instant(node: exp.Expression) -> exp.Expression:
    """The instant itself, without the zone that it came with."""
    found = node if kind(node) in ZONED else exp.AtTimeZone(this=parenthesised(node), zone=text("UTC"))
    return exp.Paren(this=found) if zones.zone_of(found) is None else cast(found, "TIMESTAMPTZ")


def current(name: str, to: str) -> Rewrite:
    """The time at which the statement began, in UTC."""

    def rewrite(_: exp.Expression) -> exp.Expression:
        now = call("now")
        return now if to == "TIMESTAMPTZ" else cast(exp.AtTimeZone(this=now, zone=text("UTC")), to)

    rewrite.__name__ = name
    return rewrite


def refused(what: str) -> Rewrite:
    """A rewrite that refuses."""

    def rewrite(_: exp.Expression) -> exp.Expression:
        raise Unsupported(what)

    return rewrite


def _unit(node: exp.Expression) -> str:
    unit = literal_text(node, "A unit of time").lower()
    if unit not in _UNITS:
        raise SqlError(f"INVALID_FUNCTION_ARGUMENT: '{unit[:40]}' is not a valid Timestamp field")
    return unit


def _date_add(node: exp.Expression) -> exp.Expression:
    unit_node, count, value = arguments_of(node)
    unit = _unit(unit_node)
    if kind(value) is D.DATE and unit in _SMALL:
        raise SqlError(f"INVALID_FUNCTION_ARGUMENT: '{unit}' is not a valid DATE field")
    amount = cast(count, "DOUBLE" if unit in {"second", "millisecond"} else "INTEGER")
    added = exp.Add(this=parenthesised(value), expression=call(_UNITS[unit], amount))
    to = _ENGINE_TYPES.get(kind(value))
    return cast(added, to) if to else added


def _date_diff(node: exp.Expression) -> exp.Expression:
    unit, first, last = arguments_of(node)
    return call("date_sub", text(_unit(unit)), first, last)


def _date_trunc(node: exp.Expression) -> exp.Expression:
    unit_node, value = arguments_of(node)
    unit = _unit(unit_node)
    to = _ENGINE_TYPES.get(kind(value))
    if to == "DATE" and unit in _SMALL:
        raise SqlError(f"INVALID_FUNCTION_ARGUMENT: '{unit}' is not a valid DATE field")
    if to == "TIME":
        raise Unsupported("date_trunc of time")
    zone = zones.zone_of(value)
    if zone is not None:
        return with_zone(zones.instant(call("date_trunc", text(unit), local(value)), zone), zone, node)
    cut = call("date_trunc", text(unit), value)
    return cast(cut, to) if to else cut


def _from_unixtime(node: exp.Expression) -> exp.Expression:
    arguments = arguments_of(node)
    found = call("to_timestamp", cast(arguments[0], "DOUBLE"))
    return with_zone(found, arguments[1], node) if len(arguments) > 1 else found


def _to_iso8601(node: exp.Expression) -> exp.Expression:
    value = arguments_of(node)[0]
    if kind(value) is D.DATE:
        return call("strftime", value, text("%Y-%m-%d"))
    if kind(value) in ZONED:
        utc = exp.AtTimeZone(this=parenthesised(value), zone=text("UTC"))
        return call("strftime", utc, text("%Y-%m-%dT%H:%M:%S.%gZ"))
    return call("strftime", cast(value, "TIMESTAMP"), text("%Y-%m-%dT%H:%M:%S.%g"))


_MYSQL = {
    "a": "%a", "b": "%b", "c": "%-m", "d": "%d", "e": "%-d", "f": "%f", "H": "%H", "h": "%I", "I": "%I", "i": "%M", "j": "%j",
    "k": "%-H", "l": "%-I", "M": "%B", "m": "%m", "p": "%p", "r": "%I:%M:%S %p", "S": "%S", "s": "%S", "T": "%H:%M:%S",
    "v": "%V", "W": "%A", "x": "%G", "Y": "%Y", "y": "%y", "%": "%%",
}  # fmt: skip
_JODA = {
    "yyyy": "%Y", "y": "%Y", "YYYY": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%-m", "dd": "%d",
    "d": "%-d", "EEEE": "%A", "EEE": "%a", "E": "%a", "HH": "%H", "H": "%-H", "hh": "%I", "h": "%-I", "mm": "%M",
    "m": "%-M", "ss": "%S", "s": "%-S", "SSS": "%g", "SSSSSS": "%f", "a": "%p", "DDD": "%j", "D": "%-j", "e": "%u", "xxxx": "%G",
    "ww": "%V",
}  # fmt: skip


def mysql_format(pattern: str) -> str:
    """``date_format``'s directives as strftime's; raises :class:`SqlError` for those that Trino does not have either."""
    made, rest = "", pattern
    while rest:
        if rest[0] != "%" or len(rest) == 1:
            made, rest = made + ("%%" if rest[0] == "%" else rest[0]), rest[1:]
            continue
        letter = rest[1]
        if letter in "DUuVwX":
            raise SqlError(f"INVALID_FUNCTION_ARGUMENT: %{letter} not supported in date format string")
        made, rest = made + _MYSQL.get(letter, letter), rest[2:]
    return made


def joda_format(pattern: str) -> str:
    """``format_datetime``'s letters as strftime's; raises :class:`Unsupported` for what has no counterpart."""
    made, position = "", 0
    for found in re.finditer(r"'((?:[^']|'')*)'|([A-Za-z])\2*", pattern):
        made += pattern[position : found.start()].replace("%", "%%")
        position = found.end()
        if found.group(2) is None:
            made += (found.group(1).replace("''", "'") or "'").replace("%", "%%")
        elif found.group() not in _JODA:
            raise Unsupported(f"The date pattern {found.group()[:20]}")
        else:
            made += _JODA[found.group()]
    return made + pattern[position:].replace("%", "%%")


def _shown(pattern: str, value: exp.Expression) -> exp.Expression:
    if kind(value) in ZONED:
        value = local(value)
    elif kind(value) is not D.UNKNOWN:
        value = cast(value, "TIMESTAMP")
    return call("strftime", value, text(pattern))


def _date_format(node: exp.Expression) -> exp.Expression:
    value, pattern = arguments_of(node)
    return _shown(mysql_format(literal_text(pattern, "A date format")), value)


def _format_datetime(node: exp.Expression) -> exp.Expression:
    value, pattern = arguments_of(node)
    return _shown(joda_format(literal_text(pattern, "A date format")), value)


def _date_parse(node: exp.Expression) -> exp.Expression:
    value, pattern = arguments_of(node)
    return call("strptime", value, text(mysql_format(literal_text(pattern, "A date format"))))


def _parse_datetime(node: exp.Expression) -> exp.Expression:
    value, pattern = arguments_of(node)
    parsed = call("strptime", value, text(joda_format(literal_text(pattern, "A date format"))))
    return exp.AtTimeZone(this=parsed, zone=text("UTC"))


CALLS: Calls = {
    **{name.lower(): _field(macro) for name, macro in _FIELDS.items()},
    "week_of_year": _field("t_week"),
    "millisecond": _field("t_millisecond"),
    "last_day_of_month": _field("t_last_day"),
    "date": _date,
    "date_add": _date_add,
    "date_diff": _date_diff,
    "date_trunc": _date_trunc,
    "date_format": _date_format,
    "date_parse": _date_parse,
    "format_datetime": _format_datetime,
    "parse_datetime": _parse_datetime,
    "from_unixtime": _from_unixtime,
    "to_iso8601": _to_iso8601,
    "at_timezone": _at_timezone,
    "with_timezone": _with_timezone,
    "now": current("now", "TIMESTAMPTZ"),
    "current_timestamp": current("current_timestamp", "TIMESTAMPTZ"),
    "localtimestamp": current("localtimestamp", "TIMESTAMP"),
    "localtime": current("localtime", "TIME"),
    "current_time": refused("current_time (time with time zone)"),
}
