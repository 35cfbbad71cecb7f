"""The seeking memory without a language model: whom it lets answer, and what that costs.

    python benchmarks/memory.py [--seeds 20] [--sizes 1000,10000,100000,1000000] [--out DIR]

400 tasks over 6 sources of unknown skill, the best of which breaks at task 200 while a poor one
becomes the best: share of best choices and regret, against an oracle, no memory, a static card,
similarity to past plans, and discounted Thompson sampling whose decay is known. Then the time of a
recall and the size of the file at up to a million experiences. Nothing was tuned on the seeds that
are reported (0 on): the constants of `memory/belief.py` were chosen on seeds 1000 to 1099, and the
known decay is the best on seeds 1000 to 1039. The page is written again after each size. Writes
memory.json, memory.md and memory.svg.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from centerlm.errors import InputError
from memory_report import write_report
from memory_scale import measure
from memory_streams import (
    CHOOSERS,
    CLOSE,
    WIDE,
    Chooser,
    Discounted,
    Played,
    Stream,
    known_discount,
    play,
)
from reporting import command_line, run_benchmark

TUNED = range(1000, 1040)
KNOWN = "discounted Thompson, decay known"


def run_stream(stream: Stream, seeds: Sequence[int]) -> tuple[dict[str, list[Played]], float]:
    """All choosers on all seeds, and the discount that is known to be best."""
    discount = known_discount(stream, TUNED)

    def faded(shown: Stream, rng: Random) -> Chooser:
        return Discounted(shown, rng, discount)

    choosers: dict[str, Callable[[Stream, Random], Chooser]] = {**CHOOSERS, KNOWN: faded}
    played: dict[str, list[Played]] = {}
    for name, make in choosers.items():
        _say(f"{stream.name}: {name}")
        played[name] = [play(make, stream, seed) for seed in seeds]
    return played, discount


def run(arguments: argparse.Namespace) -> Path:
    sizes = [int(size) for size in arguments.sizes.split(",") if size]
    if sizes != sorted(set(sizes)):
        raise InputError("--sizes go up: 1000,10000")
    if arguments.seeds < 5:
        raise InputError("--seeds: at least 5, or the intervals say nothing")
    seeds = range(arguments.seeds)
    streams = {stream.name: run_stream(stream, seeds) for stream in (WIDE, CLOSE)}
    config = {
        "command": command_line(),
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.system()} {platform.machine()}",
        "seeds": arguments.seeds,
        "tuned_on_seeds": f"{TUNED.start} to {TUNED.stop - 1}",
    }
    rows: list[dict[str, object]] = []
    page = write_report(streams, rows, config, arguments.out, KNOWN)
    with TemporaryDirectory() as folder:
        for row in measure(Path(folder), sizes):
            _say(f"{row.experiences:,} experiences: {row}")
            rows.append(asdict(row))
            page = write_report(streams, rows, config, arguments.out, KNOWN)
    return page


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20, help="runs of each stream")
    parser.add_argument("--sizes", default="1000,10000,100000", help="(up to 1e6: memory_scale.py)")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="folder to write to")
    arguments = parser.parse_args()
    return run_benchmark(lambda: run(arguments), interrupted="what was measured whole is written")


if __name__ == "__main__":
    sys.exit(main())
