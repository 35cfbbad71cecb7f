"""The report of learned.py: JSON, and Markdown for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from centerlm.evaluation.acts import Answered, Decided
from centerlm.evaluation.statistics import mcnemar, paired_difference, share_interval
from centerlm.evaluation.summary import (
    PLAN_METRICS,
    SHARES,
    answer_metrics,
    plan_metrics,
    source_metrics,
)
from centerlm.finding import Usage
from reporting import config_lines, intervals, number, percent, table, versions, write

NAMES = {
    "valid": "valid",
    "steps": "step count",
    "sources": "sources",
    "aligned_sources": "sources of aligned steps",
    "structure": "structure",
    "graph": "graph",
    "ged": "GED",
    "structure_ged": "GED, structure only",
    "sari": "SARI",
}
DISTANCES = ("ged", "structure_ged")
ANSWERS = {
    "em": "EM",
    "f1": "F1",
    "false_nothing": 'false "nothing"',
    "false_answer": "false answers",
    "cited_right": "citations right",
    "right": "right in all",
}


@dataclass(frozen=True, slots=True)
class SumScore:
    """How a word problem ended."""

    id: str
    right: float
    answer: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Measured:
    """What one center did, by set; `sums` by the way they were solved."""

    name: str
    sha256: str | None
    plans: Mapping[str, Sequence[Decided]]
    unconstrained: Mapping[str, Sequence[Decided]]
    readings: Mapping[str, Sequence[Answered]]
    sums: Mapping[str, Sequence[SumScore]]


def write_report(
    measured: Sequence[Measured], config: Mapping[str, Any], out: Path, name: str
) -> Path:
    """Write NAME.json and NAME.md; returns the latter."""
    report = {
        "scenario": "learned",
        "systems": {m.name: _system(m) for m in measured},
        "paired": _paired(measured),
        "config": {**config, "versions": versions()},
    }
    return write(out, name, report, as_markdown(report))


def _system(measured: Measured) -> dict[str, Any]:
    return {
        "adapter_sha256": measured.sha256,
        "plans": {
            name: {
                "n": len(rows),
                "metrics": intervals(plan_metrics(rows)),
                "sources": intervals(source_metrics(rows)),
            }
            for name, rows in measured.plans.items()
        },
        "without_grammar": {
            name: {"n": len(rows), "metrics": intervals(plan_metrics(rows))}
            for name, rows in measured.unconstrained.items()
        },
        "reading": {
            name: {"n": len(rows), "metrics": intervals(answer_metrics(rows))}
            for name, rows in measured.readings.items()
        },
        "sums": {
            way: {
                "n": len(rows),
                "right": asdict(share_interval(round(sum(r.right for r in rows)), len(rows))),
                "usage": asdict(sum((r.usage for r in rows), Usage())),
            }
            for way, rows in measured.sums.items()
        },
    }


def _paired(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Every center against each one named before it, on the same records; and the calculator
    against answering directly.
    """
    lines: list[dict[str, Any]] = []
    for at, ours in enumerate(measured):
        for theirs in measured[:at]:
            for name, rows in ours.plans.items():
                others = theirs.plans[name]
                for metric, score in PLAN_METRICS.items():
                    a, b = [score(d) for d in rows], [score(d) for d in others]
                    lines.append(_pair(ours.name, theirs.name, name, metric, a, b))
            for name, rows in ours.readings.items():
                others = theirs.readings[name]
                for metric in ("em", "f1"):
                    a, b = ([getattr(r, metric) for r in side] for side in (rows, others))
                    lines.append(_pair(ours.name, theirs.name, name, f"reading {metric}", a, b))
        if {"calculator", "direct"} <= set(ours.sums):
            a, b = ([r.right for r in ours.sums[way]] for way in ("calculator", "direct"))
            first, second = f"{ours.name}, calculator", f"{ours.name}, direct"
            lines.append(_pair(first, second, "gsm8k", "right", a, b))
    return lines


def _pair(
    first: str, second: str, name: str, metric: str, a: Sequence[float], b: Sequence[float]
) -> dict[str, Any]:
    line: dict[str, Any] = {
        "first": first,
        "second": second,
        "set": name,
        "metric": metric,
        "n": len(a),
        "difference": asdict(paired_difference(a, b)),
    }
    if metric in SHARES or metric in ("right", "reading em"):
        line["mcnemar"] = asdict(mcnemar(a, b))
    return line


def as_markdown(report: Mapping[str, Any]) -> str:
    systems = report["systems"]
    lines = [
        "# What the center has learned",
        "",
        "Dev records of public sets, never trained on. Per cent, distances and SARI from 0 to 1; "
        "95 % intervals (Wilson for what is right or wrong, bootstrap for means). Human plans are "
        "those the shipped guidance readers make of the sets' own decompositions; recursion is "
        "not offered, because they have all steps in one plan.",
    ]
    rows: list[list[str]] = []
    for name, system in systems.items():
        for set_, entry in system["plans"].items():
            metrics = entry["metrics"]
            cells = [
                number(metrics.get(m)) if m in (*DISTANCES, "sari") else percent(metrics.get(m))
                for m in NAMES
            ]
            rows.append([name, set_, str(entry["n"]), *cells])
    lines += section(
        "## Plans",
        ["center", "set", "n", *NAMES.values()],
        rows,
        "structure: the same graph of references; graph: with the same sources too; sources: the "
        "share of human steps that have a counterpart from the right source; GED: normalised graph "
        "edit distance (less is better).",
    )
    lines += section(
        "### Sources by kind",
        ["center", "set", "source of the human step", "chosen"],
        [
            [name, set_, kind, percent(value)]
            for name, system in systems.items()
            for set_, entry in system["plans"].items()
            for kind, value in entry["sources"].items()
        ],
    )
    lines += section(
        "### Without a grammar",
        ["center", "set", "n", "valid", "step count", "graph"],
        [
            [name, set_, str(entry["n"])]
            + [percent(entry["metrics"][m]) for m in ("valid", "steps", "graph")]
            for name, system in systems.items()
            for set_, entry in system["without_grammar"].items()
        ],
    )
    lines += section(
        "## Reading what the library finds",
        ["center", "set", "n", *ANSWERS.values()],
        [
            [name, set_, str(entry["n"]), *(percent(entry["metrics"].get(m)) for m in ANSWERS)]
            for name, system in systems.items()
            for set_, entry in system["reading"].items()
        ],
    )
    lines += section(
        "## GSM8K",
        ["center", "way", "n", "right", "tokens"],
        [
            [
                *(name, way, str(entry["n"]), percent(entry["right"])),
                f"{entry['usage']['prompt_tokens'] + entry['usage']['completion_tokens']:,}",
            ]
            for name, system in systems.items()
            for way, entry in system["sums"].items()
        ],
    )
    lines += section(
        "## Paired differences",
        ["first", "second", "set", "measure", "n", "difference", "McNemar p"],
        [
            [
                *(pair["first"], pair["second"], pair["set"]),
                NAMES.get(pair["metric"], pair["metric"]),
                str(pair["n"]),
                percent(pair["difference"], sign="+"),
                f"{pair['mcnemar']['p']:.3g}" if "mcnemar" in pair else "",
            ]
            for pair in report["paired"]
        ],
        "First minus second, times 100.",
    )
    return "\n".join([*lines, *config_lines(report["config"])]) + "\n"


def section(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], about: str = ""
) -> list[str]:
    """A table under its title; nothing where nothing was measured."""
    if not rows:
        return []
    return ["", title, "", *([about, ""] if about else []), *table(columns, rows)]
