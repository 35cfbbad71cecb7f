"""The guidance loop, closed: how many corrections a plan still needs after so many were made.

    python benchmarks/guidance.py --data DIR [--points 0,50,100,200,400] [--questions 60]
        [--arms weights,preferences,memory,both] [--held sets|families] [--base FILE.gguf]
        [--cache DIR] [--out DIR]

A simulated person corrects the center's plans until they are the human decompositions of StrategyQA
and Break (CWQ, ComQA); after 0, 50, ... corrected plans the center plans objectives of families it
was never corrected on (MuSiQue, Break's DROP; with --held families: of the corrected sets, what
asks like no corrected one), and the corrections that these need are counted: typed edits of the
plan graph (`centerlm.evaluation.corrections`). It starts as the untrained model that is shown
example plans, and learns by its weights (a LoRA on all the person's plans so far), by preferences
(the same, then DPO on pairs of edit and original), by memory alone (the person's plans of like
objectives are recalled into the prompt), or by both weights and memory. Everything is kept in the
cache folder: the same command goes on where it stopped. Writes guidance.json, .md and .svg.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from centerlm.errors import InputError
from centerlm.evaluation.corrections import corrections
from centerlm.learning.dpo import DPOSettings
from centerlm.learning.guidance import Guidance
from centerlm.learning.train_settings import TrainSettings
from centerlm.plan import Plan
from guidance_loop import (
    FAMILIES,
    GUIDED,
    HELD_OUT,
    SETS,
    Cases,
    School,
    default_base,
    edit_pairs,
    read_cases,
    remembering,
)
from guidance_report import ARMS, Counted, report_of, write_report
from options import add_cache, add_data, add_files, add_speed, names_of, parser_of
from reporting import command_line, main_of
from telling import Telling


@dataclass(frozen=True, slots=True)
class Arguments:
    data: Path
    points: tuple[int, ...]
    questions: int
    arms: tuple[str, ...]
    held: str
    pairs: int
    base: Path | None
    cache: Path
    out: Path
    name: str
    slots: int
    threads: int
    train: TrainSettings


def parse(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    add_data(parser)
    parser.add_argument("--points", type=_points, default=_points("0,50,100,200,400"))
    parser.add_argument("--questions", type=int, default=60, help="held out (%(default)s)")
    parser.add_argument("--arms", type=names_of(ARMS, "arm"), default=ARMS)
    parser.add_argument("--held", choices=(SETS, FAMILIES), default=SETS)
    parser.add_argument("--pairs", type=int, default=24, help="of DPO a point (%(default)s)")
    parser.add_argument("--epochs", type=int, default=4, help="of training (%(default)s)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="(%(default)s)")
    parser.add_argument("--base", type=Path, help="a GGUF file (the default model)")
    add_cache(parser, "adapters and answers")
    add_files(parser, "guidance")
    add_speed(parser)
    given = parser.parse_args(argv)
    if given.questions < len(GUIDED) or given.pairs < 0:
        raise InputError("--questions: at least one of each family; --pairs: none or more")
    settings = TrainSettings(
        learning_rate=given.learning_rate,
        epochs=given.epochs,
        row_tokens=512,  # small updates and many: examples are few
        rows=1,
        dtype="auto",
        threads=given.threads,
    )
    return Arguments(
        given.data,
        given.points,
        given.questions,
        tuple(given.arms),
        given.held,
        given.pairs,
        given.base,
        given.cache,
        given.out,
        given.name,
        given.slots,
        given.threads,
        settings,
    )


def _points(text: str) -> tuple[int, ...]:
    try:
        points = tuple(int(part) for part in text.split(","))
    except ValueError:
        points = ()
    if len(points) < 2 or points[0] != 0 or sorted(set(points)) != list(points):
        raise argparse.ArgumentTypeError(f"{text}: points begin with 0 and go up, as 0,50,100")
    return points


class Loop:
    """A run: every arm at every point, told after each so that what is measured is written."""

    def __init__(self, arguments: Arguments, cases: Cases, telling: Telling) -> None:
        base = default_base(arguments.base)
        dpo = DPOSettings(
            rank=arguments.train.rank, alpha=arguments.train.alpha, save_every=5, dtype="float32"
        )
        self._arguments, self._cases, self._telling = arguments, cases, telling
        made_of = {
            "train": msgspec.to_builtins(arguments.train),
            "dpo": msgspec.to_builtins(dpo),
            "pairs": arguments.pairs,
            "points": arguments.points,
            "base": base,
            "stream": [one.id for one in cases.stream],
        }
        key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:12]
        self.school = School(
            arguments.cache / "guidance" / key,
            base,
            arguments.train,
            dpo,
            arguments.pairs,
            arguments.slots,
            arguments.threads,
        )
        self.counted: list[Counted] = []
        self.on_the_way: list[Counted] = []

    def run(self) -> Path:
        """All of it; the page is written again after each point."""
        page = self._measured("start", 0, None, remembers=False)
        last: Path | None = None
        for before, point in zip(self._arguments.points, self._arguments.points[1:], strict=False):
            new = self._cases.stream[before:point]
            trains = {"weights", "preferences", "both"} & set(self._arguments.arms)
            adapter: Path | None = None
            if trains:
                adapter = self.school.taught(
                    f"weights-{point}", self._cases.stream[:point], self._telling
                )
            if "weights" in trains:
                page = self._measured("weights", point, adapter, remembers=False)
            if "memory" in self._arguments.arms:
                page = self._measured("memory", point, None, remembers=True)
            if "both" in trains:
                page = self._measured("both", point, adapter, remembers=True)
            if "preferences" in trains and adapter is not None:
                page = self._preferred(point, new, last, adapter)
            last = adapter
        return page

    def _preferred(
        self, point: int, new: Sequence[Guidance], last: Path | None, adapter: Path
    ) -> Path:
        """DPO on the newest corrections: what the center had planned before it learned them."""
        asked = new[: self._arguments.pairs]
        originals = self._plans(asked, last, 0, f"plans to correct, up to {point}")
        self.on_the_way += _counted("corrected", point, asked, originals)
        pairs = edit_pairs(asked, originals)
        if not pairs:
            return self._written()
        start = adapter.parent / "adapter"
        tuned = self.school.preferring(f"preferences-{point}", pairs, start, self._telling)
        return self._measured("preferences", point, tuned, remembers=False)

    def _measured(self, arm: str, point: int, adapter: Path | None, *, remembers: bool) -> Path:
        plans = self._plans(
            self._cases.held_out, adapter, point if remembers else 0, f"{arm} after {point}"
        )
        self.counted += _counted(arm, point, self._cases.held_out, plans)
        return self._written()

    def _plans(
        self, asked: Sequence[Guidance], adapter: Path | None, known: int, what: str
    ) -> list[Plan | None]:
        memory = remembering(self._cases.stream[:known]) if known else None
        try:
            return asyncio.run(self.school.plans(asked, adapter, memory, self._telling, what))
        finally:
            if memory is not None:
                memory.close()

    def _written(self) -> Path:
        arguments = self._arguments
        config: dict[str, Any] = {
            "command": command_line(),
            "date": time.strftime("%Y-%m-%d"),
            "corrected_on": list(GUIDED),
            "measured_on": list(HELD_OUT) if arguments.held == SETS else "new families of these",
            "questions": arguments.questions,
            "epochs": arguments.train.epochs,
            "learning_rate": arguments.train.learning_rate,
            "pairs_of_dpo_a_point": arguments.pairs,
            "base": self.school.gguf.stem,
        }
        return write_report(
            report_of(self.counted, self.on_the_way, config), arguments.out, arguments.name
        )


def _counted(
    arm: str, point: int, asked: Sequence[Guidance], plans: Sequence[Plan | None]
) -> list[Counted]:
    return [
        Counted(
            arm,
            point,
            one.id,
            one.by,
            corrections(plan, one.plan),
            corrections(plan, one.plan, same=1.0).total,
            len(one.plan.steps),
        )
        for one, plan in zip(asked, plans, strict=True)
    ]


def run(arguments: Arguments) -> Path:
    cases = read_cases(arguments.data, arguments.points[-1], arguments.questions, arguments.held)
    with Telling() as telling:
        return Loop(arguments, cases, telling).run()


if __name__ == "__main__":
    sys.exit(main_of(parse, run))
