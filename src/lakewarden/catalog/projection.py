"""Where the partitions of a table lie: those that are kept in the catalog, and those that are projected. Pure.

Athena User Guide, "Partition projection": enum, integer, date and injected keys, and ``storage.location.template``.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, product

from lakewarden.catalog.errors import InvalidInputException
from lakewarden.catalog.model import PartitionRecord
from lakewarden.catalog.partition_filter import is_number
from lakewarden.kernel.lake import Table, Wanted

MOST_PARTITIONS = 1_000_000
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_RELATIVE = re.compile(r"NOW\s*(?:([+-])\s*([0-9]{1,6})\s*([A-Z]+?)S?)?", re.IGNORECASE)
_STEP_DAYS = {"SECOND": 1 / 86400, "MINUTE": 1 / 1440, "HOUR": 1 / 24, "DAY": 1.0, "WEEK": 7.0}
_JAVA = (
    ("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S"), ("'T'", "T"), ("'", ""),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """A partition's values, in key order, and where its files lie."""

    values: tuple[str, ...]
    location: str


def is_projected(table: Table) -> bool:
    """Whether partitions are calculated, and those in the catalog left aside."""
    return table.parameters.get("projection.enabled", "").strip().lower() == "true"


def kept_sources(table: Table, records: Iterable[PartitionRecord], wanted: Wanted) -> Iterator[Source]:
    """The partitions of the catalog that ``wanted`` leaves."""
    for record in records:
        if _is_wanted(table, record.values, wanted):
            yield Source(record.values, record.location or hive_location(table, record.values))


def projected_sources(table: Table, wanted: Wanted, now: datetime) -> Iterator[Source]:
    """The calculated partitions that ``wanted`` leaves; raises InvalidInput for what cannot be calculated."""
    choices = [_choices(table, number, wanted, now) for number in range(len(table.partition_keys))]
    if math.prod(map(len, choices)) > MOST_PARTITIONS:
        raise InvalidInputException(f"The table projects more than {MOST_PARTITIONS} partitions; restrict its keys.")
    template = table.parameters.get("storage.location.template", "")
    for values in product(*choices):
        yield Source(values, _filled(template, table, values) if template else hive_location(table, values))


def outside_roots(table: Table) -> frozenset[str]:
    """Every path that the table's own parameters lead to, other than its location.

    INVARIANT (no_escalation): who may set a location only with permission may not set it by a parameter either. Of a
    template counts what stands before its first variable, back to the last slash.
    """
    found = set()
    template = table.parameters.get("storage.location.template", "")
    if template:
        found.add(_VARIABLE.split(template)[0].rpartition("/")[0])
    metadata = table.parameters.get("metadata_location", "")
    if metadata:
        found.add(metadata.rpartition("/")[0])
    return frozenset(found)


def _is_wanted(table: Table, values: Sequence[str], wanted: Wanted) -> bool:
    return all(
        key.name not in wanted or any(_same(key.type, value, one) for one in wanted[key.name])
        for key, value in zip(table.partition_keys, values, strict=False)
    )


def _same(kind: str, one: str, other: str) -> bool:
    if one == other or not is_number(kind):
        return one == other
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def hive_location(table: Table, values: Sequence[str]) -> str:
    """``key=value`` folders below the table's location."""
    parts = (f"{key.name}={value}" for key, value in zip(table.partition_keys, values, strict=False))
    return "/".join((table.location.rstrip("/"), *parts)) + "/"


def _filled(template: str, table: Table, values: Sequence[str]) -> str:
    by_name = dict(zip((key.name for key in table.partition_keys), values, strict=True))

    def value(found: re.Match[str]) -> str:
        name = found.group(1).lower()
        if name not in by_name:
            raise InvalidInputException(f"storage.location.template names {name[:100]}, which is no partition key.")
        return by_name[name]

    return _VARIABLE.sub(value, template)


