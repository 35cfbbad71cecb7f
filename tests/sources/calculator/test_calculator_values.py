"""Reading numbers, quantities and dates in the text of documents."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centerlm.errors import SourceError
from centerlm.finding import Quantity, format_value
from centerlm.sources.calculator.dates import Moment, parse_moment
from centerlm.sources.calculator.units import convert_number, parse_unit
from centerlm.sources.calculator.values import as_value, read, text_key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4,130 km2", Quantity(Fraction(4130), "km²")),
        ("4 130 km²", Quantity(Fraction(4130), "km²")),
        ("8,848 m (29,029 ft)", Quantity(Fraction(8848), "m")),
        ("about 3.5 million", Fraction(3500000)),
        ("5.3 million inhabitants", Fraction(5300000)),
        ("two hundred and twenty-five thousand", Fraction(225000)),
        ("a dozen", Fraction(12)),
        ("12 albums", Fraction(12)),
        ("104 people per km2", Quantity(Fraction(104), "per km²")),
        ("$1,200.50", Quantity(Fraction(2401, 2), "USD")),
        ("US$ 3 million", Quantity(Fraction(3000000), "USD")),
        ("€1.2bn", Quantity(Fraction(1200000000), "EUR")),
        ("45 percent", Fraction(9, 20)),
        ("2½", Fraction(5, 2)),
        ("−5 °C", Quantity(Fraction(-5), "°C")),
        ("20 degrees Celsius", Quantity(Fraction(20), "°C")),
        ("1950", Fraction(1950)),
        ("in 1950", Moment(1950)),
        ("c. 1450", Fraction(1450)),
        ("44 BC", Moment(-43)),
        ("AD 14", Moment(14)),
        ("12 May 1950", Moment(1950, 5, 12)),
        ("12th of May, 1950", Moment(1950, 5, 12)),
        ("Monday, May 12, 1950.", Moment(1950, 5, 12)),
        ("born 12 May 1950 (age 70)", Moment(1950, 5, 12)),
        ("1950-05-12T10:00:00Z", Moment(1950, 5, 12)),
        ("May 1950", Moment(1950, 5)),
        ("25/12/1950", Moment(1950, 12, 25)),
        ("Paris", None),
        ("3-5", None),
        ("12 May", None),
        ("May", None),
        ("the 1950s", None),
        ("1950s", None),
        ("19th century", None),
        ("21st", None),
        ("1.234.567", None),
        ("12,34", None),
        ("2) + __import__('os')", None),
        ("4 [experiment] rm -rf", None),
        ("", None),
    ],
)
def test_read(text: str, expected: object) -> None:
    reading = read(text)
    assert (reading.measure if reading else None) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5/12/1950", "two dates"),
        ("30 February 2000", "29 days"),
        ("29 February 1900", "28 days"),
        ("1950-13-01", "no month 13"),
        ("9" * 101, "100 digits"),
        ("1e400", "exponent"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read(text)


@given(st.dates())
def test_dates_read_back(day: object) -> None:
    moment = parse_moment(str(day))
    assert moment is not None
    assert moment.as_date() == day
    assert parse_moment(str(moment)) == moment


@given(st.fractions(max_denominator=1000), st.sampled_from(["km", "km²", "km/h", "USD", "per km²"]))
def test_quantities_read_back(number: Fraction, unit: str) -> None:
    rounded = Fraction(format_value(Fraction(round(number * 1000), 1000)))
    written = format_value(as_value(Quantity(rounded, unit)))
    if "e" in written.split()[0]:
        return
    reading = read(written)
    assert reading is not None
    assert reading.measure == Quantity(rounded, unit)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("square kilometres", "km²"),
        ("sq mi", "mi²"),
        ("km^2", "km²"),
        ("miles per hour", "mi/h"),
        ("mph", "mi/h"),
        ("m/s^2", "m/s²"),
        ("cubic metres", "m³"),
        ("kWh", "kWh"),
        ("feet", "ft"),
        ("m^99", None),
        ("km*(2+3)", None),
        ("per", None),
        ("albums", None),
        ("__class__", None),
    ],
)
def test_unit_names(text: str, expected: str | None) -> None:
    assert parse_unit(text) == expected
    if expected:
        assert parse_unit(expected) == expected


def test_conversion_is_exact() -> None:
    assert convert_number(Fraction(1), "mi", "m") == Fraction(1609344, 1000)
    assert convert_number(convert_number(Fraction(1, 3), "ft", "m"), "m", "ft") == Fraction(1, 3)
    assert convert_number(Fraction(-40), "°C", "°F") == -40


def test_text_key_ignores_what_people_write_differently() -> None:
    assert text_key("The  Łódź-Café!") == text_key("łódź cafe")
    assert text_key("+") != text_key("-")
