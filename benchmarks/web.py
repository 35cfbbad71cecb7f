"""What the knowledge web saves: a second batch of questions that share things with the first.

    python benchmarks/web.py --work DIR [--center oracle] [--worlds 8] [--people 40]
        [--questions 6] [--out docs/results]

Of each generated world composed questions (chains of 2 to 4 facts) that begin with the same thing
are dealt into two batches; none stands in both. The first is solved and its findings are kept. Then
the second is solved with the same experience of sources: without the web, and with it, which knows
what the first batch found. No question of the second teaches another. The center `oracle` plans and
reads without error; an adapter (`FILE.gguf`), `few-shot` or `untrained` plans and reads itself. A
fact is asked for in many wordings; only one asked again in the same words is given without a call.

Every model call is kept in DIR: the same command goes on where it stopped. Writes web.json, web.md.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from centerlm.episode import fold
from centerlm.evaluation.metrics import exact_match
from centerlm.evaluation.oracle import OracleCenter
from centerlm.evaluation.statistics import mean_interval, paired_difference
from centerlm.events import CallFinished, Event
from centerlm.journal import MemoryJournal
from centerlm.learning.world_questions import PASSAGES, world_library
from centerlm.learning.worlds import World, WorldQuestion, make_world
from centerlm.memory import SeekingMemory
from centerlm.models.weights import write_atomically
from centerlm.objective import Budget, Objective
from centerlm.protocols import Center
from centerlm.run import Options
from centerlm.solver import solve
from centerlm.sources.base import KNOWN, Source
from centerlm.sources.calculator import Calculator
from centerlm.sources.documents import Documents
from options import add_files, add_worlds, parser_of
from reporting import command_line, config_lines, number, run_benchmark, table, versions, write
from study_runs import ORACLE, center_of, topic_of

FIRST_SEED = 7_200_001
"""Worlds that nothing else is trained or measured on begin here."""
CALLS = 40
OFF, ON = "no web", "web"
MEASURES = ("right", "calls", "tokens", "steps", "known")


@dataclass(frozen=True, slots=True)
class Answered:
    """A question of the second batch: whether its answer is right, model calls and their tokens,
    steps planned and, of them, those that were known already and so not sought.
    """

    right: float
    calls: float
    tokens: float
    steps: float
    known: float


def batches(world: World, each: int) -> tuple[list[WorldQuestion], list[WorldQuestion]]:
    """Two batches of at most `each` questions that begin with the same thing."""
    _, asked = topic_of(world, 2 * each)
    return asked[0::2], asked[1::2]


async def world_rows(
    world: World, arguments: argparse.Namespace, folder: Path
) -> dict[str, list[Answered]]:
    """The second batch of a world, by arm, after the first was solved."""
    first, second = batches(world, arguments.questions)
    embedder = None if arguments.words else "installed"
    library = world_library(world, folder / "world", embedder=embedder)
    memory = SeekingMemory(":memory:", project=world.id, embedder=embedder)
    plain: Center = center_of(arguments.center, world, folder)
    model, center = plain.model, plain
    if arguments.center == ORACLE:
        right = {q.text: q.decisions["flat"][0].plan for q in (*first, *second)}
        center = OracleCenter(plain, right)
    sources: list[Source] = [Documents(library, k=PASSAGES), Calculator()]
    rows: dict[str, list[Answered]] = {}
    try:
        for question in first:
            await _solved(question, center, sources, memory)
        memory.learns = False
        rows[OFF] = [await _solved(q, center, sources, memory) for q in second]
        sources.append(memory.open_web(sources, center.model.identity))
        rows[ON] = [await _solved(q, center, sources, memory) for q in second]
    finally:
        await model.close()
        memory.close()
        library.close()
    return rows


async def _solved(
    question: WorldQuestion, center: Center, sources: Sequence[Source], memory: SeekingMemory
) -> Answered:
    journal = MemoryJournal()
    solution = await solve(
        Objective(question.text, budget=Budget(calls=CALLS)),
        center=center,
        sources=sources,
        memory=memory,
        journal=journal,
        options=Options(seek_seconds=None),
    )
    right = exact_match(solution.answer or "", (question.answer, *question.aliases))
    return answered(right, journal.events(solution.episode))


def answered(right: float, events: Sequence[Event]) -> Answered:
    """What is told of an episode; `right` is how right its answer is."""
    tree = fold(events)
    steps = [node for path, node in tree.nodes.items() if path and not node.children]
    return Answered(
        right,
        sum(isinstance(event, CallFinished) for event in events),
        tree.usage.tokens,
        len(steps),
        sum(node.source == KNOWN for node in steps),
    )


def rows_of(arguments: argparse.Namespace) -> dict[str, list[Answered]]:
    """Both arms on all worlds; what is finished is read from the work folder."""
    rows: dict[str, list[Answered]] = {}
    for seed in range(FIRST_SEED, FIRST_SEED + arguments.worlds):
        folder = arguments.work / f"world-{seed}-{arguments.people}"
        folder /= arguments.center_name
        kept = folder / f"rows-{arguments.questions}.json"
        if not kept.is_file():
            world = make_world(seed, split="test", people=arguments.people)
            made = asyncio.run(world_rows(world, arguments, folder))
            data = {arm: [asdict(one) for one in mine] for arm, mine in made.items()}
            write_atomically(kept, json.dumps(data).encode())
        data = json.loads(kept.read_text(encoding="utf-8"))
        for arm, mine in data.items():
            rows.setdefault(arm, []).extend(Answered(**one) for one in mine)
        print(f"world {seed}: {len(rows[ON])} questions so far", file=sys.stderr, flush=True)
    return rows


def report_of(rows: Mapping[str, Sequence[Answered]]) -> dict[str, Any]:
    """Means of each arm, the web less no web by question, and the share of steps known."""
    told = {
        arm: {m: [float(getattr(one, m)) for one in mine] for m in MEASURES}
        for arm, mine in rows.items()
    }
    return {
        "questions": len(rows[OFF]),
        "arms": {
            arm: {
                **{m: asdict(mean_interval(told[arm][m])) for m in MEASURES},
                "known share": sum(told[arm]["known"]) / max(sum(told[arm]["steps"]), 1),
            }
            for arm in rows
        },
        "less no web": {
            arm: {m: asdict(paired_difference(told[arm][m], told[OFF][m])) for m in MEASURES}
            for arm in rows
            if arm != OFF
        },
    }


def page_of(report: Mapping[str, Any]) -> str:
    lines = [
        "# The knowledge web on a second batch",
        "",
        f"{report['questions']} composed questions (chains of 2 to 4 facts), after another batch "
        "that begins with the same things and has none of them. Only the web differs. Means with "
        "95 % intervals (bootstrap; differences paired by question). Known: planned steps that "
        "were answered from what the first batch found, and so not sought.",
        "",
    ]
    heads = ["", "right", "model calls", "tokens", "planned steps", "of them known, %"]
    told = MEASURES[:-1]
    rows = [
        [arm, *(number(row[m]) for m in told), f"{100 * row['known share']:.1f}"]
        for arm, row in report["arms"].items()
    ]
    rows += [
        [f"{arm}, less no web", *(number(row[m]) for m in told), ""]
        for arm, row in report["less no web"].items()
    ]
    lines += table(heads, rows)
    return "\n".join([*lines, *config_lines(report["config"])]) + "\n"


def run(arguments: argparse.Namespace) -> Path:
    arguments.center_name = Path(arguments.center).stem
    report = report_of(rows_of(arguments))
    report["config"] = {
        "command": command_line(),
        "date": time.strftime("%Y-%m-%d"),
        "center": arguments.center_name,
        "worlds": arguments.worlds,
        "people": arguments.people,
        "first_seed": FIRST_SEED,
        "questions of a batch": arguments.questions,
        "most calls": CALLS,
        "search": "words" if arguments.words else "words and meaning",
        "versions": versions(),
    }
    return write(arguments.out, arguments.name, report, page_of(report))


def main() -> int:
    parser = parser_of(__doc__)
    add_worlds(parser, worlds=8)
    parser.add_argument("--questions", type=int, default=6, help="of a batch, at most")
    add_files(parser, "web")
    arguments = parser.parse_args()
    if min(arguments.worlds, arguments.questions) < 1:
        parser.error("give at least one world and one question")
    return run_benchmark(lambda: run(arguments), interrupted="the same command goes on")


if __name__ == "__main__":
    sys.exit(main())
