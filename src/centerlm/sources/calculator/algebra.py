"""The arithmetic operators over numbers, quantities and dates.

Each takes two measures and gives one, exactly, or raises `SourceError` with what does not fit.
"""

from __future__ import annotations

import contextlib
from fractions import Fraction
from typing import Literal, TypeAlias

from centerlm.errors import SourceError
from centerlm.finding import Quantity, format_value
from centerlm.sources.calculator import exact
from centerlm.sources.calculator.dates import Moment, shift
from centerlm.sources.calculator.units import (
    MAX_UNIT_EXPONENT,
    combine_units,
    convert_number,
    is_calendar,
    is_offset,
)
from centerlm.sources.calculator.values import Measure, as_value

Operator: TypeAlias = Literal["+", "-", "*", "/", "mod", "^"]

_FIRST_YEAR, _LAST_YEAR = 1000, 2999


def apply(operator: Operator, left: Measure, right: Measure) -> Measure:
    """`left operator right`.

    Raises:
        SourceError: the two do not go together, or the result is too large.
    """
    match operator:
        case "+":
            return _plus(left, right)
        case "-":
            return _minus(left, right)
        case "*" | "/":
            return _scale(left, right, divide=operator == "/")
        case "mod":
            return exact.modulo(_plain(left, "mod"), _plain(right, "mod"))
        case "^":
            return _power(left, right)


def negate(item: Measure) -> Measure:
    match item:
        case Fraction():
            return -item
        case Quantity():
            return Quantity(-item.number, item.unit)
        case Moment():
            raise SourceError(f"the date {item} cannot be negated")


def percent(item: Measure) -> Measure:
    """`item %`: a hundredth of a number, always, so 200 + 10% is 200.1."""
    return exact.divide(_plain(item, "%"), Fraction(100))


def convert(item: Measure, unit: str, name: str) -> Quantity:
    """The quantity in another unit, exactly."""
    if not isinstance(item, Quantity):
        raise SourceError(f"{name} is {_show(item)}, which has no unit to convert from")
    return Quantity(convert_number(item.number, item.unit, unit), unit)


def _show(item: Measure) -> str:
    return repr(format_value(as_value(item)))


def _plain(item: Measure, operator: str) -> Fraction:
    if isinstance(item, Fraction):
        return item
    raise SourceError(f"{operator} needs plain numbers, and {_show(item)} is not one")


def _plus(left: Measure, right: Measure) -> Measure:
    if isinstance(right, Moment) and not isinstance(left, Moment):
        left, right = right, left
    if isinstance(left, Moment):
        if isinstance(right, Moment):
            raise SourceError(f"two dates ({left} and {right}) cannot be added")
        return _shifted(left, right, 1)
    number, other, unit = _alike(left, right)
    total = exact.add(number, other)
    if is_offset(unit):
        raise SourceError(f"temperatures in {unit} cannot be added; convert to K")
    return Quantity(total, unit) if unit else total


def _minus(left: Measure, right: Measure) -> Measure:
    if isinstance(left, Moment) and isinstance(right, Moment):
        return _between(left, right)
    if isinstance(left, Moment):
        if isinstance(right, Fraction) and _is_year(right):
            return Fraction(left.year - int(right))
        return _shifted(left, right, -1)
    if isinstance(right, Moment):
        if isinstance(left, Fraction) and _is_year(left):
            return Fraction(int(left) - right.year)
        raise SourceError(f"the date {right} cannot be taken from {_show(left)}")
    number, other, unit = _alike(left, right)
    if is_offset(unit):
        # A difference of temperatures has no zero of its own: it is in kelvin.
        number, other = convert_number(number, unit, "K"), convert_number(other, unit, "K")
        unit = "K"
    difference = exact.subtract(number, other)
    return Quantity(difference, unit) if unit else difference


def _between(left: Moment, right: Moment) -> Measure:
    """Days between two full dates, else years between their years."""
    if left.day is not None and right.day is not None:
        return Quantity(Fraction((left.as_date() - right.as_date()).days), "days")
    return Fraction(left.year - right.year)


def _is_year(number: Fraction) -> bool:
    return number.denominator == 1 and _FIRST_YEAR <= number <= _LAST_YEAR


def _shifted(moment: Moment, by: Measure, sign: int) -> Moment:
    if isinstance(by, Quantity) and is_calendar(by.unit) and by.number.denominator == 1:
        return shift(moment, sign * int(by.number), by.unit)
    if isinstance(by, Fraction) and moment.month is None and by.denominator == 1:
        return shift(moment, sign * int(by), "years")
    raise SourceError(
        f"{_show(by)} cannot be added to or taken from the date {moment}; "
        "write whole days, weeks, months or years, e.g. + 30 days"
    )


def _alike(left: Measure, right: Measure) -> tuple[Fraction, Fraction, str]:
    """Both numbers in the unit of the left one; "" is no unit."""
    match left, right:
        case Fraction(), Fraction():
            return left, right, ""
        case Quantity(), Quantity():
            return left.number, convert_number(right.number, right.unit, left.unit), left.unit
        case _:
            raise SourceError(
                f"{_show(left)} and {_show(right)} do not go together: only one has a unit"
            )


def _scale(left: Measure, right: Measure, *, divide: bool) -> Measure:
    if isinstance(left, Moment) or isinstance(right, Moment):
        raise SourceError("a date cannot be multiplied or divided")
    number, unit = _parts(left)
    other, other_unit = _parts(right)
    combine = exact.divide if divide else exact.multiply
    if divide and unit and other_unit and unit != other_unit and not is_offset(unit):
        # Where the two do not measure the same thing the quotient keeps both units, as in km/h.
        with contextlib.suppress(SourceError):
            other, other_unit = convert_number(other, other_unit, unit), unit
    result = combine(number, other)
    new = combine_units(unit, other_unit, divide=divide) if unit or other_unit else ""
    return Quantity(result, new) if new else result


def _parts(item: Fraction | Quantity) -> tuple[Fraction, str]:
    return (item.number, item.unit) if isinstance(item, Quantity) else (item, "")


def _power(left: Measure, right: Measure) -> Measure:
    exponent = _plain(right, "^")
    if not isinstance(left, Quantity):
        return exact.power(_plain(left, "^"), exponent)
    if exponent.denominator != 1 or not 1 <= exponent <= MAX_UNIT_EXPONENT:
        raise SourceError(f"{_show(left)} can only be raised to a whole power from 1 to 9")
    unit = left.unit
    for _ in range(int(exponent) - 1):
        unit = combine_units(unit, left.unit)
    return Quantity(exact.power(left.number, exponent), unit)
