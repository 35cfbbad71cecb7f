"""Pairs of plans of which one is better: an edit and what it corrects, the best and worst tried.

Rows for direct preference optimisation (Rafailov et al. 2023), rendered by the center as in use.
Data only; training on them is in `dpo`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from centerlm.acts import PlanView
from centerlm.center import plan_prompt
from centerlm.errors import PlanError
from centerlm.journal import Journal
from centerlm.learning.calls import read_calls
from centerlm.learning.expert import credits_of, own_plans, plans_nothing
from centerlm.learning.guidance import Guidance, Skipped
from centerlm.learning.rollouts import Rollout
from centerlm.learning.shown import plain_prompt
from centerlm.models.base import Prompt
from centerlm.plan import format_plan, parse_plan

MARGIN = 0.25
"""Two plans are a pair where their credit differs by at least this."""


@dataclass(frozen=True, slots=True)
class Preference:
    """Of two replies to a prompt, `chosen` is better. `margin` is how much, in credit (0: unknown).

    `id` names the record it was made from, `origin` its kind ("edit", "tried").
    """

    prompt: Prompt
    chosen: str
    rejected: str
    id: str
    origin: str
    margin: float = 0.0


def edit_pairs(
    guidance: Iterable[Guidance], view_of: Callable[[Guidance], PlanView]
) -> tuple[tuple[Preference, ...], tuple[Skipped, ...]]:
    """Pairs (edited, original) of the guidance that corrects a plan; the rest is passed over.

    `view_of` gives the objective with the cards that were offered. Originals that are no plan, or
    the same plan, are skipped with the reason.
    """
    pairs: list[Preference] = []
    skipped: list[Skipped] = []
    for one in guidance:
        if one.edited_from is None:
            continue
        try:
            original = format_plan(parse_plan(one.edited_from))
        except PlanError as error:
            skipped.append(Skipped(one.id, f"the plan it corrects: {error}", "not a plan"))
            continue
        chosen = format_plan(one.plan)
        if chosen == original:
            skipped.append(Skipped(one.id, "it corrects nothing: both plans are one", "no edit"))
            continue
        pairs.append(Preference(plan_prompt(view_of(one)), chosen, original, one.id, "edit"))
    return tuple(pairs), tuple(skipped)


def tried_pairs(
    groups: Sequence[Sequence[Rollout]],
    journal: Journal,
) -> tuple[Preference, ...]:
    """The best and the worst root plan of each group, where the best is right and `MARGIN` better.

    Raises:
        JournalError: the journal has lost some content of an episode.
    """
    pairs: list[Preference] = []
    for group, credited in zip(groups, credits_of(groups), strict=True):
        tried: list[tuple[float, bool, str, Prompt, str]] = []
        for rollout, nodes in zip(group, credited, strict=True):
            prompt = _root_prompt(rollout, journal)
            plan = own_plans(rollout, journal).get("")
            if prompt is not None and plan is not None:
                asked = rollout.question
                idle = plans_nothing(plan, asked.objective.text, asked)
                right = nodes[0].right and not idle
                tried.append((nodes[0].total, right, format_plan(plan), prompt, rollout.episode))
        if not tried:
            continue
        best, worst = max(tried, key=lambda t: (t[1], t[0])), min(tried, key=lambda t: t[0])
        if best[1] and best[0] - worst[0] >= MARGIN and best[2] != worst[2]:
            name = f"{group[0].question.id}:{best[4]}:{worst[4]}"
            pairs.append(Preference(best[3], best[2], worst[2], name, "tried", best[0] - worst[0]))
    return tuple(pairs)


def _root_prompt(rollout: Rollout, journal: Journal) -> Prompt | None:
    """What the center was asked for the root's plan; None where it was told one."""
    for call in read_calls(journal, rollout.episode).calls:
        if call.act == "decompose" and not call.path and call.reply.model != "oracle":
            return plain_prompt(call.prompt)
    return None
