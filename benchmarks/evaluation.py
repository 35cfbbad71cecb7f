"""The whole table: every system on every set, with intervals, pairs, costs, and which act limits.

    python benchmarks/evaluation.py --data DATA --work runs/evaluation --items 20

DATA holds the sets as they were published (musique, 2wikimultihopqa, hotpotqa, gsm8k, strategyqa,
game24, planbench). Each set is one `centerlm evaluate` into a folder of its own below --work: the
same command goes on where it stopped, and more items or systems run only what is new. With the
local model on one core an item takes about half a minute over all systems, a plan of PlanBench 80
seconds (--puzzles sizes those apart), a puzzle whose proposals are made of steps 5 (--step-items).
Start with --items 2 --puzzles 1.
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
from evaluation_report import PUZZLES, SETS, write_report
from options import add_data, add_files, names_of, parser_of
from reporting import command_line, main_of

SYSTEMS = (
    "direct,cot,react,retrieve,flat,holistic,random-source,single-source,"
    "oracle-plan,oracle-finding,oracle-answers"
)
FACTS = "gold-facts,shuffled-facts"
STEPS = "stepwise-experienced"


@dataclass(frozen=True, slots=True)
class Arguments:
    """`items` of each set, `puzzles` of each set of puzzles, `step_items` of each of these for what
    proposes by steps; `more` are options passed on to every evaluation.
    """

    data: Path
    work: Path
    items: int
    puzzles: int
    step_items: int
    candidates: int
    step_candidates: int
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
    parser.add_argument("--puzzles", type=int, default=10, help="of each set (%(default)s)")
    parser.add_argument(
        "--candidates", type=int, default=5, help="proposals for a puzzle (%(default)s)"
    )
    parser.add_argument(
        "--step-items", type=int, default=60, help=f"puzzles of a set for {STEPS} (%(default)s)"
    )
    parser.add_argument(
        "--step-candidates", type=int, default=10, help="its proposals (%(default)s)"
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
    counts = ("items", "puzzles", "step_items", "candidates", "step_candidates")
    if min(given[name] for name in counts) < 1:
        parser.error("numbers of items and candidates are 1 or more")
    more: list[str] = ["--no-vectors"] if given.pop("no_vectors") else []
    for name in ("config", "model", "base_url", "ray"):
        if (value := given.pop(name)) is not None:
            more += [f"--{name.replace('_', '-')}", str(value)]
    return Arguments(**given, more=tuple(more))


def evaluation_of(name: str, arguments: Arguments) -> list[str]:
    """The words of the `centerlm evaluate` of a set."""
    systems = arguments.systems + (f",{FACTS}" if name == "strategyqa" else "")
    items = arguments.puzzles if name in PUZZLES else arguments.items
    words = [*_words(name, arguments, name), "--system", systems, "--limit", str(items)]
    if SETS[name].scenario == "strategy":
        words += ["--candidates", str(arguments.candidates)]
    return [*words, *arguments.more]


def steps_of(name: str, arguments: Arguments) -> list[str]:
    """The words of the evaluation of what proposes by steps, which may have other candidates."""
    words = [*_words(name, arguments, f"{name}-steps"), "--system", STEPS]
    words += ["--limit", str(arguments.step_items)]
    return [*words, "--candidates", str(arguments.step_candidates), *arguments.more]


def _words(name: str, arguments: Arguments, folder: str) -> list[str]:
    words = ["evaluate", SETS[name].scenario, "--set", name, "--data", str(arguments.data)]
    return [*words, "--out", str(arguments.work / folder)]


def measure(folder: str, words: Sequence[str], work: Path) -> dict[str, Any]:
    """The results of an evaluation; it is run, or gone on with.

    Raises:
        InputError: it could not be run; what it said stands above.
        KeyboardInterrupt: it was interrupted.
    """
    print(f"{folder}: centerlm {shlex.join(words)}", file=sys.stderr)
    done = subprocess.run([sys.executable, "-m", "centerlm", *words], stdout=2, check=False)
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode:
        raise InputError(f"the evaluation of {folder} ended with {done.returncode}; see above")
    return msgspec.json.decode((work / folder / "results.json").read_bytes())


def run(arguments: Arguments) -> Path:
    """Measure and write the report; returns the Markdown file.

    Raises:
        InputError: a system is unknown, or an evaluation could not be run.
    """
    named_systems(arguments.systems.split(","))
    started = time.monotonic()
    work = arguments.work
    steps = {
        name: measure(f"{name}-steps", steps_of(name, arguments), work)
        for name in arguments.sets
        if name in PUZZLES
    }
    results = {name: measure(name, evaluation_of(name, arguments), work) for name in arguments.sets}
    config: dict[str, Any] = {
        "command": command_line(),
        "items_of_each_set": arguments.items,
        "puzzles_of_each_set": arguments.puzzles,
        "puzzles_of_each_set_by_steps": arguments.step_items,
        "candidates": arguments.candidates,
        "candidates_by_steps": arguments.step_candidates,
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
    return write_report(results, steps, config, arguments.out, arguments.name)


if __name__ == "__main__":
    sys.exit(main_of(parse_arguments, run))
