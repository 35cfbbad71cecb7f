"""Sources never seen in training: whether their cards and 20 tasks of experience suffice.

    python benchmarks/unseen_source.py --work DIR [--kinds person,experiment] [--seeds 3]
        [--tokens 50000] [--questions 15] [--tasks 20] [--out docs/results]

Two kinds of sources (of expert, person, experiment) are held out of all training. Questions that
need them are asked with their cards alone, with what the seeking memory recalls of 20 other tasks,
and with the best single known source. Every trained model and every answer is kept in DIR: the same
command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from centerlm.comparison.settings import HOLISTIC, SOLVER, Comparison
from centerlm.comparison.unseen import TASKS, Sizes, unseen
from centerlm.learning.worlds import BEYOND
from comparing import add_sizes, rates, run_told, sizes, some
from reporting import command_line


@dataclass(frozen=True, slots=True)
class Arguments:
    sizes: Sizes
    work: Path
    out: Path
    name: str


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], epilog="More: the top of this file."
    )
    add_sizes(parser, Comparison(questions=15))
    parser.add_argument("--rates", type=rates, default=(1e-3,), help="default 1e-3")
    parser.add_argument("--kinds", type=some(BEYOND), default=("person", "experiment"))
    parser.add_argument("--tasks", type=int, default=TASKS, help="of experience (%(default)s)")
    parser.add_argument("--name", default="unseen_source", help="of the files (%(default)s)")
    given = sizes(parser, argv)
    if given["tasks"] < 2 or len(given["kinds"]) != 2:
        parser.error("--tasks is 2 or more, --kinds names two")
    places = (given.pop("work"), given.pop("out"), given.pop("name"))
    kinds, tasks = given.pop("kinds"), given.pop("tasks")
    comparison = Comparison(**given, weights=(HOLISTIC,), ways=(SOLVER.name,))
    return Arguments(Sizes(comparison, kinds, tasks, comparison.questions), *places)


def main() -> int:
    a = parse_arguments(sys.argv[1:])
    return run_told(
        lambda told, stop: unseen(
            a.sizes, a.work, a.out, a.name, command_line(), told=told, stop=stop
        )
    )


if __name__ == "__main__":
    sys.exit(main())
