"""The page of the comparison: JSON, Markdown, and the figure of accuracy by hops and by tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from centerlm.comparison.settings import (
    COT,
    FRAGMENTATION,
    HOLISTIC,
    PLAN,
    SOLVER,
    SUPPORT,
    TRAINED_HOPS,
    WAYS,
    WEIGHTS,
)
from centerlm.evaluation.pages import config_lines, percent, table, write
from centerlm.learning.row_trainer import load

EMPTY = "not run"
_COLOURS = {
    "untrained": "#9a9a9a",
    "few-shot": "#6f7f8f",
    FRAGMENTATION: "#c58b2a",
    COT: "#b0413e",
    HOLISTIC: "#2a6fb0",
}
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


def write_report(report: Mapping[str, Any], out: Path, name: str) -> Path:
    """Write NAME.json, NAME.md and NAME.svg; returns the Markdown.

    Raises:
        OSError: they cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    draw(report, out / f"{name}.svg")
    return write(out, name, report, as_markdown(report, f"{name}.svg"))


def power_curve(hops: Mapping[str, Mapping[str, float]]) -> list[tuple[int, float]]:
    """p^h for each number of hops up to those asked, where p is the accuracy at one hop."""
    if "1" not in hops:
        return []
    return [(h, hops["1"]["value"] ** h) for h in range(1, max(map(int, hops)) + 1)]


