"""Ablations of holistic training: one thing changed at a time, the same processed tokens.

    python benchmarks/ablations.py --work DIR [--groups adapters,form,aliases,dagger,reward]
        [--seeds 3] [--tokens 50000] [--questions 8] [--start FILE.gguf] [--data DIR]
        [--minutes N]

adapters: one against two; form: peel against flat; aliases: on and off; dagger: off and on in a
round of experience; material: mixed, worlds only, real only, asked of MuSiQue (needs --data);
reward: all terms of credit in a round of policy gradient, and without each. Every trained model and
every answer is kept in DIR: the same command goes on where it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from centerlm.comparison.ablations import GROUPS, ablate
from centerlm.comparison.settings import Comparison
from comparing import Places, comparison_parser, parsed, run_told
from options import names_of
from reporting import command_line


def parse_arguments(argv: Sequence[str]) -> tuple[Comparison, tuple[str, ...], Places]:
    parser = comparison_parser(__doc__, Comparison(), "ablations")
    parser.add_argument("--groups", type=names_of(tuple(GROUPS), "group"), help=",".join(GROUPS))
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate (%(default)s)")
    given, places = parsed(parser, argv)
    groups = given.pop("groups") or tuple(
        group for group in GROUPS if group != "material" or given["data"] is not None
    )
    given["rates"] = (given.pop("rate"),)
    if given["rates"][0] <= 0:
        parser.error("--rate is above 0")
    return Comparison(**given), groups, places


def main() -> int:
    comparison, groups, places = parse_arguments(sys.argv[1:])
    return run_told(
        lambda told, stop: ablate(comparison, groups, *places, command_line(), told=told, stop=stop)
    )


if __name__ == "__main__":
    sys.exit(main())
