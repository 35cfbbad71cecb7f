"""Exact arithmetic on fractions that refuses, before computing, what would grow too large.

Every operand and result is a `fractions.Fraction` of at most `MAX_BITS` bits above and below the
line, so that each operation takes microseconds. Knows nothing of units, dates or text.
"""

from __future__ import annotations

from fractions import Fraction

from centerlm.errors import SourceError

MAX_BITS = 8192
MAX_EXPONENT = 8192
MAX_ANSWER_DIGITS = 180
_SMALLEST = Fraction(1, 10**300)
_ROOT_LIMIT = 64


def bits(number: Fraction) -> int:
    return number.numerator.bit_length() + number.denominator.bit_length()


def _bounded(number: Fraction) -> Fraction:
    if bits(number) > MAX_BITS:
        raise SourceError("a number in it grows beyond 2,400 digits")
    return number


def add(left: Fraction, right: Fraction) -> Fraction:
    return _bounded(left + right)


def subtract(left: Fraction, right: Fraction) -> Fraction:
    return _bounded(left - right)


def multiply(left: Fraction, right: Fraction) -> Fraction:
    return _bounded(left * right)


def divide(left: Fraction, right: Fraction) -> Fraction:
    if not right:
        raise SourceError("division by zero")
    return _bounded(left / right)


def modulo(left: Fraction, right: Fraction) -> Fraction:
    if not right:
        raise SourceError("division by zero")
    return _bounded(left % right)


def power(base: Fraction, exponent: Fraction) -> Fraction:
    """`base` to the `exponent`: exact for whole exponents and for roots that come out even.

    Any other root is the one inexact result of the calculator: rounded to 15 significant digits.

    Raises:
        SourceError: the result would be too large, is not real, or divides by zero.
    """
    if not base and exponent < 0:
        raise SourceError("division by zero (zero to a negative power)")
    if exponent.denominator != 1:
        return _root(base, exponent)
    size = abs(exponent.numerator)
    if base not in (-1, 0, 1) and (size > MAX_EXPONENT or size * bits(base) > 2 * MAX_BITS):
        raise SourceError("a power in it is too large to compute")
    if base in (-1, 0, 1):
        exponent = Fraction(size % 2 if base == -1 else min(size, 1))
    return _bounded(base**exponent.numerator)


def _root(base: Fraction, exponent: Fraction) -> Fraction:
    if base < 0:
        raise SourceError("a root of a negative number is not a real number")
    if not base:
        return base
    try:
        close = float(base) ** float(exponent)
    except OverflowError:
        raise SourceError("a power in it is too large to compute") from None
    if not 1e-300 < close < 1e300:
        raise SourceError("a power in it is too large or too small to compute")
    rounded = Fraction(f"{close:.15g}")
    size = max(abs(exponent.numerator), exponent.denominator)
    if size <= _ROOT_LIMIT:
        simple = rounded.limit_denominator(10**6)
        if bits(simple) * size <= MAX_BITS and bits(base) * size <= MAX_BITS:
            left, right = simple**exponent.denominator, base**exponent.numerator
            if left == right:
                return simple
    return rounded


def check_answer(number: Fraction) -> Fraction:
    """The number, if it can be written out in a short answer.

    Raises:
        SourceError: it has more than 180 digits before the point, or is not 0 but below 1e-300.
    """
    if abs(number) >= 10**MAX_ANSWER_DIGITS:
        raise SourceError(f"the result has more than {MAX_ANSWER_DIGITS} digits")
    if number and abs(number) < _SMALLEST:
        raise SourceError("the result is not zero but too small to write down")
    return number
