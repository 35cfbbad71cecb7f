"""Intervals and paired tests over one score a question; seeded, in plain Python.

All intervals are 95 %. Systems are compared on the same questions in the same order: what differs
between questions then cancels out.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt

RESAMPLES = 10_000
_Z = 1.959964  # the 97.5 % point of the normal distribution


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Discordance:
    """An exact McNemar test: how many questions only the first, only the second got right.

    `p` is two-sided, in 0..1.
    """

    only_first: int
    only_second: int
    p: float


def mean_interval(
    values: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """The mean with its percentile bootstrap interval (Efron and Tibshirani, 1993, chapter 13).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values to average; give at least one")
    n = len(values)
    mean = sum(values) / n
    if min(values) == max(values):
        return Interval(mean, mean, mean)
    draw = random.Random(seed)
    means = sorted(sum(draw.choices(values, k=n)) / n for _ in range(resamples))
    return Interval(mean, quantile(means, 0.025), quantile(means, 0.975))


def share_interval(right: int, n: int) -> Interval:
    """The share `right` / `n` with its score interval (Wilson, 1927), which also holds at 0 and 1.

    Raises:
        ValueError: `n` is not positive, or `right` is not in 0..n.
    """
    if n < 1 or not 0 <= right <= n:
        raise ValueError(f"{right} of {n} is no share; give 0 <= right <= n and n >= 1")
    share = right / n
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * sqrt(share * (1 - share) / n + _Z**2 / (4 * n * n))
    # At 0 and 1 rounding may put a bound on the wrong side of the share.
    return Interval(share, min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share))


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """The mean of `first` - `second` with its paired bootstrap interval: questions are resampled.

    Raises:
        ValueError: the two are not of one length, or empty.
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    return mean_interval(differences, seed=seed, resamples=resamples)


def mcnemar(first: Sequence[float], second: Sequence[float]) -> Discordance:
    """The exact test of McNemar (1947) for two systems that are right (1) or wrong (0).

    Under the null hypothesis the discordant questions fall to either side like a fair coin.

    Raises:
        ValueError: the two are not of one length, or hold something else than 0 and 1.
    """
    pairs = list(zip(first, second, strict=True))
    if any(value not in (0, 1) for pair in pairs for value in pair):
        raise ValueError("an exact McNemar test is for right (1) or wrong (0) only")
    only_first = sum(a > b for a, b in pairs)
    only_second = sum(b > a for a, b in pairs)
    n = only_first + only_second
    tail = sum(comb(n, k) for k in range(min(only_first, only_second) + 1))
    return Discordance(only_first, only_second, min(1.0, 2 * tail / 2**n))


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of values in order, at `share` in 0..1: linear between order statistics, as most statistics
    packages do by default.
    """
    at = share * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (at - below) * (ordered[above] - ordered[below])
