"""Time travel: ``FOR TIMESTAMP AS OF`` and ``FOR VERSION AS OF`` (Athena User Guide, "Time travel and version travel"). Pure.

A version is a text for the engine: ``snapshot 123``, ``time 1714557600000`` (milliseconds), or ``ago 86400000``.
"""

from datetime import UTC, datetime

from sqlglot import exp

from lakewarden.sql.errors import SqlError, Unsupported

_UNITS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86_400, "WEEK": 604_800}


def version_of(table: exp.Table) -> str:
    """The version that a table is asked for at; empty for the present one. Raises :class:`SqlError`."""
    version = table.args.get("version")
    if version is None:
        return ""
    kind, value = str(version.this).upper(), version.args.get("expression")
    if str(version.args.get("kind") or "").upper() != "AS OF" or not isinstance(value, exp.Expression):
        raise Unsupported("This kind of time travel")
    if kind == "VERSION":
        if not isinstance(value, exp.Literal) or value.is_string or not value.name.isdigit() or len(value.name) > 19:
            raise Unsupported("FOR VERSION AS OF anything but a snapshot's id")
        return f"snapshot {value.name}"
    if kind != "TIMESTAMP":
        raise Unsupported("This kind of time travel")
    return _moment(value)


def _moment(value: exp.Expression) -> str:
    if isinstance(value, exp.Paren):
        return _moment(value.this)
    if isinstance(value, exp.CurrentTimestamp):
        return "ago 0"
    if isinstance(value, exp.Sub) and isinstance(value.left, exp.CurrentTimestamp):
        return f"ago {_milliseconds(value.right)}"
    if isinstance(value, exp.Cast) and isinstance(value.this, exp.Literal) and value.this.is_string:
        return f"time {round(_parsed(value.this.name).timestamp() * 1000)}"
    raise Unsupported("FOR TIMESTAMP AS OF anything but a literal, or current_timestamp less an interval,")


def _milliseconds(value: exp.Expression) -> int:
    unit = str(value.args.get("unit") or "").upper().removesuffix("S") if isinstance(value, exp.Interval) else ""
    amount = value.this.name if unit in _UNITS and isinstance(value.this, exp.Literal) else ""
    if not amount.isascii() or not amount.isdigit() or len(amount) > 9:
        raise Unsupported("This interval of time travel")
    return int(amount) * _UNITS[unit] * 1000


def _parsed(text: str) -> datetime:
    """``2024-05-01 10:00:00[.000][+02:00| UTC]``; without a zone it is UTC. Other names of zones are refused."""
    head, _, rest = text.strip().partition(" ")
    time, _, zone = rest.partition(" ")
    if zone.upper() not in {"", "UTC", "Z"}:
        raise Unsupported("A named time zone in time travel")
    try:
        moment = datetime.fromisoformat(f"{head}T{time or '00:00:00'}")
    except ValueError:
        raise SqlError("INVALID_LITERAL: Not a timestamp of time travel") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
