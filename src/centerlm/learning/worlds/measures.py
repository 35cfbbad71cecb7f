"""Answers as exact numbers, and exact results as the calculator writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from centerlm.finding import Quantity, format_value

_MONTHS = "January February March April May June July August September October November December"
_DAY_FIRST = re.compile(r"(\d{1,2}) ([A-Z][a-z]+) (\d{4})")
_MONTH_FIRST = re.compile(r"([A-Z][a-z]+) (\d{1,2}), (\d{4})")
_AMOUNT = re.compile(r"([$€£]?)(\d[\d,]*(?:\.\d+)?)(?: (km²|square kilometres|cm|m|metres))?")
_UNITS = {"square kilometres": "km²", "metres": "m"}
_COINS = {"$": "USD", "€": "EUR", "£": "GBP"}


@dataclass(frozen=True, slots=True)
class Measure:
    """A number with a unit ("" for none); a date counts its days, and its unit is "day"."""

    number: Fraction
    unit: str = ""


def measure(answer: str) -> Measure | None:
    """What an answer measures; None where it is no number, amount or date."""
    if match := _DAY_FIRST.fullmatch(answer):
        return _day(match[3], match[2], match[1])
    if match := _MONTH_FIRST.fullmatch(answer):
        return _day(match[3], match[1], match[2])
    if match := _AMOUNT.fullmatch(answer):
        unit = _COINS.get(match[1], _UNITS.get(match[3], match[3] or ""))
        return Measure(Fraction(match[2].replace(",", "")), unit)
    return None


def written(number: Fraction, unit: str) -> str:
    """A result as the calculator's short answer."""
    return format_value(Quantity(number, unit) if unit else number)


def _day(year: str, month: str, day: str) -> Measure | None:
    if month not in _MONTHS.split():
        return None
    ordinal = date(int(year), _MONTHS.split().index(month) + 1, int(day)).toordinal()
    return Measure(Fraction(ordinal), "day")
