"""Preferences: edits of plans, and the best and worst plan of a group of episodes."""

from __future__ import annotations

import asyncio

import pytest

from centerlm.acts import PlanView
from centerlm.center import CenterLM, plan_prompt
from centerlm.journal import MemoryJournal
from centerlm.learning.guidance import Guidance
from centerlm.learning.preferences import Preference, edit_pairs, tried_pairs
from centerlm.learning.rollouts import RolloutSettings, rollouts
from centerlm.models.base import Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.plan import parse_plan
from centerlm.run import Options
from learning.town import MOTHER_BORN, PLAN, Town, center, question, says

SETTINGS = RolloutSettings(k=3, options=Options(reasks=False, splits=False, reopens=0))
WRONG = "1 [documents] Who is Zed?"
PART = "1 [documents] Who is the mother of Ada Holt?"


def guidance(edited_from: str | None, plan: str = PLAN) -> Guidance:
    return Guidance("g1", MOTHER_BORN, parse_plan(plan), "someone", edited_from=edited_from)


def view_of(one: Guidance) -> PlanView:
    return PlanView(one.objective, (Town.card,))


def test_an_edit_is_preferred_to_what_it_corrects() -> None:
    pairs, skipped = edit_pairs([guidance(WRONG), guidance(None)], view_of)
    prompt = plan_prompt(PlanView(MOTHER_BORN, (Town.card,)))
    assert pairs == (Preference(prompt, PLAN, WRONG, "g1", "edit"),)
    assert skipped == ()


@pytest.mark.parametrize(
    ("edited_from", "kind"),
    [("no plan at all", "not a plan"), (PLAN + "\n", "no edit"), ("", "not a plan")],
)
def test_edits_that_teach_nothing_are_told_of(edited_from: str, kind: str) -> None:
    pairs, skipped = edit_pairs([guidance(edited_from)], view_of)
    assert pairs == ()
    assert [(s.where, s.kind) for s in skipped] == [("g1", kind)]


def tried(model: ScriptedModel, *, shown: bool = False) -> tuple[Preference, ...]:
    journal = MemoryJournal()
    used = CenterLM(model) if shown else center(model)
    groups = asyncio.run(
        rollouts([question()], used, lambda q: [Town()], SETTINGS, journal=journal)
    )
    return tried_pairs(groups, journal)


@pytest.mark.parametrize("shown", [False, True])
def test_of_a_group_the_best_plan_is_preferred_to_the_worst(shown: bool) -> None:
    plans = iter([PART, WRONG, PLAN])
    (pair,) = tried(says(lambda asked, sampling: next(plans)), shown=shown)
    assert (pair.chosen, pair.rejected) == (PLAN, WRONG)
    assert pair.prompt == plan_prompt(PlanView(MOTHER_BORN, (Town.card,)))
    assert pair.margin > 1


def test_plans_that_are_as_good_or_all_wrong_are_no_pair() -> None:
    def longer(asked: str, sampling: Sampling) -> str:
        return PLAN if sampling.temperature else f"{PLAN}\n3 [documents] When was #1 born, then?"

    assert tried(says(lambda asked, sampling: PLAN)) == ()
    assert tried(says(longer)) == ()
    wrong = iter([PART, WRONG, PART])
    assert tried(says(lambda asked, sampling: next(wrong))) == ()
