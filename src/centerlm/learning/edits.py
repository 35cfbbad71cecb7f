"""What people's edits of plans show: the edit is better than what it corrects.

An edit does not say which sources were offered. It is shown with a library, the calculator, and
the other sources that one of its two plans names.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from centerlm.acts import PlanView
from centerlm.errors import PlanError
from centerlm.learning.guidance import Guidance, Skipped
from centerlm.learning.preferences import Preference, edit_pairs
from centerlm.learning.sample_cards import cards_naming
from centerlm.plan import CENTER, Plan, parse_plan


def edit_preferences(
    guidance: Iterable[Guidance], *, seed: int
) -> tuple[tuple[Preference, ...], tuple[Skipped, ...]]:
    """Pairs (edited, original) of the guidance that corrects a plan; see `edit_pairs`."""

    def view_of(one: Guidance) -> PlanView:
        names = named(one.plan) | _named(one.edited_from or "")
        cards = cards_naming(names - {CENTER}, Random(f"{seed}:{one.id}"))
        return PlanView(one.objective, cards, recursion=CENTER in names)

    return edit_pairs(guidance, view_of)


def named(plan: Plan) -> frozenset[str]:
    """The sources that a plan names."""
    return frozenset(name for step in plan.steps for name in step.sources)


def _named(text: str) -> frozenset[str]:
    try:
        return named(parse_plan(text))
    except PlanError:
        return frozenset()
