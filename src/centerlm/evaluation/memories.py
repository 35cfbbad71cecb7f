"""The memories of rows of an evaluation that learn from their own items: `experience` of which
sources did well, `web` also what was found. All other rows recall what is given to all of them
(`How.memory`), or `nothing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from centerlm.journal import Journal
from centerlm.memory import SeekingMemory

Remembers = Literal["given", "nothing", "experience", "web"]
OWN: frozenset[str] = frozenset({"experience", "web"})
FILE = "memory.sqlite"


@dataclass(slots=True)
class Memories:
    """Those of rows, kept in `folder`, in working memory where there is none; `embedder` as of
    `SeekingMemory`.
    """

    folder: Path | None = None
    embedder: Literal["installed"] | None = "installed"
    _rows: dict[str, SeekingMemory] = field(default_factory=dict[str, SeekingMemory])
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict[str, asyncio.Lock])

    @asynccontextmanager
    async def turn(self, row: str, reader: str) -> AsyncGenerator[SeekingMemory]:
        """The memory of a row and center, for one episode: such a row solves one item after the
        other, in order, so that each is told what those before it taught.

        Raises:
            MemoryFileError: the file of the rows cannot be used.
        """
        name = f"{row} {reader}"
        async with self._turns.setdefault(name, asyncio.Lock()):
            if name not in self._rows:
                place = ":memory:" if self.folder is None else self.folder / FILE
                self._rows[name] = SeekingMemory(place, project=name[:1000], embedder=self.embedder)
            yield self._rows[name]

    async def catch_up(self, row: str, reader: str, episode: str, journal: Journal) -> None:
        """Have a row's memory take in an episode that ended, where a kill kept it from that."""
        async with self.turn(row, reader) as memory:
            if not memory.learned(episode):
                await memory.learn(episode, journal.events(episode), journal.blob)

    def close(self) -> list[str]:
        """Close all; returns the sentences on what could not be recalled or learned."""
        for memory in self._rows.values():
            memory.close()
        return list(dict.fromkeys(p for m in self._rows.values() for p in m.problems))
