"""AWS's cron expressions: ``cron(minutes hours day-of-month month day-of-week year)``, in UTC. Pure.

Glue Developer Guide, "Time-based schedules for jobs and crawlers".
"""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice, pairwise

from lakewarden.catalog.errors import InvalidInputException

_FORM = re.compile(r"cron\(\s*(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s*\)")
_PART = re.compile(r"(\*|[0-9A-Z]+)(?:-([0-9A-Z]+))?(?:/([0-9]{1,4}))?")
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_CLOSEST_MINUTES = 5
_YEARS_AHEAD = 12
"""Whatever comes again at all comes again within so many of the years that are meant: 29 February within eight."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is due. ``day`` tells the days of a year and month."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    day: "Days"
    months: tuple[int, ...]
    years: tuple[int, ...]

    def after(self, moment: datetime) -> datetime | None:
        """The first due moment behind ``moment``; None when there is none any more."""
        start = (moment + timedelta(minutes=1)).replace(second=0, microsecond=0)
        for year in islice((one for one in self.years if one >= start.year), _YEARS_AHEAD):
            for month in self.months:
                if (year, month) < (start.year, start.month):
                    continue
                for day in self.day.of(year, month):
                    for hour in self.hours:
                        for minute in self.minutes:
                            found = datetime(year, month, day, hour, minute, tzinfo=moment.tzinfo)
                            if found >= start:
                                return found
        return None


@dataclass(frozen=True, slots=True)
class Days:
    """The days that are meant: ``numbers`` of the month, or ``weekdays`` (1 is Sunday), or special ones of either.

    ``last`` is the last day of the month, ``last_weekday`` the last working day, ``nearest`` the working day nearest to a
    day; ``nth`` are pairs of a weekday and which one of the month, 0 for its last.
    """

    numbers: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    last: bool = False
    last_weekday: bool = False
    nearest: int = 0
    nth: tuple[tuple[int, int], ...] = ()

    def of(self, year: int, month: int) -> list[int]:
        """The days of one month, in order."""
        length = calendar.monthrange(year, month)[1]
        found = {number for number in self.numbers if number <= length}
        found |= {one for one in range(1, length + 1) if _weekday(year, month, one) in self.weekdays}
        if self.last:
            found.add(length)
        if self.last_weekday:
            found.add(_working(year, month, length, length))
        if 0 < self.nearest <= length:
            found.add(_working(year, month, self.nearest, length))
        for weekday, which in self.nth:
            days = [one for one in range(1, length + 1) if _weekday(year, month, one) == weekday]
            found |= set(days[which - 1 : which] if which else days[-1:])
        return sorted(found)


def schedule_of(text: str) -> Schedule:
    """Read a cron expression; raises InvalidInput for what is none, comes too often, or never."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise _invalid(text)
    minutes, hours, day, month, weekday, year = (part.upper() for part in found.groups())
    if (day == "?") == (weekday == "?"):
        raise InvalidInputException("Schedule: one of day-of-month and day-of-week must be ?.")
    made = Schedule(
        _numbers(text, minutes, 0, 59),
        _numbers(text, hours, 0, 23),
        _days(text, day) if weekday == "?" else _weekdays(text, weekday),
        _numbers(text, month, 1, 12, _MONTHS),
        _numbers(text, year, 1970, 2199),
    )
    around = [*made.minutes, made.minutes[0] + 60]
    if any(later - earlier < _CLOSEST_MINUTES for earlier, later in pairwise(around)):
        raise InvalidInputException(f"Schedule: the minimum precision is {_CLOSEST_MINUTES} minutes.")
    return made


def _days(text: str, field: str) -> Days:
    if field in {"L", "LW"}:
        return Days(last=field == "L", last_weekday=field == "LW")
    if re.fullmatch(r"[0-9]{1,2}W", field):
        return Days(nearest=_number(text, field[:-1], 1, 31, {}))
    return Days(numbers=_numbers(text, field, 1, 31))


def _weekdays(text: str, field: str) -> Days:
    if field == "L":
        return Days(weekdays=(7,))
    special = re.fullmatch(r"([1-7]|[A-Z]{3})(?:#([1-5])|L)", field)
    if special is not None:
        return Days(nth=((_number(text, special.group(1), 1, 7, _WEEKDAYS), int(special.group(2) or 0)),))
    return Days(weekdays=_numbers(text, field, 1, 7, _WEEKDAYS))


def _numbers(text: str, field: str, low: int, high: int, names: Mapping[str, int] | None = None) -> tuple[int, ...]:
    """The numbers that ``field`` lists: ``*``, ``a``, ``a-b``, each with a step, and lists of them."""
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise _invalid(text)
        first, last, step = match.groups()
        begin = low if first == "*" else _number(text, first, low, high, names or {})
        end = high if first == "*" or (step and not last) else begin
        if last:
            end = _number(text, last, low, high, names or {})
        if end < begin or step == "0":
            raise _invalid(text)
        found |= set(range(begin, end + 1, int(step or 1)))
    return tuple(sorted(found))


def _number(text: str, word: str, low: int, high: int, names: Mapping[str, int]) -> int:
    number = int(word) if word.isdigit() else names.get(word, low - 1)
    if not low <= number <= high:
        raise _invalid(text)
    return number


def _weekday(year: int, month: int, day: int) -> int:
    return date(year, month, day).isoweekday() % 7 + 1


def _working(year: int, month: int, day: int, length: int) -> int:
    """The working day nearest to ``day`` within the month."""
    weekday = _weekday(year, month, day)
    if weekday == _WEEKDAYS["SAT"]:
        return day - 1 if day > 1 else day + 2
    if weekday == _WEEKDAYS["SUN"]:
        return day + 1 if day < length else day - 2
    return day


def _invalid(text: str) -> InvalidInputException:
    return InvalidInputException(f"Schedule is no cron expression: {text[:100]}")
