"""Units of measurement and money: reading their names, combining and converting them exactly.

A unit is text in one normal form ("km", "km²", "km/h", "per km²", "USD"). Names are looked up in
a closed table; text never reaches the evaluator of the units library, only names and exponents do.
`pint` does the conversions, with fractions, and is imported at the first one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, TypeAlias, cast

from centerlm.errors import MissingExtraError, SourceError

Factors: TypeAlias = tuple[tuple[str, int], ...]
"""A unit as (symbol, exponent) pairs, e.g. (("km", 1), ("h", -1))."""

MAX_FACTORS = 6
MAX_UNIT_EXPONENT = 9

_PREFIXES = {
    "nano": "n", "micro": "µ", "milli": "m", "centi": "c", "deci": "d", "hecto": "h",
    "kilo": "k", "mega": "M", "giga": "G", "tera": "T",
}  # fmt: skip
_PREFIXED = {  # symbol: (name in pint, prefixes in use)
    "m": ("meter", "nano micro milli centi deci kilo"),
    "g": ("gram", "micro milli kilo"),
    "L": ("liter", "milli centi deci hecto"),
    "s": ("second", "nano micro milli"),
    "W": ("watt", "milli kilo mega giga tera"),
    "Wh": ("watt_hour", "kilo mega giga tera"),
    "J": ("joule", "kilo mega giga"),
    "V": ("volt", "milli kilo"),
    "A": ("ampere", "milli"),
    "Hz": ("hertz", "kilo mega giga"),
    "Pa": ("pascal", "hecto kilo mega"),
    "N": ("newton", "kilo"),
    "B": ("byte", "kilo mega giga tera"),
    "bit": ("bit", "kilo mega giga"),
    "cal": ("calorie", "kilo"),
    "eV": ("electron_volt", "kilo mega giga"),
}
_PLAIN = {  # symbol: (name in pint, further spellings)
    "in": ("inch", "inches"),
    "ft": ("foot", "feet"),
    "yd": ("yard", ""),
    "mi": ("mile", ""),
    "nmi": ("nautical_mile", ""),
    "ly": ("light_year", "light-year light-years lightyear lightyears"),
    "pc": ("parsec", ""),
    "au": ("astronomical_unit", "AU"),
    "ha": ("hectare", ""),
    "acres": ("acre", ""),
    "gal": ("gallon", ""),
    "oz": ("ounce", ""),
    "lb": ("pound", "lbs"),
    "t": ("metric_ton", "tonne tonnes"),
    "min": ("minute", "mins"),
    "h": ("hour", "hr hrs"),
    "days": ("day", ""),
    "weeks": ("week", ""),
    "months": ("month", ""),
    "years": ("year", "yr yrs"),
    "knots": ("knot", ""),
    "bar": ("bar", ""),
    "hp": ("horsepower", ""),
    "K": ("kelvin", ""),
    "°C": ("degree_Celsius", "degC celsius centigrade ℃"),
    "°F": ("degree_Fahrenheit", "degF fahrenheit ℉"),
    "°": ("degree", ""),
}
_CURRENCIES = {
    "USD": "dollar dollars $ US$", "EUR": "euro euros €", "GBP": "£", "JPY": "yen ¥",
    "INR": "rupee rupees ₹", "CNY": "yuan", "CHF": "franc francs", "RUB": "ruble rubles",
    "CAD": "C$", "AUD": "A$", "KRW": "won ₩", "BRL": "R$", "SEK": "", "NOK": "", "DKK": "",
    "PLN": "", "MXN": "", "ZAR": "",
}  # fmt: skip
_COMPOUND: Mapping[str, Factors] = {
    "mph": (("mi", 1), ("h", -1)),
    "kmh": (("km", 1), ("h", -1)),
    "kph": (("km", 1), ("h", -1)),
    "cc": (("cm", 3),),
}
_OFFSET = ("°C", "°F")
_CALENDAR = ("days", "weeks", "months", "years")
_POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3, "squared": 2, "cubed": 3}
_DEGREES = re.compile(r"^degrees?\s+(?=[CFK]\b|cels|fahr|kelvin)", re.IGNORECASE)
_SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_TOKEN = re.compile(
    r"\s*(?:(?P<over>/|\bper\b)|(?P<times>[*·])|"
    r"(?P<name>°\s?[CF]?|[^\W\d_⁰¹²³⁴⁵⁶⁷⁸⁹]+(?:-[^\W\d_]+)?\.?)(?:\^?(?P<exponent>-?[0-9⁰¹²³⁴⁵⁶⁷⁸⁹]+))?)"
)


@functools.cache
def _names() -> tuple[Mapping[str, str], Mapping[str, str], Mapping[str, str]]:
    """Symbols as written, spellings in lower case, and the name in pint of each symbol."""
    symbols: dict[str, str] = {}
    spellings: dict[str, str] = {}
    pint_names: dict[str, str] = {}

    def add(symbol: str, pint_name: str, *others: str) -> None:
        pint_names[symbol] = pint_name
        symbols[symbol] = symbol
        spoken = pint_name.replace("_", " ") if " " not in pint_name else pint_name
        for name in (spoken, *others):
            forms = [name, name + "s"]
            if name.endswith(("meter", "liter")):
                other = name[:-2] + "re"
                forms += [other, other + "s"]
            for form in forms:
                spellings.setdefault(form.lower(), symbol)

    for symbol, (name, prefixes) in _PREFIXED.items():
        add(symbol, name)
        for prefix in prefixes.split():
            add(_PREFIXES[prefix] + symbol, prefix + name)
    for symbol, (name, others) in _PLAIN.items():
        add(symbol, name, *others.split())
    for symbol, others in _CURRENCIES.items():
        pint_names[symbol] = symbol
        symbols[symbol] = symbol
        spellings.update(dict.fromkeys(others.lower().split(), symbol))
    symbols |= {"l": "L", "μm": "µm", "um": "µm", "μg": "µg", "AU": "au", "kWh": "kWh"}
    return symbols, spellings, pint_names


def _symbol(name: str, *, any_unit: bool) -> str | None:
    symbols, spellings, _ = _names()
    name = re.sub(r"\s", "", name)
    bare = name.rstrip(".")
    found = symbols.get(bare) or spellings.get(name.lower()) or spellings.get(bare.lower())
    if found or not any_unit or not re.fullmatch(r"[A-Za-z]{2,30}", bare):
        return found
    return _pint_symbol(bare)


def _pint_symbol(name: str) -> str | None:
    """A unit outside the table that pint knows by name, e.g. "furlong"."""
    registry = units_registry()
    for form in (name, name.lower()):
        try:
            return str(registry.get_name(form)) or None
        except (AttributeError, KeyError, ValueError):
            continue  # pint's UndefinedUnitError is an AttributeError
    return None


def parse_unit(text: str, *, any_unit: bool = False) -> str | None:
    """The normal form of a unit's name: "square kilometres" gives "km²"; None where it is none.

    With `any_unit` units outside the closed table that pint knows by name are units too.
    """
    text = _DEGREES.sub("", text.strip())
    factors = _parse(text, any_unit=any_unit)
    return None if factors is None else format_unit(factors)


def _parse(text: str, *, any_unit: bool) -> Factors | None:
    sign, power, position = 1, 1, 0
    factors: list[tuple[str, int]] = []
    if not text or len(text) > 80:
        return None
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            return None
        position = match.end()
        name = match["name"]
        if not name:
            sign = -1 if match["over"] else sign
            continue
        exponent = _exponent(match["exponent"])
        bare = name.rstrip(".").lower()
        if bare in ("squared", "cubed") and factors and exponent == 1:
            symbol, before = factors.pop()
            factors.append((symbol, before * _POWERS[bare]))
            continue
        if bare in ("square", "sq", "cubic", "cu") and exponent == 1:
            power = _POWERS[bare]
            continue
        known = _COMPOUND.get(bare)
        if known is None:
            symbol = _symbol(name, any_unit=any_unit)
            if symbol is None:
                return None
            known = ((symbol, 1),)
        factors += [(symbol, each * exponent * power * sign) for symbol, each in known]
        sign, power = 1, 1
        if len(factors) > MAX_FACTORS:
            return None
    if power != 1 or sign != 1 or not factors:
        return None
    if any(abs(exponent) > MAX_UNIT_EXPONENT or not exponent for _, exponent in factors):
        return None
    return tuple(factors)


def _exponent(text: str | None) -> int:
    if not text:
        return 1
    digits = text.translate({ord(c): str(i) for i, c in enumerate(_SUPERSCRIPTS)})
    return int(digits) if len(digits) <= 2 else MAX_UNIT_EXPONENT + 1


def format_unit(factors: Factors) -> str:
    """The normal form; "" where everything cancels out."""
    powers: dict[str, int] = {}
    for symbol, exponent in factors:
        powers[symbol] = powers.get(symbol, 0) + exponent
    above = [_written(s, e) for s, e in powers.items() if e > 0]
    below = [_written(s, -e) for s, e in powers.items() if e < 0]
    if not below:
        return "·".join(above)
    return ("·".join(above) if above else "per " + below.pop(0)) + "".join("/" + b for b in below)


def _written(symbol: str, exponent: int) -> str:
    raised = "".join(_SUPERSCRIPTS[int(digit)] for digit in str(exponent))
    return symbol if exponent == 1 else symbol + raised


def _factors(unit: str) -> Factors:
    factors = _parse(unit, any_unit=True)
    if factors is None:
        raise SourceError(f"{unit!r} is not a unit I know")
    return factors


def is_calendar(unit: str) -> bool:
    """Whether the unit counts days, weeks, months or years."""
    return unit in _CALENDAR


def is_offset(unit: str) -> bool:
    """Whether the unit's zero is not "none of it": °C and °F."""
    return unit in _OFFSET


