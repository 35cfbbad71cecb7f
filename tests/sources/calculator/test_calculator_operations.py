"""The calls of the calculator, over bound findings."""

from __future__ import annotations

import contextlib
import time
from datetime import date
from fractions import Fraction

import pytest

from centerlm.errors import SourceError
from centerlm.finding import format_value
from centerlm.sources.base import Binding
from centerlm.sources.calculator import compute, evaluate

VALUES = {
    1: Binding("4,130 km2", "Oslo"),
    2: Binding("12 May 1950", "Ann"),
    3: Binding("Paris"),
    4: Binding(7, "Bob"),
    5: Binding(("A", "B", "C")),
    6: Binding((3, None, "nine")),
    7: Binding(date(1940, 3, 3), "Zed"),
    8: Binding("Alice, Bob and Carol"),
    9: Binding(("b", "Ć", "D")),
    10: Binding("120 sq mi", "Lima"),
    11: Binding(()),
    12: Binding(None),
    13: Binding((None, None)),
    14: Binding("1950", "Yma"),
}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("argmax(Reflections: #4, White Cargo: 9)", "White Cargo"),
        ("argmax(Reflections (2005 Film): #2, White Cargo: #7)", "Reflections (2005 Film)"),
        ("argmax(Lock, Stock and Two: 9, Snatch: 3)", "Lock, Stock and Two"),
        ("argmax(Star Wars: Episode IV: #4, B: 3)", "Star Wars: Episode IV"),
        ('argmax("A, B": 3, "C": 2)', "A, B"),
        ("argmax(#3: #4, X: 3)", "Paris"),
        ("argmax(#1, #10)", "Oslo"),
        ("argmin(#1, #10)", "Lima"),
        ("argmax(#5, #6)", "C"),
        ("argmin(#5, #6)", "A"),
        ("argmax(A: 5, B: 5, C: 1)", "A, B"),
        ("earlier(#2, #7)", "Zed"),
        ("later(#2, #7)", "Ann"),
        ("earlier(44 BC, AD 14)", "44 BC"),
        ("later(A: c. 1450, B: 1500)", "B"),
        ("earlier(A: May 12, 1950, B: June 3, 1949)", "B"),
        ("count(#6)", "2"),
        ("count(#5, #9)", "6"),
        ("count(#8)", "3"),
        ("count(#3)", "1"),
        ("count(#11)", "0"),
        ("count(#12)", "0"),
        ("count(#13)", "0"),
        ("sum(#6)", "12"),
        ("sum(1 km, 500 m)", "1.5 km"),
        ("max(#6)", "9"),
        ("max(4,130, 5,200)", "5200"),
        ("max(#4 * 2, 10)", "14"),
        ("min(#2, #7)", "1940-03-03"),
        ("min(3 km, 1 mile)", "1.609344 km"),
        ("same(#3, paris)", "yes"),
        ("same(#3, the Paris)", "yes"),
        ("same(#3, #2)", "no"),
        ("same(four, 4)", "yes"),
        ("same(1 km, 1000 m)", "yes"),
        ("same(5 km, 5 kg)", "no"),
        ("same(1950-05-12, #2)", "yes"),
        ("same(7 Samurai, 7 Dwarfs)", "no"),
        ('same("Paris, France", "paris  france")', "yes"),
        ("compare(#1, #10)", "greater"),
        ("compare(#4, 8)", "less"),
        ("compare(1/2, 0.5)", "equal"),
        ("sort(#2, #7)", "Zed, Ann"),
        ("sort(3, 1, 2)", "1, 2, 3"),
        ("sort(b, A, c)", "A, b, c"),
        ("sort(#5, #6)", "A, C"),
        ("union(#5, #9)", "A, B, C, D"),
        ("intersection(#5, #9)", "B, C"),
        ("difference(#5, #9)", "A"),
        ("days_between(#2, #7)", "3722"),
        ("days_between(#7, #2)", "3722"),
        ("days_between(May 12, 1950, May 13, 1950)", "1"),
        ("years_between(12 May 1950, 11 May 1990)", "39"),
        ("years_between(12 May 1990, May 12, 1950)", "40"),
        ("years_between(29 February 1904, 28 February 1905)", "0"),
        ("years_between(1871, 1940)", "69"),
        ("years_between(May 1871, 3 January 1940)", "69"),
        ("years_between(44 BC, AD 14)", "57"),
        ("convert(5 miles, km)", "8.04672 km"),
        ("convert(100 °F, celsius)", "37.7777777778 °C"),
        ("convert(1 km2, hectares)", "100 ha"),
        ("convert(36 km/h, m/s)", "10 m/s"),
        ("convert(2 gross, dozen)", None),
    ],
)
def test_calls(call: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(SourceError):
            evaluate(call, VALUES)
    else:
        assert format_value(evaluate(call, VALUES)) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("earlier(#2, #14)", "overlap"),
        ("earlier(#3, #2)", "#3 is 'Paris', not a number"),
        ("argmax(#5, #9, #3)", "not a number"),
        ("argmax(#5, #11)", "cannot be paired"),
        ("argmax(#1, #4)", "without a unit"),
        ("argmax(#13, #13)", "no answer"),
        ("argmax(#4)", "at least two"),
        ("max(#12)", "no answer"),
        ("max(100,200)", "one number or several"),
        ("max(100, Paris)", "'Paris', not a number"),
        ("max()", "without arguments"),
        ("max(1,, 2)", "empty"),
        ("compare(#5, 3)", "needs two values"),
        ("compare(#4)", "needs two values"),
        ("days_between(1950, 1960)", "not a full date"),
        ("days_between(44 BC, 1960)", "not a full date"),
        ("years_between(12, Paris)", "a quantity or a date"),
        ("years_between(1950)", "two"),
        ("convert(#4, km)", "no unit"),
        ("convert(#1, kg)", "do not measure"),
        ("convert(#1, foo)", "not a unit"),
        ("convert(#1, km*(2+3)**9**9)", "not a unit"),
        ("convert(#1)", "needs a quantity and a unit"),
        ("union(#5)", "two lists"),
        ("sqrt(4)", "no operation 'sqrt'"),
        ("sum(#6) - sum(#6)", "more than one call"),
        ("2 * sum(#6)", "one call alone"),
        ("max(sum(#6), 3)", "not a number"),
        ("max((1, 2)", "do not match"),
        ("same(#99, 1)", "#99 stands for nothing"),
        ("same(5/12/1950, 1)", "read as two dates"),
    ],
)
def test_refusals(call: str, message: str) -> None:
    with pytest.raises(SourceError, match=f"^not computable: .*{message}"):
        evaluate(call, VALUES)


