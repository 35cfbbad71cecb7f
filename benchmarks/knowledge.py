"""Knowledge in weights: the same facts, known alike; only the way of learning to join them differs.

    python benchmarks/knowledge.py --work DIR [--seeds 1] [--out docs/results]

One model learns all facts of a fictional world by heart, three experts a field each. Then questions
that join 1 to 8 facts are asked without any document: (a) of that model; (b) of it, trained on
question -> answer of other questions; (c) of it, trained to write its chain of thought; (d) of the
center, which asks that same model; (e) of the center, which asks the three experts. The center is
trained on the same other questions as (b) and (c), and on as many tokens; it sees no answer. (f)
and (g) are (d) with a center trained on answers, or on chains of thought, and 200 plans.

Every trained model and every answer is kept in DIR: the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from centerlm.learning.base import base_name
from centerlm.learning.run_result import gguf_base
from knowledge_report import Measured, write_report
from knowledge_runs import ARMS, Models, Outcome, Recall, ask_arm, recall_of
from knowledge_training import ANSWERS, CHAINS, WHOLE, Budgets, School, Taught, teach_all
from knowledge_world import FIELDS, Knowledge, make_knowledge
from options import add_files, add_speed, hops_in, parser_of
from reporting import command_line, main_of

FIRST_SEED = 5_000_001
"""Worlds that nothing else is trained or measured on begin here."""
MOST_TRAINED = 4
"""Trained compositions join at most so many facts."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """`questions` of each number of `hops` are asked, `compositions` of each of 1..4 trained."""

    work: Path
    seeds: int
    people: int
    hops: tuple[int, ...]
    questions: int
    compositions: int
    arms: tuple[str, ...]
    budgets: Budgets
    base: str
    out: Path
    name: str
    slots: int
    threads: int


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    usual = Budgets()
    parser.add_argument("--work", type=Path, required=True, help="keeps models and answers")
    parser.add_argument("--seeds", type=int, default=1, help="worlds and runs (%(default)s)")
    parser.add_argument("--people", type=int, default=36, help="of a world (%(default)s)")
    parser.add_argument("--hops", type=hops_in, default=tuple(range(1, 9)), help="default 1-8")
    parser.add_argument("--questions", type=int, default=30, help="of each hops (%(default)s)")
    parser.add_argument(
        "--compositions", type=int, default=100, help="trained, of each of 1-4 hops (%(default)s)"
    )
    parser.add_argument("--arms", type=_arms, default=tuple(ARMS), help="default a,b,c,d,e,f,g")
    parser.add_argument(
        "--epochs", type=int, default=usual.epochs, help="over the facts (%(default)s)"
    )
    parser.add_argument(
        "--reviews", type=int, default=usual.reviews, help="of facts not known (%(default)s)"
    )
    parser.add_argument(
        "--tokens", type=int, default=usual.tokens, help="of compositions (%(default)s)"
    )
    parser.add_argument("--rank", type=int, default=usual.rank, help="of the LoRAs (%(default)s)")
    parser.add_argument("--base", default="default", help="default, or a .gguf file")
    add_files(parser, "knowledge")
    add_speed(parser, threads=2)
    given: dict[str, Any] = vars(parser.parse_args(argv))
    numbers = ("seeds", "questions", "compositions", "epochs", "tokens", "rank", "slots", "threads")
    if min(given[name] for name in numbers) < 1 or given["reviews"] < 0:
        parser.error(f"--{', --'.join(numbers)} are 1 or more, --reviews 0 or more")
    budgets = Budgets(**{name: given.pop(name) for name in ("epochs", "reviews", "tokens", "rank")})
    return Arguments(**given, budgets=budgets)


def _arms(text: str) -> tuple[str, ...]:
    arms = text.split(",")
    if not set(arms) <= set(ARMS):
        raise argparse.ArgumentTypeError(f"{text}: arms are {', '.join(ARMS)}")
    return tuple(arm for arm in ARMS if arm in arms)


def knowledge_of(arguments: Arguments, number: int) -> Knowledge:
    """The facts and questions of one seed."""
    return make_knowledge(
        FIRST_SEED + number,
        people=arguments.people,
        tested=dict.fromkeys(arguments.hops, arguments.questions),
        trained=dict.fromkeys(range(1, MOST_TRAINED + 1), arguments.compositions),
    )


async def ask_all(
    models: Models, knowledge: Knowledge, arguments: Arguments
) -> tuple[list[Recall], list[Outcome]]:
    """What the models recall, and what each arm answers."""
    slots = arguments.slots
    fields = {field: [f for f in knowledge.facts if f.field == field] for field in FIELDS}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    recalls: list[Recall] = []
    outcomes: list[Outcome] = []
    with Progress(*columns, TimeRemainingColumn()) as progress:
        for name in (WHOLE, *FIELDS, ANSWERS, CHAINS):
            facts = fields.get(name, list(knowledge.facts))
            both = name not in (ANSWERS, CHAINS)
            bar = progress.add_task(f"recall: {name}", total=len(facts) * (1 + both))
            recalls.append(
                await recall_of(
                    models,
                    name,
                    facts,
                    slots=slots,
                    held_out=both,
                    advance=lambda n, bar=bar: progress.advance(bar, n),
                )
            )
        for arm in arguments.arms:
            bar = progress.add_task(f"({arm}) {ARMS[arm]}", total=len(knowledge.tested))
            outcomes += await ask_arm(
                models,
                arm,
                knowledge.tested,
                slots=slots,
                advance=lambda n, bar=bar: progress.advance(bar, n),
            )
    return recalls, outcomes


def run(arguments: Arguments) -> Path:
    """Train, ask, and write the report; returns the Markdown file.

    Raises:
        CenterError: something is missing, broken or stopped; the message says what to do.
    """
    from centerlm.errors import InputError

    started = time.monotonic()
    gguf = gguf_base(arguments.base)
    if gguf is None:
        raise InputError(f"--base {arguments.base} does not run on llama.cpp; give a .gguf file")
    measured: list[Measured] = []
    facts: list[int] = []
    for number in range(arguments.seeds):
        knowledge = knowledge_of(arguments, number)
        facts.append(len(knowledge.facts))
        school = School(
            arguments.work / f"seed-{number}",
            arguments.base,
            gguf,
            arguments.budgets,
            seed=number,
            threads=arguments.threads,
        )
        taught: dict[str, Taught] = teach_all(school, knowledge)
        models = Models(taught, school, slots=arguments.slots, threads=arguments.threads)
        recalls, outcomes = asyncio.run(ask_all(models, knowledge, arguments))
        measured.append(Measured(number, taught, recalls, outcomes))
    budgets = arguments.budgets
    config: dict[str, Any] = {
        "command": command_line(),
        "base": base_name(arguments.base),
        "worlds": [FIRST_SEED + number for number in range(arguments.seeds)],
        "seeds": list(range(arguments.seeds)),
        "facts": facts,
        "questions_of_each_hops": arguments.questions,
        "trained_hops": f"1 to {MOST_TRAINED}",
        "trained_compositions_of_each_hops": arguments.compositions,
        "lora_rank": budgets.rank,
        "learning_rates": list(budgets.rates),
        "learning_rates_tried": "one for all arms",
        "epochs_of_facts": budgets.epochs,
        "tokens_of_compositions": budgets.tokens,
        "facts_again_for_b_and_c": f"{budgets.replay:.0%} of these tokens on top",
        "seconds_of_this_call": round(time.monotonic() - started),
    }
    return write_report(measured, config, arguments.out, arguments.name)


if __name__ == "__main__":
    sys.exit(main_of(parse_arguments, run))
