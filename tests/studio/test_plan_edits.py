"""Changing a plan one step at a time: references follow along, and what cannot be is said."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from centerlm.errors import PlanError
from centerlm.plan import Plan, parse_plan
from centerlm.studio import plan_edits
from centerlm.studio.graph import HEIGHT, graph_of

PLAN = parse_plan(
    "1 [documents] Who wrote it?\n2 [documents] Who drew it?\n"
    "3 [documents | expert:art each #2] When was #1 with ##2 born?\n4 [calculator] 2000 - #3"
)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            lambda p: plan_edits.moved(p, 2, -1),
            "1 [documents] Who drew it?\n2 [documents] Who wrote it?\n"
            "3 [documents | expert:art each #1] When was #2 with ##2 born?\n"
            "4 [calculator] 2000 - #3",
        ),
        (
            lambda p: plan_edits.removed(p, 4),
            "1 [documents] Who wrote it?\n2 [documents] Who drew it?\n"
            "3 [documents | expert:art each #2] When was #1 with ##2 born?",
        ),
        (
            lambda p: plan_edits.merged(p, 1),
            "1 [documents] Who drew it?\n"
            "2 [documents | expert:art each #1] When was Who wrote it with ##2 born?\n"
            "3 [calculator] 2000 - #2",
        ),
        (
            lambda p: plan_edits.split(p, 1, "What is  it?", "Who wrote #1?"),
            "1 [documents] What is it?\n2 [documents] Who wrote #1?\n3 [documents] Who drew it?\n"
            "4 [documents | expert:art each #3] When was #2 with ##2 born?\n"
            "5 [calculator] 2000 - #4",
        ),
        (
            lambda p: plan_edits.with_sources(plan_edits.removed(p, 4), 1, ["a", "b", "a"]),
            "1 [a | b] Who wrote it?\n2 [documents] Who drew it?\n"
            "3 [documents | expert:art each #2] When was #1 with ##2 born?",
        ),
        (
            lambda p: plan_edits.with_text(plan_edits.removed(p, 4), 3, " When  was #1 born? "),
            "1 [documents] Who wrote it?\n2 [documents] Who drew it?\n"
            "3 [documents | expert:art each #2] When was #1 born?",
        ),
        (
            lambda p: plan_edits.added(plan_edits.removed(p, 4), "calculator", "#3 + 1"),
            "1 [documents] Who wrote it?\n2 [documents] Who drew it?\n"
            "3 [documents | expert:art each #2] When was #1 with ##2 born?\n4 [calculator] #3 + 1",
        ),
    ],
)
def test_references_follow(change: Callable[[Plan], Plan], text: str) -> None:
    assert str(change(PLAN)) == text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: plan_edits.moved(p, 1, -1), "the first already"),
        (lambda p: plan_edits.moved(p, 4, 1), "the last already"),
        (lambda p: plan_edits.moved(p, 3, 1), "step 4 needs #3"),
        (lambda p: plan_edits.removed(p, 3), "step 4 needs #3"),
        (lambda p: plan_edits.removed(p, 9), "there is no step 9"),
        (lambda p: plan_edits.merged(p, 4), "no step needs #4"),
        (lambda p: plan_edits.merged(p, 2), "goes through the items of #2"),
        (lambda p: plan_edits.split(p, 1, "", "Who wrote #1?"), "has no text"),
        (lambda p: plan_edits.split(p, 1, "x" * 201, "#1"), "201 characters"),
        (lambda p: plan_edits.with_sources(p, 1, []), "has no source"),
        (lambda p: plan_edits.with_text(p, 1, "#4"), "refers to a later step"),
        (lambda p: plan_edits.removed(parse_plan("1 [a] x"), 1), "one step at least"),
    ],
)
def test_what_cannot_be_is_said(change: Callable[[Plan], Plan], says: str) -> None:
    with pytest.raises(PlanError, match=says):
        change(PLAN)


def test_halves_are_a_plan() -> None:
    step = parse_plan("1 [a] When was the author of The Grey Harbour born in Oslo?").steps[0]
    first, second = plan_edits.halves(step)
    assert str(plan_edits.split(Plan((step,)), 1, first, second)).count("\n") == 1
    assert "#1" in second


def test_the_picture_has_a_box_a_step_and_an_arrow_a_reference() -> None:
    graph = graph_of(PLAN)
    assert [box.step.id for box in graph.boxes] == [1, 2, 3, 4]
    assert len(graph.arrows) == 3
    rows = [box.y for box in graph.boxes]
    assert rows[0] == rows[1] == 0 < HEIGHT < rows[2] < rows[3]
    assert len({box.x for box in graph.boxes[:2]}) == 2
