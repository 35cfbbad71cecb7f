"""Verify: an answer that does not hold re-opens a step, at most once a step, twice an episode."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from centerlm.events import SeekStarted, StepReopened
from centerlm.finding import Finding, Status, found
from centerlm.journal import MemoryJournal
from centerlm.models.base import Prompt, Sampling
from centerlm.objective import Budget, Objective
from centerlm.run import Options
from centerlm.sources.base import Seek
from engine import Asks, Outcome, act_of, finished, question_of, run, script

VERIFIED = Options(reasks=False, splits=False)
"""Steps are re-opened by the check of the root's answer alone."""


def doubting(plans: dict[str, str]) -> Any:
    """A script whose absorb answers "blue" from a note that says "doubt": nothing carries that."""
    plain = script(plans, seek=lambda question: f"other {question}")

    def say(prompt: Prompt, sampling: Sampling) -> Any:
        notes = prompt.messages[1].text
        if act_of(prompt) == "absorb" and "doubt" in notes and question_of(prompt) != "q":
            return "blue [1]"
        return plain(prompt, sampling)

    return say


def reopened(outcome: Outcome) -> list[str]:
    return [e.path for e in outcome.events if isinstance(e, StepReopened)]


def sought(outcome: Outcome) -> list[str]:
    return [e.text for e in outcome.events if isinstance(e, SeekStarted)]


def texts(answers: dict[str, str]) -> Asks:
    return Asks("docs", lambda seek: answers.get(seek.text, seek.text), typed=False)


def refusing(times: int) -> Any:
    """A validator that refuses the first answers."""
    left = [times]

    def validate(objective: Objective, answer: str) -> str | None:
        del objective, answer
        left[0] -= 1
        return "refused" if left[0] >= 0 else None

    return validate


def test_an_unsupported_answer_is_asked_again_in_other_words() -> None:
    docs = texts({"a": "doubt", "other a": "red"})
    outcome = run("q", doubting({"q": "1 [docs] a"}), [docs], options=Options())
    assert docs.texts == ["a", "other a"]
    assert reopened(outcome) == ["1"]
    assert outcome.solution.answer == "red"
    assert finished(outcome.events) == {"1": ["found"]}


def test_an_unsupported_answer_stays_if_asking_again_does_not_help() -> None:
    docs = texts({"a": "doubt", "other a": "doubt again"})
    outcome = run("q", doubting({"q": "1 [docs] a"}), [docs], options=Options())
    assert reopened(outcome) == ["1"]
    assert outcome.solution.answer == "blue"


@pytest.mark.parametrize(("reopens", "count"), [(2, 2), (1, 1), (0, 0)])
def test_at_most_twice_an_episode(reopens: int, count: int) -> None:
    answers = dict.fromkeys("abcd", "doubt") | {f"other {x}": "doubt" for x in "abcd"}
    plan = "1 [docs] a\n2 [docs] b\n3 [docs] c\n4 [center] part"
    said = doubting({"q": plan, "part": "1 [docs] d"})
    outcome = run("q", said, [texts(answers)], options=Options(reopens=reopens))
    assert len(reopened(outcome)) == len(set(reopened(outcome))) == count


def test_at_most_once_a_step() -> None:
    docs = texts({"a": "doubt", "other a": "doubt"})
    outcome = run(
        "q", doubting({"q": "1 [docs] a"}), [docs], validator=refusing(9), options=Options()
    )
    assert reopened(outcome) == ["1"]
    assert outcome.solution.reason == "refused"
    assert outcome.solution.status == "partial"


PLAN = {"q": "1 [docs] a\n2 [docs] b #1\n3 [docs] c"}


def test_the_earliest_unsupported_step_and_its_dependents_are_run_again() -> None:
    docs = texts({"a": "doubt", "other a": "red"})
    outcome = run("q", doubting(PLAN), [docs], validator=refusing(1), options=VERIFIED)
    assert sought(outcome)[3:] == ["other a", "b red"]
    assert set(sought(outcome)[:3]) == {"a", "b blue", "c"}
    assert finished(outcome.events) == {
        "1": ["found", "found"], "2": ["found", "found"], "3": ["found"]
    }  # fmt: skip
    assert outcome.answer("2") == "b red"
    assert outcome.solution.status == "answered"


def test_dependents_are_not_run_again_where_the_answer_stays() -> None:
    docs = texts({"a": "doubt", "other a": "doubt"})
    outcome = run("q", doubting(PLAN), [docs], validator=refusing(1), options=VERIFIED)
    assert sought(outcome)[3:] == ["other a"]


def test_a_reopened_step_that_now_finds_nothing_keeps_what_it_had() -> None:
    docs = Asks(
        "docs",
        lambda seek: Finding(Status.NOTHING) if "other" in seek.text else
        "doubt" if seek.text == "a" else seek.text,
        typed=False,
    )  # fmt: skip
    outcome = run("q", doubting(PLAN), [docs], validator=refusing(1), options=VERIFIED)
    assert sought(outcome)[3:] == ["other a"]
    assert (outcome.status("1"), outcome.answer("1")) == ("found", "blue")
    assert outcome.solution.answer == "c"


def test_the_last_step_is_reopened_where_all_are_supported() -> None:
    docs = texts({})
    outcome = run("q", doubting(PLAN), [docs], validator=refusing(1), options=VERIFIED)
    assert reopened(outcome) == ["3"]


