"""Intervals over items and seeds at once: training runs vary, and so do questions.

Items and seeds are crossed (every seed answers the same items) and both are resampled with
replacement (Owen, 2007, "The pigeonhole bootstrap"); items within their groups, so that every
resample has as many questions of each number of hops.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from centerlm.evaluation.statistics import Interval, quantile

RESAMPLES = 2_000

Scores = Mapping[str, float]
"""Of one seed: a score an item."""


def crossed_interval(
    seeds: Sequence[Scores],
    groups: Sequence[Sequence[str]],
    statistic: Callable[[Sequence[Sequence[float]]], float],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """A statistic with its 95 % percentile interval over items and seeds.

    `groups` are item ids; `statistic` gets, for each group, its items' scores (the mean over
    seeds).

    Raises:
        ValueError: there is no seed or no item, or a seed lacks an item.
    """
    if not seeds or not any(groups):
        raise ValueError("nothing to resample; give at least one seed and one item")
    if any(item not in scores for scores in seeds for group in groups for item in group):
        raise ValueError("every seed needs a score for every item")

    def value(rows: Sequence[Scores], chosen: Sequence[Sequence[str]]) -> float:
        n = len(rows)
        return statistic([[sum(row[i] for row in rows) / n for i in group] for group in chosen])

    draw = random.Random(seed)
    found: list[float] = []
    for _ in range(resamples):
        rows = draw.choices(seeds, k=len(seeds))
        found.append(value(rows, [draw.choices(g, k=len(g)) if g else [] for g in groups]))
    found.sort()
    return Interval(value(seeds, groups), quantile(found, 0.025), quantile(found, 0.975))


def mean_of_all(groups: Sequence[Sequence[float]]) -> float:
    """The mean over the items of all groups."""
    values = [value for group in groups for value in group]
    return sum(values) / len(values)


def slope_over(at: Sequence[float]) -> Callable[[Sequence[Sequence[float]]], float]:
    """The least-squares slope of the items' scores over `at`, the groups' places on the axis.

    Raises:
        ValueError: (by the statistic) the items stand in fewer than two places.
    """

    def slope(groups: Sequence[Sequence[float]]) -> float:
        points = [(x, y) for x, group in zip(at, groups, strict=True) for y in group]
        middle = sum(x for x, _ in points) / len(points)
        spread = sum((x - middle) ** 2 for x, _ in points)
        if not spread:
            raise ValueError("a slope needs items in two places or more")
        return sum((x - middle) * y for x, y in points) / spread

    return slope


def differences(first: Scores, second: Scores) -> dict[str, float]:
    """`first` - `second`, of the items that both have."""
    return {item: score - second[item] for item, score in first.items() if item in second}


def clustered_interval(
    groups: Sequence[Sequence[float]], *, seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """The mean of all values with its 95 % percentile interval where whole groups are resampled:
    values of one group are alike, as places of one book (Davison and Hinkley, 1997, section 3.8).

    Raises:
        ValueError: there are no values.
    """
    kept = [group for group in groups if group]
    if not kept:
        raise ValueError("no values to average; give at least one")
    draw = random.Random(seed)
    found = sorted(mean_of_all(draw.choices(kept, k=len(kept))) for _ in range(resamples))
    return Interval(mean_of_all(kept), quantile(found, 0.025), quantile(found, 0.975))
