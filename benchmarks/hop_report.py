"""The report of multihop.py: JSON in the shape of `evaluate --json`, and Markdown for people."""

from __future__ import annotations

import json
import platform
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
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

PACKAGES = ("centerlm", "numpy", "onnxruntime", "tokenizers", "xllamacpp")

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
    "true": "human plan, true answers filled in",
    "own": "human plan, the center's own answers",
}
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


def write_report(measured: Measured, out: Path) -> Path:
    """Write multihop.json and multihop.md; returns the latter."""
    report = as_json(measured)
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    (out / "multihop.json").write_text(text, encoding="utf-8")
    page = out / "multihop.md"
    page.write_text(as_markdown(report), encoding="utf-8")
    return page


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
            "versions": _versions(),
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
    return pairs


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


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed as a package"
    return versions


def as_markdown(report: Mapping[str, Any]) -> str:
    config = report["config"]
    lines = [
        "# Multi-hop questions over one library",
        "",
        f"MuSiQue dev ({report['n']} questions) over {config['library_passages']:,} passages of "
        "MuSiQue, HotpotQA and 2WikiMultihopQA. "
        f"{config['passages_an_episode']} distinct passages an episode at most: "
        "floor(8 / hops) a step, 8 for the question alone. All rows run through the engine; "
        "re-asking, splitting and re-opening are off. "
        f"{config['relation_steps']} of {config['human_steps']} human steps are written "
        '"X >> relation"; "sentences" are those steps as the shipped reader rewrites them. '
        f"{len(config['plans_not_read'])} plans could not be read. "
        "Where true answers are filled in, the last step and the answer are the center's own. "
        f"The center is `{config['model']}`, not trained for its acts. "
        "Where n is smaller, the center has read only the first of the questions, which stand in "
        "a random order.",
        "",
        "Per cent with 95 % intervals (support and answers that are right or wrong: Wilson; means: "
        "bootstrap over questions).",
        "",
        _header(["system", "search", "n", "all found", "mean recall"]),
    ]
    for system in report["systems"].values():
        metrics = system["metrics"]
        name = ", ".join(filter(None, (system["row"], system["form"])))
        cells = [name, system["search"], str(system["n"])]
        cells += [_percent(metrics[m]) for m in ("all_support", "mean_support")]
        lines.append(_cells(cells))
    readers = {k: s for k, s in report["systems"].items() if "em" in s["metrics"]}
    if readers:
        columns = ("em", "f1", "hops_right", "answered")
        titles = [METRICS[c][0] for c in columns]
        heads = ["system", "search", "n", *titles, "calls", "tokens", "model seconds"]
        lines += ["", "## Answers", "", _header(heads)]
        for system in readers.values():
            metrics, usage = system["metrics"], system["usage"]
            tokens = usage["prompt_tokens"] + usage["completion_tokens"]
            name = ", ".join(filter(None, (system["row"], system["form"])))
            lines.append(
                _cells(
                    [name, system["search"], str(metrics["em"]["n"])]
                    + [_percent(metrics[c]) if c in metrics else "" for c in columns]
                    + [f"{usage['calls']:,}", f"{tokens:,}", f"{usage['seconds']:,.0f}"]
                )
            )
    lines += ["", "## Paired differences", "", "In percentage points, first minus second.", ""]
    lines.append(_header(["first", "second", "metric", "n", "difference", "McNemar"]))
    for pair in report["paired"]:
        test = pair.get("mcnemar")
        cells = [pair["first"], pair["second"], METRICS[pair["metric"]][0], str(pair["n"])]
        cells.append(_percent(pair["difference"], sign="+"))
        p = f"{test['only_first']} : {test['only_second']}, p = {test['p']:.3g}" if test else ""
        lines.append(_cells([*cells, p]))
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


def _header(names: Sequence[str]) -> str:
    return f"{_cells(names)}\n{_cells(['---'] * len(names))}"


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _percent(interval: Mapping[str, float], *, sign: str = "") -> str:
    value, low, high = (interval[k] * 100 for k in ("value", "low", "high"))
    return f"{value:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"
