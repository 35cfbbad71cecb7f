"""Questions of 1 to 8 hops over fictional worlds, through the real engine.

    python benchmarks/worlds.py --center untrained --center ADAPTER.gguf [--hops 1,2,4,8]
        [--questions N] [--forms peel,flat] [--oracles] [--acts N] [--data DIR] [--joined SHARE]
        [--wide] [--cache DIR]

Accuracy by hops with the curve p^h of its one-hop accuracy; each act by itself; source choice by
kind and for cards never seen; held-out wordings and relations apart; and with --oracles the table
that replaces plan, passages and answers by the true ones, one at a time. Worlds are of the test
split; with --data half of their documents are real train passages with the names replaced, with
--joined such a share of the sentences states several facts, with --wide worlds have more kinds of
things. Every model call is kept in the cache folder: the same command goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any, cast

from centerlm.learning.worlds import World, WorldQuestion, make_world, questions_of, templates
from centerlm.learning.worlds.world import KINDS, TAUGHT
from centerlm.library import Library
from centerlm.many import each_of
from centers import CenterSpec, center_specs, open_center
from options import add_cache, add_centers, add_files, add_speed, hops_in, names_of, parser_of
from reporting import command_line, main_of
from telling import Telling
from world_acts import ActRecord, act_records, score_acts
from world_report import Measured, write_report
from world_runs import (
    FORMS,
    ORACLES,
    PASSAGES,
    Form,
    Oracle,
    Outcome,
    build_library,
    run_question,
)

FIRST_SEED = 1_000_000
PER_WORLD = 2
"""Questions of each number of hops that one world is asked."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """`questions` of each number of hops are asked; the acts of `acts` of them are scored apart."""

    centers: tuple[CenterSpec, ...]
    hops: tuple[int, ...]
    questions: int
    kinds: tuple[str, ...]
    forms: tuple[Form, ...]
    oracles: bool
    acts: int
    data: Path | None
    joined: float
    wide: bool
    cache: Path
    out: Path
    name: str
    slots: int
    threads: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its world and the world's library."""

    question: WorldQuestion
    world: World
    library: Library


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    add_centers(parser)
    parser.add_argument("--hops", type=hops_in, default=tuple(range(1, 9)), help="default 1-8")
    parser.add_argument("--questions", type=int, default=25, help="of each hops (%(default)s)")
    parser.add_argument(
        "--kinds",
        type=names_of(TAUGHT, "kind"),
        default=KINDS,
        help="chain,comparison,...; default all but ages and what exceeds or precedes what",
    )
    parser.add_argument("--forms", type=names_of(FORMS, "form"), default=FORMS, help="peel,flat")
    parser.add_argument("--oracles", action="store_true", help="also the oracle table (peel)")
    parser.add_argument("--acts", type=int, default=5, help="questions of each hops (%(default)s)")
    parser.add_argument("--data", type=Path, help="folder with the sets, for real passages")
    parser.add_argument(
        "--joined", type=float, default=0.0, help="share of sentences with several facts, 0 to 1"
    )
    parser.add_argument("--wide", action="store_true", help="more kinds of things, and years")
    add_cache(parser, "libraries and the models' answers")
    add_files(parser, "worlds")
    add_speed(parser)
    given = vars(parser.parse_args(argv))
    if min(given["questions"], given["slots"], given["threads"]) < 1 or given["acts"] < 0:
        parser.error("--questions, --slots and --threads are 1 or more, --acts 0 or more")
    if not 0 <= given["joined"] <= 1:
        parser.error("--joined is a share, 0 to 1")
    return Arguments(**{**given, "centers": tuple(center_specs(given["centers"]))})


