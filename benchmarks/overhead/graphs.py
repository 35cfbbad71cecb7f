"""Wall time over the critical path, without HTTP: uneven DAG, diamond, chain of 50, recursion.

    PYTHONPATH=src:benchmarks python -m overhead.graphs

Steps only sleep; plans and absorbed answers come at once from a scripted model, the journal is on.
Prints a JSON line a graph: critical path, median and least wall, calls (of models and sources), and
`bare_ms`: what a few lines of asyncio take for the same sleeps, run in turn with the episodes.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from centerlm.center import CenterLM
from centerlm.journal import SqliteJournal
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Objective
from centerlm.plan import parse_plan
from centerlm.solver import solve
from overhead.parts import GivenPlan, Work, chain_text, fan_text, part_of


@dataclass(frozen=True, slots=True)
class Graph:
    """Plans by objective, and the milliseconds of their longest path.

    `bare` is an objective whose plan alone has this path.
    """

    name: str
    critical_ms: float
    text: Callable[[str], str]
    bare: str = ""


def uneven(_objective: str) -> str:
    """Four chains of four steps; one step of 60 ms in each, at a different depth, others 10 ms."""
    lines: list[str] = []
    for chain in range(4):
        for depth in range(4):
            after = f", after #{len(lines)}" if depth else ""
            ms = 60 if chain == depth else 10
            lines.append(f"{len(lines) + 1} [work] Work {chain}.{depth}{after} for {ms}")
    lines.append("17 [work] Put #4, #8, #12 and #16 together for 0")
    return "\n".join(lines)


def diamond(_objective: str) -> str:
    return (
        "1 [work] Begin for 20\n2 [work] Left of #1 for 20\n3 [work] Right of #1 for 20\n"
        "4 [work] Join #2 and #3 for 20"
    )


def tree(objective: str) -> str:
    """Three levels: three parts of three parts of three steps of 20 ms."""
    part = part_of(objective)
    if part.count(".") < 2:
        return fan_text(3, "center", part=part)
    return fan_text(3, "work", part=part, end=" for 20")


GRAPHS = (
    Graph("uneven DAG", 90, uneven),
    Graph("diamond", 60, diamond),
    Graph("chain of 50", 500, lambda _: chain_text(50, "work", end=" for 10")),
    Graph("recursion, 3 levels", 20, tree, "part 1.1"),
)


async def bare(text: str) -> None:
    """The plan's sleeps alone: a task a step, each awaiting those it needs."""
    tasks: dict[int, asyncio.Task[None]] = {}

    async def step(needs: tuple[int, ...], seconds: float) -> None:
        for k in needs:
            await tasks[k]
        await asyncio.sleep(seconds)

    for one in parse_plan(text, max_steps=100).steps:
        seconds = int(one.text.rpartition(" ")[2]) / 1e3
        tasks[one.id] = asyncio.create_task(step(one.needs, seconds))
    await asyncio.gather(*tasks.values())


async def main() -> None:
    runs = int(os.environ.get("RUNS", "20"))
    model = ScriptedModel(lambda _prompt, _sampling: "DONE", constraint="none")
    with tempfile.TemporaryDirectory() as folder:
        journal = SqliteJournal(Path(folder) / "journal.db")
        for graph in GRAPHS:
            center, calls = GivenPlan(CenterLM(model), graph.text), 0
            walls, bares = list[float](), list[float]()
            for _ in range(runs + 3):
                started = time.perf_counter()
                solution = await solve(
                    Objective("What comes out in the end?"),
                    center=center,
                    sources=(Work(),),
                    journal=journal,
                )
                walls.append(1e3 * (time.perf_counter() - started))
                assert solution.status == "answered", solution.reason
                calls = solution.usage.calls
                started = time.perf_counter()
                await bare(graph.text(graph.bare))
                bares.append(1e3 * (time.perf_counter() - started))
            line = {
                "graph": graph.name,
                "critical_ms": graph.critical_ms,
                "wall_ms": round(statistics.median(walls[3:]), 2),
                "wall_min": round(min(walls[3:]), 2),
                "bare_ms": round(statistics.median(bares[3:]), 2),
                "calls": calls,
            }
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
        journal.close()


if __name__ == "__main__":
    asyncio.run(main())
