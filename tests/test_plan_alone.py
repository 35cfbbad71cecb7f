"""The plan that is shown without solving: the one that the solver would go by."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from centerlm.center import CenterLM
from centerlm.errors import OutOfBudgetError, PlanError
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Budget, Objective
from centerlm.plan import format_plan
from centerlm.plan_alone import plan_alone
from engine import run, script
from test_planning import LONG, SHORT, WHOLE, in_parts, plan_of, prose

AGAIN = f"1 [center] {LONG}"


def planned(said: Any, constraint: Any = "gbnf") -> str:
    center = CenterLM(ScriptedModel(said, constraint=constraint))
    objective = Objective(LONG, budget=Budget(depth=3))
    return format_plan(asyncio.run(plan_alone(center, objective, (prose().card,))))


@pytest.mark.parametrize("first", [SHORT, AGAIN])
def test_a_plan_that_is_not_in_parts_is_asked_for_once_more(first: str) -> None:
    said = in_parts(WHOLE, first)
    assert planned(said).rstrip() == WHOLE
    outcome = run(LONG, said, [prose()])
    assert plan_of(outcome).by == "center"  # so does the solver


@pytest.mark.parametrize("first", [SHORT, AGAIN])
def test_one_that_stays_so_is_none(first: str) -> None:
    with pytest.raises(PlanError, match="step 1"):
        planned(in_parts(first, first))
    assert plan_of(run(LONG, in_parts(first, first), [prose()])).by == "direct"


def test_no_call_is_made_beyond_the_budget() -> None:
    model = ScriptedModel(in_parts(WHOLE, SHORT), constraint="gbnf")
    objective = Objective(LONG, budget=Budget(calls=1, depth=3))
    with pytest.raises(OutOfBudgetError, match="too few calls"):
        asyncio.run(plan_alone(CenterLM(model), objective, (prose().card,)))
    assert len(model.calls) == 1


def test_where_plans_come_whole_it_is_repaired() -> None:
    assert planned(script({LONG: AGAIN}, repair=WHOLE), "none").rstrip() == WHOLE
    with pytest.raises(PlanError, match="asks the whole question again"):
        planned(script({LONG: AGAIN}, repair=AGAIN), "none")
