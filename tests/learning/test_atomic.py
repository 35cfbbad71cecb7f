"""Questions that need no splitting, as decisions."""

from __future__ import annotations

from centerlm.learning.atomic import atomic_decisions
from centerlm.learning.records import Reading
from centerlm.plan import format_plan, parse_plan


def test_single_hops_are_plans_of_one_step() -> None:
    readings = [
        Reading("a:0", "made", "What is #1 on the list?", "x", ("t",)),
        Reading("b:0", "made", "Dawn >> director", "x", ("t",)),
        Reading("c:0", "made", "Why " * 60, "x", ("t",)),
    ]
    (made,) = atomic_decisions(readings, n=9, seed=1)
    assert made.objective == "What is #1 on the list?"
    assert format_plan(made.plan) == "1 [documents] What is ##1 on the list?"
    assert parse_plan(format_plan(made.plan)) == made.plan
