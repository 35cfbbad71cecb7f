"""Sources never seen in training: whether their cards and 20 tasks of experience suffice.

    python benchmarks/unseen_source.py --work DIR [--kinds expert,person] [--seeds 3]
        [--tokens 50000] [--questions 15] [--tasks 20] [--start FILE.gguf]
        [--out docs/results]

Two kinds of sources (of expert, person, experiment) are held out of all training. Questions that
need them are asked with their cards alone, with another source by lot where a step finds nothing,
with what the seeking memory has of 20 other tasks that explored, and with the best single known
source. (An experiment takes formulas, which no card teaches: it is never asked in words.) Every
trained model and every answer is kept in DIR: the same command goes on where it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from centerlm.comparison.settings import HOLISTIC, SOLVER, Comparison
from centerlm.comparison.unseen import TASKS, Sizes, unseen
from centerlm.learning.worlds import BEYOND
from comparing import Places, comparison_parser, parsed, rates, run_told
from options import names_of
from reporting import command_line


def parse_arguments(argv: Sequence[str]) -> tuple[Sizes, Places]:
    parser = comparison_parser(__doc__, Comparison(questions=15), "unseen_source")
    parser.add_argument("--rates", type=rates, default=(1e-3,), help="default 1e-3")
    parser.add_argument("--kinds", type=names_of(BEYOND, "kind"), default=("expert", "person"))
    parser.add_argument("--tasks", type=int, default=TASKS, help="of experience (%(default)s)")
    given, places = parsed(parser, argv)
    kinds, tasks = given.pop("kinds"), given.pop("tasks")
    if tasks < 2 or len(kinds) != 2:
        parser.error("--tasks is 2 or more, --kinds names two")
    comparison = Comparison(**given, weights=(HOLISTIC,), ways=(SOLVER.name,))
    return Sizes(comparison, kinds, tasks, comparison.questions), places


def main() -> int:
    sizes, places = parse_arguments(sys.argv[1:])
    return run_told(lambda told, stop: unseen(sizes, *places, command_line(), told=told, stop=stop))


if __name__ == "__main__":
    sys.exit(main())
