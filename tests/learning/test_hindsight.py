"""Hindsight: wrong plans that are right for another question, and those that are right for none."""

from __future__ import annotations

import asyncio

import pytest

from centerlm.acts import PlanView
from centerlm.center import plan_prompt
from centerlm.journal import MemoryJournal
from centerlm.learning.hindsight import decision_example, hindsight, noun_phrase, spell_out
from centerlm.learning.records import Decision
from centerlm.learning.rollouts import Question, RolloutSettings, rollouts
from centerlm.models.scripted import ScriptedModel
from centerlm.plan import parse_plan
from centerlm.run import Options
from learning.town import (
    KNOWN,
    MOTHER_BORN,
    PLAN,
    TEACHER,
    TEACHER_BORN,
    TEACHER_QUESTION,
    Town,
    center,
    question,
    says,
)

SETTINGS = RolloutSettings(k=1, options=Options(reasks=False, splits=False, reopens=0))


def seen_again(
    model: ScriptedModel, *others: Question, asked: Question | None = None
) -> tuple[Decision, ...]:
    journal = MemoryJournal()
    groups = asyncio.run(
        rollouts(
            [asked or question()], center(model), lambda q: [Town()], SETTINGS, journal=journal
        )
    )
    return hindsight(groups, journal, known=KNOWN, others=others)


def test_a_plan_for_another_question_becomes_its_guidance() -> None:
    """Asked about the mother, the center looked up the teacher: right for the other question."""
    (decision,) = seen_again(says(lambda asked, sampling: TEACHER), question(), TEACHER_QUESTION)
    assert decision.objective == TEACHER_BORN
    assert str(decision.plan) == TEACHER
    example = decision_example(decision)
    assert example.prompt == plan_prompt(PlanView(TEACHER_BORN, (Town.card,)))
    assert (example.act, example.target, example.origin) == ("decompose", TEACHER, "hindsight")


def test_where_there_is_no_such_question_the_chain_is_spelled_out() -> None:
    (decision,) = seen_again(says(lambda asked, sampling: TEACHER), question())
    assert decision.objective == "When was the teacher of Ada Holt born?"


def test_a_right_plan_needs_no_hindsight() -> None:
    assert seen_again(says(lambda asked, sampling: PLAN), question(), TEACHER_QUESTION) == ()


@pytest.mark.parametrize(
    "plan",
    [
        "1 [documents] Who is the teacher of Ada Holt?\n2 [documents] Where was #1 born?",
        "1 [documents] Who is Zed?\n2 [documents] When was #1 born?",
        "1 [documents] When was Cal Moor born?",
    ],
)
def test_steps_that_are_wrong_or_unknown_give_nothing(plan: str) -> None:
    assert seen_again(says(lambda asked, sampling: plan), question(), TEACHER_QUESTION) == ()


def test_a_question_about_other_people_is_not_taken_for_it() -> None:
    """The same answers by another name: the words of the plan do not stand in the question."""
    other = question("q3", TEACHER_BORN.replace("Ada Holt", "Eve Lind"), "1899", TEACHER)
    (decision,) = seen_again(says(lambda asked, sampling: TEACHER), other)
    assert decision.objective == TEACHER_BORN


def test_a_wrong_reading_of_a_right_plan_gives_nothing() -> None:
    model = says(lambda asked, sampling: TEACHER, absorb=lambda user: "Cal Moor [1]")
    assert seen_again(model, question(), TEACHER_QUESTION) == ()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("Who is the mother of Ada Holt?", "the mother of Ada Holt"),
        ("What was the capital of Norland?", "the capital of Norland"),
        ("Who wrote Salt?", "the person who wrote Salt"),
        ("Which town is Ada Holt from?", "the town Ada Holt is from"),
        ("When was Ada born?", None),
        ("Who is Ada?", None),
        ("Which town does Ada like?", None),
    ],
)
def test_what_a_question_asks_for(asked: str, words: str | None) -> None:
    assert noun_phrase(asked) == words


@pytest.mark.parametrize(
    ("plan", "spelled"),
    [
        (PLAN, MOTHER_BORN),
        (
            "1 [documents] Who wrote Salt?\n2 [documents] Who is the mother of #1?\n"
            "3 [documents] When did #2 die?",
            "When did the mother of the person who wrote Salt die?",
        ),
        (
            "1 [documents] Who wrote Salt?\n2 [documents] Who wrote Ash?\n3 [calculator] #1 - #2",
            None,
        ),
        ("1 [documents] Who is the child of Ada?\n2 [documents each #1] When was #1 born?", None),
        ("1 [documents] When was Ada born?\n2 [calculator] #1 + 1", None),
    ],
)
def test_spelling_out_a_chain(plan: str, spelled: str | None) -> None:
    assert spell_out(parse_plan(plan)) == spelled
