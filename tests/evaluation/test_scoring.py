"""What an episode is worth, also where something is missing: an answer, a source, a plan."""

from __future__ import annotations

import asyncio
import math

import pytest

from centerlm import Objective, ScriptedModel
from centerlm.center import CenterLM
from centerlm.evaluation.harness import Outcome
from centerlm.evaluation.items import Item, Paragraph, passage_key
from centerlm.evaluation.results import results_of
from centerlm.evaluation.scoring import (
    Solved,
    answer_scores,
    echoes,
    number_in,
    question_scores,
    spent,
)
from centerlm.journal import MemoryJournal
from centerlm.objective import AnswerType, Budget
from centerlm.plan import parse_plan
from centerlm.solver import solve
from centerlm.sources.base import Source
from centerlm.sources.calculator import Calculator

ACCEPTED: dict[AnswerType, tuple[str, ...]] = {
    "any": ("Ister", "River Ister"),
    "text": ("Ister",),
    "number": ("12",),
    "boolean": ("yes", "true"),
    "date": ("1998-05-03",),
    "list": ("a, b",),
}
QUESTION = "Which river flows through the old town of Norburg?"


def item_of(kind: AnswerType = "any", accepted: tuple[str, ...] | None = None) -> Item:
    paragraph = Paragraph("Norburg", "The Ister flows through Norburg.")
    objective = Objective(QUESTION, answer_type=kind, budget=Budget(depth=1))
    return Item(
        "i",
        "own",
        objective,
        ACCEPTED[kind] if accepted is None else accepted,
        plans={QUESTION: parse_plan("1 [documents] Which river flows through Norburg?")},
        support=frozenset([passage_key(*paragraph)]),
        paragraphs=(paragraph,),
    )


def solved(said: str, sources: tuple[Source, ...] = (), kind: AnswerType = "any") -> Solved:
    """An episode of the engine in which the model always says the same."""
    journal = MemoryJournal()
    center = CenterLM(ScriptedModel(lambda prompt, sampling: said), examples=())
    objective = item_of(kind).objective
    done = asyncio.run(
        solve(objective, center=center, sources=sources, journal=journal, episode="e")
    )
    return Solved("e", done.tree, tuple(journal.events("e")), journal.blob)


@pytest.mark.parametrize("kind", list(ACCEPTED))
def test_no_answer_is_wrong_and_no_error(kind: AnswerType) -> None:
    assert answer_scores(None, item_of(kind)) == {"em": 0.0, "f1": 0.0}
    assert answer_scores("", item_of(kind)) == {"em": 0.0, "f1": 0.0}
    assert answer_scores(ACCEPTED[kind][0], item_of(kind))["em"] == 1.0


@pytest.mark.parametrize("sources", [(), (Calculator(),)], ids=["no source", "one that failed"])
def test_an_episode_that_found_nothing_is_scored(sources: tuple[Source, ...]) -> None:
    """There is no answer, no passage, no citation: what cannot be said is None, not 0."""
    empty = solved("nothing" if not sources else "1 [calculator] the river\n", sources)
    assert empty.answer is None
    scores = question_scores(item_of(), empty)
    assert scores["em"] == scores["f1"] == scores["support_recall"] == 0.0
    assert scores["citation_precision"] is None
    assert spent([empty])["calls"] >= 1
    assert not echoes(item_of(), empty)


def test_an_item_of_which_only_the_answer_is_known() -> None:
    item = Item("i", "own", Objective(QUESTION), ("Ister",))
    scores = question_scores(item, solved("Ister"))
    assert scores["em"] == 1.0
    assert scores["support_recall"] is scores["citation_precision"] is scores["plan_graph"] is None


def test_results_leave_out_what_nothing_is_known_of() -> None:
    """A metric that is None everywhere has no cell; systems are paired where both have a value."""
    item, empty = item_of(), solved("nothing")

    def outcome(system: str, f1: float | None) -> Outcome:
        usage = spent([empty])
        scores = {"f1": f1, "citation_precision": None, **usage}
        return Outcome(system, item, (empty,), scores, usage, False, False)

    outcomes = [outcome("one", 1.0), outcome("two", None)]
    results = results_of("ood_qa", [item], outcomes, {}, "f1", {})
    one, two = (results["systems"][name]["metrics"] for name in ("one", "two"))
    assert "citation_precision" not in one
    assert "f1" in one and "f1" not in two
    assert results["systems"]["two"]["n"] == 1 and "f1" not in results["systems"]["two"]["measured"]
    assert results["paired"] == []
    assert all(math.isfinite(cell["value"]) for cell in one.values())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("none", None),
        ("1/0", None),
        ("about 1,200 of them", 1200),
        ("3 of 4: 3/4", 0.75),
        ("", None),
        ("rated 3.5/4", 0.875),
        ("in mid-1998", 1998),
        ("1990-1995", 1995),
        ("it fell to \N{MINUS SIGN}4.5 (-4.5)", -4.5),
        ("\N{MINUS SIGN}7 degrees", -7),
        ("1,000 / 4", 250),
        ("9" * 5_000, None),
        ("1/" + "3" * 5_000, None),
    ],
)
def test_the_last_number_of_an_answer(text: str, number: float | None) -> None:
    assert number_in(text) == number


@pytest.mark.parametrize(
    ("kind", "accepted", "answer", "right"),
    [
        ("number", ("0",), "It is 0.0", 1.0),
        ("number", ("3", "three"), "I do not know", 0.0),
        ("number", ("3", "three"), "3 of them", 1.0),
        ("number", ("three",), "Three", 1.0),
        ("boolean", ("Yes",), "Yes, it is", 1.0),
        ("boolean", ("Yes",), "No", 0.0),
    ],
)
def test_numbers_and_yes_or_no_are_compared_as_what_they_are(
    kind: AnswerType, accepted: tuple[str, ...], answer: str, right: float
) -> None:
    assert answer_scores(answer, item_of(kind, accepted)) == {"em": right, "f1": right}
