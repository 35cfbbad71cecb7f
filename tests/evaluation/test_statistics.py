"""Intervals and paired tests against values worked out by hand, and by simulation."""

from __future__ import annotations

import random

import pytest

from centerlm.evaluation.statistics import (
    mcnemar,
    mean_interval,
    paired_difference,
    share_interval,
)


def test_the_bootstrap_agrees_with_the_normal_interval_where_that_holds() -> None:
    draw = random.Random(1)
    values = [draw.gauss(10, 2) for _ in range(400)]
    mean = sum(values) / 400
    error = (sum((v - mean) ** 2 for v in values) / 399 / 400) ** 0.5
    interval = mean_interval(values, resamples=4000)
    assert interval.value == pytest.approx(mean)
    assert interval.low == pytest.approx(mean - 1.96 * error, abs=0.03)
    assert interval.high == pytest.approx(mean + 1.96 * error, abs=0.03)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = [0.0, 0.5, 1.0, 1.0, 0.25] * 5
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
    assert mean_interval(values, seed=3) != mean_interval(values, seed=4)


def test_equal_values_leave_no_doubt_about_their_mean() -> None:
    interval = mean_interval([0.5] * 7)
    assert (interval.low, interval.value, interval.high) == (0.5, 0.5, 0.5)


def test_pairing_removes_what_differs_between_questions() -> None:
    hard = [i / 50 for i in range(50)]
    better = [h + 0.05 for h in hard]
    paired = paired_difference(better, hard, resamples=500)
    assert paired.low == pytest.approx(0.05)
    assert paired.high == pytest.approx(0.05)
    apart = mean_interval(better, resamples=500)
    assert apart.low < sum(hard) / 50


def test_the_share_interval_holds_at_its_ends() -> None:
    # Wilson, 10 of 10: low = n / (n + z^2) = 10 / 13.841
    interval = share_interval(10, 10)
    assert interval.value == interval.high == 1.0
    assert interval.low == pytest.approx(0.7225, abs=1e-4)
    assert share_interval(0, 10).high == pytest.approx(1 - 0.7225, abs=1e-4)
    middle = share_interval(50, 100)

    assert middle.low == pytest.approx(0.4038, abs=1e-4)
    assert middle.high == pytest.approx(0.5962, abs=1e-4)


def test_mcnemar_counts_only_where_the_two_differ() -> None:
    first = [1, 1, 1, 1, 1, 1, 0, 1, 0]
    second = [0, 0, 0, 0, 0, 0, 1, 1, 0]
    test = mcnemar(first, second)
    # Two-sided binomial, 1 or fewer of 7: 2 * (1 + 7) / 128.
    assert (test.only_first, test.only_second, test.p) == (6, 1, 0.125)
    assert mcnemar([1, 0], [1, 0]).p == 1.0
    assert mcnemar([1, 0], [0, 1]).p == 1.0


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])
    with pytest.raises(ValueError, match="shorter"):
        paired_difference([1.0, 0.0], [1.0])
    with pytest.raises(ValueError, match="right \\(1\\) or wrong \\(0\\)"):
        mcnemar([0.5], [1.0])
    with pytest.raises(ValueError, match="no share"):
        share_interval(3, 2)
