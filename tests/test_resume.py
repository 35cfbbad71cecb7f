"""Resuming after a kill at any moment, and replaying without asking anybody."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from centerlm.center import CenterLM
from centerlm.episode import episode_to_json, fold
from centerlm.errors import InputError, JournalError, ModelError
from centerlm.events import (
    CallFinished,
    CallStarted,
    EpisodeResumed,
    Event,
    SeekFinished,
    StepFinished,
)
from centerlm.finding import Finding, failed
from centerlm.journal import MemoryJournal, Overlay, SqliteJournal
from centerlm.models.base import Price, Prompt, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Budget, Objective
from centerlm.past import past_of
from centerlm.run import Options
from centerlm.solver import Solution, solve
from centerlm.sources.base import Seek, Source
from world import PLANS, QUESTION, Documents, Empty, Lister, Log, Writer, center, say

FORK = multiprocessing.get_context("fork")
LATENCY = 0.005


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with a journal, the log of requests and the file the writer writes."""

    folder: Path

    @property
    def journal(self) -> Path:
        return self.folder / "journal.db"

    @property
    def log(self) -> Log:
        return Log(self.folder / "log")

    @property
    def effects(self) -> Path:
        return self.folder / "effects"

    def sources(self, latency: float) -> list[Source]:
        log = self.log
        return [
            Documents(log, latency * 2, price=0.001),
            Empty(log, latency),
            Lister(log, latency),
            Writer(log, self.effects, latency),
        ]

    def solve(self, episode: str | None = None, *, latency: float = LATENCY) -> Solution:
        journal = SqliteJournal(self.journal)
        try:
            return asyncio.run(
                solve(
                    Objective(QUESTION),
                    center=center(self.log, latency=latency, price=Price(1.0, 2.0)),
                    sources=self.sources(latency),
                    journal=journal,
                    episode=episode,
                )
            )
        finally:
            journal.close()

    def start(self, episode: str | None = None) -> BaseProcess:
        """The same in a process of its own."""
        process = FORK.Process(target=self.solve, args=(episode,))
        process.start()
        return process


def described(journal: SqliteJournal | MemoryJournal, name: str) -> dict[str, Any]:
    """The episode as `solve --json` prints it, without what differs from run to run."""
    data = episode_to_json(fold(journal.events(name)), "", journal.blob)
    del data["usage"]
    return data


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], float]:
    """The uninterrupted episode, and the seconds it takes in a process of its own."""
    place = Place(tmp_path_factory.mktemp("whole"))
    start = time.perf_counter()
    process = place.start()
    process.join(60)
    seconds = time.perf_counter() - start
    assert process.exitcode == 0
    journal = SqliteJournal(place.journal)
    expected = described(journal, journal.find("last"))
    assert expected["status"] == "answered"
    assert len(place.log.lines()) == 30
    assert len(place.effects.read_text().splitlines()) == 1
    return expected, seconds


def finished(journal: SqliteJournal, name: str) -> set[str]:
    """The log lines of requests whose end is committed."""
    lines, prompts = set[str](), dict[tuple[str, str, int], str]()
    for event in journal.events(name):
        match event:
            case CallStarted():
                prompts[event.path, event.act, event.attempt] = event.prompt
            case CallFinished(reply=reply) if reply:
                lines.add(f"model {prompts[event.path, event.act, event.attempt]}")
            case SeekFinished(status="found" | "nothing" | "failed"):
                lines.add(f"{event.source} {name}/{event.path}/{event.attempt}")
            case _:
                pass
    return lines


def kill_and_resume(place: Place, rng: random.Random, seconds: float) -> tuple[int, bool]:
    """Kill at a random moment (now and then the resumed run as well), then run to the end.

    Returns the kills that met a run under way, and whether the write was cut off before it wrote.
    """
    name, kills, allowed = None, 0, Counter[str]()
    for _ in range(rng.choice((1, 2, 3, 4))):
        process = place.start(name)
        process.join(rng.uniform(0, seconds))
        if process.is_alive():
            kills += 1
        process.kill()
        process.join(60)
        journal = SqliteJournal(place.journal)
        names = journal.summaries()
        if not names:
            journal.close()
            continue  # killed before the first event
        assert len(names) == 1, "a resumed run made an episode of its own"
        name = journal.find("last")
        for line in allowed:
            assert place.log.lines().count(line) == allowed[line], f"{line} was asked again"
        allowed = Counter({x: place.log.lines().count(x) for x in finished(journal, name)})
        past = past_of(journal.events(name))
        journal.close()
    process = place.start(name)
    process.join(60)
    assert process.exitcode == 0
    lines = place.log.lines()
    for line in allowed:
        assert lines.count(line) == allowed[line], f"{line} was asked again"
    if name is None:
        return kills, False
    assert sum(line.startswith("writer") for line in lines) <= 1
    return kills, any(key[1] == "writer" for key in past.begun) and not place.effects.exists()


