"""Experts of fields in weights: what each knows, and how often the right one is asked.

    python benchmarks/experts.py --work DIR [--people 36] [--experts DIR] [--center ADAPTER.gguf]
        [--out docs/results]

Three experts learn the facts of a field of a fictional world by heart (as `centerlm learn expert`
does), each as an adapter of the one base. All are asked all facts in a wording that was not
trained: the expert x field matrix. Choosing between them counts only where, in every field, its
expert beats every other one with the interval of the difference clear of 0; if not, the page says
so and nothing is chosen. Then questions come in a stream, and somebody chooses whom to ask: the
seeking memory (cold, learning as it goes), the center of `--center` by the cards, the same shown
what the memory recalls, chance, the best single expert, and the expert of the field (oracle).

The adapters are swapped on one base; resident memory with one expert and with all is told. Trained
adapters and answers are kept in DIR: the same command goes on where it stopped. With `--experts`
nothing is trained: they are those of a seed folder of knowledge.py (DIR/seed-0, the same --people).
Writes experts.json and experts.md.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from centerlm.errors import InputError
from centerlm.evaluation.acts import each_of
from centerlm.evaluation.metrics import exact_match
from centerlm.learning.base import base_name
from centerlm.learning.run_result import gguf_base
from centerlm.models import RecordingModel
from centerlm.models.base import Sampling
from centerlm.models.swapping import SharedBase
from centers import center_specs, open_center
from experts_choice import Asked, choices, matrix_of, page_of, proven
from knowledge_runs import CONTEXT, SHORT
from knowledge_training import (
    Budgets,
    School,
    Taught,
    question_prompt,
    taught_facts,
    teach_facts,
)
from knowledge_world import FIELDS, SingleFact, make_knowledge
from reporting import command_line, run_benchmark, versions, write

SEED = 5_000_001


def experts_of(
    school: School, facts: Sequence[SingleFact], trained: Path | None
) -> dict[str, Taught]:
    """The expert of each field: taught in the school, or those that `trained` holds.

    Raises:
        StoppedError, InputError: as `teach_facts` and `taught_facts`.
    """
    fields = {field: [fact for fact in facts if fact.field == field] for field in FIELDS}
    if trained is None:
        return {field: teach_facts(school, field, mine) for field, mine in fields.items()}
    there = replace(school, folder=trained)
    return {field: taught_facts(there, field, mine) for field, mine in fields.items()}


async def answers(
    school: School, adapters: dict[str, Path], facts: list[SingleFact], slots: int
) -> tuple[dict[str, list[bool]], dict[str, float]]:
    """Which facts each expert knows, and the resident memory in MB by how many are loaded."""
    shared = SharedBase(school.gguf, context=CONTEXT, slots=slots, threads=school.threads or 1)
    models = {field: shared.adapted(path, name=field) for field, path in adapters.items()}
    right: dict[str, list[bool]] = {}
    resident = {"before": _resident()}
    try:
        for number, (field, model) in enumerate(models.items(), start=1):
            kept = RecordingModel(model, school.folder / "answers-kept")
            await model.complete(question_prompt("Who?"), Sampling(1))  # loads it

            async def one(fact: SingleFact, kept: RecordingModel = kept) -> bool:
                reply = await kept.complete(question_prompt(fact.held_out), Sampling(SHORT))
                return exact_match(reply.text.strip(), (fact.answer,)) > 0

            right[field] = list(
                await each_of(facts, one, concurrency=slots, advance=lambda done: None)
            )
            resident[f"with {number} asked"] = _resident()
            print(f"{field}: {sum(right[field])} of {len(facts)} known", file=sys.stderr)
    finally:
        await shared.close()
    return right, resident


async def _chosen(asked: list[Asked], arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    center = None
    if arguments.center:
        (spec,) = center_specs([arguments.center])
        center = open_center(spec, arguments.work / "center")
    try:
        return await choices(asked, center, seeds=arguments.seeds, told_seeds=arguments.told)
    finally:
        if center is not None:
            await center.model.close()


def _resident() -> float:
    """Resident memory of this process in MB; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError):
        return 0.0
    return pages * 4096 / 1e6


def run(arguments: argparse.Namespace) -> Path:
    gguf = gguf_base(arguments.base)
    if gguf is None:
        raise InputError(f"--base {arguments.base} does not run on llama.cpp; give a .gguf file")
    knowledge = make_knowledge(SEED, people=arguments.people, tested={1: 1}, trained={1: 1})
    facts = [fact for fact in knowledge.facts if fact.held_out]
    school = School(
        arguments.work,
        arguments.base,
        gguf,
        Budgets(epochs=arguments.epochs, reviews=arguments.reviews),
        threads=arguments.threads,
    )
    taught = experts_of(school, facts, arguments.experts)
    adapters = {field: one.gguf for field, one in taught.items()}
    right, resident = asyncio.run(answers(school, adapters, facts, arguments.slots))
    asked = [
        Asked(
            fact.id,
            fact.held_out,
            f"expert:{fact.field}",
            {f"expert:{field}": right[field][n] for field in FIELDS},
        )
        for n, fact in enumerate(facts)
    ]
    matrix = matrix_of(asked)
    report: dict[str, Any] = {
        "matrix": matrix,
        "proven": proven(matrix),
        "resident": resident,
        "training": {
            field: {key: one.record[key] for key in ("facts", "tokens", "recall_by_round")}
            for field, one in taught.items()
        },
    }
    if report["proven"]:
        report["choices"] = asyncio.run(_chosen(asked, arguments))
    report["config"] = {
        "command": command_line(),
        "date": time.strftime("%Y-%m-%d"),
        "base": base_name(arguments.base),
        "facts": len(facts),
        "people": arguments.people,
        "seeds of streams": arguments.seeds,
        "of them with the center told": arguments.told,
        "versions": versions(),
    }
    return write(arguments.out, arguments.name, report, page_of(report))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="keeps adapters and answers")
    parser.add_argument("--experts", type=Path, help="take them from here, train nothing")
    parser.add_argument("--people", type=int, default=36, help="of the world (%(default)s)")
    parser.add_argument(
        "--center", help="an adapter, few-shot or untrained: its choice is measured"
    )
    parser.add_argument("--epochs", type=int, default=14, help="over the facts (%(default)s)")
    parser.add_argument("--reviews", type=int, default=3, help="of facts not known (%(default)s)")
    parser.add_argument("--seeds", type=int, default=10, help="streams (%(default)s)")
    parser.add_argument(
        "--told", type=int, default=2, help="of them in which the center is told (%(default)s)"
    )
    parser.add_argument("--base", default="default", help="default, or a .gguf file")
    parser.add_argument("--slots", type=int, default=4, help="calls at once (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="(%(default)s)")
    parser.add_argument("--name", default="experts", help="of the files written (%(default)s)")
    arguments = parser.parse_args()
    if (
        min(arguments.people, arguments.epochs, arguments.seeds, arguments.slots, arguments.told)
        < 1
    ):
        parser.error("--people, --epochs, --seeds, --told and --slots are 1 or more")
    return run_benchmark(lambda: run(arguments), interrupted="the same command goes on")


if __name__ == "__main__":
    sys.exit(main())
