"""Dates as documents write them: whole, or only a month or a year; never filled in.

"May 1950" is a month of 1950, not a day of it. Forms whose reading is a guess ("5/12/1950") are
refused. Years before 1 are numbered as astronomers do (1 BC is 0), so that differences are right.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

from centerlm.errors import SourceError

_MONTH_NAMES = {
    name.lower(): number
    for number in range(1, 13)
    for name in (calendar.month_name[number], calendar.month_abbr[number])
} | {"sept": 9}
MONTH_PATTERN = "(?:" + "|".join(sorted(_MONTH_NAMES, key=len, reverse=True)) + r")\b\.?"

_YEAR = r"(?P<year>\d{1,4})"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_MONTH = f"(?P<month>{MONTH_PATTERN})"
_ERA = r"(?:\s*(?P<era>a\.?d\.?|c\.?e\.?|b\.?c\.?(?:e\.?)?))?"
_CIRCA = r"(?P<circa>(?:circa|c\.|c|ca\.|ca|about|around|approximately)\s*)?"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})(?:[T ]\d{2}:\d{2}[\d:.]*(?:Z|[+-][\d:]+)?"
        r")?",
        rf"{_DAY}(?:\s+of)?\s+{_MONTH},?\s*{_YEAR}{_ERA}",
        rf"{_MONTH}\s+{_DAY},?\s+{_YEAR}{_ERA}",
        rf"{_MONTH},?\s*(?:of\s+)?(?P<year>\d{{3,4}}){_ERA}",
        r"(?P<year>\d{4})-(?P<month>\d{2})",
        rf"{_CIRCA}(?P<year>\d{{3,4}})",
        rf"{_CIRCA}{_YEAR}\s*(?P<era>a\.?d\.?|c\.?e\.?|b\.?c\.?(?:e\.?)?)",
        rf"{_CIRCA}(?P<era>ad)\s+{_YEAR}",
        r"(?P<first>\d{1,2})[/.](?P<second>\d{1,2})[/.](?P<year>\d{4})",
    )
)
_BEFORE = re.compile(
    r"^(?:(?:born|died|on|in|since|the year|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b,?\s*)+",
    re.IGNORECASE,
)
_AFTER = re.compile(r"\s*\([^()]*\)$|\.$")


@dataclass(frozen=True, slots=True)
class Moment:
    """A date of known precision: year (..0 is 1 BC, 1 is AD 1..), month 1-12, day 1-31."""

    year: int
    month: int | None = None
    day: int | None = None
    circa: bool = False

    @property
    def first(self) -> tuple[int, int, int]:
        """Its first day as (year, month, day)."""
        return self.year, self.month or 1, self.day or 1

    @property
    def last(self) -> tuple[int, int, int]:
        """Its last day as (year, month, day); every month counts 31 days here."""
        return self.year, self.month or 12, self.day or 31

    def as_date(self) -> date:
        """The calendar day.

        Raises:
            SourceError: it has no day, or its year is not 1..9999.
        """
        if self.month is None or self.day is None:
            raise SourceError(f"{self} is not a full date: it has no day")
        if not 1 <= self.year <= 9999:
            raise SourceError(f"{self} is outside the years 1 to 9999")
        return date(self.year, self.month, self.day)

    def __str__(self) -> str:
        year = str(self.year) if self.year > 0 else f"{1 - self.year} BC"
        if self.month is None:
            return f"c. {year}" if self.circa else year
        name = calendar.month_name[self.month]
        return f"{name} {year}" if self.day is None else f"{self.day} {name} {year}"


def from_date(day: date) -> Moment:
    return Moment(day.year, day.month, day.day)


def parse_moment(text: str) -> Moment | None:
    """Read "12 May 1950", "May 12, 1950", "1950-05-12", "May 1950", "c. 1450", "44 BC" or "1950".

    None where the text is no date at all.

    Raises:
        SourceError: it is a date that cannot exist, or one that can be read in two ways.
    """
    text = _AFTER.sub("", _BEFORE.sub("", text.strip())).strip()
    if len(text) > 60:
        return None
    for form in _FORMS:
        if match := form.fullmatch(text):
            return _moment(text, match.groupdict())
    return None


def _moment(text: str, parts: dict[str, str | None]) -> Moment:
    year = int(parts.get("year") or 0)
    if not year:
        raise SourceError(f"there is no year 0 (in {text!r})")
    if (parts.get("era") or "").lower().startswith("b"):
        year = 1 - year
    month, day = _month(parts.get("month")), parts.get("day")
    if parts.get("first"):
        month, day = _day_and_month(text, parts)
    moment = Moment(year, month, int(day) if day else None, circa=bool(parts.get("circa")))
    if month is not None and not 1 <= month <= 12:
        raise SourceError(f"{text!r} is not a date: there is no month {month}")
    if moment.day is not None and month is not None:
        # Leap years repeat every 400 years, so any year has a twin that `calendar` knows.
        longest = calendar.monthrange(2000 + year % 400, month)[1]
        if not 1 <= moment.day <= longest:
            raise SourceError(f"{text!r} is not a date: that month has {longest} days")
    return moment


def _month(name: str | None) -> int | None:
    if not name:
        return None
    return int(name) if name.isdigit() else _MONTH_NAMES[name.rstrip(".").lower()]


def _day_and_month(text: str, parts: dict[str, str | None]) -> tuple[int, str]:
    first, second = int(parts["first"] or 0), int(parts["second"] or 0)
    if first > 12 or first == second:
        return second, str(first)
    if second > 12:
        return first, str(second)
    raise SourceError(f"{text!r} can be read as two dates; write it like 1950-05-12")


def shift(moment: Moment, count: int, unit: str) -> Moment:
    """The moment `count` days, weeks, months or years later (earlier where negative).

    A day past the end of the month becomes its last day.

    Raises:
        SourceError: the moment is too coarse for the unit, or the result leaves years 1..9999.
    """
    try:
        if unit in ("days", "weeks"):
            return from_date(
                moment.as_date() + timedelta(days=count * (7 if unit == "weeks" else 1))
            )
        months = count * (12 if unit == "years" else 1)
        if unit == "months" and moment.month is None:
            raise SourceError(f"{moment} has no month; add or take years only")
        if abs(months) > 12 * 20_000:
            raise OverflowError
        year, month = divmod(moment.year * 12 + (moment.month or 1) - 1 + months, 12)
        if moment.month is None:
            return Moment(year, circa=moment.circa)
        day = moment.day
        if day is not None:
            day = min(day, calendar.monthrange(2000 + year % 400, month + 1)[1])
        return Moment(year, month + 1, day)
    except OverflowError:
        raise SourceError(f"{moment} shifted by {count} {unit} is outside the calendar") from None