def combine_units(left: str, right: str, *, divide: bool = False) -> str:
    """The unit of a product or quotient; "" is no unit.

    Raises:
        SourceError: a temperature scale is among them, or the unit gets too large.
    """
    if is_offset(left) or is_offset(right):
        raise SourceError("temperatures in °C or °F cannot be multiplied or divided; convert to K")
    sign = -1 if divide else 1
    factors = (_factors(left) if left else ()) + tuple(
        (symbol, sign * exponent) for symbol, exponent in (_factors(right) if right else ())
    )
    powers: dict[str, int] = {}
    for symbol, exponent in factors:
        powers[symbol] = powers.get(symbol, 0) + exponent
    if len(powers) > MAX_FACTORS or any(abs(e) > MAX_UNIT_EXPONENT for e in powers.values()):
        raise SourceError("its unit gets too large")
    return format_unit(factors)


def convert_number(number: Fraction, unit: str, target: str) -> Fraction:
    """The number of `target` units that `number` of `unit` is, exactly.

    Raises:
        SourceError: the two do not measure the same thing.
        MissingExtraError: pint is not installed.
    """
    if unit == target:
        return number
    registry = units_registry()
    try:
        result = registry.convert(number, _pint_units(unit), _pint_units(target))
    except (registry_errors(), ZeroDivisionError, OverflowError):
        raise SourceError(f"{unit} and {target} do not measure the same thing") from None
    return result if isinstance(result, Fraction) else Fraction(str(result))


def compatible(left: str, right: str) -> bool:
    """Whether the two units measure the same thing."""
    if left == right:
        return True
    if is_offset(left) or is_offset(right):
        return "K" in (left, right) or (is_offset(left) and is_offset(right))
    try:
        convert_number(Fraction(1), left, right)
    except SourceError:
        return False
    return True


def _pint_units(unit: str) -> Any:
    _, _, pint_names = _names()
    powers: dict[str, int] = {}
    for symbol, exponent in _factors(unit):
        name = pint_names.get(symbol, symbol)
        powers[name] = powers.get(name, 0) + exponent
    return units_registry().UnitsContainer(powers)


def registry_errors() -> type[Exception]:
    from pint.errors import PintError

    return PintError


@functools.cache
def units_registry() -> Any:
    """pint's registry over exact fractions, with money as dimensions of their own.

    Takes about half a second the first time.
    """
    try:
        import pint
    except ImportError:
        raise MissingExtraError("pint", "core") from None
    # pint's own annotations leave its registry generic and fractions out of `non_int_type`.
    registry = cast("Any", pint).UnitRegistry(non_int_type=Fraction)
    for currency in _CURRENCIES:
        registry.define(f"{currency} = [currency_{currency}]")
    return registry
