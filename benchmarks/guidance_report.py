"""The page of the guidance loop: corrections a plan by arm and point, paired with the start."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from centerlm.evaluation.corrections import TYPES, Corrections
from centerlm.evaluation.pages import TRAINING
from centerlm.evaluation.statistics import Interval, mean_interval, paired_difference, quantile
from reporting import config_lines, number, percent, table, versions, write

ARMS = ("weights", "preferences", "memory", "both")
START = "start"
AIM = 0.5
NAMES = {
    "add": "add a step",
    "delete": "delete one",
    "reorder": "move one",
    "resource": "other source",
    "rewrite": "ask otherwise",
    "relink": "other references",
}


@dataclass(frozen=True, slots=True)
class Counted:
    """The corrections of one plan. `strict` counts every other word of a step as one."""

    arm: str
    point: int
    question: str
    family: str
    corrections: Corrections
    strict: int
    steps: int


def report_of(
    counted: Sequence[Counted], on_the_way: Sequence[Counted], config: Mapping[str, Any]
) -> dict[str, Any]:
    """All figures, over the same questions in the same order."""
    cells: dict[str, list[Counted]] = {}
    for one in counted:
        cells.setdefault(f"{one.arm} {one.point}", []).append(one)
    start = cells[f"{START} 0"]
    return {
        "config": {**config, "versions": versions(TRAINING)},
        "questions": len(start),
        "steps": fmean(one.steps for one in start),
        "cells": [_cell(rows, start) for rows in cells.values()],
        "corrected": [
            {"point": point, **asdict(mean_interval(_totals(rows))), "n": len(rows)}
            for point, rows in _by_point(on_the_way).items()
        ],
        "each": [
            {
                "arm": r.arm,
                "point": r.point,
                "question": r.question,
                "corrections": asdict(r.corrections),
            }
            for r in counted
        ],
    }


def _by_point(rows: Sequence[Counted]) -> dict[int, list[Counted]]:
    by: dict[int, list[Counted]] = {}
    for row in rows:
        by.setdefault(row.point, []).append(row)
    return by


def _totals(rows: Sequence[Counted]) -> list[float]:
    return [float(row.corrections.total) for row in rows]


def _cell(rows: Sequence[Counted], start: Sequence[Counted]) -> dict[str, Any]:
    totals, before = _totals(rows), _totals(start)
    strict = [float(row.strict) for row in rows]
    families = dict.fromkeys(row.family for row in rows)
    return {
        "arm": rows[0].arm,
        "point": rows[0].point,
        "corrections": asdict(mean_interval(totals)),
        "fewer": asdict(paired_difference(before, totals)),
        "left": asdict(share_left(totals, before)),
        "strict": asdict(mean_interval(strict)),
        "strict_left": asdict(share_left(strict, [float(row.strict) for row in start])),
        "none_needed": fmean(total == 0 for total in totals),
        "types": {name: fmean(getattr(r.corrections, name) for r in rows) for name in TYPES},
        "families": {
            family: {
                "corrections": asdict(mean_interval(_totals(_of(rows, family)))),
                "left": asdict(share_left(_totals(_of(rows, family)), _totals(_of(start, family)))),
            }
            for family in families
        },
    }


def _of(rows: Sequence[Counted], family: str) -> list[Counted]:
    return [row for row in rows if row.family == family]


def share_left(
    now: Sequence[float], before: Sequence[float], *, seed: int = 0, resamples: int = 10_000
) -> Interval:
    """The mean of `now` as a share of that of `before`, with its paired bootstrap interval."""
    pairs = list(zip(now, before, strict=True))

    def share(chosen: Sequence[tuple[float, float]]) -> float:
        below = sum(b for _, b in chosen)
        return sum(a for a, _ in chosen) / below if below else 1.0

    draw = random.Random(seed)
    drawn = sorted(share(draw.choices(pairs, k=len(pairs))) for _ in range(resamples))
    return Interval(share(pairs), quantile(drawn, 0.025), quantile(drawn, 0.975))


def write_report(report: Mapping[str, Any], out: Path, name: str) -> Path:
    """NAME.json, NAME.md and NAME.svg."""
    page = write(out, name, report, page_of(report, name))
    draw(report, out / f"{name}.svg")
    return page


def page_of(report: Mapping[str, Any], name: str) -> str:
    cells: Sequence[Mapping[str, Any]] = report["cells"]
    start = cells[0]
    lines = [
        "# The guidance loop: corrections a plan",
        "",
        f"{report['questions']} objectives of families that were never corrected, whose human "
        f"plans have {report['steps']:.1f} steps. A correction is one typed edit of the plan "
        "graph: a step added, deleted, moved, given another source, asked otherwise (fewer than "
        "half of its words in common), or given other references; the fewest that make the "
        "center's plan the person's. 95 % intervals, bootstrap; shares are paired by objective.",
        "",
        f"![corrections a plan by corrected plans]({name}.svg)",
        "",
    ]
    heads = [
        "learned by",
        "corrected plans",
        "corrections a plan",
        "of those at the start, %",
        "fewer",
        "needs none, %",
        "with every word, %",
    ]
    lines += table(
        heads,
        [
            [
                cell["arm"],
                str(cell["point"]),
                number(cell["corrections"]),
                percent(cell["left"]) if cell is not start else "100",
                number(cell["fewer"]) if cell is not start else "",
                f"{100 * cell['none_needed']:.0f}",
                percent(cell["strict_left"]) if cell is not start else "100",
            ]
            for cell in cells
        ],
    )
    lines += ["", *(_verdict(cells, arm) for arm in ARMS if _at(cells, arm)), ""]
    lines += ["## By type", ""]
    lines += table(
        ["learned by", "corrected plans", *(NAMES[name] for name in TYPES)],
        [
            [c["arm"], str(c["point"]), *(f"{c['types'][name]:.2f}" for name in TYPES)]
            for c in cells
        ],
    )
    families = list(start["families"])
    lines += ["", "## By family", ""]
    lines += table(
        ["learned by", "corrected plans", *families],
        [
            [
                c["arm"],
                str(c["point"]),
                *(number(c["families"][f]["corrections"]) for f in families),
            ]
            for c in cells
        ],
    )
    if report["corrected"]:
        lines += ["", "## On the way", ""]
        lines += [
            "Corrections a plan of the objectives that were corrected, before learning them.",
            "",
        ]
        lines += table(
            ["up to corrected plan", "plans", "corrections a plan"],
            [[str(row["point"]), str(row["n"]), number(row)] for row in report["corrected"]],
        )
    config = dict(report["config"])
    return "\n".join([*lines, *config_lines(config)]) + "\n"


def _at(cells: Sequence[Mapping[str, Any]], arm: str) -> list[Mapping[str, Any]]:
    return [cell for cell in cells if cell["arm"] == arm]


def _verdict(cells: Sequence[Mapping[str, Any]], arm: str) -> str:
    """Against the aim, at 200 corrected plans or the last point before."""
    reached = [cell for cell in _at(cells, arm) if cell["point"] <= 200] or _at(cells, arm)[:1]
    cell = reached[-1]
    met = "met" if cell["left"]["value"] <= AIM else "missed"
    return (
        f"- {arm}: {percent(cell['left'])} % of the corrections are left after {cell['point']} "
        f"corrected plans (aim: at most {100 * AIM:.0f} %): {met}"
    )


def draw(report: Mapping[str, Any], target: Path) -> None:
    """Corrections a plan over corrected plans, one line an arm, intervals shaded."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    # No time and no random ids in the file: the same figures give the same bytes.
    mpl.rcParams["svg.hashsalt"] = "centerlm"
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    cells: Sequence[Mapping[str, Any]] = report["cells"]
    measures: tuple[tuple[str, Callable[[Mapping[str, Any]], Mapping[str, float]]], ...] = (
        ("corrections a plan", lambda cell: cell["corrections"]),
        ("the same, with every word", lambda cell: cell["strict"]),
    )
    for panel, (label, measure) in zip(panels, measures, strict=True):
        for arm in ARMS:
            points = [cells[0], *_at(cells, arm)]
            if len(points) == 1:
                continue
            places = [cell["point"] for cell in points]
            values = [measure(cell) for cell in points]
            panel.plot(places, [value["value"] for value in values], marker="o", label=arm)
            low, high = ([value[end] for value in values] for end in ("low", "high"))
            panel.fill_between(places, low, high, alpha=0.1)
        panel.axhline(AIM * measure(cells[0])["value"], linestyle=":", color="grey")
        panel.set_xlabel("corrected plans")
        panel.set_ylabel(label)
        panel.set_ylim(bottom=0)
    if len(cells) > 1:
        panels[0].legend(frameon=False)
    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)
