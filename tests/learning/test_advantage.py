"""Group-relative advantages, and the count of groups that teach nothing."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from centerlm.learning.advantage import Signal, advantages, signal_of
from centerlm.learning.credit import NodeCredit
from scripted_rollouts import ALWAYS_SEARCH, NEVER_STOP, ONE_SOURCE, SENSIBLE, policy, roll


def node(path: str, act: str, total: float) -> NodeCredit:
    return NodeCredit(path, act, 0.0, 0.0, 0.0, 0.0, total)  # pyright: ignore[reportArgumentType]


def test_the_sensible_policy_of_a_group_has_the_greatest_advantage() -> None:
    group = [roll(policy(p)) for p in (SENSIBLE, ALWAYS_SEARCH, ONE_SOURCE, NEVER_STOP)]
    result = advantages([rolled.credits() for rolled in group])
    roots = [values["", "decompose"] for values in result.values]
    assert result.signal and roots[0] == max(roots) > 0 > min(roots)
    assert sum(roots) == pytest.approx(0)


def test_equal_episodes_have_no_signal_and_no_advantage() -> None:
    credits_ = roll(policy(SENSIBLE)).credits()
    same = [tuple(replace(c, total=1.25) for c in credits_)] * 3
    result = advantages(same)
    assert not result.signal and result.flat == result.kinds
    assert {value for values in result.values for value in values.values()} == {0.0}


def test_places_of_equal_episodes_are_not_compared() -> None:
    """A dear step beside a cheap one in every episode says nothing of what was better."""
    same = [node("", "decompose", 1.5), node("1", "seek", 1.4), node("2", "seek", 1.2)]
    result = advantages([same, list(same)])
    assert not result.signal and set(result.values[0].values()) == {0.0}
    other = [*same[:2], node("2", "seek", 0.0)]
    assert advantages([same, other]).values[0]["2", "seek"] > 0


def test_kinds_are_compared_with_their_like() -> None:
    group = [
        [node("", "decompose", 1.0), node("1", "decompose", 5.0), node("2", "seek", 0.2)],
        [node("", "decompose", 0.0), node("1", "decompose", 5.0), node("2", "seek", 0.4)],
    ]
    result = advantages(group)
    assert result.values[0] == {
        ("", "decompose"): 1.0,
        ("1", "decompose"): 0.0,  # no spread among its like, though far from the roots
        ("2", "seek"): pytest.approx(-1.0),
    }
    assert (result.kinds, result.flat, result.signal) == (3, 1, True)


def test_groups_without_signal_are_counted() -> None:
    flat = advantages([[node("", "decompose", 1.0)], [node("", "decompose", 1.0)]])
    alone = advantages([[node("", "decompose", 1.0)]])
    good = advantages([[node("", "decompose", 1.0)], [node("", "decompose", 0.0)]])
    assert signal_of([flat, good, alone, advantages([])]) == Signal(4, 3)
    assert signal_of([flat, good]).share == 0.5 and signal_of([]).share == 0.0


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(-2, 2), min_size=1, max_size=4), min_size=1, max_size=5))
def test_advantages_sum_to_zero_and_stay_in_their_range(totals: list[list[float]]) -> None:
    group = [[node(str(i + 1), "seek", t) for i, t in enumerate(some)] for some in totals]
    result = advantages(group)
    values = [value for some in result.values for value in some.values()]
    assert sum(values) == pytest.approx(0, abs=1e-4)
    assert all(abs(value) <= sqrt(max(len(values) - 1, 0)) + 1e-6 for value in values)
    ranked = [t for some in totals for t in some]
    for a, x in zip(ranked, values, strict=True):
        for b, y in zip(ranked, values, strict=True):
            assert not (a > b and x < y), "a better node never has the lesser advantage"
