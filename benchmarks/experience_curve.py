"""The experience curve: the first tasks of a stream, with memory and without, no weights changed.

    python benchmarks/experience_curve.py --work DIR --center ADAPTER.gguf [--tasks 200]
        [--data DIR --set musique] [--systems holistic-no-memory,holistic+memory,holistic+web]
        [--out docs/results]

The same tasks in the same order. A row with a memory begins cold and solves one task after the
other: each is shown what those before it taught (`+memory`: which sources answered what kind of
question) or also what they found (`+web`: the knowledge web, source `known`). By default the tasks
are composed questions of generated worlds, several of a world: they share things and no question.
Told are accuracy, calls and tokens by block of tasks, rows compared pairwise on all tasks, and the
share of steps that were known already and so not sought.

Every episode and every memory is kept in DIR: the same command goes on where it stopped. Writes
experience_curve.json, .md and .svg.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from centerlm.center import CenterLM
from centerlm.errors import InputError
from centerlm.evaluation.harness import How, Outcome, run_systems
from centerlm.evaluation.memories import Memories
from centerlm.evaluation.scenarios import open_scenario
from centerlm.evaluation.scenarios.base import Opening
from centerlm.evaluation.statistics import mean_interval, paired_difference
from centerlm.evaluation.systems import Centers, named_systems
from centerlm.journal import SqliteJournal
from centerlm.objective import Budget
from centerlm.run import Options
from centerlm.sources.base import KNOWN
from centers import center_specs, open_center
from reporting import command_line, config_lines, number, run_benchmark, table, versions, write

SYSTEMS = "holistic-no-memory,holistic+memory,holistic+web"
MEASURES = ("f1", "calls", "tokens")


def known_share(outcomes: Sequence[Outcome]) -> float:
    """The share of steps without parts of their own that `known` answered."""
    steps = [
        node
        for outcome in outcomes
        for solved in outcome.episodes
        for node in solved.tree.nodes.values()
        if not node.children
    ]
    return sum(node.source == KNOWN for node in steps) / max(len(steps), 1)


def measures_of(outcome: Outcome) -> dict[str, float]:
    """What is told of a task: its main score, calls, tokens."""
    usage = outcome.usage
    return {
        "f1": float(outcome.scores.get("f1") or 0.0),
        "calls": float(usage["calls"]),
        "tokens": float(usage["tokens"]),
    }


def report_of(outcomes: Sequence[Outcome], names: Sequence[str], block: int) -> dict[str, Any]:
    """By system: means by block of tasks and over all, and the pairs of systems."""
    rows = {name: [o for o in outcomes if o.system == name] for name in names}
    systems: dict[str, Any] = {}
    for name, mine in rows.items():
        told = [measures_of(outcome) for outcome in mine]
        blocks = [told[start : start + block] for start in range(0, len(told), block)]
        systems[name] = {
            "tasks": len(told),
            "known": known_share(mine),
            "all": {m: asdict(mean_interval([t[m] for t in told])) for m in MEASURES},
            "blocks": [
                {m: asdict(mean_interval([t[m] for t in part])) for m in MEASURES}
                for part in blocks
            ],
        }
    pairs = [
        {
            "first": first,
            "second": second,
            **{
                m: asdict(
                    paired_difference(
                        [measures_of(o)[m] for o in rows[first]],
                        [measures_of(o)[m] for o in rows[second]],
                    )
                )
                for m in MEASURES
            },
        }
        for first, second in itertools.combinations(names, 2)
    ]
    return {"systems": systems, "pairs": pairs, "block": block}


def page_of(report: Mapping[str, Any]) -> str:
    page = [
        "# The experience curve",
        "",
        "Weights fixed, memories cold at the first task; one task after the other. Means with 95 % "
        "intervals (bootstrap; differences paired by task). Known: steps that were answered from "
        "what earlier tasks found, and so not sought.",
        "",
        "![accuracy and calls by block of tasks](experience_curve.svg)",
        "",
    ]
    heads = ["system", "tasks", "F1", "calls a task", "tokens a task", "known steps, %"]
    page += table(
        heads,
        [
            [
                name,
                str(system["tasks"]),
                *(number(system["all"][m]) for m in MEASURES),
                f"{100 * system['known']:.1f}",
            ]
            for name, system in report["systems"].items()
        ],
    )
    page += ["", "## Differences", ""]
    page += table(
        ["first less second", "F1", "calls", "tokens"],
        [
            [f"{p['first']} - {p['second']}", *(number(p[m]) for m in MEASURES)]
            for p in report["pairs"]
        ],
    )
    return "\n".join([*page, *config_lines(report["config"])]) + "\n"


def draw(report: Mapping[str, Any], target: Path) -> None:
    """F1 and calls by block of tasks, one line a system, intervals shaded."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    # No time and no random ids in the file: the same figures give the same bytes.
    mpl.rcParams["svg.hashsalt"] = "centerlm"
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for panel, measure in zip(panels, ("f1", "calls"), strict=True):
        for name, system in report["systems"].items():
            cells = [block[measure] for block in system["blocks"]]
            tasks = [(number + 1) * report["block"] for number in range(len(cells))]
            panel.plot(tasks, [cell["value"] for cell in cells], marker="o", label=name)
            low, high = ([cell[end] for cell in cells] for end in ("low", "high"))
            panel.fill_between(tasks, low, high, alpha=0.12)
        panel.set_xlabel("tasks so far")
        panel.set_ylabel({"f1": "F1", "calls": "calls a task"}[measure])
        panel.set_ylim(bottom=0)
    panels[0].legend(frameon=False)
    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)


