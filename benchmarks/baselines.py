"""Strategy reasoning without any model, on every item: what the center's rows stand beside.

    python benchmarks/baselines.py --data DATA --work runs/baselines

Of puzzles: uniformly random proposals, proposals made of random steps, and of steps of the kinds
that led to success on other puzzles (Blocksworld with three blocks; of the 24-games the half that
is not asked). Of StrategyQA: a classifier of the wording of questions, trained on the train file.
Five minutes on one core.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.evaluation.results import results_of
from centerlm.evaluation.scenarios.base import Opening
from centerlm.evaluation.scenarios.strategy import RENAMED, SETS, open_strategy
from evaluation_report import TRIES
from options import add_data, add_files, names_of, parser_of
from reporting import command_line, config_lines, main_of, number, table, versions, write

KNOWN = (*SETS, RENAMED)


@dataclass(frozen=True, slots=True)
class Arguments:
    data: Path
    work: Path
    sets: tuple[str, ...]
    limit: int | None
    candidates: int
    seed: int
    out: Path
    name: str


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    add_data(parser)
    parser.add_argument("--work", type=Path, required=True, help="keeps libraries")
    parser.add_argument("--sets", type=names_of(KNOWN, "set"), default=KNOWN, help=", ".join(KNOWN))
    parser.add_argument("--limit", type=int, help="items of each set [default: all]")
    parser.add_argument("--candidates", type=int, default=10, help="proposals (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (%(default)s)")
    add_files(parser, "baselines")
    return Arguments(**vars(parser.parse_args(argv)))


def measure(name: str, arguments: Arguments) -> dict[str, Any]:
    """The results of the rows that need no model.

    Raises:
        InputError, MissingExtraError: the set cannot be read.
    """
    opening = Opening(
        str(arguments.data),
        arguments.work,
        (name,),
        arguments.limit,
        arguments.candidates,
        vectors=False,
        seed=arguments.seed,
        say=lambda line: print(line, file=sys.stderr),
    )
    scenario = open_strategy(opening)
    try:
        rows = scenario.baselines()
        return results_of(name, scenario.items, [], rows, scenario.metric, {})
    finally:
        scenario.close()


def run(arguments: Arguments) -> Path:
    """Measure and write the report; returns the Markdown file."""
    found = {name: measure(name, arguments) for name in arguments.sets}
    config: dict[str, Any] = {
        "command": command_line(),
        "candidates": arguments.candidates,
        "seed": arguments.seed,
    }
    heads = [f"{name.partition('@')[2] or arguments.candidates} tries" for name in TRIES]
    rows = [
        [name, row, *(number(told["metrics"].get(m)) for m in TRIES), str(told["n"])]
        for name, results in found.items()
        for row, told in results["systems"].items()
    ]
    lines = [
        "# Strategy reasoning without a model",
        "",
        "Success within so many proposals; in brackets 95 % intervals (Wilson). random: uniformly "
        "random proposals. random-steps: each step any that the rules allow and that leads to "
        "something new, backing up where there is none. experience-alone: the same, each step "
        "of the kind that comes out best of a draw from the posteriors of success on other "
        "puzzles. question-only: a classifier of the question's wording (one try).",
        "",
        *table(["set", "row", *heads, "n"], rows),
        "",
        *config_lines(config),
    ]
    report = {
        "config": {**config, "versions": versions()},
        "sets": {name: results["systems"] for name, results in found.items()},
    }
    return write(arguments.out, arguments.name, report, "\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main_of(parse_arguments, run))
