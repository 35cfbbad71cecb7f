"""Policy gradient against expert iteration, before and after, at equal rollouts on worlds.

    python benchmarks/policy.py --work DIR [--rounds 2] [--tried 16] [--k 4] [--seeds 1]
        [--tokens 50000] [--questions 15] [--out docs/results]

One supervised round, then from its adapter rounds of either method on the same fresh questions.
Reward, answers right and the entropy of the choice of sources before and after; of each round, the
share of groups without signal, and in words why one was not trained on. Perverse policies (always
searching, handing on, one source only) are tried beside the right plans. Every trained model and
every episode is kept in DIR: the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from centerlm.comparison.policy import Sizes, before_and_after
from centerlm.comparison.settings import HOLISTIC, SOLVER, Comparison
from comparing import add_sizes, rates, run_told, sizes
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
    usual = Sizes(Comparison(seeds=1, questions=15, hops=(1, 2, 3)))
    add_sizes(parser, usual.comparison)
    parser.add_argument("--rates", type=rates, default=(1e-3,), help="default 1e-3")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="(%(default)s)")
    parser.add_argument("--tried", type=int, default=usual.tried, help="questions of a round")
    parser.add_argument("--k", type=int, default=usual.k, help="episodes each (%(default)s)")
    parser.add_argument("--name", default="policy", help="of the files written (%(default)s)")
    given = sizes(parser, argv)
    mine = [given.pop(name) for name in ("rounds", "tried", "k")]
    if min(mine) < 1 or mine[2] < 2:
        parser.error("--rounds and --tried are 1 or more, --k is 2 or more")
    places = (given.pop("work"), given.pop("out"), given.pop("name"))
    comparison = Comparison(**given, weights=(HOLISTIC,), ways=(SOLVER.name,))
    return Arguments(Sizes(comparison, *mine, comparison.questions), *places)


def main() -> int:
    a = parse_arguments(sys.argv[1:])
    return run_told(
        lambda told, stop: before_and_after(
            a.sizes, a.work, a.out, a.name, command_line(), told=told, stop=stop
        )
    )


if __name__ == "__main__":
    sys.exit(main())
