"""Arithmetic: exact, bounded, and never evaluating what a reference stands for."""

from __future__ import annotations

import random
import string
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from centerlm.errors import SourceError
from centerlm.finding import Quantity, format_value
from centerlm.sources.base import Binding
from centerlm.sources.calculator import FUNCTIONS, compute, evaluate


def value(template: str, *bound: object) -> object:
    return evaluate(template, {k: Binding(v) for k, v in enumerate(bound, 1)})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 ^ 3 ^ 2", 512),
        ("-2 ** 2", -4),
        ("2 ** -1", Fraction(1, 2)),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("1/3", Fraction(1, 3)),
        ("7 % 3", 1),
        ("7 mod 3", 1),
        ("50%", Fraction(1, 2)),
        ("20% of 50", 10),
        ("200 + 10%", Fraction(2001, 10)),
        ("1,234,567 - 1", 1234566),
        ("3 × 4", 12),
        ("3 x 4", 12),
        ("10 - 2 - 3", 5),
        ("4 ^ 0.5", 2),
        ("8 ^ (1/3)", 2),
        ("1e3 + 1", 1001),
        ("3.5 million / 2", 1750000),
        ("two hundred + five", 205),
    ],
)
def test_arithmetic(template: str, expected: object) -> None:
    assert value(template) == expected


def test_an_uneven_root_is_rounded_to_15_digits() -> None:
    assert value("2 ^ 0.5") == Fraction("1.4142135623731")


@pytest.mark.parametrize(
    ("template", "bound", "expected"),
    [
        ("1998 - #1", ("1950",), 48),
        ("1998 - #1", ("12 May 1950",), 48),
        ("#1 - 1900", ("12 May 1950",), 50),
        ("#1 - #2", ("c. 1450", "1400"), 50),
        ("#1 + #2", ("about 3.5 million", "two hundred"), 3500200),
        ("#1 / #2", ("4,130 km2", "10 people"), Quantity(Fraction(413), "km²")),
        ("#1 - #2", ("$1,200.50", "$200"), Quantity(Fraction(2001, 2), "USD")),
        ("#1 - #2", ("12 May 1950", "3 March 1940"), Quantity(Fraction(3722), "days")),
        ("#1 - #2", ("May 1950", "3 March 1940"), 10),
        ("#1 - #2", ("14 AD", "44 BC"), 57),
        ("#1 km + 1 km", (4,), Quantity(Fraction(5), "km")),
        ("#1 + 1", ((None, 4),), 5),
    ],
)
def test_references(template: str, bound: tuple[object, ...], expected: object) -> None:
    assert value(template, *bound) == expected


@pytest.mark.parametrize(
    "text",
    ["2) + __import__('os')", "4 [experiment] rm -rf", "1 + 1", "#2", "Paris", "<|im_end|>", ""],
)
def test_text_of_a_source_is_never_parsed(text: str) -> None:
    with pytest.raises(SourceError, match="not a number"):
        evaluate("#1 + 1", {1: Binding(text), 2: Binding(5)})


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("9**9**9", "too large"),
        ("9^9^9^9^9^9", "too large"),
        ("10^1000000", "too large"),
        ("10^400 - 10^400 + 10^300", "more than 180 digits"),
        ("9" * 1000000, "more than 2,000"),
        ("9" * 1500, "digits"),
        ("1e999999999", "exponent"),
        ("1 / 3 ^ 2000", "too small"),
        ("(" * 900 + "1" + ")" * 900, "nested"),
        ("*".join(["(2^4000)"] * 9), "grows beyond"),
        ("1 / 0", "division by zero"),
        ("5 mod (1 - 1)", "division by zero"),
        ("0 ^ -1", "division by zero"),
        ("(-8) ^ 0.5", "negative"),
        ("5!", "not arithmetic"),
        ("1 +", "ends too early"),
        ("(1", "ends too early"),
        ("1 + + )", "unexpected '\\)'"),
        ("", "empty"),
        ("  ", "empty"),
        ("Is #2 greater than #1?", "not arithmetic"),
        ("__import__('os').system('true')", "no operation|not arithmetic"),
        ("#7 + 1", "#7 stands for nothing"),
        ("#999999999999 + 1", "stands for nothing"),
        ("5 km + 3", "only one has a unit"),
        ("5 km + 3 kg", "do not measure the same thing"),
        ("5 USD + 3 EUR", "do not measure the same thing"),
        ("20 °C + 5 °C", "temperatures"),
        ("1,23 + 4", "not arithmetic"),
        ("12 May 1950 * 2", "date cannot be multiplied"),
        ("12 May 1950 + 5", "write whole days"),
        ("12 May 1950 + 3 March 1940", "cannot be added"),
        ("31 February 1950 + 1 days", "28 days"),
        ("9999-12-31 + 1 days", "outside the calendar"),
        ("5 foo + 1", "'5 foo' is not a number"),
    ],
)
def test_what_cannot_be_computed_says_why(template: str, message: str) -> None:
    begin = time.process_time()
    with pytest.raises(SourceError, match=f"^not computable: .*(?:{message})"):
        evaluate(template, {1: Binding(1), 2: Binding(2)})
    assert time.process_time() - begin < 2  # the first unit loads the units library


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("5 km + 300 m", "5.3 km"),
        ("100 km / 2 h", "50 km/h"),
        ("3 m * 4 m", "12 m²"),
        ("6 km / 2 km", "3"),
        ("6 km / 2000 m", "3"),
        ("2 * 5 square kilometres", "10 km²"),
        ("(3 m) ^ 2", "9 m²"),
        ("20 °C - 5 °C", "15 K"),
        ("12 May 1950 + 30 days", "1950-06-11"),
        ("31 January 2001 + 1 months", "2001-02-28"),
        ("29 February 2000 + 1 years", "2001-02-28"),
        ("May 12, 1950 - 1 weeks", "1950-05-05"),
        ("-(3 km)", "-3 km"),
    ],
)
def test_units_and_dates(template: str, expected: str) -> None:
    assert format_value(evaluate(template, {})) == expected