def draw(report: Mapping[str, Any], target: Path) -> None:
    """Accuracy on worlds by hops, with p^h; beside it F1 against inference tokens, where asked.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    wide = bool(report["tokens"])
    figure: Any = load("matplotlib.figure").Figure(
        figsize=(7.4 + 5.2 * wide, 4.4), layout="constrained"
    )
    panels = figure.subplots(1, 1 + wide, squeeze=False)[0]
    _draw_hops(report["hops"], panels[0])
    if wide:
        _draw_tokens(report["tokens"], panels[1])
    save_svg(figure, target)


def save_svg(figure: Any, target: Path) -> None:
    """Save a figure without time and random ids: the same figures give the same bytes."""
    matplotlib: Any = load("matplotlib")
    with matplotlib.rc_context({"svg.hashsalt": "centerlm"}):
        figure.savefig(target, format="svg", metadata={"Date": None})


def _draw_hops(hops: Mapping[str, Mapping[str, Mapping[str, float]]], axes: Any) -> None:
    drawn = [weights for weights in WEIGHTS if f"{weights}, {SOLVER.name}" in hops]
    for number, weights in enumerate(drawn):
        entry = hops[f"{weights}, {SOLVER.name}"]
        at = [int(h) + 0.07 * (number - (len(drawn) - 1) / 2) for h in entry]
        values = [100 * f["value"] for f in entry.values()]
        low = [100 * (f["value"] - f["low"]) for f in entry.values()]
        high = [100 * (f["high"] - f["value"]) for f in entry.values()]
        main, colour = weights == HOLISTIC, _COLOURS[weights]
        axes.errorbar(
            at,
            values,
            yerr=[low, high],
            marker="o",
            markersize=5,
            linewidth=2 if main else 1.4,
            elinewidth=0.8,
            color=colour,
            label=weights,
        )
        if curve := power_curve(entry):
            points = [(h, 100 * p) for h, p in curve]
            axes.plot(*zip(*points, strict=True), linestyle="--", linewidth=1, color=colour)
    axes.axvline(TRAINED_HOPS + 0.5, color="black", linestyle=":", linewidth=1)
    axes.set_xlabel(
        f"hops (trained up to {TRAINED_HOPS}; dashed: accuracy at one hop to the power of hops)"
    )
    axes.set_ylabel("answers right in the same solver, %")
    axes.set_ylim(0, 105)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    if drawn:
        axes.legend(title="weights", fontsize=8, frameon=False, loc="upper right")


def _draw_tokens(lines: Sequence[Mapping[str, Any]], axes: Any) -> None:
    ways = list(dict.fromkeys(line["way"] for line in lines))
    for line in lines:
        axes.errorbar(
            line["tokens"],
            100 * line["value"],
            yerr=[[100 * (line["value"] - line["low"])], [100 * (line["high"] - line["value"])]],
            marker=_MARKERS[ways.index(line["way"]) % len(_MARKERS)],
            markersize=6,
            elinewidth=0.6,
            color=_COLOURS[line["weights"]],
            linestyle="none",
        )
    for number, way in enumerate(ways):
        marker = _MARKERS[number % len(_MARKERS)]
        axes.plot([], [], marker=marker, color="black", linestyle="none", label=way)
    axes.set_xscale("log")
    axes.set_xlabel("inference tokens a question (colours: weights, as beside)")
    axes.set_ylabel("answer F1, MuSiQue and 2WikiMultihopQA, %")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def as_markdown(report: Mapping[str, Any], plot: str) -> str:
    """The page."""
    lines = [
        "# Holistic training against fragmentation and chains of thought",
        "",
        "The same base, records, LoRA shape, processed tokens, number of learning-rate trials and "
        "plan examples; only what the replies are differs. The claim is about *training*: it is "
        "inside one column (one way of inference), so that the solver alone cannot win it; what "
        "the solver adds to the same weights is told apart. Rates and checkpoints are chosen on a "
        "split of the training records; test questions are asked once. Per cent with 95 % "
        "intervals from resampling items and seeds together; of fewer than five seeds, "
        "which say little of how far trainings differ, true intervals are wider.",
        "",
        f"![accuracy by hops]({plot})",
        "",
        *_primary(report),
        *_by_hops(report),
        *_worlds(report),
        *_sets(report),
        *_pairs(report),
        *_solver(report),
        *_tokens(report),
        *_training(report),
    ]
    if report["not_run"]:
        lines += ["", "## Not run", "", *(f"- {name}" for name in report["not_run"])]
    return "\n".join([*lines, *config_lines(report["config"])]) + "\n"


def cell(figure: Mapping[str, float] | None, *, sign: str = "") -> str:
    """A figure as the page shows it; one that was not run is marked."""
    return percent(figure, sign=sign) or EMPTY


def _primary(report: Mapping[str, Any]) -> list[str]:
    rows: list[list[str]] = []
    for way, figures in report["primary"].items():
        slope, difference = figures["slope"], figures["difference"]
        seeds = "" if slope is None else f"{slope['seeds']:g}"
        rows.append([way, seeds, cell(slope, sign="+"), cell(difference, sign="+")])
    return [
        "## The primary endpoint",
        "",
        "Named before anything was trained: the slope over hops of holistic minus CoT-trained "
        "weights in the same solver, on worlds (percentage points a hop; above 0: the more hops, "
        f"the more holistic training is ahead). Beside it the difference at more than "
        f"{TRAINED_HOPS} hops (points), which no training question has; and both with the right "
        "plans given to either arm.",
        "",
        *table(["in", "seeds", "slope a hop", f"difference, > {TRAINED_HOPS} hops"], rows),
        "",
    ]


def _by_hops(report: Mapping[str, Any]) -> list[str]:
    hops = sorted({h for entry in report["hops"].values() for h in entry}, key=int)
    if not hops:
        return []
    rows: list[list[str]] = []
    for weights in WEIGHTS:
        for way in (SOLVER.name, PLAN.name):
            entry = report["hops"].get(f"{weights}, {way}", {})
            rows.append([weights, way, *(cell(entry.get(h)) for h in hops)])
            if way == SOLVER.name and (curve := dict(power_curve(entry))):
                rows.append([weights, "p^h", *(f"{100 * curve[int(h)]:.1f}" for h in hops)])
    return [
        "## Worlds, by hops",
        "",
        "Exact match. p^h: what accuracy at one hop would give if hops failed independently. Aims "
        "for holistic weights: 85 at 4 hops, 70 at 8. Given the right plans, what is wrong is "
        "reading.",
        "",
        *table(["weights", "in", *hops], rows),
        "",
    ]


def _grid(entry: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[list[str]]:
    return [[w, *(cell(entry.get(w, {}).get(way)) for way in WAYS)] for w in WEIGHTS]


def _worlds(report: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, entry in report["worlds"].items():
        if entry:
            lines += [f"## Worlds, {name}: weights by inference", "", "Exact match.", ""]
            lines += [*table(["weights", *WAYS], _grid(entry)), ""]
    return lines


def _sets(report: Mapping[str, Any]) -> list[str]:
    if not any(report["sets"].values()):
        return []
    about = "; ".join(f"{way.name}: {way.about}" for way in WAYS.values())
    lines = [
        "## MuSiQue and 2WikiMultihopQA: weights by inference",
        "",
        f"Answer F1. Pooled: MuSiQue, and 2Wiki without its comparisons. {about}.",
        "",
    ]
    for name, entry in report["sets"].items():
        count = next((f["n"] for ways in entry.values() for f in ways.values()), None)
        if count is None:
            continue
        kind = name.partition("2wiki, ")[2]
        floor = report["floors"].get(kind)
        told = (
            ""
            if floor is None
            else (
                f"; picking one of the two that the question names: {100 * floor['value']:.1f} "
                f"(of {floor['n']:g})"
            )
        )
        lines += [f"### {name} (n = {count:g}{told})", ""]
        lines += [*table(["weights", *WAYS], _grid(entry)), ""]
    if report["support"]:
        lines += [
            f"### Support recall (first {SUPPORT} distinct passages of an episode)",
            "",
            *table(["weights", *WAYS], _grid(report["support"])),
            "",
        ]
    return lines


def _pairs(report: Mapping[str, Any]) -> list[str]:
    if not report["paired"]:
        return []
    rows = [
        [
            line["items"],
            line["way"],
            f"holistic - {line['other']}",
            f"{line['n']:g} x {line['seeds']:g}",
            cell(line, sign="+"),
        ]
        for line in report["paired"]
    ]
    return [
        "## The training effect: holistic weights against the others, in the same column",
        "",
        "Paired by item and seed, in points (exact match on worlds, F1 on the sets). Near: a "
        "sub-question, term, triple or relation of the item stands in the training files; far: "
        "none does.",
        "",
        *table(["items", "in", "difference of", "items x seeds", "points"], rows),
        "",
    ]


def _solver(report: Mapping[str, Any]) -> list[str]:
    if not report["solver"]:
        return []
    rows = [[line["items"], line["weights"], cell(line, sign="+")] for line in report["solver"]]
    return [
        "## The solver's own effect: the same weights, solver minus one search",
        "",
        *table(["items", "weights", "points"], rows),
        "",
    ]


def _tokens(report: Mapping[str, Any]) -> list[str]:
    if not report["tokens"]:
        return []
    rows = [
        [line["weights"], line["way"], f"{line['tokens']:,.0f}", cell(line)]
        for line in sorted(report["tokens"], key=lambda line: line["tokens"])
    ]
    return [
        "## F1 against inference tokens",
        "",
        "All items of the two sets; prompt and reply tokens of a question's whole episode.",
        "",
        *table(["weights", "in", "tokens a question", "F1"], rows),
        "",
    ]


def _training(report: Mapping[str, Any]) -> list[str]:
    rows = [
        [
            seed,
            arm,
            f"{record['tokens']:,}",
            f"{record['plain_tokens']:,}",
            f"{record['trained_tokens']:,}",
            str(record["updates"]),
            f"{record['examples']:,}",
            ", ".join(f"{rate}: {loss:.3f}" for rate, loss in record["trials"].items()),
            f"{record['rate']:g}, {record['checkpoint']}",
        ]
        for seed, arms in report["training"].items()
        for arm, record in arms.items()
    ]
    if not rows:
        return []
    heads = [
        "seed",
        "arm",
        "processed",
        "one by one",
        "loss",
        "updates",
        "examples",
        "tried",
        "taken",
    ]
    return [
        "## What was trained",
        "",
        "Tokens processed are the same for all arms; what examples of a row share is processed "
        "once (one by one: without that). Loss tokens are those of replies. Tried: the loss a "
        "token on the check split, by learning rate; taken: the rate and checkpoint.",
        "",
        *table(heads, rows),
    ]
