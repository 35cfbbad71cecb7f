"""Kinds: which questions ask alike."""

from __future__ import annotations

import pytest

from centerlm.memory.kinds import WordSpace, mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("When was Ada Brandt born?", "When was NAME born?"),
        ("Who is Ada Brandt's father?", "Who is NAME's father?"),
        ("Where is the University of the North?", "Where is the NAME?"),
        ("Ada Brandt was born when?", "NAME was born when?"),
        ("What did she found in 1998?", "What did she found in 0?"),
        ('Who wrote "the grey harbour"?', "Who wrote NAME?"),
        ("12.5 - 4", "0 - 0"),
        ("in which year\x00 was\nit founded", "in which year was it founded"),
        ("", ""),
    ],
)
def test_names_numbers_and_quotations_do_not_make_the_kind(text: str, masked: str) -> None:
    assert mask(text) == masked
    assert mask(masked) == masked


def _likeness(first: str, second: str) -> float:
    space = WordSpace()
    table = space.table()
    one, other = space.embed([mask(first), mask(second)])
    table.add(one)
    near = table.nearest(other, 1)
    return near[0][1] if near else 0.0


def test_by_words_the_same_question_of_others_is_one_kind() -> None:
    same = _likeness("When was Ada Brandt born?", "When was Bob Hill born?")
    other = _likeness("When was Ada Brandt born?", "What is the seat of Van Hook County?")
    assert same == pytest.approx(1)
    assert same >= WordSpace.joins > WordSpace.resembles > other


def test_by_words_a_composed_question_resembles_its_part() -> None:
    near = _likeness("When was the author of Salt born?", "When was Ada Brandt born?")
    assert WordSpace.resembles <= near < WordSpace.joins
