"""The controlled comparison: the same records, tokens and solver; only the way of training differs.

    python benchmarks/holistic.py --work DIR [--seeds 3] [--tokens 50000] [--questions 8]
        [--arms holistic,cot,...] [--ways solver,plan,...] [--parts worlds,sets,tokens]
        [--data DIR] [--material worlds|real|mixed] [--minutes N] [--out docs/results]

Weights {untrained, few-shot, fragmentation, cot, holistic} x inference {direct, retrieve, iterate,
solver, plan (the solver given the right plans)}. The primary endpoint, named before training: the
slope over hops of holistic minus CoT-trained weights in the same solver, on worlds (trained on up
to 2 hops, tested on 1 to 8, peeling one hop a level). It runs first. `--parts sets` asks MuSiQue
and 2WikiMultihopQA, `--parts tokens` the same at other amounts of inference tokens; both need
--data. Without --data training is on worlds, with it on a mix.

Every trained model and every answer is kept in DIR: the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from centerlm.comparison.running import compare
from centerlm.comparison.settings import PARTS, WAYS, WEIGHTS, WORLDS, Comparison
from comparing import add_sizes, rates, run_told, sizes, some
from reporting import command_line


@dataclass(frozen=True, slots=True)
class Arguments:
    comparison: Comparison
    work: Path
    out: Path
    name: str


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], epilog="More: the top of this file."
    )
    usual = Comparison()
    add_sizes(parser, usual)
    parser.add_argument("--rates", type=rates, default=usual.rates, help="default 5e-4,1e-3")
    parser.add_argument("--arms", type=some(WEIGHTS), default=usual.weights, help=",".join(WEIGHTS))
    parser.add_argument("--ways", type=some(WAYS), default=usual.ways, help=",".join(WAYS))
    parser.add_argument("--parts", type=some(PARTS), default=(WORLDS,), help=",".join(PARTS))
    parser.add_argument("--material", choices=("worlds", "real", "mixed"), help="to train on")
    parser.add_argument("--name", default="holistic", help="of the files written (%(default)s)")
    given = sizes(parser, argv)
    places = (given.pop("work"), given.pop("out"), given.pop("name"))
    given["material"] = given["material"] or ("worlds" if given["data"] is None else "mixed")
    given["weights"] = given.pop("arms")
    return Arguments(Comparison(**given), *places)


def main() -> int:
    a = parse_arguments(sys.argv[1:])
    return run_told(
        lambda told, stop: compare(
            a.comparison, a.work, a.out, a.name, command_line(), told=told, stop=stop
        )
    )


if __name__ == "__main__":
    sys.exit(main())
