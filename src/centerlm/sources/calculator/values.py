"""Values as operations need them: text of documents read as numbers, quantities and dates.

Reading is strict about what it means and lenient about how it is written: "about 3.5 million",
"two hundred", "4,130 km2", "$1,200.50", "12 May 1950", "12 albums" are values; "Paris", "3-5" and
"2) + 1" are texts. Nothing is ever evaluated.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import TypeAlias

from centerlm.errors import SourceError
from centerlm.finding import Quantity, Value, format_value
from centerlm.sources.calculator.dates import Moment, from_date, parse_moment
from centerlm.sources.calculator.exact import MAX_BITS, bits
from centerlm.sources.calculator.units import parse_unit

Measure: TypeAlias = Fraction | Quantity | Moment
"""What can be ordered and counted with."""

MAX_LITERAL_CHARACTERS = 120
MAX_DIGITS = 100
MAX_EXPONENT = 300


@dataclass(frozen=True, slots=True)
class Reading:
    """A text read as a measure, and the noun left over ("albums" of "12 albums")."""

    measure: Measure
    noun: str = ""


_TO_NINETEEN = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SMALL = {word: number for number, word in enumerate(_TO_NINETEEN)} | {
    word: 10 * number for number, word in enumerate(_TENS, 2)
}
_SCALES = {
    "dozen": 12, "hundred": 10**2, "thousand": 10**3, "million": 10**6, "mn": 10**6,
    "billion": 10**9, "bn": 10**9, "trillion": 10**12,
}  # fmt: skip
_MONEY_SCALES = {"k": 10**3, "m": 10**6, "b": 10**9}

_HALVES = {"½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3"}
_MINUS = str.maketrans({"−": "-", "–": "-", "‐": "-", "\N{NON-BREAKING HYPHEN}": "-"})
_APPROXIMATE = re.compile(
    r"^(?:(?:about|approximately|approx\.?|around|roughly|nearly|almost|over|more than|less than|"
    r"some|circa|ca\.|c\.|a total of|an estimated|estimated at|up to|at least|at most)\s+"
    r"|[~≈<>]\s*)+",
    re.IGNORECASE,
)
_CURRENCY = re.compile(r"^([-+]?)\s*(US\$|C\$|A\$|R\$|[$€£¥₹₩]|USD|EUR|GBP|JPY)\s*(?=\d)")
_DIGITS = re.compile(
    r"(?P<sign>[-+]\s*|minus\s+)?"
    r"(?:(?P<whole>\d+)\s+(?=\d+\s*/))?"
    r"(?:(?P<above>\d+)\s*/\s*(?P<below>\d+)(?![\d/])|"
    r"(?P<grouped>\d{1,3}(?:([,' \u2009])\d{3})(?:\6\d{3})*(?![\d,]|\.\d*[,.]\d)(?:\.\d+)?)|"
    r"(?P<plain>\d+(?:\.\d+)?|\.\d+)(?:[eE](?P<power>[-+]?\d+))?(?![\d,]*\d))"
)
_NOUN = re.compile(r"[^\W\d_][\w'’.-]*(?: [^\W\d_][\w'’.-]*){0,3}")
_ORDINAL = re.compile(r"^\d+(?:st|nd|rd|th)\b|^\d{3}0s\b")
_PARENTHESIS = re.compile(r"\s*\([^()]*\)$")


def normalise(text: str) -> str:
    """One line in compatibility form with plain minus signs and spaces: "5 km²" gives "5 km2"."""
    for sign, plain in _HALVES.items():
        text = text.replace(sign, plain)
    return " ".join(unicodedata.normalize("NFKC", text).translate(_MINUS).split())


def read(text: str, *, strict: bool = False) -> Reading | None:
    """The measure a text stands for; None where it is none.

    With `strict` (what a plan wrote itself) a number may carry only units, not any noun.

    Raises:
        SourceError: it is a date that cannot exist or a number too long to take in.
    """
    if len(text) > MAX_LITERAL_CHARACTERS:
        if re.fullmatch(r"[\d,.\s]+", text[: 2 * MAX_LITERAL_CHARACTERS]):
            raise SourceError(f"a number in it has more than {MAX_DIGITS} digits")
        return None
    text = normalise(text)
    number = _read_number(text, strict=strict)
    if number is not None and not number.noun:
        return number
    moment = parse_moment(text)
    if moment is not None:
        return Reading(moment)
    return number


def _read_number(text: str, *, strict: bool) -> Reading | None:
    text = _PARENTHESIS.sub("", _APPROXIMATE.sub("", text)).strip().removesuffix(".")
    currency = ""
    if match := _CURRENCY.match(text):
        currency = parse_unit(match[2]) or _currency(match[2])
        text = match[1] + text[match.end() :]
    number, rest = _leading_number(text)
    if number is None:
        return None
    number, rest = _scaled(number, rest, money=bool(currency))
    if not rest:
        return Reading(Quantity(number, currency) if currency else number)
    if _ORDINAL.search(text):
        return None
    if currency:
        return None if strict or not _NOUN.fullmatch(rest) else Reading(Quantity(number, currency))
    if rest.lower() in ("%", "percent", "per cent"):
        return Reading(number / 100)
    if (unit := parse_unit(rest, any_unit=strict)) is not None:
        return Reading(Quantity(number, unit))
    if strict:
        return None
    return _with_noun(number, rest)


def _with_noun(number: Fraction, rest: str) -> Reading | None:
    noun, over, unit = rest.partition(" per ")
    if not over:
        noun, over, unit = rest.partition("/")
    if not _NOUN.fullmatch(noun.strip()) or parse_moment(f"1 {noun} 2000") is not None:
        return None
    if not over:
        return Reading(number, noun.lower())
    density = parse_unit("per " + unit)
    return Reading(Quantity(number, density), noun.strip().lower()) if density else None


def _currency(sign: str) -> str:
    signs = {"$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₩": "KRW"}
    signs |= {"C$": "CAD", "A$": "AUD", "R$": "BRL"}
    return signs[sign]


def _leading_number(text: str) -> tuple[Fraction | None, str]:
    match = _DIGITS.match(text)
    if not match:
        return _leading_words(text)
    if sum(c.isdigit() for c in match[0]) > MAX_DIGITS:
        raise SourceError(f"a number in it has more than {MAX_DIGITS} digits")
    if match["above"]:
        if not int(match["below"]):
            raise SourceError("division by zero")
        number = Fraction(int(match["above"]), int(match["below"])) + int(match["whole"] or 0)
    elif match["grouped"]:
        number = Fraction(re.sub(r"[,' \u2009]", "", match["grouped"]))
    else:
        power = int(match["power"] or 0)
        if abs(power) > MAX_EXPONENT:
            raise SourceError(f"a number in it has an exponent beyond {MAX_EXPONENT}")
        number = Fraction(match["plain"]) * Fraction(10) ** power
    sign = (match["sign"] or "").strip()
    return -number if sign in ("-", "minus") else number, text[match.end() :].strip()


def _leading_words(text: str) -> tuple[Fraction | None, str]:
    """A number written out in English at the start of the text, and what follows it."""
    words = text.split()
    total = group = 0
    used = 0
    for word in words:
        parts = word.lower().split("-")
        if all(part in _SMALL for part in parts):
            group += sum(_SMALL[part] for part in parts)
        elif word.lower() in ("a", "an") and not used and _next_scale(words, 1):
            group = 1
        elif word.lower() == "and" and used and _next_small(words, used + 1):
            pass
        elif (scale := _SCALES.get(word.lower().removesuffix("s"))) and used and scale != 12:
            if scale == 100:
                group = (group or 1) * 100
            else:
                total, group = total + (group or 1) * scale, 0
        elif word.lower() == "dozen" and used:
            group = (group or 1) * 12
        else:
            break
        used += 1
    if not used:
        return None, text
    return Fraction(total + group), " ".join(words[used:])


def _next_scale(words: list[str], at: int) -> bool:
    return at < len(words) and words[at].lower() in _SCALES


def _next_small(words: list[str], at: int) -> bool:
    return at < len(words) and words[at].lower().split("-")[0] in _SMALL


def _scaled(number: Fraction, rest: str, *, money: bool) -> tuple[Fraction, str]:
    """Apply "million" and its like, which may follow digits."""
    while rest:
        word, _, tail = rest.partition(" ")
        scale = _SCALES.get(word.lower()) or (_MONEY_SCALES.get(word.lower()) if money else None)
        if not scale or bits(number) > MAX_BITS // 2:
            break
        number, rest = number * scale, tail.strip()
    return number, rest


def measure(value: Value, name: str, *, strict: bool = False) -> Measure:
    """The value as a number, quantity or date.

    Raises:
        SourceError: it is none of these; `name` (e.g. "#2") says which value it was.
    """
    if (reading := reading_of(value, strict=strict)) is None:
        raise SourceError(f"{_called(name, value)}, not a number, a quantity or a date")
    return reading.measure


def reading_of(value: Value, *, strict: bool = False) -> Reading | None:
    match value:
        case bool() | None | tuple():
            return None
        case str():
            return read(value, strict=strict)
        case int():
            return Reading(Fraction(value))
        case Fraction():
            return Reading(value)
        case date():
            return Reading(from_date(value))
        case Quantity():
            unit = parse_unit(value.unit, any_unit=True)
            return Reading(Quantity(value.number, unit) if unit else value)


def as_moment(item: Measure, name: str) -> Moment:
    """The measure as a date; a whole number from 1 to 9999 is a year.

    Raises:
        SourceError: it is neither.
    """
    if isinstance(item, Moment):
        return item
    if isinstance(item, Fraction) and item.denominator == 1 and 1 <= item <= 9999:
        return Moment(int(item))
    raise SourceError(f"{_called(name, as_value(item))}, not a date or a year")


def as_value(item: Measure) -> Value:
    """The measure as a value of findings: a partial date is its year as a number, or text."""
    if not isinstance(item, Moment):
        return item
    if item.day is not None and 1 <= item.year <= 9999:
        return item.as_date()
    if item.month is None and item.year > 0 and not item.circa:
        return Fraction(item.year)
    return str(item)


def _called(name: str, value: Value) -> str:
    shown = "nothing" if value is None else repr(format_value(value)[:60])
    return f"{name} is {shown}" if name else f"{shown} is what it has"


_LONGEST_TEXT = 10_000
_ARTICLE = re.compile(r"^(?:the|a|an)\s+")
_PUNCTUATION = re.compile(r"[^\w\s]")


def text_key(value: Value) -> str:
    """What makes two texts the same: letters and digits, without case, accents or "the".

    Raises:
        SourceError: the text is longer than 10,000 characters.
    """
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        raise SourceError(f"a text of {len(value):,} characters is too long to compare")
    text = unicodedata.normalize("NFKD", format_value(value)).casefold()
    text = "".join(c for c in text if not unicodedata.combining(c))
    bare = " ".join(_PUNCTUATION.sub(" ", _ARTICLE.sub("", text.strip())).split())
    return bare or text.strip()
