"""A place to solve in with processes of their own, and to kill them there."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from collections import Counter
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from centerlm.episode import episode_to_json, fold
from centerlm.events import (
    CallFinished,
    CallStarted,
    SeekFinished,
)
from centerlm.journal import MemoryJournal, SqliteJournal
from centerlm.models.base import Price
from centerlm.objective import Objective
from centerlm.past import past_of
from centerlm.solver import Solution, solve
from centerlm.sources.base import Source
from world import QUESTION, Documents, Empty, Lister, Log, Writer, center

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
