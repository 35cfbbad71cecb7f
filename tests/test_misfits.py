"""Answers of another kind than was asked for."""

from __future__ import annotations

import pytest

from centerlm.misfits import misfit, without


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How old was Henrik Dahl when he died?", "1944"),
        ("At what age did Ugo Ferrante die?", "12 May 1812"),
        ("What age was the painter of The Red Sail when it was painted?", "in May 1905"),
        ("How many passengers can the Seabird carry?", "118 metres"),
        ("How many people live in Halmen?", "12.5 km²"),
        ("About how many seats does it have?", "some 3,200 m"),
        ("What is the number of passengers of the Seabird?", "118 metres long"),
        ("How many years did Astrid Dahl serve?", "1988 to 2004"),
        ("For how many days was it open?", "from 1902 until 1904"),
    ],
)
def test_what_is_of_another_kind_is_no_answer(question: str, answer: str) -> None:
    assert misfit(question, answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How old was Henrik Dahl when he died?", "71"),
        ("How old is the oldest tree?", "1500 years"),
        ("How old is the oldest tree?", "4,850 years"),
        ("How old is the fossil?", "2012.5 million years"),
        ("How many passengers can the Seabird carry?", "900"),
        ("How many people live there?", "1944"),
        ("How many metres long is the bridge?", "1,088 m"),
        ("How many square kilometres does it cover?", "590 km²"),
        ("How many kilometres is it in km?", "12 km"),
        ("What is the number of metres that it measures?", "1,088 m"),
        ("How many kg does it weigh?", "830 kilograms"),
        ("How many years did it take?", "6"),
        ("How many years lie between the two?", "41 years"),
        ("How long is the bridge?", "1,088 metres"),
        ("When was it opened?", "1905"),
        ("How many men died?", "10 m men"),
        ("Who won?", "118 metres"),
    ],
)
def test_what_may_be_an_answer_is_one(question: str, answer: str) -> None:
    assert not misfit(question, answer)


def test_the_words_of_an_answer_are_left_out_wherever_they_stand() -> None:
    text = "It is 118\nmetres long, 118 metres; 1118 metres."
    assert without(text, "118 metres") == "It is … long, …; 1118 metres."
    assert without(text, "") == text