async def _outcomes(arguments: argparse.Namespace, center: CenterLM) -> list[Outcome]:
    systems = named_systems([name.strip() for name in arguments.systems.split(",")])
    opening = Opening(
        arguments.data,
        arguments.work,
        (arguments.set,),
        arguments.tasks,
        vectors=not arguments.words,
    )
    scenario = open_scenario("ood_qa", opening)
    memories = Memories(arguments.work)
    how = How(Budget(), Options(), arguments.slots, arguments.calls, memories=memories)
    done = 0

    def tell(outcome: Outcome) -> None:
        nonlocal done
        done += 1
        if not outcome.kept:
            total = len(scenario.items) * len(systems)
            print(f"{done} of {total}: {outcome.system}", file=sys.stderr, flush=True)

    try:
        with closing(SqliteJournal(arguments.work / "journal.sqlite")) as journal:
            return await run_systems(
                scenario, systems, Centers(center), journal, how, on_outcome=tell
            )
    finally:
        for problem in memories.close():
            print(problem, file=sys.stderr)
        await center.model.close()
        scenario.close()


def run(arguments: argparse.Namespace) -> Path:
    names = [name.strip() for name in arguments.systems.split(",")]
    (spec,) = center_specs([arguments.center])
    arguments.work.mkdir(parents=True, exist_ok=True)
    center = open_center(spec, arguments.work / "calls", slots=arguments.slots)
    outcomes = asyncio.run(_outcomes(arguments, center))
    if not outcomes:
        raise InputError("there is no task to solve; check --data and --set")
    report = report_of(outcomes, names, arguments.block)
    report["config"] = {
        "command": command_line(),
        "date": time.strftime("%Y-%m-%d"),
        "center": spec.name,
        "adapter_sha256": spec.sha256 or "none",
        "tasks": arguments.tasks,
        "set": arguments.set,
        "block": arguments.block,
        "versions": versions(),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    draw(report, arguments.out / "experience_curve.svg")
    return write(arguments.out, "experience_curve", report, page_of(report))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps everything")
    parser.add_argument("--center", required=True, help="an adapter, untrained or few-shot")
    parser.add_argument("--tasks", type=int, default=200, help="of the stream (%(default)s)")
    parser.add_argument("--block", type=int, default=25, help="tasks a point of the plot")
    parser.add_argument("--data", help="folder of data sets; none for worlds")
    parser.add_argument("--set", default="worlds", help="as of centerlm evaluate (%(default)s)")
    parser.add_argument("--systems", default=SYSTEMS, help="(%(default)s)")
    parser.add_argument("--calls", type=int, default=40, help="most model calls of a task")
    parser.add_argument("--slots", type=int, default=3, help="calls at once (%(default)s)")
    parser.add_argument("--words", action="store_true", help="search by words only")
    parser.add_argument("--out", type=Path, default=Path("docs/results"), help="(%(default)s)")
    arguments = parser.parse_args()
    if min(arguments.tasks, arguments.block, arguments.calls, arguments.slots) < 1:
        parser.error("--tasks, --block, --calls and --slots are 1 or more")
    return run_benchmark(lambda: run(arguments), interrupted="the same command goes on")


if __name__ == "__main__":
    sys.exit(main())
