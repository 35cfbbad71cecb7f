"""Corrections a person makes to a plan: each type counted once, the fewest of all ways."""

from __future__ import annotations

from dataclasses import asdict
from itertools import permutations
from random import Random

import pytest

from centerlm.evaluation.corrections import TYPES, Corrections, corrections
from centerlm.plan import Plan, Step, make_plan, parse_plan

WANTED = (
    "1 [documents] Who founded the Norland Opera?\n"
    "2 [documents] When was #1 born?\n"
    "3 [calculator] 1998 - #2"
)


def counted(plan: str, wanted: str = WANTED, **more: float) -> dict[str, int]:
    found = corrections(parse_plan(plan), parse_plan(wanted), **more)
    assert found.exact
    return {name: value for name, value in asdict(found).items() if value and name != "exact"}


@pytest.mark.parametrize(
    ("plan", "types"),
    [
        (WANTED, {}),
        (WANTED.replace("Who founded the", "Who is the founder of the"), {}),
        (WANTED.replace("1998", "1999"), {"rewrite": 1}),
        (WANTED.replace("1998 - #2", "#2 - 1998"), {"rewrite": 1}),
        (WANTED.replace("2 [documents]", "2 [calculator]"), {"resource": 1}),
        (WANTED.replace("2 [documents]", "2 [web]"), {"resource": 1}),
        (WANTED.replace("2 [documents]", "2 [documents | web]"), {"resource": 1}),
        (WANTED.replace("2 [documents]", "2 [documents each #1]"), {"relink": 1}),
        (WANTED.replace("1998 - #2", "1998 - #1"), {"relink": 1}),
        (WANTED.replace("When was #1 born?", "Which opera did #1 sing in?"), {"rewrite": 1}),
        ("\n".join(WANTED.split("\n")[:2]), {"add": 1}),
        (WANTED + "\n4 [documents] What is #3?", {"delete": 1}),
        (
            "1 [documents] How deep is the lake?\n2 [documents] Who founded the Norland Opera?\n"
            "3 [documents] When was #2 born?\n4 [calculator] 1998 - #3",
            {"delete": 1},
        ),
    ],
)
def test_each_type_is_counted(plan: str, types: dict[str, int]) -> None:
    assert counted(plan) == types


def test_a_step_that_moved_is_one_correction() -> None:
    first = "1 [documents] How long is the Grey River?\n2 [documents] Who wrote Salt?"
    moved = "1 [documents] Who wrote Salt?\n2 [documents] How long is the Grey River?"
    assert counted(first, moved) == {"reorder": 1}


def test_at_1_every_other_word_counts() -> None:
    other = WANTED.replace("Who founded the", "Who is the founder of the")
    assert counted(other, same=1.0) == {"rewrite": 1}
    assert counted(WANTED, same=1.0) == {}


def test_no_plan_is_written_anew() -> None:
    assert corrections(None, parse_plan(WANTED)) == Corrections(add=3)


def _drawn(rng: Random) -> Plan:
    steps = [
        Step(
            number,
            (rng.choice(("documents", "web")),),
            rng.choice(("Who wrote it", "How long is it", "Where is it"))
            + (f" #{rng.randint(1, number - 1)}" if number > 1 and rng.random() < 0.7 else ""),
        )
        for number in range(1, rng.randint(1, 4) + 1)
    ]
    return make_plan(steps)


def _by_hand(ours: Plan, wanted: Plan) -> int:
    """The fewest over all ways to pair steps, one by one."""
    from centerlm.evaluation.corrections import _Search

    n, m = len(ours.steps), len(wanted.steps)
    search = _Search(ours.steps, wanted.steps, 0.5, ())
    places = [*range(m), *[None] * n]
    return min(search._counted(way).total for way in set(permutations(places, n)))


def test_it_finds_the_fewest() -> None:
    rng = Random(0)
    for _ in range(60):
        ours, wanted = _drawn(rng), _drawn(rng)
        found = corrections(ours, wanted)
        assert found.total == _by_hand(ours, wanted)
        assert found.total <= len(ours.steps) + len(wanted.steps)
        assert corrections(wanted, wanted).total == 0
    assert set(TYPES) == {"add", "delete", "reorder", "resource", "rewrite", "relink"}