def ask(arguments: Arguments, stack: ExitStack, progress: Telling) -> list[Asked]:
    """The same questions for every center: so many of each hops, few of each world.

    Raises:
        LibraryError: a library cannot be written.
    """
    passages = templates(arguments.data) if arguments.data is not None else ()
    bar = progress.add_task("worlds", total=len(arguments.hops) * arguments.questions)
    left = dict.fromkeys(arguments.hops, arguments.questions)
    asked: list[Asked] = []
    for seed in islice(count(FIRST_SEED), 50 * arguments.questions):
        if not any(left.values()):
            break
        world = make_world(
            seed,
            split="test",
            passages=passages,
            joined=arguments.joined,
            wide=arguments.wide,
        )
        folder = arguments.cache / "worlds" / f"{seed}{_variant(arguments)}"
        library: Library | None = None
        for hops in arguments.hops:
            wanted = min(PER_WORLD, left[hops])
            # The seed tells the ids of one number of hops from those of another.
            for question in (
                questions_of(world, hops=[hops], count=wanted, seed=hops, kinds=arguments.kinds)
                if wanted
                else ()
            ):
                library = library or stack.enter_context(Library.open(build_library(world, folder)))
                asked.append(Asked(question, world, library))
                left[hops] -= 1
                progress.advance(bar)
    return asked


def _variant(arguments: Arguments) -> str:
    """What the documents of the same seed differ by."""
    joined = f"-joined-{arguments.joined:g}" if arguments.joined else ""
    return ("-real" if arguments.data else "") + joined + ("-wide" if arguments.wide else "")


async def measure(spec: CenterSpec, asked: Sequence[Asked], arguments: Arguments) -> Measured:
    """Everything of one center.

    Raises:
        CenterError: the model cannot be loaded or does not answer.
    """
    center = open_center(spec, arguments.cache, slots=arguments.slots, threads=arguments.threads)
    runs = [(a, form, "none") for a in asked for form in arguments.forms]
    if arguments.oracles:
        runs += [(a, "peel", oracle) for a in asked for oracle in ORACLES[1:]]
    seen: dict[int, int] = {}
    records: list[ActRecord] = []
    for a in asked:
        seen[a.question.hops] = seen.get(a.question.hops, 0) + 1
        if seen[a.question.hops] <= arguments.acts:
            records += act_records(a.question, a.world, a.library)
    try:
        with Telling() as progress:
            bar = progress.add_task(f"{spec.name}: acts", total=len(records))
            acts = await score_acts(center, records, advance=lambda n: progress.advance(bar, n))
            episodes = progress.add_task(f"{spec.name}: episodes", total=len(runs))

            async def one(run: tuple[Asked, Form, Oracle]) -> Outcome:
                a, form, oracle = run
                return await run_question(
                    a.question, a.world, a.library, center, form=form, oracle=oracle
                )

            outcomes = await each_of(
                cast("list[tuple[Asked, Form, Oracle]]", runs),
                one,
                concurrency=arguments.slots,
                advance=lambda n: progress.advance(episodes, n),
            )
    finally:
        await center.model.close()
    return Measured(spec.name, spec.sha256, outcomes, acts, _unseen(asked))


def _unseen(asked: Sequence[Asked]) -> frozenset[str]:
    """Decisions that need a source which no training world has."""
    return frozenset(
        decision.id
        for a in asked
        if "source" in a.question.held_out
        for form in FORMS
        for decision in a.question.decisions[form]
    )


def run(arguments: Arguments) -> Path:
    """Measure and write the report; returns the Markdown file.

    Raises:
        CenterError: something is missing or broken; the message says what to do.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        with Telling() as progress:
            asked = ask(arguments, stack, progress)
        measured = [asyncio.run(measure(spec, asked, arguments)) for spec in arguments.centers]
    config: dict[str, Any] = {
        "command": command_line(),
        "centers": {s.name: s.sha256 or "no adapter" for s in arguments.centers},
        "first_seed": FIRST_SEED,
        "worlds": len({a.world.seed for a in asked}),
        "questions": len(asked),
        "kinds": list(dict.fromkeys(arguments.kinds)),
        "real_passages": arguments.data is not None,
        "sentences that state several facts": arguments.joined,
        "more kinds of things": arguments.wide,
        "passages": PASSAGES,
        "seconds": round(time.monotonic() - started, 1),
    }
    return write_report(measured, config, arguments.out, arguments.name)


if __name__ == "__main__":
    sys.exit(main_of(parse_arguments, run))
