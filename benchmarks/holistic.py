"""The controlled comparison: the same records, tokens and solver; only the way of training differs.

    python benchmarks/holistic.py --work DIR [--seeds 3] [--tokens 50000] [--questions 8]
        [--arms holistic,cot,...] [--ways solver,plan,...] [--parts worlds,sets,tokens]
        [--wordings trained|new] [--cards plain|varied] [--material worlds|real|mixed]
        [--start FILE.gguf] [--data DIR] [--minutes N]
        [--out docs/results]

Weights {untrained, few-shot, fragmentation, cot, holistic} x inference {direct, retrieve, iterate,
solver, plan (the solver given the right plans)}. The primary endpoint, named before training: the
slope over hops of holistic minus CoT-trained weights in the same solver, on worlds (trained on up
to 2 hops, tested on 1 to 8, peeling one hop a level). It runs first. `--parts sets` asks MuSiQue
and 2WikiMultihopQA, `--parts tokens` the same at other amounts of inference tokens; both need
--data. Without --data training is on worlds, with it on a mix. With --start every arm goes on
from the same adapter, e.g. one that reads: where tokens are few, reading alone takes them all.

Every trained model and every answer is kept in DIR: the same command goes on where it stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from centerlm.comparison.running import compare
from centerlm.comparison.settings import PARTS, WAYS, WEIGHTS, WORLDS, Comparison
from comparing import Places, comparison_parser, parsed, rates, run_told
from options import names_of
from reporting import command_line


def parse_arguments(argv: Sequence[str]) -> tuple[Comparison, Places]:
    usual = Comparison()
    parser = comparison_parser(__doc__, usual, "holistic")
    parser.add_argument("--rates", type=rates, default=usual.rates, help="default 5e-4,1e-3")
    parser.add_argument(
        "--arms",
        type=names_of(tuple(WEIGHTS), "arm"),
        default=usual.weights,
        help=",".join(WEIGHTS),
    )
    parser.add_argument(
        "--ways", type=names_of(tuple(WAYS), "way"), default=usual.ways, help=",".join(WAYS)
    )
    parser.add_argument(
        "--parts", type=names_of(tuple(PARTS), "part"), default=(WORLDS,), help=",".join(PARTS)
    )
    parser.add_argument(
        "--wordings", choices=("trained", "new"), default=usual.wordings, help="of test worlds"
    )
    parser.add_argument("--material", choices=("worlds", "real", "mixed"), help="to train on")
    parser.add_argument(
        "--cards", choices=("plain", "varied"), default="plain", help="of worlds' sources"
    )
    given, places = parsed(parser, argv)
    given["material"] = given["material"] or ("worlds" if given["data"] is None else "mixed")
    given["weights"] = given.pop("arms")
    return Comparison(**given), places


def main() -> int:
    comparison, places = parse_arguments(sys.argv[1:])
    return run_told(
        lambda told, stop: compare(comparison, *places, command_line(), told=told, stop=stop)
    )


if __name__ == "__main__":
    sys.exit(main())