def _choices(table: Table, number: int, wanted: Wanted, now: datetime) -> list[str]:
    key = table.partition_keys[number]
    said = {
        name.rpartition(".")[2].lower(): value
        for name, value in table.parameters.items()
        if name.lower().startswith(f"projection.{key.name}.") and name.count(".") == 2
    }
    unit = table.parameters.get(f"projection.{key.name}.interval.unit", "")
    kind = said.get("type", "").lower()
    if kind == "injected":
        if key.name not in wanted:
            raise InvalidInputException(
                f"CONSTRAINT_VIOLATION: For the injected projected partition column {key.name}, the WHERE clause must "
                "contain only static equality conditions, and at least one such condition must be present."
            )
        # A value that could climb out of the table's own paths is none that a partition has.
        return sorted(one for one in wanted[key.name] if one and "/" not in one)
    if kind == "enum":
        values = [value.strip() for value in said.get("values", "").split(",")]
    elif kind == "integer":
        values = _integers(key.name, said)
    elif kind == "date":
        values = _dates(key.name, said, unit, now)
    else:
        raise InvalidInputException(f"projection.{key.name}.type is invalid.")
    if key.name not in wanted:
        return values
    return [value for value in values if any(_same(key.type, value, one) for one in wanted[key.name])]


def _range(name: str, said: Mapping[str, str]) -> tuple[str, str]:
    first, comma, last = said.get("range", "").partition(",")
    if not comma:
        raise InvalidInputException(f"projection.{name}.range is invalid.")
    return first.strip(), last.strip()


def _integers(name: str, said: Mapping[str, str]) -> list[str]:
    first, last = _range(name, said)
    try:
        low, high, step = int(first), int(last), int(said.get("interval", "1"))
        digits = int(said.get("digits", "0"))
    except ValueError as error:
        raise InvalidInputException(f"projection.{name}.range is invalid.") from error
    if step < 1 or not 0 <= digits <= 100 or (high - low) // step > MOST_PARTITIONS:
        raise InvalidInputException(f"projection.{name} is out of range.")
    return [str(value).zfill(digits) for value in range(low, high + 1, step)]


def _dates(name: str, said: Mapping[str, str], unit: str, now: datetime) -> list[str]:
    form = _python_form(name, said.get("format", ""))
    first, last = _range(name, said)
    start, end = _moment(name, first, form, now), _moment(name, last, form, now)
    step = said.get("interval", "1")
    unit = (unit or ("DAYS" if "%d" in form else "MONTHS" if "%m" in form else "YEARS")).upper().removesuffix("S")
    if unit not in {*_STEP_DAYS, "MONTH", "YEAR"}:
        raise InvalidInputException(f"projection.{name}.interval.unit is invalid.")
    if not step.isdigit() or not 1 <= int(step) <= MOST_PARTITIONS:
        raise InvalidInputException(f"projection.{name}.interval is invalid.")
    moments = _steps(name, start, end, int(step), unit)
    texts = [moment.strftime(form) for moment in islice(moments, MOST_PARTITIONS + 1)]
    return list(dict.fromkeys(texts))


def _steps(name: str, start: datetime, end: datetime, step: int, unit: str) -> Iterator[datetime]:
    moment = start
    while moment <= end:
        yield moment
        try:
            moment = _later(moment, step, unit)
        except (OverflowError, ValueError, KeyError) as error:
            raise InvalidInputException(f"projection.{name}.interval is invalid.") from error


def _later(moment: datetime, step: int, unit: str) -> datetime:
    if unit in {"MONTH", "YEAR"}:
        months = moment.year * 12 + moment.month - 1 + step * (12 if unit == "YEAR" else 1)
        return moment.replace(year=months // 12, month=months % 12 + 1, day=1)
    return moment + timedelta(days=_STEP_DAYS[unit] * step)


def _moment(name: str, text: str, form: str, now: datetime) -> datetime:
    relative = _RELATIVE.fullmatch(text)
    try:
        if relative is None:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the partitions of a table name no zone
        plain = now.replace(tzinfo=None)
        if relative.group(1) is None:
            return plain
        amount = int(relative.group(2)) * (1 if relative.group(1) == "+" else -1)
        return _later(plain, amount, relative.group(3).upper())
    except (ValueError, KeyError, OverflowError) as error:
        raise InvalidInputException(f"projection.{name}.range is invalid.") from error


def _python_form(name: str, java: str) -> str:
    """A Java date pattern as Python's; raises for letters that are not offered."""
    if not java:
        raise InvalidInputException(f"projection.{name}.format is needed.")
    form = java.replace("%", "%%")
    for theirs, ours in _JAVA:
        form = form.replace(theirs, ours)
    if re.search(r"(?<!%)[A-Za-z]", form.replace("T", "")):
        raise InvalidInputException(f"projection.{name}.format is not supported.")
    return form
