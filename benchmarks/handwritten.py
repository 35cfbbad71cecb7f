"""Questions in the words of people: 80 written by hand about 48 short invented articles.

    python benchmarks/handwritten.py --work DIR [--system direct,retrieve,holistic] [--config FILE]

Worlds ask in the words of their generator, public sets in those of their makers. These were written
to see how a user fares: lookups, chains, comparisons, sums, ages, yes or no. What was wrong in the
first half was read before the center was trained on; of the second half nothing was looked at but
how many were right. It is one `centerlm evaluate`: the same command goes on where it stopped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.errors import InputError
from centerlm.evaluation.systems import named_systems
from evaluation import measure
from options import add_files, parser_of
from reporting import command_line, config_lines, main_of, number, table, versions, write

QUESTIONS = Path(__file__).with_name("handwritten.jsonl")
SYSTEMS = "direct,retrieve,flat,holistic"
FOLDER = "handwritten"


@dataclass(frozen=True, slots=True)
class Arguments:
    """`config` is a centerlm.toml, for another center."""

    work: Path
    system: str
    config: Path | None
    out: Path
    name: str


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    parser.add_argument("--work", type=Path, required=True, help="keeps the evaluation")
    parser.add_argument("--system", default=SYSTEMS, help="commas between (%(default)s)")
    parser.add_argument("--config", type=Path, help="as of centerlm evaluate")
    add_files(parser, "handwritten")
    return Arguments(**vars(parser.parse_args(argv)))


def run(arguments: Arguments) -> Path:
    """Measure and write the report; returns the Markdown file.

    Raises:
        InputError: a system is unknown, or the evaluation could not be run.
    """
    named_systems(arguments.system.split(","))
    if not QUESTIONS.is_file():
        raise InputError(f"{QUESTIONS.name} is missing beside the benchmark; check out the project")
    started = time.monotonic()
    words = ["evaluate", "ood_qa", "--data", str(QUESTIONS), "--system", arguments.system]
    words += ["--out", str(arguments.work / FOLDER)]
    if arguments.config is not None:
        words += ["--config", str(arguments.config)]
    results = measure(FOLDER, words, arguments.work)
    config = {
        "command": command_line(),
        "data_sha256": {file: sha[:16] for file, sha in results["config"]["hashes"].items()},
        "model": results["config"]["model"],
        "model_identity": results["config"]["identity"],
        "seed": results["config"]["seed"],
        "seconds_of_this_call": round(time.monotonic() - started),
        "versions": versions(),
    }
    kept = {key: value for key, value in results.items() if key != "config"}
    report = {"config": config, "results": kept}
    return write(arguments.out, arguments.name, report, as_markdown(results, config))


def as_markdown(results: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """The page."""
    halves: Mapping[str, Any] = results["splits"]["domain"]
    lines = [
        "# Questions written by hand",
        "",
        "80 questions in the words of a person about 48 short invented articles, all in one "
        "library. All systems have the same model, sources and budget. What was wrong in the first "
        "half was read before the center was trained on; of the second half nothing but how many "
        "were right. Token F1, exact match; in brackets 95 % intervals (bootstrap for means, "
        "Wilson for shares), then the items.",
        "",
        *table(
            ["system", *(f"F1, {half}" for half in halves), "F1, all", "exact, all", "model calls"],
            [
                [
                    system,
                    *(_cell(cells.get(system)) for cells in halves.values()),
                    *(_cell(made["metrics"].get(m), results["n"]) for m in ("f1", "em")),
                    _cell(made["metrics"]["calls"], results["n"]),
                ]
                for system, made in results["systems"].items()
            ],
        ),
        "",
        "## Pairs",
        "",
        *table(
            ["first", "second", "F1 of the first less that of the second"],
            [
                [pair["first"], pair["second"], _cell(pair | {"value": pair["difference"]})]
                for pair in results["paired"]
                if "holistic" in (pair["first"], pair["second"])
            ],
        ),
    ]
    return "\n".join([*lines, *config_lines(config)]) + "\n"


def _cell(figure: Mapping[str, Any] | None, n: int | None = None) -> str:
    if figure is None:
        return ""
    return f"{number(figure)}, n={figure.get('n', n)}"


if __name__ == "__main__":
    sys.exit(main_of(parse_arguments, run))
