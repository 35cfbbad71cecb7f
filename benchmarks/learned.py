"""What a center has learned, act by act, on dev sets it never saw.

    python benchmarks/learned.py --data DIR --center untrained --center few-shot
        --center ADAPTER.gguf [--parts plans,sums,reading] [--limit N] [--cache DIR] [--out DIR]

plans: human decompositions of MuSiQue and StrategyQA, with and without a grammar. sums: GSM8K with
the calculator as the only source, against answering directly. reading: single hops of MuSiQue and
2WikiMultihopQA, answered from what the real library of all passages finds. The first centers named
are what the others are compared with. Every model call is kept in the cache folder: the same
command goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from centerlm.center import CenterLM
from centerlm.errors import InputError
from centerlm.evaluation.acts import (
    Answered,
    Decided,
    score_decisions,
    score_readings,
)
from centerlm.evaluation.unconstrained import Unconstrained
from centerlm.learning.records import Decision
from centerlm.library import Library
from centerlm.many import Advance, each_of
from centerlm.objective import Budget, Objective
from centerlm.run import Options
from centerlm.solver import solve
from centerlm.sources.base import Card
from centerlm.sources.calculator import Calculator
from centers import CenterSpec, center_specs, open_center
from learned_report import Measured, SumScore, write_report
from learned_sets import (
    HOP_SETS,
    PASSAGES,
    PLAN_SETS,
    Found,
    Sum,
    data_hash,
    found_for,
    hops,
    human_decisions,
    number_in,
    plan_cards,
    shuffled,
    sums,
)
from options import add_cache, add_centers, add_data, add_files, add_speed, names_of, parser_of
from pool import pool_hash, read_pool
from pool_library import build_library
from reporting import command_line, main_of
from telling import Telling

PARTS = ("plans", "sums", "reading")
SEED = 0


@dataclass(frozen=True, slots=True)
class Arguments:
    data: Path
    centers: tuple[CenterSpec, ...]
    parts: tuple[str, ...]
    limit: int | None
    cache: Path
    out: Path
    name: str
    slots: int
    threads: int


@dataclass(slots=True)
class Asked:
    """All that is asked, the same of every center."""

    cards: tuple[Card, ...] = ()
    decisions: dict[str, list[Decision]] = field(default_factory=dict[str, list[Decision]])
    sums: list[Sum] = field(default_factory=list[Sum])
    readings: dict[str, list[Found]] = field(default_factory=dict[str, list[Found]])
    notes: list[str] = field(default_factory=list[str])


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    add_data(parser)
    add_centers(parser)
    parser.add_argument(
        "--parts", type=names_of(PARTS, "part"), default=PARTS, help=",".join(PARTS)
    )
    parser.add_argument("--limit", type=int, help="only so many records a set, a random sample")
    add_cache(parser, "the library and the models' answers")
    add_files(parser, "learned")
    add_speed(parser)
    given = vars(parser.parse_args(argv))
    if min(given["slots"], given["threads"], given["limit"] or 1) < 1 or given["limit"] == 0:
        parser.error("--limit, --slots and --threads are 1 or more")
    return Arguments(**{**given, "centers": tuple(center_specs(given["centers"]))})


def ask(arguments: Arguments) -> Asked:
    """Read the sets, and search the library for every hop.

    Raises:
        InputError: the sets are not in their own formats.
        LibraryError: the library cannot be made or read.
    """
    data, asked = arguments.data, Asked()
    pool = read_pool(data)
    asked.cards = plan_cards(pool)
    if "plans" in arguments.parts:
        for name in PLAN_SETS:
            decisions, read = human_decisions(data, name)
            asked.decisions[name] = shuffled(decisions, arguments.limit)
            asked.notes.append(
                f"{name}: {len(decisions)} human plans read, {len(read.skipped)} not"
            )
    if "sums" in arguments.parts:
        asked.sums = shuffled(sums(data), arguments.limit)
    if "reading" in arguments.parts:
        with Telling() as progress:
            folder = build_library(pool, arguments.cache, progress)
        with Library.open(folder) as library:
            if library.note:
                raise InputError(library.note)
            for name in HOP_SETS:
                chosen = shuffled(hops(data, name), arguments.limit)
                found = [found_for(hop, library) for hop in chosen]
                asked.readings[name] = [f for f in found if f.sure]
                unsure = len(found) - len(asked.readings[name])
                gold = sum(bool(f.cited) for f in found)
                asked.notes.append(
                    f"{name}: {len(found)} hops, the supporting passage found for {gold} in "
                    f"{PASSAGES}; {unsure} left out whose answer stands in another passage"
                )
    return asked


async def measure(spec: CenterSpec, asked: Asked, arguments: Arguments) -> Measured:
    """Everything of one center.

    Raises:
        CenterError: the model cannot be loaded.
    """
    center = open_center(spec, arguments.cache, slots=arguments.slots, threads=arguments.threads)
    free = CenterLM(Unconstrained(center.model), examples=center.examples)
    plans: dict[str, list[Decided]] = {}
    unconstrained: dict[str, list[Decided]] = {}
    answered: dict[str, list[Answered]] = {}
    try:
        with Telling() as progress:

            def bar(what: str, total: int) -> Advance:
                task = progress.add_task(f"{spec.name}: {what}", total=total)
                return lambda n: progress.advance(task, n)

            for name, decisions in asked.decisions.items():
                for one, into, what in (
                    (center, plans, "plans"),
                    (free, unconstrained, "plans without grammar"),
                ):
                    into[name] = await score_decisions(
                        one,
                        decisions,
                        cards=asked.cards,
                        concurrency=arguments.slots,
                        advance=bar(f"{name} {what}", len(decisions)),
                    )
            for name, found in asked.readings.items():
                answered[name] = await score_readings(
                    center,
                    found,
                    concurrency=arguments.slots,
                    advance=bar(f"{name} reading", len(found)),
                )
            scores: dict[str, list[SumScore]] = {}
            for way in ("calculator", "direct") if asked.sums else ():
                scores[way] = await each_of(
                    asked.sums,
                    lambda item, way=way: solve_sum(item, center, way),
                    concurrency=arguments.slots,
                    advance=bar(f"sums, {way}", len(asked.sums)),
                )
    finally:
        await center.model.close()
    return Measured(spec.name, spec.sha256, plans, unconstrained, answered, scores)


async def solve_sum(item: Sum, center: CenterLM, way: str) -> SumScore:
    """A word problem through the engine: with the calculator alone, or with no source at all."""
    solution = await solve(
        Objective(item.question, budget=Budget(depth=1 if way == "calculator" else 0)),
        center=center,
        sources=[Calculator()] if way == "calculator" else [],
        options=Options(seed=SEED, reasks=False, splits=False, reopens=0),
    )
    right = number_in(solution.answer or "") == item.answer
    return SumScore(item.id, float(right), solution.answer or "", solution.usage)


def run(arguments: Arguments) -> Path:
    """Measure and write the report; returns the Markdown file.

    Raises:
        CenterError: something is missing or broken; the message says what to do.
    """
    started = time.monotonic()
    try:
        asked = ask(arguments)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"{arguments.data} is not in the sets' own formats ({type(error).__name__}: {error}); "
            "give a folder with the files as they were published"
        ) from None
    measured = [asyncio.run(measure(spec, asked, arguments)) for spec in arguments.centers]
    config: dict[str, Any] = {
        "command": command_line(),
        "centers": {s.name: s.sha256 or "no adapter" for s in arguments.centers},
        "records": asked.notes,
        "dev_sha256": data_hash(arguments.data),
        "pool_sha256": pool_hash(read_pool(arguments.data)),
        "passages": PASSAGES,
        "seed": SEED,
        "seconds": round(time.monotonic() - started, 1),
    }
    return write_report(measured, config, arguments.out, arguments.name)


if __name__ == "__main__":
    sys.exit(main_of(parse_arguments, run))
