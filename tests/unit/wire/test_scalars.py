"""Text to values and back: strict where AWS is, and never more than the model's types can hold."""

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from lakewarden.wire.codecs import scalars
from lakewarden.wire.codecs.scalars import Malformed

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("2026-01-02T03:04:05Z", "iso8601"),
        ("2026-01-02T03:04:05", "iso8601"),
        ("2026-01-02T05:04:05+02:00", "iso8601"),
        ("20260102T030405Z", "iso8601"),
        ("Fri, 02 Jan 2026 03:04:05 GMT", "rfc822"),
        ("Fri, 02 Jan 2026 03:04:05 -0000", "rfc822"),
        ("Fri, 02 Jan 2026 04:04:05 +0100", "rfc822"),
        (1767323045, "unixTimestamp"),
        ("1767323045.0", "unixTimestamp"),
    ],
)
def test_times_are_utc_wherever_this_machine_stands(value: Any, form: str) -> None:
    assert scalars.parse_timestamp(value, form) == MOMENT


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("", "iso8601"), ("now", "iso8601"), ("0001-01-01T00:00:00+23:59", "iso8601"), (5, "iso8601"),
        ("", "rfc822"), ("Mon, 99 Foo 2026", "rfc822"), (1e300, "unixTimestamp"), (math.inf, "unixTimestamp"),
        (math.nan, "unixTimestamp"), ("x", "unixTimestamp"), (10**400, "unixTimestamp"),
    ],
)  # fmt: skip
def test_times_that_are_none(value: Any, form: str) -> None:
    with pytest.raises(Malformed):
        scalars.parse_timestamp(value, form)


@pytest.mark.parametrize("form", ["iso8601", "rfc822", "unixTimestamp"])
def test_times_are_written_as_they_are_read(form: str) -> None:
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=5)))
    assert scalars.parse_timestamp(scalars.format_timestamp(elsewhere, form), form) == MOMENT


@pytest.mark.parametrize("value", [0.0, -1.5, 1e300, 1e-7, math.inf, -math.inf])
def test_numbers_are_written_as_they_are_read(value: float) -> None:
    assert scalars.parse_float(scalars.format_float(value)) == value
    assert math.isnan(scalars.parse_float(scalars.format_float(math.nan)))


@pytest.mark.parametrize("text", ["", " 1", "1 ", "1_0", "0x1", "١", "1.0", "1e3", "--1", "9" * 21])
def test_integers_that_are_none(text: str) -> None:
    with pytest.raises(Malformed):
        scalars.parse_integer(text)


@pytest.mark.parametrize("text", ["", "nan", "inf", "1_0.0", "1e", ".", "0x1p3", "1e99999", "1e9999", "١"])
def test_floats_that_are_none(text: str) -> None:
    with pytest.raises(Malformed):
        scalars.parse_float(text)


@pytest.mark.parametrize(("kind", "bits"), [("integer", 31), ("long", 63)])
def test_integers_fit_their_type(kind: str, bits: int) -> None:
    for value in (-(2**bits), 2**bits - 1):
        assert scalars.in_range(kind, value) == value
    for value in (-(2**bits) - 1, 2**bits):
        with pytest.raises(Malformed):
            scalars.in_range(kind, value)


@pytest.mark.parametrize("text", ["?", "A", "AA", "AAA", "AA==A", "é", "A A="])
def test_blobs_that_are_none(text: str) -> None:
    with pytest.raises(Malformed):
        scalars.parse_blob(text)
