from dataclasses import replace

import pytest

from centerlm.learning.peeling import peeled
from centerlm.learning.records import Decision
from centerlm.plan import format_plan, parse_plan


def decision(plan: str) -> Decision:
    return Decision("d", "made", "The whole?", parse_plan(plan), recursion=False)


def test_parts_are_handed_over_and_get_decisions_of_their_own() -> None:
    flat = decision(
        "1 [documents] Who runs C## House?\n"
        "2 [documents | expert] How old is #1?\n"
        "3 [expert] How old is Ada?\n"
        "4 [calculator] #2 - #3"
    )
    whole, first, third = peeled(flat)
    assert format_plan(whole.plan) == (
        "1 [center] Who runs C## House?\n"
        "2 [documents | expert] How old is #1?\n"
        "3 [center] How old is Ada?\n"
        "4 [calculator] #2 - #3"
    )
    assert (whole.id, whole.root, whole.objective) == ("d", None, "The whole?")
    assert format_plan(first.plan) == "1 [documents] Who runs C## House?"
    assert (first.id, first.root, first.objective) == (
        "d:part-1",
        "The whole?",
        "Who runs C# House?",
    )
    assert (third.id, format_plan(third.plan)) == ("d:part-3", "1 [expert] How old is Ada?")
    assert all(one.recursion for one in (whole, first, third))


@pytest.mark.parametrize(
    "plan",
    [
        "1 [documents] Who runs the House?",
        "1 [calculator] 3 * 4\n2 [calculator] #1 + 1",
        "1 [experiment] machine(3)\n2 [calculator] #1 + 1",
        "1 [documents] Who runs it?\n2 [expert] Who runs it?",
    ],
)
def test_where_nothing_can_be_handed_over_only_the_offer_changes(plan: str) -> None:
    flat = decision(plan)
    assert peeled(flat) == (replace(flat, recursion=True),)


def test_a_part_that_is_handed_over_already_has_no_decision_here() -> None:
    made = peeled(decision("1 [center] Who runs the House?\n2 [documents] How old is #1?"))
    assert len(made) == 1