def test_two_reopenings_run_a_common_dependent_as_two_attempts() -> None:
    answers = {"a": "doubt", "b": "doubt", "other a": "red", "other b": "green"}
    plan = {"q": "1 [docs] a\n2 [docs] b\n3 [docs] of #1 #2"}
    outcome = run("q", doubting(plan), [texts(answers)], validator=refusing(9), options=VERIFIED)
    assert reopened(outcome) == ["1", "2"]
    assert sought(outcome)[2:] == [
        "of blue blue", "other a", "of red blue", "other b", "of red green"
    ]  # fmt: skip
    keys = [e.attempt for e in outcome.events if isinstance(e, SeekStarted) and e.path == "3"]
    assert len(set(keys)) == 3


def test_a_child_run_again_is_asked_anew() -> None:
    plans = {"q": "1 [docs] x\n2 [center] part", "part": "1 [docs] a"}
    outcome = run("q", doubting(plans), [texts({})], validator=refusing(1), options=VERIFIED)
    assert reopened(outcome) == ["2"]
    assert sought(outcome).count("a") == 2
    assert outcome.solution.tree.nodes["2.1"].joined == ""


@pytest.mark.parametrize("more", [{"effect": "write"}, {"shared": False}])
def test_nothing_is_written_and_nobody_is_asked_a_second_time(more: dict[str, Any]) -> None:
    act = Asks("act", lambda seek: found("done"), **more)
    plan = {"q": "1 [docs] a\n2 [act] with #1"}
    docs = texts({"a": "doubt", "other a": "red"})
    outcome = run("q", doubting(plan), [docs, act], validator=refusing(9), options=VERIFIED)
    assert len(act.asked) == 1
    assert reopened(outcome) == []
    assert outcome.solution.reason == "refused"


@pytest.mark.parametrize("more", [{"effect": "write"}, {"shared": False}])
@pytest.mark.parametrize(
    "plan", ["1 [center] part\n2 [act] last", "1 [center] part\n2 [act] last\n3 [center] Part."]
)
def test_nor_by_a_step_that_has_it_done_by_one_of_its_own(plan: str, more: dict[str, Any]) -> None:
    act = Asks("act", lambda seek: found("done"), **more)
    plans = {"q": plan, "part": "1 [docs] a\n2 [act] with #1"}
    outcome = run("q", plans, [texts({}), act], validator=refusing(9), options=VERIFIED)
    assert sorted(act.texts) == ["last", "with a"]
    assert reopened(outcome) == []


@pytest.mark.parametrize(
    ("kind", "answer", "reason"),
    [
        ("number", "many", "'many' is not a number"),
        ("date", "late", "'late' is not a date"),
        ("boolean", "perhaps", "'perhaps' is not yes or no"),
        ("number", "12 km", ""),
        ("date", "3 May 1998", ""),
        ("boolean", "Yes.", ""),
        ("list", "a, b", ""),
    ],
)
def test_the_answer_has_the_expected_type(kind: str, answer: str, reason: str) -> None:
    source = Asks("s", lambda seek: found(answer))
    outcome = run("q", {"q": "1 [s] a"}, [source], answer_type=kind, options=VERIFIED)
    assert outcome.solution.reason == reason
    assert outcome.solution.status == ("partial" if reason else "answered")
    assert outcome.solution.answer == answer


def test_a_validator_that_raises_leaves_the_answer() -> None:
    def broken(objective: Objective, answer: str) -> str | None:
        raise KeyError(answer, objective.text)

    outcome = run("q", {"q": "1 [s] a"}, [Asks("s", lambda s: found("x"))], validator=broken)
    assert outcome.solution.answer == "x"
    assert outcome.solution.status == "partial"
    assert outcome.solution.reason.startswith("the validator raised KeyError")


def test_time_that_ends_while_verifying_leaves_the_answer_there_was() -> None:
    async def slow_again(seek: Seek) -> Finding:
        if "other" in seek.text:
            await asyncio.sleep(60)
        return Finding(Status.FOUND, text=seek.text)

    docs = Asks("docs", slow_again, typed=False)
    outcome = run(
        "q", script({"q": "1 [docs] a"}, seek="other"), [docs],
        validator=refusing(1), options=VERIFIED, budget=Budget(seconds=0.2),
    )  # fmt: skip
    assert outcome.solution.answer == "a"
    assert outcome.solution.status == "out_of_budget"
    assert finished(outcome.events) == {"1": ["found", "out_of_budget"]}


def test_a_step_reopened_before_an_interruption_is_not_reopened_again_after_it() -> None:
    journal, slow = MemoryJournal(), Asks("slow", lambda seek: hang(seek))
    docs = texts({"a": "doubt", "other a": "doubt"})
    said = doubting({"q": "1 [docs] a\n2 [slow] b #1"})
    budget, options = Budget(seconds=0.15), replace(Options(), splits=False)
    first = run("q", said, [docs, slow], journal=journal, budget=budget, options=options)
    assert reopened(first) == ["1"]
    slow.reply = lambda seek: found("done")
    again = run(
        "q", said, [docs, slow], journal=journal, budget=Budget(), options=options,
        validator=refusing(9),
    )  # fmt: skip
    assert again.solution.answer == "done"
    assert reopened(again) == ["2"]


async def hang(seek: Seek) -> Finding:
    await asyncio.sleep(3600)
    raise AssertionError(seek)
