"""The page of the book benchmark: what notes are worth, with intervals over novels and places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from centerlm.evaluation.resampling import clustered_interval
from centerlm.evaluation.scoring import values_of
from reporting import config_lines, percent, table, versions, write

Row = Mapping[str, Mapping[str, float | None]]
"""Scores of a row by item."""

GAINS = ("notes_gain", "over_random", "over_similar", "over_longer", "over_elsewhere")
SHARES = ("choice", "choice_bare", "forecast_f1", "forecast_floor")
_HEADS = {
    "notes_gain": "last tokens alone",
    "over_random": "random earlier text",
    "over_similar": "most similar text",
    "over_longer": "more of the last text",
    "over_elsewhere": "notes from elsewhere",
    "choice": "choice of 5",
    "choice_bare": "without notes",
    "forecast_f1": "forecast F1",
    "forecast_floor": "floor: last chapter",
}


def interval_of(row: Row, metric: str, novels: Mapping[str, str]) -> dict[str, float] | None:
    """The mean over places; resampled are novels with all their places. None: never measured."""
    groups: dict[str, list[float]] = {}
    for item, scores in row.items():
        if (value := scores.get(metric)) is not None:
            groups.setdefault(novels[item], []).append(value)
    return asdict(clustered_interval(list(groups.values()))) if groups else None


def paired(first: Row, second: Row, metric: str, novels: Mapping[str, str]) -> Any:
    """The same of differences, at the places that both rows have."""
    both: dict[str, dict[str, float | None]] = {}
    for item in first:
        one, other = first[item].get(metric), second.get(item, {}).get(metric)
        if one is not None and other is not None:
            both[item] = {metric: one - other}
    return interval_of(both, metric, novels)


def write_report(
    found: Mapping[str, Row],
    notes: Mapping[str, Mapping[str, str]],
    novels: Mapping[str, str],
    config: Mapping[str, Any],
    out: Path,
    name: str,
) -> Path:
    """Write NAME.json and NAME.md; returns the latter. `novels` are by item.

    Raises:
        OSError: they cannot be written.
    """
    metrics = {
        row: {
            metric: interval_of(scores, metric, novels)
            for metric in dict.fromkeys(m for each in scores.values() for m in each)
        }
        for row, scores in found.items()
    }
    first = next(iter(found))
    pairs = {
        f"{first} - {row}": {
            metric: paired(found[first], found[row], metric, novels)
            for metric in ("notes_gain", "choice", "forecast_f1")
        }
        for row in list(found)[1:]
    }
    report = {
        "config": {**config, "versions": versions()},
        "rows": metrics,
        "pairs": pairs,
        "items": {row: dict(scores) for row, scores in found.items()},
        "notes_tokens": {row: _mean(scores, "notes_tokens") for row, scores in found.items()},
        "novels": dict(novels),
    }
    del notes  # they hold words of the novels, which may not be free everywhere
    return write(out, name, report, _page(report))


def _mean(row: Row, metric: str) -> float:
    values = values_of(list(row.values()), metric)
    return round(sum(values) / len(values), 1) if values else 0.0


def _page(report: Mapping[str, Any]) -> str:
    config = report["config"]
    page = [
        "# Books: what notes are worth",
        "",
        f"{config['places']} places in {len(config['novels'])} novels that nothing here was tuned "
        "on. Bits per byte that the base model saves on the true next passage when the notes of a "
        "row (at most 200 tokens, at most 8 words running of the book) stand before the last "
        "tokens of the text, against what stands in the head in their place with as many tokens. "
        "95 % intervals; whole novels are resampled.",
        "",
    ]
    page += ["## Bits per byte saved", "", *_gains(report["rows"], config["last_tokens"])]
    page += ["", "## Choosing what comes next, and who is in it", "", *_shares(report)]
    if report["pairs"]:
        page += ["", "## Differences between rows, place by place", ""]
        page += table(
            ["first less second", "bits per byte saved", "choice of 5", "forecast F1"],
            [
                [name, bits(each["notes_gain"]), *(percent(each[m], sign="+") for m in
                 ("choice", "forecast_f1"))]
                for name, each in report["pairs"].items()
            ],
        )  # fmt: skip
    return "\n".join([*page, *config_lines(config)]) + "\n"


def _gains(rows: Mapping[str, Any], lasts: Sequence[int]) -> list[str]:
    """A line a row and way of measuring it."""
    ways = [("", f"last {lasts[0]}"), ("_renamed", f"last {lasts[0]}, names renamed")]
    ways += [(f"@{last}", f"last {last}") for last in lasts[1:]]
    lines = [
        [row, told, *(bits(metrics.get(metric + way)) for metric in GAINS)]
        for row, metrics in rows.items()
        for way, told in ways
        if metrics.get(f"notes_gain{way}") is not None
    ]
    return table(["notes", "before the passage", *(_HEADS[metric] for metric in GAINS)], lines)


def _shares(report: Mapping[str, Any]) -> list[str]:
    return table(
        ["notes", "tokens", *(_HEADS[metric] for metric in SHARES)],
        [
            [row, str(report["notes_tokens"][row]), *(percent(metrics.get(m)) for m in SHARES)]
            for row, metrics in report["rows"].items()
        ],
    )


def bits(interval: Mapping[str, float] | None) -> str:
    """A difference in bits per byte with its interval, four digits after the point."""
    if interval is None:
        return ""
    return f"{interval['value']:+.4f} ({interval['low']:+.4f} to {interval['high']:+.4f})"
