"""Labels of calculations: mended by the question where they were copied with a slip."""

from __future__ import annotations

import pytest

from centerlm.center import CenterLM
from centerlm.labels import with_found, with_labels
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


PLAN = (
    Step(1, ("documents",), "What is the country whose capital is Elm?"),
    Step(2, ("documents",), "What is the director of Oak?"),
    Step(3, ("documents",), "What is the area of #1?"),
    Step(4, ("documents",), "When was #2 born?"),
    Step(5, ("documents",), "What is the area of Norland?"),
)


@pytest.mark.parametrize(
    ("text", "question", "right"),
    [
        (
            "argmax(Elm: #3, Norland: #5)",
            "Which is larger, the country whose capital is Elm or Norland?",
            "argmax(#1: #3, Norland: #5)",
        ),
        (
            "argmax(Norland: #5, Elm: #3)",
            "Which is larger, Norland or Elm's country?",
            "argmax(Norland: #5, #1: #3)",
        ),
        # The things themselves are what is asked for, whatever was found with them.
        ("earlier(Oak: #4, Elm: #3)", "Which film has the older director, Oak or Elm?", None),
        ("earlier(Oak: #4, Elm: #3)", "Which of Oak and Elm has the older director?", None),
        ("earlier(Oak: #4, Elm: #3)", "Is Oak or Elm by the older director?", None),
        ("earlier(Oak: #4, Elm: #3)", "Where was he born longer ago, for Oak or for Elm?", None),
        # Named both ways, or asked without a step between.
        ("argmax(Elm: #3, Oak: #4)", "Elm or Oak: what is the larger part of Elm?", None),
        ("argmax(Norland: #5, Elm: #3)", "Is more of Norland or of Ash wood?", None),
        ("argmax(Elm: #9, Oak: #4)", "Is more of Elm or of Ash wood?", None),
        ("same(#3, #4)", "Is the country of Elm that of Oak?", None),
    ],
)
def test_what_was_found_is_chosen_where_a_label_only_says_how(
    text: str, question: str, right: str | None
) -> None:
    step = Step(6, ("calculator",), text)
    assert with_found(step, PLAN, question).text == (right or text)
