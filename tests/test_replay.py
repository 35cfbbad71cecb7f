"""Replaying an episode from its journal, without asking anybody."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from centerlm.center import CenterLM
from centerlm.episode import episode_to_json, fold
from centerlm.errors import InputError, JournalError, ModelError
from centerlm.events import (
    CallFinished,
    Event,
    StepFinished,
)
from centerlm.finding import Finding, failed, found
from centerlm.journal import MemoryJournal, Overlay, SqliteJournal
from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import Script, ScriptedModel
from centerlm.objective import Budget, Objective
from centerlm.run import Options
from centerlm.solver import Solution, solve
from centerlm.sources.base import Card, Seek, Source
from places import Place, kill_and_resume
from world import PLANS, QUESTION, Documents, Empty, Lister, Log, center, say


def untouchable(prompt: Prompt, sampling: Sampling) -> str:
    raise AssertionError("a replay asked the model")


@dataclass(slots=True)
class Untouchable:
    """The card of a source, and nobody there."""

    of: Source

    @property
    def card(self) -> Any:
        return self.of.card

    def bound(self, seek: Seek) -> Any:
        raise AssertionError("a replay asked a source")

    async def seek(self, seek: Seek) -> Finding:
        raise AssertionError("a replay asked a source")


def replay(
    journal: SqliteJournal | MemoryJournal,
    name: str,
    sources: list[Source],
    objective: Objective | None = None,
) -> tuple[Overlay, Solution]:
    overlay = Overlay(journal)
    solution = asyncio.run(
        solve(
            objective or Objective(QUESTION),
            center=CenterLM(ScriptedModel(untouchable), examples=()),
            sources=[Untouchable(source) for source in sources],
            journal=overlay,
            episode=name,
            options=Options(replaying=True),
        )
    )
    return overlay, solution


def as_bytes(journal: SqliteJournal | MemoryJournal, name: str) -> bytes:
    data = episode_to_json(fold(journal.events(name)), name, journal.blob)
    del data["usage"]["seconds"]
    return json.dumps(data).encode()


def ended(events: list[Event]) -> set[str]:
    return {event.path for event in events if isinstance(event, StepFinished)}


def solved(
    script: Script, objective: Objective, sources: list[Source], journal: MemoryJournal
) -> Solution:
    center = CenterLM(ScriptedModel(script), examples=())
    return asyncio.run(solve(objective, center=center, sources=sources, journal=journal))


def same_again(
    journal: SqliteJournal | MemoryJournal,
    name: str,
    sources: list[Source],
    objective: Objective | None = None,
) -> None:
    before = journal.events(name)
    overlay, solution = replay(journal, name, sources, objective)
    assert as_bytes(overlay, name) == as_bytes(journal, name)
    assert journal.events(name) == before
    finding = fold(before).finding
    assert solution.tree.finding == finding
    assert ended(overlay.events(name)) == ended(before)


def test_a_replay_is_the_same_bytes(tmp_path: Path) -> None:
    place = Place(tmp_path)
    name = place.solve(latency=0).episode
    asked = place.log.lines()
    journal = SqliteJournal(place.journal)
    same_again(journal, name, place.sources(0))
    assert place.log.lines() == asked


def test_a_replay_of_a_resumed_episode_is_the_same_bytes(
    tmp_path: Path,
) -> None:
    rng = random.Random()
    for trial in range(4):
        place = Place(tmp_path / str(trial))
        place.folder.mkdir()
        kill_and_resume(place, rng, seconds=0.3)
        journal = SqliteJournal(place.journal)
        same_again(journal, journal.find("last"), place.sources(0))
        journal.close()


@pytest.mark.parametrize("calls", [0, 1, 2, 4, 7, 12, 15, 20, 33, 50, 80])
def test_a_replay_of_an_episode_that_ran_out_of_budget(tmp_path: Path, calls: int) -> None:
    sources = Place(tmp_path).sources(0)
    objective = Objective(QUESTION, budget=Budget(calls=calls))
    journal = MemoryJournal()
    first = asyncio.run(solve(objective, center=center(), sources=sources, journal=journal))
    same_again(journal, first.episode, sources, objective)


def test_a_replay_of_an_episode_that_ran_out_of_time(tmp_path: Path) -> None:
    sources: list[Source] = [Lister(Log()), Empty(Log()), Documents(Log(), 0.15)]
    objective = Objective(QUESTION, budget=Budget(seconds=0.5))
    plans = {**PLANS, QUESTION: PLANS[QUESTION].replace("[writer]", "[documents]")}
    journal = MemoryJournal()
    first = asyncio.run(
        solve(objective, center=center(plans=plans), sources=sources, journal=journal)
    )
    assert first.status == "out_of_budget"
    same_again(journal, first.episode, sources, objective)


@pytest.mark.parametrize("failing", ["source", "model", "root", "plan"])
def test_a_replay_of_failures(failing: str) -> None:
    """Sources that fail, a model that fails in a leaf, in the root's answer, in its plan."""

    class Failing(Documents):
        async def seek(self, seek: Seek) -> Finding:
            if failing == "source" and "each" not in seek.template and "made" not in seek.text:
                return failed("the roof leaks")
            return await super().seek(seek)

    asked = 0

    def script(prompt: Prompt, sampling: Sampling) -> str:
        nonlocal asked
        asked += 1
        user = prompt.messages[-1].text
        leaf = (
            failing == "model" and "Who made boiler" in user and "notes" in prompt.messages[0].text
        )
        root = failing == "root" and user.count("\n[") >= 2 and QUESTION in user
        if leaf or root or (failing == "plan" and "Find the heir" in user):
            raise ModelError("the model is down")
        return say(prompt)

    sources: list[Source] = [Failing(Log()), Empty(Log()), Lister(Log())]
    plans = PLANS[QUESTION].replace("[writer]", "[documents]")
    journal = MemoryJournal()
    model = ScriptedModel(lambda p, s: plans if asked == 0 and script(p, s) else script(p, s))
    first = asyncio.run(
        solve(
            Objective(QUESTION),
            center=CenterLM(model, examples=()),
            sources=sources,
            journal=journal,
        )
    )
    broken = [e for e in journal.events(first.episode) if isinstance(e, CallFinished) and e.error]
    assert (failing == "source") != bool(broken)
    assert first.status != "answered" or failing == "model"  # others asked in its place
    same_again(journal, first.episode, sources)


