"""What the tests of the seeking memory share: outcomes, memories by words, a clock to turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.memory import SeekingMemory
from centerlm.memory.outcomes import Outcome

BORN = "When was Ada Brandt born?"
SEAT = "What is the seat of Van Hook County?"


@dataclass
class Clock:
    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def outcome(
    source: str, success: float, text: str = BORN, *, entry: str = "1/0", **more: Any
) -> Outcome:
    return Outcome(
        entry=entry,
        source=source,
        text=text,
        success=success,
        at=more.pop("at", 1_700_000_000.0),
        **more,
    )


def opened(path: Path | str = ":memory:", **options: Any) -> SeekingMemory:
    """A memory that compares by words."""
    options.setdefault("clock", Clock())
    return SeekingMemory(path, embedder=None, **options)


def teach(
    memory: SeekingMemory, source: str, successes: Sequence[float], text: str = BORN, **more: Any
) -> None:
    """An episode a success."""
    (start,) = memory.connection.execute("SELECT count(*) FROM episodes").fetchone()
    for number, success in enumerate(successes, start=start):
        memory.remember(f"episode-{number}", [outcome(source, success, text, **more)])
