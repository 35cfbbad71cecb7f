"""Beliefs: what is expected of a source that is steady, breaks, improves, or was not asked long."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from centerlm.memory.belief import UNKNOWN, believed, counts, posterior, updated

_OUTCOMES = st.lists(st.floats(0, 1, allow_nan=False), max_size=60)


def _after(*successes: float) -> tuple[tuple[float, float, float], ...]:
    return believed((success, tick) for tick, success in enumerate(successes, start=1))


def test_what_is_unknown_may_be_anything() -> None:
    expected = posterior(UNKNOWN, 0)
    low, high = expected.interval()
    assert expected.mean == 0.5
    assert low < 0.1 and high > 0.9


def test_a_steady_source_is_known_ever_better() -> None:
    short, long = (posterior(_after(*([1, 1, 1, 1, 0] * n)), 0) for n in (1, 12))
    assert abs(long.mean - 0.8) < 0.06
    assert long.interval()[1] - long.interval()[0] < short.interval()[1] - short.interval()[0]
    assert counts(_after(*([1, 1, 1, 1, 0] * 12))) == (48, 60)


def test_a_break_is_noticed_within_a_few_questions() -> None:
    steady = [1.0] * 60
    assert posterior(_after(*steady), 0).mean > 0.95
    broken = _after(*steady, *[0.0] * 5)
    assert posterior(broken, 0).mean < 0.3
    found, asked = counts(broken)
    assert found == 0 and 4 <= asked <= 6  # what went before is another stretch


def test_an_improvement_is_noticed_too() -> None:
    assert posterior(_after(*[0.0] * 30, *[1.0] * 5), 0).mean > 0.7


def test_one_failure_breaks_no_steady_source() -> None:
    assert posterior(_after(*[1.0] * 40, 0.0), 0).mean > 0.85


def test_what_was_not_asked_long_is_worth_a_try_again() -> None:
    poor = _after(*[0.0] * 10)
    fresh, idle = posterior(poor, 0), posterior(poor, 400)
    assert fresh.mean < 0.15 < 0.4 < idle.mean
    assert idle.interval()[1] > 0.9


def test_half_a_success_lies_between() -> None:
    none, half, whole = (posterior(_after(x, x, x, x), 0).mean for x in (0.0, 0.5, 1.0))
    assert none < half < whole


def test_the_record_elsewhere_stands_in_until_the_kind_has_its_own() -> None:
    kind = _after(1, 1, 1, 1, 1, 1)
    assert posterior(UNKNOWN, 0, prior=0.1, strength=4).mean < 0.2
    assert posterior(kind, 0, prior=0.1, strength=4).mean > 0.6


def test_draws_lie_around_the_mean_and_depend_on_the_seed_alone() -> None:
    good = posterior(_after(*[1, 1, 1, 0] * 6), 0)
    drawn = [good.draw(Random(seed)) for seed in range(300)]
    assert abs(sum(drawn) / 300 - good.mean) < 0.05
    assert drawn == [good.draw(Random(seed)) for seed in range(300)]


@given(_OUTCOMES, st.integers(1, 1000))
def test_weights_sum_to_one_and_stay_few(successes: list[float], gap: int) -> None:
    belief = UNKNOWN
    for success in successes:
        belief = updated(belief, success, gap)
    assert abs(sum(weight for weight, _, _ in belief) - 1) < 1e-9
    assert len(belief) <= 12
    assert 0 < posterior(belief, gap).mean < 1