def test_killed_at_fifty_moments_an_episode_ends_as_if_nothing_had_happened(
    tmp_path: Path, whole: tuple[dict[str, Any], float]
) -> None:
    expected, seconds = whole
    rng, kills, cut_off = random.Random(), 0, 0
    trial = 0
    while kills < 50:
        trial += 1
        assert trial < 150
        place = Place(tmp_path / str(trial))
        place.folder.mkdir()
        met, write_lost = kill_and_resume(place, rng, seconds)
        kills += met
        journal = SqliteJournal(place.journal)
        name = journal.find("last")
        found = described(journal, name)
        effects = place.effects.read_text().splitlines() if place.effects.exists() else []
        if write_lost:  # nobody can know what became of it, and it is not tried again
            cut_off += 1
            assert effects == []
            step = next(step for step in found["steps"] if step["id"] == "5")
            assert step["status"] == "failed"
            assert step["reason"].startswith("outcome unknown")
        else:
            assert len(effects) == 1
            assert found == expected
        assert len(journal.summaries()) == 1
        assert not (place.folder / "journal.db.locks" / name).exists()
        journal.close()
    assert cut_off < kills / 2


def test_a_write_that_cannot_be_looked_up_is_never_tried_again(tmp_path: Path) -> None:
    class Blind(Writer):
        lookup = None  # pyright: ignore[reportAssignmentType]

    journal = SqliteJournal(tmp_path / "j.db")
    plans = {"machine": "1 [writer] record it\n2 [documents] What then?\n3 [documents] After #1?"}

    def sources(latency: float) -> list[Source]:
        return [Documents(Log()), Blind(Log(), tmp_path / "effects", latency)]

    async def written() -> None:
        while not (tmp_path / "effects").exists():  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.01)

    async def interrupted() -> None:
        task = asyncio.create_task(
            solve(
                Objective(QUESTION),
                center=center(plans=plans),
                sources=sources(0.2),
                journal=journal,
            )
        )
        await asyncio.wait_for(written(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupted())
    name = journal.find("last")
    assert journal.summaries()[0].status == "cancelled"
    solution = asyncio.run(
        solve(
            Objective(QUESTION),
            center=center(plans=plans),
            sources=sources(0.0),
            journal=journal,
            episode=name,
        )
    )
    nodes = solution.tree.nodes
    assert [nodes[k].status for k in "123"] == ["failed", "found", "nothing"]
    assert "outcome unknown" in nodes["1"].reason
    assert len((tmp_path / "effects").read_text().splitlines()) == 1


def test_a_finished_episode_resumes_to_the_same_without_asking_anybody(tmp_path: Path) -> None:
    place = Place(tmp_path)
    first = place.solve(latency=0)
    asked = place.log.lines()
    second = place.solve(first.episode, latency=0)
    assert place.log.lines() == asked
    assert (second.answer, second.status) == (first.answer, first.status)
    assert second.usage == first.usage
    journal = SqliteJournal(place.journal)
    assert fold(journal.events(first.episode)) == second.tree
    assert sum(isinstance(e, EpisodeResumed) for e in journal.events(first.episode)) == 1


def test_what_was_spent_before_the_kill_counts(tmp_path: Path) -> None:
    place = Place(tmp_path)
    process = place.start()
    deadline = time.monotonic() + 30
    while len(place.log.lines()) < 12 and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    process.join(60)
    journal = SqliteJournal(place.journal)
    name = journal.find("last")
    past = past_of(journal.events(name))
    assert past.spent.calls >= 5
    assert past.spent.calls + past.cut_off.calls >= 12
    spent = past.spent.calls + past.cut_off.calls
    solution = asyncio.run(
        solve(
            Objective(QUESTION, budget=Budget(calls=spent + 2)),
            center=center(place.log),
            sources=place.sources(0),
            journal=journal,
            episode=name,
        )
    )
    assert solution.status == "out_of_budget"
    assert solution.usage.calls <= spent + 2
    assert len(place.log.lines()) <= spent + 2


def test_an_unknown_episode_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no episode 'gone'"):
        Place(tmp_path).solve("gone")
    assert SqliteJournal(tmp_path / "journal.db").summaries() == []


# --- replay


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
    tmp_path: Path, whole: tuple[dict[str, Any], float]
) -> None:
    rng = random.Random()
    for trial in range(4):
        place = Place(tmp_path / str(trial))
        place.folder.mkdir()
        kill_and_resume(place, rng, whole[1])
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
    first = asyncio.run(
        solve(
            objective,
            center=CenterLM(ScriptedModel(script), examples=()),
            sources=sources,
            journal=journal,
        )
    )
    assert any(node.reopened for node in first.tree.nodes.values())
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
