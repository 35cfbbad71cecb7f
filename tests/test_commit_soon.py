"""What came back is written with what follows from it, and nothing follows before it is written."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from centerlm.budget import Account, Amount
from centerlm.center import CenterLM
from centerlm.errors import JournalError
from centerlm.events import StepStarted
from centerlm.finding import Finding, Usage, found
from centerlm.journal import SqliteJournal
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Budget, Objective
from centerlm.past import past_of
from centerlm.recorder import Recorder
from centerlm.seeking import seek_source
from centerlm.solver import solve
from centerlm.sources.base import Card, Effect, Seek


def stored(path: Path) -> list[str]:
    """The kinds of the events in the file, as another process sees them."""
    db = sqlite3.connect(path)
    try:
        rows = db.execute("SELECT json_extract(data, '$.kind') FROM events ORDER BY seq")
        return [str(row[0]) for row in rows]
    finally:
        db.close()


def started(number: int) -> StepStarted:
    return StepStarted(path=str(number), text="Who?", sources=("source",))


@dataclass(slots=True)
class Looking:
    """A source that answers with how often it was asked, and looks around first."""

    look: Callable[[], None]
    effect: Effect = "read"
    asked: list[str] = field(default_factory=list[str])

    @property
    def card(self) -> Card:
        return Card("source", "everything", effect=self.effect, typed=True)

    def bound(self, seek: Seek) -> Usage:
        return Usage(1)

    async def seek(self, seek: Seek) -> Finding:
        self.look()
        self.asked.append(seek.text)
        return found(f"answer {len(self.asked)}")


def test_it_is_written_soon_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def go() -> None:
        journal = SqliteJournal(path)
        journal.append("one", started(1))
        journal.commit_soon()
        assert stored(path) == []
        for _ in range(500):
            await asyncio.sleep(0.002)
            if stored(path):
                break
        assert stored(path) == ["step.started"]
        journal.close()

    asyncio.run(go())


def test_a_commit_takes_along_what_was_to_be_written_soon(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def go() -> None:
        journal = SqliteJournal(path)
        journal.append("one", started(1))
        journal.commit_soon()
        journal.append("one", started(2))
        await journal.commit()
        assert len(stored(path)) == 2
        journal.commit_soon()
        await asyncio.sleep(0.01)
        journal.append("one", started(3))
        await journal.commit()
        assert len(stored(path)) == 3
        journal.close()

    asyncio.run(go())


def test_an_error_shows_in_the_next_commit_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def go() -> None:
        journal = SqliteJournal(path)
        other = sqlite3.connect(path, isolation_level=None)
        (pages,) = other.execute("PRAGMA page_count").fetchone()
        journal._db.execute(f"PRAGMA max_page_count={pages}")  # the disk is full
        event = StepStarted(path="1", text="x" * 20_000, sources=("source",))
        journal.append("one", event)
        journal.commit_soon()
        await asyncio.sleep(0.02)
        with pytest.raises(JournalError, match=r"full.*centerlm resume"):
            await journal.commit()
        journal._db.execute("PRAGMA max_page_count=1000000")  # room was made
        await journal.commit()
        assert journal.events("one") == [event]
        other.close()
        journal.close()

    asyncio.run(go())


def test_no_step_is_asked_before_what_it_needs_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    seen: list[tuple[int, int]] = []

    def look() -> None:
        kinds = stored(path)
        seen.append((kinds.count("seek.started"), kinds.count("seek.finished")))

    plan = "1 [source] Who?\n2 [source] Where was #1 born?\n3 [source] Why did #2 grow?"
    model = ScriptedModel(lambda _prompt, _sampling: plan)

    async def go() -> None:
        journal = SqliteJournal(path)
        solution = await solve(
            Objective("Why did the place grow?"),
            center=CenterLM(model),
            sources=(Looking(look),),
            journal=journal,
        )
        assert solution.answer == "answer 3"
        assert stored(path)[-1] == "episode.finished"
        journal.close()

    asyncio.run(go())
    assert seen == [(1, 0), (2, 1), (3, 2)]


def test_what_a_write_source_did_is_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"

    async def go() -> None:
        journal = SqliteJournal(path)
        recorder = Recorder("one", journal, seed=0, past=past_of(()))
        await seek_source(
            recorder,
            Account(Amount.limits(Budget())),
            Looking(lambda: None, "write"),
            Seek("Do it"),
            path="1",
            attempt=0,
            seconds=None,
        )
        assert stored(path) == ["seek.started", "seek.finished"]
        journal.close()

    asyncio.run(go())