def test_items_without_an_answer_are_counted() -> None:
    computed = compute("sum(#6)", VALUES)
    assert computed.skipped == 1
    assert computed.notes == ("1 item without an answer left out",)
    assert compute("argmax(#5, #6)", VALUES).skipped == 1


def test_a_text_read_as_a_list_is_said() -> None:
    assert compute("count(#8)", VALUES).notes == ("#8 was read as 3 items",)


def test_values_keep_their_types() -> None:
    assert evaluate("same(1, 1)", {}) is True
    assert evaluate("max(#2, #7)", VALUES) == date(1950, 5, 12)
    assert evaluate("count(#5)", VALUES) == Fraction(3)
    assert evaluate("sort(#6)", VALUES) == (3, "nine")


def test_an_ambiguous_pair_matters_only_near_the_extreme() -> None:
    values = {1: Binding("1950"), 2: Binding("May 1950"), 3: Binding("1900")}
    assert evaluate("earlier(A: #1, B: #2, C: #3)", values) == "C"


def test_a_huge_list_is_refused_or_quick() -> None:
    values = {1: Binding(tuple(range(10_000))), 2: Binding(tuple(range(20_000)))}
    assert evaluate("count(#1)", values) == 10_000
    with pytest.raises(SourceError, match="10,000 items"):
        evaluate("count(#2)", values)


_TEXT_CALLS = ("count(#1)", "union(#1, x)", "same(#1, x)", "max(#1, 2)")


@pytest.mark.parametrize(
    "text", ["a and ", "a, ", " ", "\n a", " " * 50 + ",", "1", "(", "1 ", "May ", "a:", "½"]
)
@pytest.mark.parametrize(
    "call", ["count(#1)", "union(#1, x)", "same(#1, x)", "max(#1, 2)", "#1 + 1"]
)
def test_a_megabyte_of_text_takes_no_time(text: str, call: str) -> None:
    for size in (119, 3_900, 9_900, 1_000_000):
        values = {1: Binding((text * (1 + size // len(text)))[:size])}
        begin = time.process_time()
        with contextlib.suppress(SourceError):
            evaluate(call, values)
        # Work that grows with the square of a megabyte takes hours, on any machine.
        assert time.process_time() - begin < 5, size


def test_a_thousand_texts_are_read_and_more_refused() -> None:
    dates = [f"{1 + i % 28} May {1000 + i}" for i in range(1_001)]
    assert evaluate("max(#1)", {1: Binding(tuple(dates[:1000]))}) == date(1999, 5, 20)
    with pytest.raises(SourceError, match="1,001 texts"):
        evaluate("max(#1)", {1: Binding(tuple(dates))})
