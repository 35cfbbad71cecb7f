"""Resuming after a kill at any moment."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import pytest

from centerlm.episode import fold
from centerlm.errors import InputError
from centerlm.events import (
    EpisodeResumed,
)
from centerlm.journal import SqliteJournal
from centerlm.objective import Budget, Objective
from centerlm.past import past_of
from centerlm.solver import solve
from centerlm.sources.base import Source
from places import Place, described, kill_and_resume
from world import QUESTION, Documents, Log, Writer, center


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
