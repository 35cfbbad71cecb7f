"""The report of multihop.py: JSON in the shape of `evaluate --json`, and Markdown for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from centerlm.evaluation.statistics import (
    RESAMPLES,
    Interval,
    mcnemar,
    mean_interval,
    paired_difference,
    share_interval,
)
from centerlm.finding import Usage
from hop_runs import PASSAGES, SEED, Outcome, Row
from human_plans import Form, HumanPlans
from reporting import percent, table, versions, write

Scores = Callable[[Outcome], "float | None"]
METRICS: dict[str, tuple[str, Scores]] = {
    "all_support": ("all support found", lambda o: o.all_support),
    "mean_support": ("mean support recall", lambda o: o.mean_support),
    "em": ("answer EM", lambda o: o.em),
    "f1": ("answer F1", lambda o: o.f1),
    "hops_right": ("steps answered right", lambda o: o.hops_right),
    "answered": ("steps answered at all", lambda o: o.answered),
}
SHARES = {"all_support", "em"}
"""Metrics that are right or wrong for a question."""

ROWS: dict[Row, str] = {
    "question": "question only",
    "iterated": "question, searched again with what was found",
    "true": "human plan, true answers filled in",
    "own": "human plan, the center's own answers",
    "plan": "the center's own plan and answers",
    "recursive": "the center's own plans and answers, with recursion",
}
HUMAN_ROWS: tuple[Row, ...] = ("true", "own")
"""Rows whose plan is the human one, in two forms."""
FORM_NAMES: dict[Form | None, str] = {
    "sentences": "relations as sentences",
    "written": "relations as written",
    None: "",
}


class System(NamedTuple):
    """What is measured: a row, the form of its relation steps, and how the library is searched."""

    row: Row
    form: Form | None
    search: str

    @property
    def name(self) -> str:
        return ".".join(filter(None, self))


@dataclass(frozen=True, slots=True)
class Measured:
    """All outcomes, and what is needed to measure them again. `seconds` are wall time."""

    outcomes: Mapping[System, Sequence[Outcome]]
    plans: Mapping[Form, HumanPlans]
    command: str
    model: str
    passages: int
    weights: Mapping[str, float]
    pool: str
    seconds: float


def write_report(measured: Measured, out: Path, name: str) -> Path:
    """Write NAME.json and NAME.md; returns the latter."""
    report = as_json(measured)
    return write(out, name, report, as_markdown(report))


def as_json(measured: Measured) -> dict[str, Any]:
    outcomes = measured.outcomes
    human = next(iter(measured.plans.values()))
    return {
        "scenario": "multihop",
        "n": max(len(rows) for rows in outcomes.values()),
        "systems": {system.name: _system(system, rows) for system, rows in outcomes.items()},
        "paired": [line for a, b in _pairs(outcomes) for line in _compare(a, b, outcomes)],
        "config": {
            "command": measured.command,
            "model": measured.model,
            "passages_an_episode": PASSAGES,
            "library_passages": measured.passages,
            "hybrid_weights": dict(measured.weights),
            "pool_sha256": measured.pool,
            "questions_sha256": human.sha256,
            "human_steps": human.steps,
            "relation_steps": human.relations,
            "plans_not_read": sorted({x for p in measured.plans.values() for x in p.problems}),
            "seed": SEED,
            "resamples": RESAMPLES,
            "seconds": round(measured.seconds, 1),
            "versions": versions(),
        },
    }


def _system(system: System, rows: Sequence[Outcome]) -> dict[str, Any]:
    usage = sum((row.usage for row in rows), Usage())
    return {
        "row": ROWS[system.row],
        "form": FORM_NAMES[system.form],
        "search": system.search,
        "n": len(rows),
        "metrics": {
            name: {**asdict(interval), "n": n}
            for name in METRICS
            if (found := _interval(name, rows)) is not None
            for interval, n in [found]
        },
        "hops": _by_hops(rows),
        "usage": {**asdict(usage), "seconds": round(usage.seconds, 1)},
        "failed": [f"{row.id}: {row.failed}" for row in rows if row.failed],
    }


def _interval(name: str, rows: Sequence[Outcome]) -> tuple[Interval, int] | None:
    values = _values(name, rows)
    if not values:
        return None
    if name in SHARES:
        return share_interval(round(sum(values)), len(values)), len(values)
    return mean_interval(values, seed=SEED), len(values)


def _values(name: str, rows: Sequence[Outcome]) -> list[float]:
    return [value for row in rows if (value := METRICS[name][1](row)) is not None]


def _by_hops(rows: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    groups: dict[int, list[Outcome]] = {}
    for row in rows:
        groups.setdefault(row.hops, []).append(row)
    return {
        str(hops): {
            "n": len(group),
            "mean_support": sum(row.mean_support for row in group) / len(group),
            "all_support": sum(row.all_support for row in group) / len(group),
        }
        for hops, group in sorted(groups.items())
    }


def _pairs(outcomes: Mapping[System, Sequence[Outcome]]) -> list[tuple[System, System]]:
    """Which systems are compared: the search, the form, and the rows with each other."""
    pairs: list[tuple[System, System]] = []
    for system in outcomes:
        row, form, search = system
        if search == "hybrid":
            pairs.append((system, System(row, form, "bm25")))
        if form == "sentences":
            pairs.append((system, System(row, "written", search)))
            pairs.append((system, System("question", None, search)))
            if row == "own":
                pairs.append((system, System("true", form, search)))
        if row in ("plan", "recursive"):
            others: tuple[Row, ...] = ("question", "iterated")
            pairs += [(system, System(other, None, search)) for other in others]
            pairs.append((system, System("own", "sentences", search)))
    return [pair for pair in pairs if pair[1] in outcomes]


def _compare(
    first: System, second: System, outcomes: Mapping[System, Sequence[Outcome]]
) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for name in ("mean_support", "all_support", "em", "f1"):
        n = min(len(_values(name, outcomes[s])) for s in (first, second))
        if not n:
            continue
        # Questions come in one fixed order, and those that a center reads are the first.
        a, b = (_values(name, outcomes[s])[:n] for s in (first, second))
        line: dict[str, Any] = {
            "first": first.name,
            "second": second.name,
            "metric": name,
            "n": n,
            "difference": asdict(paired_difference(a, b, seed=SEED)),
        }
        if name in SHARES:
            line["mcnemar"] = asdict(mcnemar(a, b))
        lines.append(line)
    return lines


def as_markdown(report: Mapping[str, Any]) -> str:
    config = report["config"]
    lines = [
        "# Multi-hop questions over one library",
        "",
        f"MuSiQue dev ({report['n']} questions) over {config['library_passages']:,} passages of "
        "MuSiQue, HotpotQA and 2WikiMultihopQA. "
        f"{config['passages_an_episode']} distinct passages an episode at most: "
        "floor(8 / hops) a step, 8 for the question alone, 4 and 4 where it is searched again "
        "with the title and first sentence of the best passage (chosen on the training part); in "
        "a plan of the center's own floor(8 / steps) a step, with recursion 2. All other rows run "
        "through the engine; re-asking, splitting and re-opening are off. "
        f"{config['relation_steps']} of {config['human_steps']} human steps are written "
        '"X >> relation"; "sentences" are those steps as the shipped reader rewrites them. '
        f"{len(config['plans_not_read'])} plans could not be read. "
        "Where true answers are filled in, the last step and the answer are the center's own. "
        f"The center is `{config['model']}`. "
        "Where n is smaller, the center has read only the first of the questions, which stand in "
        "a random order.",
        "",
        "Per cent with 95 % intervals (support and answers that are right or wrong: Wilson; means: "
        "bootstrap over questions).",
        "",
    ]
    lines += table(
        ["system", "search", "n", "all found", "mean recall"],
        [
            [_name(system), system["search"], str(system["n"])]
            + [percent(system["metrics"][m]) for m in ("all_support", "mean_support")]
            for system in report["systems"].values()
        ],
    )
    readers = {k: s for k, s in report["systems"].items() if "em" in s["metrics"]}
    if readers:
        columns = ("em", "f1", "hops_right", "answered")
        titles = [METRICS[c][0] for c in columns]
        heads = ["system", "search", "n", *titles, "calls", "tokens", "model seconds"]
        lines += ["", "## Answers", ""]
        lines += table(heads, [_answers(system, columns) for system in readers.values()])
    lines += ["", "## Paired differences", "", "In percentage points, first minus second.", ""]
    lines += table(
        ["first", "second", "metric", "n", "difference", "McNemar"],
        [
            [
                *(pair["first"], pair["second"], METRICS[pair["metric"]][0], str(pair["n"])),
                *(percent(pair["difference"], sign="+"), _mcnemar(pair.get("mcnemar"))),
            ]
            for pair in report["paired"]
        ],
    )
    lines += ["", "## How", "", "```", config["command"], "```", ""]
    names = ("pool_sha256", "questions_sha256", "seed", "resamples", "seconds")
    lines += [f"- {name}: {config[name]}" for name in names]
    weights = (f"{k} {v:g}" for k, v in config["hybrid_weights"].items())
    lines.append(f"- weights of hybrid search (chosen on training parts): {', '.join(weights)}")
    lines.append("- versions: " + ", ".join(f"{k} {v}" for k, v in config["versions"].items()))
    failed = [line for system in report["systems"].values() for line in system["failed"]]
    lines.append(f"- questions during which a part failed: {len(failed)}")
    lines += [f"  - {line}" for line in failed[:20]]
    return "\n".join(lines) + "\n"


def _name(system: Mapping[str, Any]) -> str:
    return ", ".join(filter(None, (system["row"], system["form"])))


def _answers(system: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    metrics, usage = system["metrics"], system["usage"]
    tokens = usage["prompt_tokens"] + usage["completion_tokens"]
    return [
        *(_name(system), system["search"], str(metrics["em"]["n"])),
        *(percent(metrics.get(column)) for column in columns),
        *(f"{usage['calls']:,}", f"{tokens:,}", f"{usage['seconds']:,.0f}"),
    ]


def _mcnemar(test: Mapping[str, float] | None) -> str:
    if test is None:
        return ""
    return f"{test['only_first']} : {test['only_second']}, p = {test['p']:.3g}"
