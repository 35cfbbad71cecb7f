"""Prose that can be computed: what is read, what it computes to, what is left alone."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from centerlm.finding import format_value
from centerlm.learning.readers.prose import computed
from centerlm.sources.base import Binding
from centerlm.sources.calculator import evaluate


def answer(text: str, values: Mapping[int, str]) -> str:
    """What the calls for a text give, as step 5 and on."""
    calls = computed(text, 5)
    assert calls is not None, text
    bound = {k: Binding(value) for k, value in values.items()}
    for at, call in enumerate(calls, start=5):
        bound[at] = Binding(evaluate(call, bound))
    return format_value(bound[4 + len(calls)].value)


@pytest.mark.parametrize(
    ("text", "values", "gives"),
    [
        ("Is #2 greater than #1?", {1: "3", 2: "16"}, "yes"),
        ("Is #2 greater than #1?", {1: "16", 2: "16"}, "no"),
        ("Is #1 greater than or equal to #2?", {1: "16", 2: "16"}, "yes"),
        ("Is #1 at least equal to 8?", {1: "7"}, "no"),
        ("Is #1 at most 8?", {1: "8"}, "yes"),
        ("Is #1 less than or equal to #2", {1: "9", 2: "8"}, "no"),
        ("Is #2 before #1?", {1: "1950", 2: "12 May 1949"}, "yes"),
        ("Was #1 prior to 1930?", {1: "1931"}, "no"),
        ("Does #1 exceed #2?", {1: "5 km", 2: "4 km"}, "yes"),
        ("Is #1 less than 24 hours?", {1: "90 minutes"}, "yes"),
        ("Is #1 less than 50%?", {1: "45%"}, "yes"),
        ("Is #1 the same as #2?", {1: "The Ister", 2: "Ister"}, "yes"),
        ("Are #1 and #2 the same?", {1: "A", 2: "B"}, "no"),
        ("Does #1 equal 5?", {1: "five"}, "yes"),
        ("Is #2 divided by #1 less than two?", {1: "4", 2: "6"}, "yes"),
        ("Is #2 greater than or equal to #3 multiplied by #4?", {2: "6", 3: "2", 4: "3"}, "yes"),
        ("Is half of #1 more than #2?", {1: "10", 2: "4"}, "yes"),
        ("Is the number of #1 higher than one?", {1: "2"}, "yes"),
        ("What is #1 minus #2?", {1: "10", 2: "4"}, "6"),
        ("What is the difference between 100,000 and #1?", {1: "99,000"}, "1000"),
        ("What is the sum of #1 and half of #2?", {1: "10", 2: "4"}, "12"),
        ("What is 20% of #1?", {1: "50"}, "10"),
        ("What is #1 subtracted from #2?", {1: "10", 2: "14"}, "4"),
        ("difference of #1 and #2", {1: "10", 2: "4"}, "6"),
    ],
)
def test_computes_what_is_meant(text: str, values: dict[int, str], gives: str) -> None:
    assert answer(text, values) == gives


@pytest.mark.parametrize(
    "text",
    [
        "Is #1 a sea creature?",
        "Is #1 also #2?",
        "Is #1 older than #2?",  # of ages or of dates
        "Is #1 significantly greater than #2?",
        "Is #1 the same as classical music?",
        "Is 5 greater than 4?",  # of no earlier step
        "What is #1?",
        "What is the sum of #1 and #2 divided by 2?",  # of the sum or of #2
        "Is the Ister longer than the Vell?",
        "Is #1 greater than #2 and Rome?",
        "",
    ],
)
def test_leaves_alone_what_has_no_call(text: str) -> None:
    assert computed(text, 5) is None


@given(st.text(alphabet=st.sampled_from("#12 .?ais greatr thn of%()-/"), max_size=60))
def test_any_text_gives_calls_or_none(text: str) -> None:
    calls = computed(text, 5)
    assert calls is None or all(calls)