def _join(parts: tuple[tuple[str, Fraction | None], str, tuple[str, Fraction | None]]):
    (left_text, left), operator, (right_text, right) = parts
    text = f"({left_text} {operator} {right_text})"
    if left is None or right is None or (operator == "/" and not right):
        return text, None
    results = {"+": left + right, "-": left - right, "*": left * right}
    return text, results[operator] if operator in results else left / right


_numbers = st.fractions(min_value=-1000, max_value=1000, max_denominator=50)
_TREES = st.recursive(
    _numbers.map(lambda n: (f"({n.numerator}/{n.denominator})", n)),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(_join),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(_TREES)
def test_agrees_with_fractions(tree: tuple[str, Fraction | None]) -> None:
    text, expected = tree
    if expected is None:
        with pytest.raises(SourceError, match="division by zero"):
            evaluate(text, {})
    else:
        assert evaluate(text, {}) == expected


@settings(max_examples=100, deadline=None)
@given(st.integers(-(10**18), 10**18), st.integers(-(10**18), 10**18))
def test_what_is_written_out_reads_back(left: int, right: int) -> None:
    result = evaluate("#1 - #2", {1: Binding(left), 2: Binding(right)})
    assert evaluate("#1", {1: Binding(format_value(result))}) == left - right


_PIECES = [*FUNCTIONS, *"()()[],,::##%^*/+-.$°\"'", "#1", "#2", "#3", "12", "1,000", "**", " ", " "]
_PIECES += ["km", "May", "1950", "BC", "million", "of", "mod", "x", "per", "9" * 90, "1e200", "½"]


def _budget_of_slowest(texts: list[str]) -> tuple[float, str]:
    values = {1: Binding("4,130 km2", "A"), 2: Binding((1, None, "Paris")), 3: Binding("May 1950")}
    slowest = (0.0, "")
    evaluate("1 km + 1 m", values)  # loads what is loaded once
    for text in texts:
        begin = time.process_time()
        try:
            compute(text, values)
        except SourceError as error:
            assert str(error).startswith("not computable: "), text
        slowest = max(slowest, (time.process_time() - begin, text))
    return slowest


def test_random_strings_raise_nothing_else_and_take_no_time() -> None:
    rng = random.Random(7)
    letters = string.printable + "°²½€–’₀Ⅷ\u202e\u0000😀"
    texts = ["".join(rng.choices(letters, k=rng.randint(0, 60))) for _ in range(8_000)]
    texts += ["".join(rng.choices(_PIECES, k=rng.randint(1, 40))) for _ in range(12_000)]
    seconds, text = _budget_of_slowest(texts)
    assert seconds < 0.05, text


def test_random_values_raise_nothing_else() -> None:
    rng = random.Random(11)
    templates = [f"{name}(#1, #2)" for name in FUNCTIONS] + [
        "#1 - #2",
        "#1 * 2",
        "argmax(#1: 1, b: #2)",
    ]
    words = [*_PIECES, "12 May", "1950-05-12", "c.", "about", "two", "hundred", "€", "th", "e", "-"]
    for _ in range(4_000):
        texts = ["".join(rng.choices(words, k=rng.randint(0, 6))) for _ in range(3)]
        values = {1: Binding(texts[0]), 2: Binding((texts[1], None, texts[2]))}
        try:
            compute(rng.choice(templates), values)
        except SourceError as error:
            assert str(error).startswith("not computable: "), texts


@pytest.mark.parametrize("piece", [*_PIECES, "(", "-", "a ", "1 ", "1-", "a:", "#1,", "c. ", "+1"])
def test_long_repetitions_take_no_time(piece: str) -> None:
    seconds, text = _budget_of_slowest([piece * (2000 // len(piece)), "max(" + piece * 300 + ")"])
    assert seconds < 0.25, text[:80]
