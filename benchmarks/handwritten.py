"""Questions in the words of people, written by hand about short invented articles.

    python benchmarks/handwritten.py --work DIR [--about others] [--config FILE]
        [--system direct,retrieve,holistic]

Worlds ask in the words of their generator, public sets in those of their makers. These were written
to see how a user fares: lookups, chains, comparisons, sums, ages, yes or no. `--about others` asks
about things of other kinds than any world has. It is one `centerlm evaluate`: the same command goes
on where it stopped.
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
from options import parser_of
from reporting import command_line, config_lines, main_of, number, table, versions, write

SYSTEMS = "direct,retrieve,flat,holistic"
FILES = {"first": "handwritten", "others": "handwritten_others"}
_SEEN = {
    "first": "What was wrong in the first half was read before the center was trained on, and "
    "worlds were given kinds of things that its articles are about (ships, lakes, paintings); of "
    "the second half nothing was looked at but how many were right, until names that no passage "
    "has were seen in both, and led to their being read again.",
    "others": "They are about kinds of things that no world has (airlines, space probes, battles, "
    "languages, cheeses, games), and were written after the worlds. What the adapter before got "
    "wrong of them was read: years for ages led to a rule and to more training on ages.",
}


@dataclass(frozen=True, slots=True)
class Arguments:
    """`config` is a centerlm.toml, for another center."""

    about: str
    work: Path
    system: str
    config: Path | None
    out: Path
    name: str


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    parser.add_argument("--about", choices=FILES, default="first", help="which (%(default)s)")
    parser.add_argument("--work", type=Path, required=True, help="keeps the evaluation")
    parser.add_argument("--system", default=SYSTEMS, help="commas between (%(default)s)")
    parser.add_argument("--config", type=Path, help="as of centerlm evaluate")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="(%(default)s)")
    parser.add_argument("--name", help="of the files written (that of the questions)")
    given = vars(parser.parse_args(argv))
    return Arguments(**{**given, "name": given["name"] or FILES[given["about"]]})


def run(arguments: Arguments) -> Path:
    """Measure and write the report; returns the Markdown file.

    Raises:
        InputError: a system is unknown, or the evaluation could not be run.
    """
    named_systems(arguments.system.split(","))
    folder = FILES[arguments.about]
    questions = Path(__file__).with_name(f"{folder}.jsonl")
    if not questions.is_file():
        raise InputError(f"{questions.name} is missing beside the benchmark; check out the project")
    started = time.monotonic()
    words = ["evaluate", "ood_qa", "--data", str(questions), "--system", arguments.system]
    words += ["--out", str(arguments.work / folder)]
    if arguments.config is not None:
        words += ["--config", str(arguments.config)]
    results = measure(folder, words, arguments.work)
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
    return write(
        arguments.out, arguments.name, report, as_markdown(results, config, arguments.about)
    )


def as_markdown(results: Mapping[str, Any], config: Mapping[str, Any], about: str) -> str:
    """The page."""
    halves: Mapping[str, Any] = results["splits"]["domain"]
    halves = halves if len(halves) > 1 else {}
    lines = [
        "# Questions written by hand",
        "",
        f"{results['n']} questions in the words of a person about short invented articles, all in "
        f"one library. All systems have the same model, sources and budget. {_SEEN[about]} Token "
        "F1, exact match; in brackets 95 % intervals (bootstrap for means, Wilson for shares), "
        "then the items.",
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
