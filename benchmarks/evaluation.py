"""The whole table: every system on every set, with intervals, pairs, costs, and which act limits.

    python benchmarks/evaluation.py --data DATA --work runs/evaluation --items 20

DATA holds the sets as they were published (musique, 2wikimultihopqa, hotpotqa, gsm8k, strategyqa,
game24, planbench). Each set is one `centerlm evaluate` into a folder of its own below --work: the
same command goes on where it stopped, and more items or systems run only what is new. With the
local model an item takes some 40 calls over all systems, 1 to 3 seconds each on a core: 20 items of
9 sets take two cores two to four hours. Start with --items 2.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from centerlm.errors import InputError
from centerlm.evaluation.systems import named_systems
from evaluation_report import SETS, write_report
from options import add_data, add_files, names_of, parser_of
from reporting import command_line, main_of

SYSTEMS = "direct,cot,react,retrieve,flat,holistic,random-source,single-source,oracle-plan"
FACTS = "gold-facts,shuffled-facts"


@dataclass(frozen=True, slots=True)
class Arguments:
    """`items` of each set; `more` are options passed on to every evaluation."""

    data: Path
    work: Path
    items: int
    candidates: int
    sets: tuple[str, ...]
    systems: str
    out: Path
    name: str
    more: tuple[str, ...]


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    add_data(parser)
    parser.add_argument("--work", type=Path, required=True, help="keeps the evaluations")
    parser.add_argument("--items", type=int, default=20, help="of each set (%(default)s)")
    parser.add_argument(
        "--candidates", type=int, default=5, help="proposals for a puzzle (%(default)s)"
    )
    parser.add_argument(
        "--sets", type=names_of(tuple(SETS), "set"), default=tuple(SETS), help=",".join(SETS)
    )
    parser.add_argument(
        "--systems", default=SYSTEMS, help="commas between; fragmentation needs --config"
    )
    parser.add_argument("--config", type=Path, help="as of centerlm evaluate")
    parser.add_argument("--model", help="as of centerlm evaluate")
    parser.add_argument("--base-url", help="as of centerlm evaluate")
    parser.add_argument("--ray", metavar="ADDRESS", help="as of centerlm evaluate")
    parser.add_argument("--no-vectors", action="store_true", help="as of centerlm evaluate")
    add_files(parser, "evaluation")
    given = vars(parser.parse_args(argv))
    if min(given["items"], given["candidates"]) < 1:
        parser.error("--items and --candidates are 1 or more")
    more: list[str] = ["--no-vectors"] if given.pop("no_vectors") else []
    for name in ("config", "model", "base_url", "ray"):
        if (value := given.pop(name)) is not None:
            more += [f"--{name.replace('_', '-')}", str(value)]
    return Arguments(**given, more=tuple(more))


def evaluation_of(name: str, arguments: Arguments) -> list[str]:
    """The words of the `centerlm evaluate` of a set."""
    systems = arguments.systems + (f",{FACTS}" if name == "strategyqa" else "")
    words = ["evaluate", SETS[name].scenario, "--set", name, "--system", systems]
    words += ["--limit", str(arguments.items), "--out", str(arguments.work / name)]
    words += ["--data", str(arguments.data)]
    if SETS[name].scenario == "strategy":
        words += ["--candidates", str(arguments.candidates)]
    return [*words, *arguments.more]


def measure(name: str, arguments: Arguments) -> dict[str, Any]:
    """The results of a set; its evaluation is run, or gone on with.

    Raises:
        InputError: it could not be run; what it said stands above.
        KeyboardInterrupt: it was interrupted.
    """
    words = evaluation_of(name, arguments)
    print(f"{name}: centerlm {shlex.join(words)}", file=sys.stderr)
    done = subprocess.run([sys.executable, "-m", "centerlm", *words], stdout=2, check=False)
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        raise InputError(f"the evaluation of {name} ended with {done.returncode}; see above")
    return msgspec.json.decode((arguments.work / name / "results.json").read_bytes())


def run(arguments: Arguments) -> Path:
    """Measure and write the report; returns the Markdown file.

    Raises:
        InputError: a system is unknown, or an evaluation could not be run.
    """
    named_systems(arguments.systems.split(","))
    started = time.monotonic()
    results = {name: measure(name, arguments) for name in arguments.sets}
    config: dict[str, Any] = {
        "command": command_line(),
        "items_of_each_set": arguments.items,
        "candidates": arguments.candidates,
        "data_sha256": {
            file: digest[:16]
            for found in results.values()
            for file, digest in found["config"]["hashes"].items()
        },
        "model": next(iter(results.values()))["config"]["model"],
        "model_identity": next(iter(results.values()))["config"]["identity"],
        "seed": next(iter(results.values()))["config"]["seed"],
        "seconds_of_this_call": round(time.monotonic() - started),
    }
    return write_report(results, config, arguments.out, arguments.name)


if __name__ == "__main__":
    sys.exit(main_of(parse_arguments, run))
