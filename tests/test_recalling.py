"""The engine with a seeking memory: recalled once, recorded, the same on resume and replay."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from centerlm.acts import Experience
from centerlm.center import CenterLM
from centerlm.events import EpisodeFinished, MemoryRecalled, PlanFinished
from centerlm.finding import Finding, Status, found
from centerlm.journal import MemoryJournal, SqliteJournal
from centerlm.memory import SeekingMemory
from centerlm.memory.views import list_kinds
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Objective
from centerlm.protocols import Memory
from centerlm.replay import replay_episode
from centerlm.run import Options
from centerlm.solver import Solution, solve
from engine import PLAIN, Asks, run, script
from remembered import BORN, opened, teach

BLOBS = ("settings", "prompt", "reply", "finding", "plan", "recalled")
PLAN = {BORN: f"1 [docs | mirror] {BORN}"}


def _sources() -> list[Asks]:
    return [Asks("docs", lambda seek: found("1901")), Asks("mirror", lambda seek: found("1902"))]


def test_plans_are_shown_what_helped_and_the_better_source_is_asked_first() -> None:
    memory = opened()
    teach(memory, "docs", [0] * 12)
    teach(memory, "mirror", [1] * 12)
    sources = _sources()
    outcome = run(BORN, PLAN, sources, memory=memory)
    (prompt,) = outcome.prompts("decompose")
    assert prompt.messages[1].text.split("\n") == [
        "Helped before:",
        f'- "mirror answered 12 of 12 like: {BORN}"',
        f'- "docs answered 0 of 12 like: {BORN}"',
        f"Question: {BORN}",
    ]
    assert outcome.solution.answer == "1902"
    assert (sources[0].texts, sources[1].texts) == ([], [BORN])


def test_without_experience_all_is_as_without_a_memory() -> None:
    with_one, without = (run(BORN, PLAN, _sources(), memory=m) for m in (opened(), None))
    assert with_one.model.prompts == without.model.prompts
    assert with_one.solution.answer == without.solution.answer == "1901"


def test_what_an_episode_told_helps_the_next() -> None:
    memory = opened()
    for number in range(4):
        sources = [Asks("docs", {}), Asks("mirror", lambda seek: found("x"))]
        run(BORN, PLAN, sources, memory=memory, episode=f"e{number}")
    outcome = run(BORN, PLAN, _sources(), memory=memory, episode="next")
    assert "mirror answered" in outcome.prompts("decompose")[0].messages[1].text
    (kind,) = list_kinds(memory)
    assert kind.like == BORN


def test_the_order_is_the_plans_where_a_source_writes_or_is_a_person() -> None:
    memory = opened()
    teach(memory, "docs", [0] * 12)
    teach(memory, "mirror", [1] * 12)
    options: list[dict[str, Any]] = [{"effect": "write"}, {"shared": False}]
    for more in options:
        sources = [Asks("docs", lambda seek: found("1901"), **more), _sources()[1]]
        assert run(BORN, PLAN, sources, memory=memory).solution.answer == "1901"


def test_a_reask_is_shown_words_that_worked() -> None:
    memory = opened()
    teach(memory, "docs", [1], "When was Bob Hill born?", query="Bob Hill birth year")
    docs = Asks("docs", lambda seek: Finding(Status.NOTHING), typed=False)
    plans = script({BORN: f"1 [docs] {BORN}"}, seek="Ada Brandt birth year")
    outcome = run(BORN, plans, [docs], memory=memory, options=Options(splits=False, reopens=0))
    (prompt,) = outcome.prompts("seek")
    assert prompt.messages[1].text.split("\n")[1:3] == [
        "Helped before:",
        '- "asking Bob Hill birth year found: When was Bob Hill born?"',
    ]
    assert docs.texts == [BORN, "Ada Brandt birth year"]


class _Changes:
    """A memory that says something else each time; counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.learned: list[str] = []

    async def recall(self, objective: str, cards: object) -> Experience:
        del objective, cards
        self.asked += 1
        return Experience((f"line {self.asked}",))

    async def order(self, objective: str, sources: tuple[str, ...], seed: int) -> tuple[str, ...]:
        del objective, seed
        self.asked += 1
        return tuple(reversed(sources)) if self.asked < 3 else sources

    async def elsewhere(
        self, objective: str, sources: tuple[str, ...], seed: int, *, explores: bool
    ) -> tuple[str, ...]:
        del objective, sources, seed, explores
        return ()

    async def queries(self, objective: str, source: str) -> Experience:
        del objective, source
        return Experience()

    async def learn(self, episode: str, events: object, blob: object) -> None:
        del events, blob
        self.learned.append(episode)


