"""Labels of calculations: mended by the question where they were copied with a slip."""

from __future__ import annotations

import pytest

from centerlm.center import CenterLM
from centerlm.labels import with_labels
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Objective
from centerlm.plan import Step
from centerlm.solver import solve
from centerlm.sources.calculator import Calculator
from engine import Asks, finish, script

FOUNDED = "Which was founded first, Baltic Lines or Fjord Express?"
OLD = "Old St. Mary's Hall"


def mended(text: str, question: str = FOUNDED) -> str:
    return with_labels(Step(3, ("calculator",), text), question).text


@pytest.mark.parametrize(
    ("text", "question", "right"),
    [
        ("earlier(B Baltic Lines: #1, Fjord Express: #2)", FOUNDED, "Baltic Lines"),
        ("argmax(Nordwind ferries: #1, Seabird: #2)", "the Nordwind or the Seabird?", "Nordwind"),
        ("argmin(Vattern lake: #1, Vanern: #2)", "Which lake, Vanern or Vattern?", "Vattern"),
        ("sort(Old Oak of 1950: #1, Elm: #2)", "By age, Old Oak and Elm?", "Old Oak"),
        ("argmax(Lines: #1, Fjord Express: #2)", FOUNDED, "Baltic Lines"),
        ("argmax(Balt Lines: #1, Fjord Express: #2)", FOUNDED, "Baltic Lines"),
        (
            "argmax(Vanern: #1, Lake Vattern: #2)",
            "Is Lake Vanern or Lake Vattern it?",
            "Lake Vanern",
        ),
        ("argmax(Ice: #1, Elm: #2)", "Is Ice older than Elm?", "Ice"),
        ("earlier(Old: #1, Elm: #2)", "Which is older, Old St. Mary's Hall or Elm?", OLD),
        ("earlier(Red: #1, Elm: #2)", "Elm, the Red Sea or the Red Hat?", "Red"),
    ],
)
def test_a_label_is_what_of_it_stands_in_the_question(text: str, question: str, right: str) -> None:
    assert mended(text, question) == f"{text.partition('(')[0]}({right}:{text.partition(':')[2]}"


@pytest.mark.parametrize(
    "text",
    [
        "earlier(Baltic Lines: #1, Fjord Express: #2)",
        "earlier(baltic lines: #1, Fjord Express: #2)",
        "earlier(Nordwind: #1, Seabird: #2)",  # neither is in the question: it may mean them
        "earlier(Baltic Ferries: #1, Baltic Lines: #2)",  # Baltic may be either
        "earlier(#1: #2, #2: #1)",
        "compare(#1, #2)",
        "#1 - #2",
        "Which is older, B Baltic Lines: #1 or #2?",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert mended(text) == text


def test_two_labels_never_become_one() -> None:
    text = "earlier(Baltic Lines A: #1, Baltic Lines B: #2)"
    assert mended(text, "Which of the Baltic Lines is older?") == text


def test_the_answer_is_called_as_in_the_question() -> None:
    plan = (
        "1 [docs] When was Baltic Lines founded?\n2 [docs] When was Fjord Express founded?\n"
        "3 [calculator] earlier(B Baltic Lines: #1, Fjord Express: #2)"
    )
    for constraint in ("gbnf", "none"):
        model = ScriptedModel(script({FOUNDED: plan}), constraint=constraint)
        docs = Asks("docs", lambda seek: 1951 if "Baltic" in seek.text else 1969)
        solution = finish(
            solve(Objective(FOUNDED), center=CenterLM(model), sources=[docs, Calculator()])
        )
        assert solution.answer == "Baltic Lines"
