"""Ablations of holistic training: one thing changed at a time, the same processed tokens.

    python benchmarks/ablations.py --work DIR [--groups adapters,form,aliases,dagger,reward]
        [--seeds 3] [--tokens 50000] [--questions 8] [--data DIR] [--minutes N]

adapters: one against two; form: peel against flat; aliases: on and off; dagger: off and on in a
round of experience; material: mixed, worlds only, real only, asked of MuSiQue (needs --data);
reward: all terms of credit in a round of policy gradient, and without each. Every trained model and
every answer is kept in DIR: the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from centerlm.comparison.ablations import GROUPS, ablate
from centerlm.comparison.settings import Comparison
from comparing import add_sizes, run_told, sizes, some
from reporting import command_line


@dataclass(frozen=True, slots=True)
class Arguments:
    comparison: Comparison
    groups: tuple[str, ...]
    work: Path
    out: Path
    name: str


def parse_arguments(argv: Sequence[str]) -> Arguments:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0], epilog="More: the top of this file."
    )
    add_sizes(parser, Comparison())
    parser.add_argument("--groups", type=some(GROUPS), help=",".join(GROUPS))
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate (%(default)s)")
    parser.add_argument("--name", default="ablations", help="of the files written (%(default)s)")
    given = sizes(parser, argv)
    groups = given.pop("groups") or tuple(
        group for group in GROUPS if group != "material" or given["data"] is not None
    )
    places = (given.pop("work"), given.pop("out"), given.pop("name"))
    given["rates"] = (given.pop("rate"),)
    if given["rates"][0] <= 0:
        parser.error("--rate is above 0")
    return Arguments(Comparison(**given), groups, *places)


def main() -> int:
    a = parse_arguments(sys.argv[1:])
    return run_told(
        lambda told, stop: ablate(
            a.comparison, a.groups, a.work, a.out, a.name, command_line(), told=told, stop=stop
        )
    )


if __name__ == "__main__":
    sys.exit(main())
