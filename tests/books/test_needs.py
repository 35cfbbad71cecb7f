from __future__ import annotations

import pytest

from byte_scorer import ByteScorer
from centerlm.books.needs import Need, needs, plan_of
from centerlm.plan import parse_plan


def test_what_makes_the_true_next_text_likelier_is_the_plan() -> None:
    found = needs(
        ByteScorer(),
        "aaaa",
        "xyzxyz",
        {"[book] Who?": "xy", "[book] Where?": "xyz", "[documents] Why?": "qq", "[book] No?": " "},
        last=3,
        notes_tokens=9,
    )
    assert [need.step for need in found] == ["[book] Where?", "[book] Who?"]
    assert found[0].gain > found[1].gain > 0
    plan = parse_plan(plan_of(found, most=1))
    assert [step.text for step in plan.steps] == ["Where?"]


def test_where_nothing_helps_there_is_no_plan() -> None:
    assert plan_of([]) == ""
    assert plan_of([Need("[book] Who?", 0.1)]) == "1 [book] Who?"
    with pytest.raises(ValueError, match="empty"):
        needs(ByteScorer(), "a", "", {"[book] Who?": "x"}, last=3, notes_tokens=9)
