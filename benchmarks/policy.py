"""Policy gradient against expert iteration, before and after, at equal rollouts on worlds.

    python benchmarks/policy.py --work DIR [--rounds 2] [--tried 16] [--k 4] [--seeds 1]
        [--tokens 50000] [--questions 15] [--start FILE.gguf] [--out docs/results]

One supervised round, then from its adapter rounds of either method on the same fresh questions.
Reward, answers right and the entropy of the choice of sources before and after; of each round, the
share of groups without signal, and in words why one was not trained on. Perverse policies (always
searching, handing on, one source only) are tried beside the right plans. Every trained model and
every episode is kept in DIR: the same command goes on where it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from centerlm.comparison.policy import Sizes, before_and_after
from centerlm.comparison.settings import HOLISTIC, SOLVER, Comparison
from comparing import Places, comparison_parser, parsed, rates, run_told
from reporting import command_line


def parse_arguments(argv: Sequence[str]) -> tuple[Sizes, Places]:
    usual = Sizes(Comparison(seeds=1, questions=15, hops=(1, 2, 3)))
    parser = comparison_parser(__doc__, usual.comparison, "policy")
    parser.add_argument("--rates", type=rates, default=(1e-3,), help="default 1e-3")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="(%(default)s)")
    parser.add_argument("--tried", type=int, default=usual.tried, help="questions of a round")
    parser.add_argument("--k", type=int, default=usual.k, help="episodes each (%(default)s)")
    given, places = parsed(parser, argv)
    rounds, tried, k = (given.pop(name) for name in ("rounds", "tried", "k"))
    if min(rounds, tried) < 1 or k < 2:
        parser.error("--rounds and --tried are 1 or more, --k is 2 or more")
    comparison = Comparison(**given, weights=(HOLISTIC,), ways=(SOLVER.name,))
    return Sizes(comparison, rounds, tried, k, comparison.questions), places


def main() -> int:
    sizes, places = parse_arguments(sys.argv[1:])
    return run_told(
        lambda told, stop: before_and_after(sizes, *places, command_line(), told=told, stop=stop)
    )


if __name__ == "__main__":
    sys.exit(main())
