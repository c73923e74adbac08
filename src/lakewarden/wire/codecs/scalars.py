"""Timestamps, numbers, booleans and blobs: text to value and back, strictly."""

import base64
import binascii
import calendar
import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from botocore.model import Shape

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_RANGES = {"integer": 2**31, "long": 2**63}
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Malformed(ValueError):
    """A value that is not of its shape's type; the text says which, without the value."""


def timestamp_format(shape: Shape, default: str) -> str:
    """The model's ``timestampFormat`` of ``shape``, or the protocol's ``default`` for its place."""
    return str(shape.serialization.get("timestampFormat", default))


def parse_text(shape: Shape, text: str, timestamps: str) -> Any:
    """The value of scalar ``shape`` written as ``text``; raises :class:`Malformed`."""
    kind = shape.type_name
    if kind in {"string", "char"}:
        return text
    if kind in _RANGES:
        return in_range(kind, parse_integer(text))
    if kind in {"float", "double"}:
        return parse_float(text)
    if kind == "boolean":
        if text not in {"true", "false"}:
            raise Malformed("expected true or false")
        return text == "true"
    if kind == "timestamp":
        return parse_timestamp(text, timestamp_format(shape, timestamps))
    if kind == "blob":
        return parse_blob(text)
    raise Malformed(f"expected {kind}, found text")


def format_text(shape: Shape, value: Any, timestamps: str) -> str:
    """``value`` of scalar ``shape`` as text."""
    kind = shape.type_name
    if kind == "boolean":
        return "true" if value else "false"
    if kind in {"float", "double"}:
        return format_float(value)
    if kind == "timestamp":
        return str(format_timestamp(value, timestamp_format(shape, timestamps)))
    if kind == "blob":
        return format_blob(value)
    return str(value)


def parse_integer(text: str) -> int:
    """Decimal digits with an optional sign, at most 20 of them."""
    if not _INTEGER.fullmatch(text):
        raise Malformed("expected an integer")
    return int(text)


def in_range(kind: str, value: int) -> int:
    """``value``, which must fit the 32 bits of an ``integer`` or the 64 of a ``long``."""
    if not -_RANGES[kind] <= value < _RANGES[kind]:
        raise Malformed(f"expected {kind}, found a larger number")
    return value


def parse_float(text: str) -> float:
    """A decimal number, or NaN, Infinity, -Infinity."""
    if text in _SPECIAL:
        return _SPECIAL[text]
    if not _NUMBER.fullmatch(text):
        raise Malformed("expected a number")
    return finite(float(text))


def finite(value: float) -> float:
    """``value``, unless its digits said more than a double can hold."""
    if math.isinf(value):
        raise Malformed("expected a number, found a larger one")
    return value


def format_float(value: float) -> str:
    """The shortest text that reads back as the same number."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(float(value))


def parse_timestamp(value: str | float, form: str) -> datetime:
    """``form`` is ``iso8601``, ``rfc822`` or ``unixTimestamp``; the answer is aware, in UTC."""
    try:
        if form == "unixTimestamp":
            seconds = value if isinstance(value, int | float) else parse_float(value)
            return _EPOCH + timedelta(microseconds=round(float(seconds) * 1_000_000))
        if not isinstance(value, str):
            raise Malformed("expected a date")
        parsed = parsedate_to_datetime(value) if form == "rfc822" else datetime.fromisoformat(value.strip())
        # A time without a zone is UTC, never this machine's.
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError) as error:
        raise Malformed("expected a timestamp") from error


def format_timestamp(value: datetime, form: str) -> str | float:
    """Text, or seconds since the epoch for ``unixTimestamp`` (whole numbers stay whole)."""
    value = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if form == "unixTimestamp":
        whole = calendar.timegm(value.utctimetuple())
        return whole + value.microsecond / 1_000_000 if value.microsecond else whole
    if form == "rfc822":
        return format_datetime(value.replace(microsecond=0), usegmt=True)
    text = value.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return f"{text}.{value.microsecond:06d}Z" if value.microsecond else f"{text}Z"


def parse_blob(text: str) -> bytes:
    """Strict base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("expected base64") from error


def format_blob(value: bytes | str) -> str:
    """Base64 of bytes; text is taken as UTF-8."""
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode("ascii")
