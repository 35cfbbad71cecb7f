"""Whether a learner that plans what to learn knows more: study against reading in other orders.

    python benchmarks/study.py --work DIR [--center oracle] [--worlds 10] [--people 40]
        [--questions 12] [--read 40] [--out docs/results]

Each generated world has one topic: the thing that most composed questions (chains of 2 to 4 facts)
begin with. `study` is given the topic and stops with the visit that reaches so many passages; the
other arms read exactly as many as it did, in random order, in the order of the file, and as a
search for the topic finds them, and ask and answer questions on each by the same acts. Then the
library is closed: the composed questions, with right plans for all arms alike, find what was noted
and nothing else. The center `oracle` asks and reads without error, so that only the choice of
passages differs; an adapter (`FILE.gguf`), `few-shot` or `untrained` is measured as it is.

Every study, every note and every model call is kept in DIR: the same command goes on where it
stopped. Writes study.json and study.md.
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

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from centerlm.evaluation.statistics import mean_interval, paired_difference
from centerlm.learning.worlds import make_world
from centerlm.models.weights import write_atomically
from options import add_files, add_worlds, parser_of
from reporting import command_line, config_lines, percent, run_benchmark, table, versions, write
from study_runs import ARMS, Lesson, World, learn, quiz, topic_of

FIRST_SEED = 7_100_001
"""Worlds that nothing else is trained or measured on begin here; those of 7,000,001 and after were
looked at while the agenda was made.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """An arm on a world: what it read and noted, and how the quiz went."""

    seed: int
    arm: str
    topic: str
    lesson: Lesson
    right: tuple[float, ...]


async def measured(world: World, arm: str, read: int, arguments: argparse.Namespace) -> Row:
    folder = arguments.work / f"world-{world.seed}-{arguments.people}" / arguments.center_name
    topic, questions = topic_of(world, arguments.questions)
    lesson = await learn(
        world,
        topic,
        arm,
        folder,
        spec=arguments.center,
        read=read,
        words_only=arguments.words,
    )
    right = await quiz(
        world, questions, arm, folder, spec=arguments.center, words_only=arguments.words
    )
    return Row(world.seed, arm, topic, lesson, tuple(right))


def rows_of(arguments: argparse.Namespace) -> list[Row]:
    """All arms on all worlds; what is finished is read from the work folder."""
    rows: list[Row] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("", total=arguments.worlds * len(ARMS))
        for seed in range(FIRST_SEED, FIRST_SEED + arguments.worlds):
            world = make_world(seed, split="test", people=arguments.people)
            read: int = arguments.read
            for arm in ARMS:
                bar.update(task, description=f"world {seed}: {arm}")
                row = _row(world, arm, read, arguments)
                read = row.lesson.passages
                rows.append(row)
                bar.advance(task)
    return rows


def _row(world: World, arm: str, read: int, arguments: argparse.Namespace) -> Row:
    key = f"{world.seed}-{arguments.people}-{arguments.questions}-{read}-{arm}"
    kept = arguments.work / "rows" / arguments.center_name / f"{key}.json"
    if not kept.is_file():
        row = asyncio.run(measured(world, arm, read, arguments))
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, json.dumps(asdict(row)).encode())
    data = json.loads(kept.read_text(encoding="utf-8"))
    return Row(
        data["seed"], data["arm"], data["topic"], Lesson(**data["lesson"]), tuple(data["right"])
    )


def report_of(rows: Sequence[Row]) -> dict[str, Any]:
    """Right answers of each arm, mean of worlds, and study less each other arm, paired."""
    means = {
        arm: [sum(row.right) / len(row.right) for row in rows if row.arm == arm] for arm in ARMS
    }
    arms: dict[str, Any] = {}
    for arm in ARMS:
        mine = [row for row in rows if row.arm == arm]
        arms[arm] = {
            "right": asdict(mean_interval(means[arm])),
            "passages": sum(row.lesson.passages for row in mine) / len(mine),
            "notes": sum(row.lesson.notes for row in mine) / len(mine),
            "calls": sum(row.lesson.calls for row in mine) / len(mine),
        }
    study = means["study"]
    pairs = {arm: asdict(paired_difference(study, means[arm])) for arm in ARMS if arm != "study"}
    return {"arms": arms, "study less": pairs}


def page_of(report: Mapping[str, Any]) -> str:
    lines = [
        "# Study",
        "",
        "One topic a world; as many passages read by every arm; then the library is closed, and "
        "composed questions (chains of 2 to 4 facts from the topic, right plans for all arms) are "
        "answered from what was noted. Per cent right, mean of worlds with 95 % intervals "
        "(bootstrap over worlds; differences paired).",
        "",
    ]
    heads = ["arm", "right, %", "study is better by, points", "passages read", "notes", "calls"]
    body = [
        [
            name,
            percent(arm["right"]),
            percent(report["study less"].get(name), sign="+"),
            f"{arm['passages']:.1f}",
            f"{arm['notes']:.1f}",
            f"{arm['calls']:.1f}",
        ]
        for name, arm in report["arms"].items()
    ]
    lines += table(heads, body)
    return "\n".join([*lines, *config_lines(report["config"])]) + "\n"


def run(arguments: argparse.Namespace) -> Path:
    arguments.center_name = Path(arguments.center).stem
    config = {
        "command": command_line(),
        "date": time.strftime("%Y-%m-%d"),
        "center": arguments.center_name,
        "worlds": arguments.worlds,
        "people": arguments.people,
        "first_seed": FIRST_SEED,
        "questions": arguments.questions,
        "read": arguments.read,
        "search": "words" if arguments.words else "words and meaning",
        "versions": versions(),
    }
    report = {**report_of(rows_of(arguments)), "config": config}
    return write(arguments.out, arguments.name, report, page_of(report))


def main() -> int:
    parser = parser_of(__doc__)
    add_worlds(parser, worlds=10)
    parser.add_argument("--questions", type=int, default=12, help="quiz questions a world, at most")
    parser.add_argument("--read", type=int, default=40, help="passages to learn from")
    add_files(parser, "study")
    arguments = parser.parse_args()
    if min(arguments.worlds, arguments.questions) < 1 or arguments.read < 1:
        parser.error("give at least one world, one question and one passage")
    return run_benchmark(lambda: run(arguments), interrupted="the same command goes on")


if __name__ == "__main__":
    sys.exit(main())
