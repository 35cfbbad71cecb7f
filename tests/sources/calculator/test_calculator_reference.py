"""The reference page says what the calculator does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from centerlm.finding import MAX_ENUMERATION, format_value
from centerlm.sources.base import Binding
from centerlm.sources.calculator import FUNCTIONS, arithmetic, evaluate, exact, operations, values

PAGE = (Path(__file__).parents[3] / "docs/reference/calculator.md").read_text(encoding="utf-8")


def test_every_call_is_described() -> None:
    described = set(re.findall(r"`([a-z_]+)\(", PAGE))
    assert set(FUNCTIONS) <= described


def test_the_limits_are_the_real_ones() -> None:
    limits = PAGE.partition("## Limits")[2]
    for number in (
        arithmetic.MAX_CHARACTERS,
        arithmetic.MAX_NESTING,
        values.MAX_DIGITS,
        values.MAX_EXPONENT,
        exact.MAX_ANSWER_DIGITS,
        operations.MAX_TEXTS,
        MAX_ENUMERATION,
    ):
        assert re.search(rf"\b{number:,}\b", limits), number


@pytest.mark.parametrize(
    ("expression", "result"), re.findall(r"`([^`]+)` is (?:`)?([\d.]+(?: km/h)?)\b", PAGE)
)
def test_the_examples_hold(expression: str, result: str) -> None:
    assert format_value(evaluate(expression, {})) == result


@pytest.mark.parametrize("expression", ["1998 - #3", "argmax(Reflections: #3, White Cargo: #4)"])
def test_the_first_examples_compute(expression: str) -> None:
    assert expression in PAGE
    bound = {3: Binding("12 May 1950"), 4: Binding("1942")}
    assert format_value(evaluate(expression, bound)) in ("48", "Reflections")
