"""Yes or no by a comparison: which way it goes is what the question's own word says."""

from __future__ import annotations

import pytest

from centerlm.center import CenterLM
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Objective
from centerlm.plan import parse_plan
from centerlm.solver import solve
from centerlm.sources.calculator import Calculator
from centerlm.verdicts import with_verdict
from engine import Asks, finish, script

BEFORE = "Was Baltic Lines founded before Fjord Express?"
FOUNDED = "1 [docs] When was Baltic Lines founded?\n2 [docs] When was Fjord Express founded?\n"


def verdict(question: str, plan: str) -> str:
    *before, last = parse_plan(plan).steps
    return with_verdict(last, before, question).text


def plan_of(compared: str, way: str, steps: str = FOUNDED) -> str:
    number = steps.count("\n") + 1
    return (
        f"{steps}{number} [calculator] compare({compared})\n"
        f"{number + 1} [calculator] same(#{number}, {way})"
    )


@pytest.mark.parametrize("way", ["less", "greater"])
@pytest.mark.parametrize(
    ("question", "compared", "right"),
    [
        (BEFORE, "#1, #2", "less"),
        (BEFORE, "#2, #1", "greater"),
        (BEFORE.replace("before", "after"), "#1, #2", "greater"),
        ("Was Fjord Express founded earlier than Baltic Lines?", "#1, #2", "greater"),
        ("Is Baltic Lines larger than Fjord Express?", "#1, #2", "greater"),
        ("Did fewer people work for Baltic Lines than for Fjord Express?", "#1, #2", "less"),
    ],
)
def test_the_words_of_the_question_decide(
    question: str, compared: str, right: str, way: str
) -> None:
    assert verdict(question, plan_of(compared, way)) == f"same(#3, {right})"


@pytest.mark.parametrize("way", ["less", "greater"])
def test_so_they_do_where_an_amount_is_compared_with(way: str) -> None:
    steps = "1 [docs] How high is Hekla?\n"
    plan = plan_of("#1, 1,000 metres", way, steps)
    assert verdict("Is Hekla higher than 1,000 metres?", plan) == "same(#2, greater)"
    assert verdict("Is Hekla lower than 1,000 metres?", plan) == "same(#2, less)"


@pytest.mark.parametrize(
    "question",
    [
        "Was Baltic Lines not founded before Fjord Express?",
        "Wasn't Baltic Lines founded before Fjord Express?",
        "Is Baltic Lines older than Fjord Express?",  # of years that is less, of ages greater
        "Was Baltic Lines founded before Fjord Express had more ships?",
        "Was the first company founded before the second?",
        "Did the two begin in one year?",
    ],
)
def test_where_they_do_not_the_plan_stands(question: str) -> None:
    for way in ("less", "greater"):
        assert verdict(question, plan_of("#1, #2", way)) == f"same(#3, {way})"


@pytest.mark.parametrize(
    "last",
    ["same(#1, #2)", "same(#3, equal)", "same(#1, less)", "same(#9, less)", "earlier(#1, #2)"],
)
def test_other_steps_stand(last: str) -> None:
    steps = parse_plan(f"{FOUNDED}3 [calculator] compare(#1, #2)").steps
    step = parse_plan(f"{FOUNDED}3 [docs] x\n4 [calculator] same(#1, #2)").steps[3]
    step = type(step)(4, ("calculator",), last)
    assert with_verdict(step, steps, BEFORE) == step


def test_a_plan_that_asks_the_wrong_way_round_gives_the_right_answer() -> None:
    plan = plan_of("#1, #2", "greater")
    for constraint in ("gbnf", "none"):
        model = ScriptedModel(script({BEFORE: plan}), constraint=constraint)
        docs = Asks("docs", lambda seek: 1951 if "Baltic" in seek.text else 1969)
        solution = finish(
            solve(Objective(BEFORE), center=CenterLM(model), sources=[docs, Calculator()])
        )
        assert solution.answer == "yes"
