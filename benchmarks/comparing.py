"""What the commands over `centerlm.comparison` share: their options, and how they are run."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from centerlm.comparison.settings import Comparison
from centerlm.learn_command import Stopper, progress
from centerlm.learning.job import Listener
from centerlm.learning.watching import Stop
from options import add_files, add_speed, hops_in, parser_of
from reporting import run_benchmark


class Places(NamedTuple):
    """Where models and answers are kept, where the page goes, and its name."""

    work: Path
    out: Path
    name: str


_NUMBERS = ("seeds", "tokens", "questions", "worlds", "slots", "threads")


def comparison_parser(doc: str | None, usual: Comparison, name: str) -> argparse.ArgumentParser:
    """A parser with the options of every comparison; `name` is that of the files written."""
    parser = parser_of(doc)
    parser.add_argument("--work", type=Path, required=True, help="keeps models and answers")
    parser.add_argument("--seeds", type=int, default=usual.seeds, help="(%(default)s)")
    parser.add_argument("--tokens", type=int, default=usual.tokens, help="an arm (%(default)s)")
    parser.add_argument("--questions", type=int, default=usual.questions, help="of each hops")
    parser.add_argument("--hops", type=hops_in, default=usual.hops, help="as 1-8 or 1,2,4")
    parser.add_argument("--data", type=Path, help="folder with the sets")
    parser.add_argument("--limit", type=int, help="items of each set; default all")
    parser.add_argument("--worlds", type=int, default=usual.worlds, help="to train on")
    parser.add_argument("--minutes", type=float, help="begin nothing new after so many")
    parser.add_argument("--base", default="default", help="default, or a .gguf file")
    parser.add_argument("--start", type=Path, help="adapter that every arm goes on from (.gguf)")
    parser.add_argument("--words", action="store_true", help="search by words only")
    add_files(parser, name)
    add_speed(parser, threads=usual.threads)
    return parser


def parsed(parser: argparse.ArgumentParser, argv: Sequence[str]) -> tuple[dict[str, Any], Places]:
    """The options given, by the names of `Comparison` where it has them, and the places."""
    given: dict[str, Any] = vars(parser.parse_args(argv))
    if min(given[name] for name in _NUMBERS) < 1 or (given["limit"] or 1) < 1:
        parser.error(f"--{', --'.join((*_NUMBERS, 'limit'))} are 1 or more")
    if given["data"] is not None and not given["data"].is_dir():
        parser.error(f"there is no data folder {given['data']}; check the path")
    if given["start"] is not None and not given["start"].is_file():
        parser.error(f"there is no adapter {given['start']}; check the path")
    given["vectors"] = not given.pop("words")
    return given, Places(given.pop("work"), given.pop("out"), given.pop("name"))


def rates(text: str) -> tuple[float, ...]:
    """Learning rates, as 5e-4,1e-3."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or min(found) <= 0 or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"{text}: learning rates are above 0, as 5e-4,1e-3")
    return found


def run_told(work: Callable[[Listener, Stop], Path]) -> int:
    """Run what writes a page, told of on standard error and stopped by signals; the exit code."""

    def run() -> Path:
        stopper = Stopper()
        with stopper.heeding(), progress(stopper) as told:
            return work(told, stopper.asked)

    return run_benchmark(run, interrupted="the same command goes on where it stopped")
