"""The report of `evaluation.py`: the table of systems and sets, and what it says of the aims."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reporting import config_lines, number, table, versions, write

Results = Mapping[str, Any]
"""What `centerlm evaluate` wrote for one set."""


class TestSet(NamedTuple):
    """The scenario that a set is evaluated in, its name in the table, and its main metric."""

    scenario: str
    title: str
    metric: str


SETS = {
    "musique": TestSet("ood_qa", "MuSiQue", "f1"),
    "2wiki": TestSet("ood_qa", "2Wiki", "f1"),
    "hotpotqa": TestSet("ood_qa", "HotpotQA", "f1"),
    "strategyqa": TestSet("strategy", "StrategyQA", "success"),
    "gsm8k": TestSet("ood_qa", "GSM8K", "em"),
    "worlds": TestSet("ood_qa", "worlds", "f1"),
    "game24": TestSet("strategy", "Game of 24", "success"),
    "blocksworld": TestSet("strategy", "Blocksworld", "success"),
    "mystery": TestSet("strategy", "Mystery", "success"),
}
PUZZLES = ("game24", "blocksworld", "mystery")
ORACLES = ("oracle-plan", "oracle-finding", "oracle-answers", "gold-facts")
TRIES = ("success@1", "success@5", "success", "success@20", "success@100")
CENTER, RANDOM, QUESTION_ONLY = "holistic", "random", "question-only"


def write_report(
    results: Mapping[str, Results],
    steps: Mapping[str, Results],
    config: Mapping[str, Any],
    out: Path,
    name: str,
) -> Path:
    """Write NAME.json and NAME.md; returns the latter. `steps` are of what proposes by steps."""
    report = {
        "config": {**config, "versions": versions()},
        "sets": _kept(results),
        "steps": _kept(steps),
    }
    lines = [
        "# Systems on composed tasks",
        "",
        "All systems have the same model, sources and budget. F1 for questions (exact match for "
        "GSM8K), success for StrategyQA and puzzles (within the candidates given below). In "
        "brackets 95 % intervals (Wilson for shares, bootstrap for means), then the items. An "
        "empty cell: the system is not for that set.",
        "",
        *_main(results),
        "",
        "## Which act limits",
        "",
        "The center against itself with acts done right: given the right plan; finding what the "
        "question needs, whatever it asks; given the right plan and the answers of all its steps "
        "but the last; or given the facts that people wrote for the question. Differences are "
        "paired, with bootstrap intervals.",
        "",
        *_limits(results),
        "",
        "## Puzzles by steps",
        "",
        "Each step of a proposal is chosen among those the rules allow. stepwise-experienced: the "
        "center's model, among steps of the kinds that led to success on other puzzles "
        "(Blocksworld with three blocks; the half of the 24-games that is not asked). "
        "experience-alone: such a step, drawn. random-steps: any. random: the uniformly random "
        "proposer. A try is a whole proposal.",
        "",
        *_stepped(steps, config["candidates_by_steps"]),
        "",
        "## Aims",
        "",
        *_aims(results),
        "",
        "## Other measures of the center",
        "",
        *_measures(results),
        "",
        "## What an item costs",
        "",
        *_costs(results),
        *config_lines(config),
    ]
    return write(out, name, report, "\n".join(lines) + "\n")


def _kept(results: Mapping[str, Results]) -> dict[str, dict[str, Any]]:
    return {
        test: {key: found[key] for key in ("n", "systems", "paired", "splits", "metric")}
        for test, found in results.items()
    }


def _stepped(steps: Mapping[str, Results], most: int) -> list[str]:
    """Success by the number of tries, `most` among them, and the center's model calls."""
    rows: list[list[str]] = []
    for test, found in steps.items():
        for system, row in found["systems"].items():
            cells = [_cell(found, system, name) for name in TRIES]
            calls = row["metrics"].get("calls")
            told = number(calls) if calls and calls["value"] else "0"
            rows.append([SETS[test].title, system, *cells, told])
    heads = [f"{name.partition('@')[2] or most} tries" for name in TRIES]
    return table(["set", "proposer", *heads, "calls an item"], rows)


def _systems(results: Mapping[str, Results]) -> list[str]:
    return list(dict.fromkeys(name for found in results.values() for name in found["systems"]))


