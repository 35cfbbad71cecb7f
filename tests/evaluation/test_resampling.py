"""Intervals over items and seeds at once, and the slope over hops."""

from __future__ import annotations

import pytest

from centerlm.evaluation.resampling import (
    clustered_interval,
    crossed_interval,
    differences,
    mean_of_all,
    slope_over,
)

ITEMS = [[f"{h}-{n}" for n in range(6)] for h in (1, 2, 4)]


def scores(by_hops: dict[int, float]) -> dict[str, float]:
    return {item: by_hops[int(item[0])] for group in ITEMS for item in group}


def test_a_slope_is_that_of_the_line_through_the_items() -> None:
    seeds = [scores({1: 0.9, 2: 0.8, 4: 0.6}), scores({1: 0.7, 2: 0.6, 4: 0.4})]
    found = crossed_interval(seeds, ITEMS, slope_over((1, 2, 4)))
    assert found.value == pytest.approx(-0.1)
    assert (found.low, found.high) == (pytest.approx(-0.1), pytest.approx(-0.1))
    level = crossed_interval(seeds, ITEMS, mean_of_all)
    assert level.value == pytest.approx(2 / 3)
    assert (level.low, level.high) == (pytest.approx(17 / 30), pytest.approx(23 / 30))


def test_seeds_that_differ_widen_what_items_alone_would_say() -> None:
    """Two seeds, one always right and one always wrong: nothing is known of the mean."""
    one, other = scores(dict.fromkeys((1, 2, 4), 1.0)), scores(dict.fromkeys((1, 2, 4), 0.0))
    found = crossed_interval([one, other], ITEMS, mean_of_all)
    assert (found.low, found.value, found.high) == (0, 0.5, 1)
    alone = crossed_interval([one, one], ITEMS, mean_of_all)
    assert (alone.low, alone.high) == (1, 1)


def test_items_that_differ_widen_it_too_and_the_seed_fixes_it() -> None:
    mixed = {item: float(n % 2) for group in ITEMS for n, item in enumerate(group)}
    found = crossed_interval([mixed], ITEMS, mean_of_all)
    assert found == crossed_interval([mixed], ITEMS, mean_of_all)
    assert 0.2 < found.low < found.value == 0.5 < found.high < 0.8


def test_what_cannot_be_resampled_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one seed"):
        crossed_interval([], ITEMS, mean_of_all)
    with pytest.raises(ValueError, match="every item"):
        crossed_interval([{"1-0": 1.0}], ITEMS, mean_of_all)
    with pytest.raises(ValueError, match="two places"):
        crossed_interval([scores({1: 1, 2: 1, 4: 1})], ITEMS[:1], slope_over((1,)))


def test_differences_are_of_shared_items() -> None:
    assert differences({"a": 1.0, "b": 0.5}, {"a": 0.25, "c": 1.0}) == {"a": 0.75}


def test_values_of_one_group_are_resampled_together() -> None:
    """Two books, all of whose places are alike: there are two values, not twenty."""
    alike = [[0.0] * 10, [1.0] * 10]
    found = clustered_interval(alike)
    assert (found.low, found.value, found.high) == (0, 0.5, 1)
    mixed = clustered_interval([[0.0, 1.0] * 5, [1.0, 0.0] * 5, []])
    assert (mixed.low, mixed.value, mixed.high) == (0.5, 0.5, 0.5)
    assert clustered_interval([[0.0] * 30, [1.0] * 10]).value == 0.25
    with pytest.raises(ValueError, match="at least one"):
        clustered_interval([[]])
