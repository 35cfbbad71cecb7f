"""The results of an evaluation: metrics with intervals, splits, pairs of systems, usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from centerlm.evaluation.harness import Outcome
from centerlm.evaluation.items import Item
from centerlm.evaluation.scenarios.base import Scores
from centerlm.evaluation.scoring import BINARY, values_of
from centerlm.evaluation.statistics import (
    Interval,
    mcnemar,
    mean_interval,
    paired_difference,
    share_interval,
)

RESAMPLES = 2_000
USAGE = ("calls", "prompt_tokens", "completion_tokens", "seconds", "cost")


def is_binary(metric: str) -> bool:
    """Whether a metric is right or wrong for an item."""
    return metric in BINARY or metric.startswith("success@")


def interval_of(metric: str, values: Sequence[float]) -> Interval:
    """The mean with its 95 % interval: Wilson's for shares, a bootstrap for others."""
    if is_binary(metric) and all(value in (0, 1) for value in values):
        return share_interval(round(sum(values)), len(values))
    return mean_interval(values, resamples=RESAMPLES)


def results_of(
    name: str,
    items: Sequence[Item],
    outcomes: Sequence[Outcome],
    baselines: Mapping[str, Mapping[str, Scores]],
    metric: str,
    config: Mapping[str, Any],
) -> dict[str, Any]:
    """All that is kept of an evaluation.

    Beside what `evaluate --json` prints (`printed`), systems have `n` and `measured` (how many
    items a metric was to be had for), and `splits` the main metric by part of each split.
    """
    scores: dict[str, dict[str, Scores]] = {}
    for outcome in outcomes:
        scores.setdefault(outcome.system, {})[outcome.item.id] = outcome.scores
    usage = {
        system: _usage([o for o in outcomes if o.system == system])
        for system in dict.fromkeys(o.system for o in outcomes)
    }
    for system, by_item in baselines.items():
        scores[system] = dict(by_item)
    return {
        "scenario": name,
        "n": len(items),
        "systems": {
            system: {
                "metrics": _metrics(list(by_item.values())),
                "usage": usage.get(system, dict.fromkeys(USAGE, 0)),
                "n": len(by_item),
                "measured": _measured(list(by_item.values())),
            }
            for system, by_item in scores.items()
        },
        "paired": _pairs(scores, metric),
        "splits": _splits(items, scores, metric),
        "metric": metric,
        "config": dict(config),
    }


def printed(results: Mapping[str, Any]) -> dict[str, Any]:
    """The object of `evaluate --json`."""
    return {
        "scenario": results["scenario"],
        "n": results["n"],
        "systems": {
            name: {"metrics": system["metrics"], "usage": system["usage"]}
            for name, system in results["systems"].items()
        },
        "paired": results["paired"],
        "config": results["config"],
    }


def _metrics(scores: Sequence[Scores]) -> dict[str, dict[str, float]]:
    names = dict.fromkeys(name for each in scores for name in each)
    return {
        name: asdict(interval_of(name, values))
        for name in names
        if (values := values_of(scores, name))
    }


def _measured(scores: Sequence[Scores]) -> dict[str, int]:
    names = dict.fromkeys(name for each in scores for name in each)
    return {name: len(values) for name in names if (values := values_of(scores, name))}


def _usage(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Sums over all episodes; seconds are wall time, summed over items."""
    spent = [solved.tree.usage for outcome in outcomes for solved in outcome.episodes]
    return {
        "calls": sum(u.calls for u in spent),
        "prompt_tokens": sum(u.prompt_tokens for u in spent),
        "completion_tokens": sum(u.completion_tokens for u in spent),
        "seconds": round(sum(outcome.usage["seconds"] for outcome in outcomes), 3),
        "cost": round(sum(u.cost for u in spent), 12),
    }


def _pairs(scores: Mapping[str, Mapping[str, Scores]], metric: str) -> list[dict[str, Any]]:
    """Every two systems on the items that both were scored on, by the main metric."""
    pairs: list[dict[str, Any]] = []
    for first, second in combinations(scores, 2):
        shared = [
            (a, b)
            for item, each in scores[first].items()
            if (a := each.get(metric)) is not None
            and item in scores[second]
            and (b := scores[second][item].get(metric)) is not None
        ]
        if not shared:
            continue
        ones, others = [a for a, _ in shared], [b for _, b in shared]
        difference = paired_difference(ones, others, resamples=RESAMPLES)
        pair: dict[str, Any] = {
            "metric": metric,
            "first": first,
            "second": second,
            "n": len(shared),
            "difference": difference.value,
            "low": difference.low,
            "high": difference.high,
            "p": None,
        }
        if is_binary(metric) and set(ones) | set(others) <= {0, 1}:
            test = mcnemar(ones, others)
            pair |= {"p": test.p, "only_first": test.only_first, "only_second": test.only_second}
        pairs.append(pair)
    return pairs


def _splits(
    items: Sequence[Item], scores: Mapping[str, Mapping[str, Scores]], metric: str
) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """split -> part -> system -> the main metric with its interval and n."""
    splits: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    names = dict.fromkeys(name for item in items for name in item.splits)
    for name in names:
        parts = sorted({item.splits[name] for item in items if name in item.splits})
        for part in parts:
            ids = {item.id for item in items if item.splits.get(name) == part}
            for system, by_item in scores.items():
                values = values_of([s for id_, s in by_item.items() if id_ in ids], metric)
                if values:
                    cell: dict[str, float] = {
                        **asdict(interval_of(metric, values)),
                        "n": len(values),
                    }
                    splits.setdefault(name, {}).setdefault(part, {})[system] = cell
    return splits