def _solve(
    journal: SqliteJournal, memory: Memory, model: ScriptedModel, episode: str | None = None
) -> Solution:
    return asyncio.run(
        solve(
            Objective(BORN),
            center=CenterLM(model),
            sources=_sources(),
            journal=journal,
            memory=memory,
            options=PLAIN,
            episode=episode,
        )
    )


def test_a_replay_recalls_what_was_recalled_then(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.sqlite")
    model = ScriptedModel(script(PLAN))
    solution = _solve(journal, _Changes(), model)
    assert solution.answer == "1902"
    assert "line 1" in model.prompts[0].messages[1].text
    replayed = asyncio.run(replay_episode(journal, solution.episode))
    assert replayed.same
    told = [type(e).__name__ for e in replayed.journal.events(solution.episode)]
    assert told.count("MemoryRecalled") == 2


@pytest.mark.parametrize("until", [MemoryRecalled, PlanFinished, EpisodeFinished])
def test_resuming_recalls_nothing_anew_and_tells_again(tmp_path: Path, until: type) -> None:
    """The journal as a kill left it after the first event of a kind."""
    whole, memory = SqliteJournal(tmp_path / "whole.sqlite"), _Changes()
    first = ScriptedModel(script(PLAN))
    name = _solve(whole, memory, first).episode
    asked = memory.asked
    part = SqliteJournal(tmp_path / "part.sqlite")
    recalled = 0
    for event in whole.events(name):
        hashes = (getattr(event, field, "") for field in BLOBS)
        part.append("e", event, {h: whole.blob(h) for h in hashes if h})
        recalled += isinstance(event, MemoryRecalled)
        if isinstance(event, until):
            break
    part.write()
    again = ScriptedModel(script(PLAN))
    solution = _solve(part, memory, again, "e")
    assert memory.asked - asked == 2 - recalled
    assert solution.answer == ("1902" if recalled == 2 else "1901")  # the order of another time
    assert all(prompt in first.prompts for prompt in again.prompts)
    assert memory.learned == [name, "e"]  # it is for the memory to count it once


def test_a_resumed_episode_counts_once() -> None:
    memory = opened()
    journal = MemoryJournal()
    for _ in range(3):
        run(BORN, PLAN, _sources(), memory=memory, journal=journal, episode="same")
    (kind,) = list_kinds(memory)
    assert [(s.source, s.found, s.asked) for s in kind.sources] == [("docs", 1, 1)]


SECRET = "Zanzibor"


def _item(memory: SeekingMemory) -> Solution:
    plans = {"q": "1 [docs] Who holds the key?\n2 [docs] Where does #1 live?"}
    sources = [Asks("docs", lambda seek: found(SECRET if "key" in seek.text else "Ulm"))]
    return run("q", plans, sources, memory=memory, episode="item").solution


def test_what_a_test_item_found_is_never_recalled_unless_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "m.sqlite"
    mine = opened(file)
    teach(mine, "docs", [1] * 5)
    mine.settle()
    mine.close()
    before = file.read_bytes()

    frozen = opened(file, learns=False)
    assert _item(frozen).answer == "Ulm"
    frozen.close()
    alone = opened(project="item")
    assert _item(alone).answer == "Ulm"

    assert SECRET.encode() not in file.read_bytes()
    assert file.read_bytes() == before
    after = opened(file)
    assert [kind.like for kind in list_kinds(after)] == [BORN]
    _item(after)  # asked for: the item is solved as one of the project's own
    assert any(SECRET in kind.like for kind in list_kinds(after))
    assert SECRET not in str(list_kinds(opened(file, project="other")))


def test_an_item_evaluated_twice_with_a_memory_of_its_own_gives_the_same() -> None:
    def once() -> list[object]:
        memory = opened(project="item")
        outcome = run(BORN, PLAN, _sources(), memory=memory)
        return [outcome.solution.answer, outcome.model.prompts, outcome.solution.tree.plan]

    assert once() == once()
