"""What the benchmarks share: how one is run and told of, and the pages they write."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from centerlm.errors import CenterError
from centerlm.evaluation.pages import (
    config_lines,
    intervals,
    number,
    percent,
    readable_json,
    table,
    versions,
    write,
)
from centerlm.evaluation.statistics import share_interval

__all__ = [
    "command_line",
    "config_lines",
    "intervals",
    "main_of",
    "number",
    "percent",
    "readable_json",
    "run_benchmark",
    "share_of",
    "table",
    "versions",
    "write",
]


_Arguments = TypeVar("_Arguments")


def run_benchmark(run: Callable[[], Path], *, interrupted: str) -> int:
    """Run a benchmark that writes a page, and print the page; the exit code of the command."""
    try:
        page = run()
    except KeyboardInterrupt:
        print(f"interrupted; {interrupted}", file=sys.stderr)
        return 130
    except CenterError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{error.filename}: {error.strerror}; choose another folder", file=sys.stderr)
        return 2
    print(page.read_text(encoding="utf-8"))
    return 0


def main_of(parse: Callable[[Sequence[str]], _Arguments], run: Callable[[_Arguments], Path]) -> int:
    """The program of a benchmark that keeps what takes long: options, run, and the page shown."""
    arguments = parse(sys.argv[1:])
    return run_benchmark(
        lambda: run(arguments), interrupted="the same command goes on where it stopped"
    )


def share_of(right: Sequence[float]) -> dict[str, float]:
    """The share that is right (1.0, else 0.0) with its interval, and of how many; not of none."""
    return {**asdict(share_interval(round(sum(right)), len(right))), "n": len(right)}


def command_line() -> str:
    """The command as it can be shown: absolute paths are cut to their last part."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    shown = [Path(word).name if Path(word).is_absolute() else word for word in words]
    return f"python benchmarks/{shlex.join(shown)}"