def _cell(found: Results, system: str, metric: str) -> str:
    row = found["systems"].get(system)
    if row is None or metric not in row["metrics"]:
        return ""
    return f"{number(row['metrics'][metric])}, n={row['measured'][metric]}"


def _main(results: Mapping[str, Results]) -> list[str]:
    heads = ["system", *(SETS[test].title for test in results)]
    return table(
        heads,
        (
            [system, *(_cell(found, system, SETS[test].metric) for test, found in results.items())]
            for system in _systems(results)
        ),
    )


def difference(found: Results, first: str, second: str) -> Mapping[str, Any] | None:
    """`first` - `second` on the items that both have; None where there is none."""
    for pair in found["paired"]:
        if (pair["first"], pair["second"]) == (first, second):
            return {"value": pair["difference"], "low": pair["low"], "high": pair["high"],
                    "n": pair["n"]}  # fmt: skip
        if (pair["first"], pair["second"]) == (second, first):
            return {"value": -pair["difference"], "low": -pair["high"], "high": -pair["low"],
                    "n": pair["n"]}  # fmt: skip
    return None


def _limits(results: Mapping[str, Results]) -> list[str]:
    rows: list[list[str]] = []
    for test, found in results.items():
        for oracle in ORACLES:
            if (gained := difference(found, oracle, CENTER)) is not None:
                cells = [_cell(found, name, SETS[test].metric) for name in (CENTER, oracle)]
                told = f"{number(gained)}, n={gained['n']}"
                rows.append([SETS[test].title, oracle, *cells, told])
    return table(["set", "given", CENTER, "with it", "difference"], rows)


def _aims(results: Mapping[str, Results]) -> Iterator[str]:
    """What was measured beside each aim; no verdict is given on a handful of items."""
    for test in PUZZLES:
        if test in results:
            yield _beside_random(test, results[test])
    solved = {
        test: results[test]["systems"].get(CENTER, {"metrics": {}})["metrics"].get("success")
        for test in PUZZLES
        if test in results
    }
    if (mystery := solved.get("mystery")) and (blocks := solved.get("blocksworld")):
        points = 100 * (mystery["value"] - blocks["value"])
        yield f"- Mystery is {points:+.0f} points from Blocksworld."
    beside = {
        "strategyqa": (QUESTION_ONLY, "gold-facts", "shuffled-facts"),
        "musique": tuple(s for s in _systems(results) if s not in (*ORACLES, CENTER)),
    }
    for test, others in beside.items():
        for other in others if test in results else ():
            if (apart := difference(results[test], CENTER, other)) is not None:
                told = f"{number(apart)}, n={apart['n']}"
                yield f"- {SETS[test].title}: the center - {other}: {told}."


def _beside_random(test: str, found: Results) -> str:
    """A puzzle: the center with its calls, and uniformly random proposals by their number."""
    tried = found["systems"].get(RANDOM, {"metrics": {}})["metrics"]
    shown = "; ".join(
        f"{name.removeprefix('success@')} tries {number(cell)}"
        for name, cell in tried.items()
        if name.startswith("success@")
    )
    cost = found["systems"].get(CENTER, {"metrics": {}})["metrics"].get("calls")
    calls = f" with {cost['value']:.1f} calls an item" if cost else ""
    mine = _cell(found, CENTER, "success") or "not measured"
    return f"- {SETS[test].title}: the center {mine}{calls}; random proposals: {shown}."


def _measures(results: Mapping[str, Results]) -> list[str]:
    usual = {"calls", "tokens", "seconds", "cost", "f1", "success"}
    rows = [
        [SETS[test].title, metric, _cell(found, CENTER, metric)]
        for test, found in results.items()
        for metric in found["systems"].get(CENTER, {"metrics": {}})["metrics"]
        if metric not in usual
    ]
    return table(["set", "measure", CENTER], rows)


def _costs(results: Mapping[str, Results]) -> list[str]:
    rows: list[list[str]] = []
    for test, found in results.items():
        for name, row in found["systems"].items():
            if (cost := row["metrics"]) and "calls" in cost:
                cells = [f"{cost[part]['value']:,.1f}" for part in ("calls", "tokens", "seconds")]
                rows.append([SETS[test].title, name, *cells, str(row["n"])])
    return table(["set", "system", "calls", "tokens", "seconds", "n"], rows)