def test_a_replay_of_a_reopened_step() -> None:
    """The first answer is of the wrong kind: a step is asked again in other words."""

    def script(prompt: Prompt, sampling: Sampling) -> str:
        system, user = prompt.messages[0].text, prompt.messages[-1].text
        if system.startswith("Break"):
            return "1 [documents] Who?\n2 [documents] When was #1?\n3 [documents] What of #2?"
        if system.startswith("This did not help"):
            return "ask otherwise"
        return "1912 [1]" if "otherwise" in user or "1912" in user else say(prompt)

    journal = MemoryJournal()
    objective = Objective("When did it start?", answer_type="date")
    sources: list[Source] = [Documents(Log())]
    first = solved(script, objective, sources, journal)
    assert any(node.reopened for node in first.tree.nodes.values())
    same_again(journal, first.episode, sources, objective)


@pytest.mark.parametrize("depth", [8, 1])
def test_a_replay_of_a_reopened_step_that_was_planned_anew(depth: int) -> None:
    """The second plan of a part has another step; at the last level both are direct."""
    plans = iter(["1 [names] Who?", "1 [names] Who?\n2 [names] How many has #1?"])

    def script(prompt: Prompt, sampling: Sampling) -> str:
        return next(plans) if "Part of" in prompt.messages[-1].text else "1 [center] Count them"

    class Names(Lister):
        @property
        def card(self) -> Card:
            return Card("names", "names and numbers")

        async def seek(self, seek: Seek) -> Finding:
            return found("12" if "How many" in seek.text or "/100" in seek.key else "none")

    journal = MemoryJournal()
    objective = Objective("How many are there?", answer_type="number", budget=Budget(depth=depth))
    sources: list[Source] = [Names(Log())]
    first = solved(script, objective, sources, journal)
    assert (first.answer, first.tree.nodes["1"].reopened) == ("12", 1)
    same_again(journal, first.episode, sources, objective)


def test_an_unfinished_episode_cannot_be_replayed(tmp_path: Path) -> None:
    place = Place(tmp_path)
    name = place.solve(latency=0).episode
    whole = SqliteJournal(place.journal)
    events = whole.events(name)
    for count in (1, len(events) // 2, len(events) - 1):
        part = MemoryJournal()
        for event in events[:count]:
            part.append(name, event)
        with pytest.raises(JournalError, match=r"cannot be replayed.*finish it first") as caught:
            replay(part, name, place.sources(0))
        assert "\n" not in str(caught.value)


def test_an_unknown_episode_cannot_be_replayed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no episode"):
        replay(SqliteJournal(tmp_path / "j.db"), "gone", [])
