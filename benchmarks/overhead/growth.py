"""How an episode grows: time, memory and bytes stored at 1,250 to 10,000 steps, journal on.

    PYTHONPATH=src:benchmarks python -m overhead.growth chain 10000

"chain": eight parts, each needing the one before and each a plan of its own whose steps need the
one before. "each": one step goes through a list of so many items.
Sources answer at once, so that what is measured is the engine, its journal and the event loop.
Prints one JSON line: seconds, CPU seconds, growth of the peak memory, events, their bytes and the
longest, blobs and their bytes, and the bytes of the journal's file.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from centerlm.center import CenterLM
from centerlm.finding import Finding, Usage, found
from centerlm.journal import SqliteJournal
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Objective
from centerlm.run import Options
from centerlm.solver import solve
from centerlm.sources.base import Card, Seek, Source
from overhead.parts import GivenPlan, Work, chain_text, part_of

NUMBERS = Card("numbers", "lists", typed=True)
PARTS = 8
SIZES = (1250, 2500, 5000, 10_000)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A source that gives a list of so many names."""

    size: int
    card: Card = NUMBERS

    def bound(self, seek: Seek) -> Usage:
        return Usage(1)

    async def seek(self, seek: Seek) -> Finding:
        return found(tuple(f"item {k}" for k in range(self.size)))


def stored(path: Path) -> dict[str, Any]:
    """What the journal holds. Events and blobs are counted apart."""
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    events = db.execute("SELECT count(*), sum(length(data)), max(length(data)) FROM events")
    blobs = db.execute("SELECT count(*), sum(length(data)) FROM blobs")
    counts = dict(zip(("events", "event_bytes", "longest_event"), events.fetchone(), strict=True))
    counts |= dict(zip(("blobs", "blob_bytes"), blobs.fetchone(), strict=True))
    db.close()
    return counts | {"file_bytes": path.stat().st_size}


def peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def chain_of_parts(steps: int, objective: str) -> str:
    part = part_of(objective)
    if not part:
        return chain_text(PARTS, "center")
    return chain_text(steps, "work", part=part)


async def grow(kind: str, size: int, path: Path) -> dict[str, Any]:
    """Solve one episode of `size` steps and count what it took."""
    model = ScriptedModel(lambda _prompt, _sampling: "DONE", constraint="none")
    if kind == "chain":
        center = GivenPlan(CenterLM(model), partial(chain_of_parts, size // PARTS - 1))
        sources: tuple[Source, ...] = (Work(0.0),)
    else:
        plan = "1 [numbers] Name the items\n2 [work each #1] Do the work of #1"
        center = GivenPlan(CenterLM(model), lambda _: plan)
        sources = (Numbers(size), Work(0.0))
    journal = SqliteJournal(path)
    memory, wall, cpu = peak_kb(), time.perf_counter(), time.process_time()
    solution = await solve(
        Objective("What does the work give in the end?"),
        center=center,
        sources=sources,
        journal=journal,
        options=Options(each_limit=size),
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = peak_kb() - memory
    assert solution.status == "answered", solution.reason
    journal.close()
    taken = {"seconds": round(wall, 3), "cpu_seconds": round(cpu, 3), "memory_kb": memory}
    return {"kind": kind, "steps": size, **taken, **stored(path)}


def main() -> None:
    kind, size = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        taken = asyncio.run(grow(kind, size, Path(folder) / "journal.db"))
    sys.stdout.write(json.dumps(taken) + "\n")


if __name__ == "__main__":
    main()
