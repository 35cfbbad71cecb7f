"""Iterated retrieval: each search has the last answer, all passages so far are read, ends early."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from centerlm.center import CenterLM
from centerlm.evaluation.iterated import iterated
from centerlm.finding import Finding, Passage, Status, Usage, failed, nothing
from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Budget, Objective
from centerlm.solver import Solution, solve
from centerlm.sources.base import Card, Seek

ASKED = "Which river flows through the town where Ann was born?"
TEXTS = {"Ann": "Ann was born in Norburg.", "Norburg": "The Ister flows through Norburg."}


@dataclass
class Texts:
    """Gives the text of the last name asked for."""

    card: Card = field(default_factory=lambda: Card("documents", "texts"))
    asked: list[str] = field(default_factory=list[str])
    broken: bool = False

    def bound(self, seek: Seek) -> Usage:
        del seek
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        self.asked.append(seek.text)
        if self.broken:
            return failed("the shelf fell down", source="documents")
        name = max(TEXTS, key=seek.text.rfind)
        if name not in seek.text:
            return nothing("no such name", source="documents")
        return Finding(
            Status.FOUND, passages=(Passage(name, TEXTS[name], name),), source="documents"
        )


def _say(prompt: Prompt, sampling: Sampling) -> str:
    del sampling
    text = prompt.messages[-1].text
    if "Ister" in text:
        return "Ister [2]"
    return "Norburg [1]" if "Norburg" in text else "nothing"


def run(texts: Texts, question: str = ASKED, budget: Budget | None = None) -> Solution:
    return asyncio.run(
        solve(
            Objective(question, budget=budget or Budget()),
            center=CenterLM(ScriptedModel(_say), examples=()),
            sources=[texts],
            descend=iterated(4),
        )
    )


def test_each_search_has_the_last_answer_until_two_are_the_same() -> None:
    texts = Texts()
    solution = run(texts)
    assert (solution.status, solution.answer) == ("answered", "Ister")
    assert texts.asked == [ASKED, f"{ASKED} Norburg", f"{ASKED} Ister"]
    assert solution.usage.calls == 6  # three searches, three readings
    assert [c.passage for c in solution.finding.citations] == ["Norburg"]


def test_what_finds_nothing_or_breaks_ends_in_words() -> None:
    assert run(Texts(), "Who is it?").status == "nothing"
    broken = Texts(broken=True)
    assert run(broken).answer is None and len(broken.asked) == 1
    no_source = asyncio.run(
        solve(
            Objective(ASKED),
            center=CenterLM(ScriptedModel(_say), examples=()),
            sources=[],
            descend=iterated(),
        )
    )
    assert (no_source.status, no_source.answer) == ("failed", None)


def test_the_best_answer_so_far_is_given_where_the_budget_ends() -> None:
    solution = run(Texts(), budget=Budget(calls=3))
    assert (solution.status, solution.answer) == ("out_of_budget", "Norburg")
