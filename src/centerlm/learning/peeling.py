"""People's flat plans as they are where [center] is offered: one rule for both forms of guidance.

A part that is a question of its own is handed to [center], whatever it takes to answer it; only
what refers to other steps goes to its source. The parts then need decisions of their own.
"""

from __future__ import annotations

from dataclasses import replace

from centerlm.learning.records import Decision
from centerlm.plan import CENTER, Plan, Step, fill

CALCULATING = frozenset({"calculator", "experiment"})
"""Sources whose steps are calls in a language of their own, not questions."""


def peeled(decision: Decision) -> tuple[Decision, ...]:
    """A decision of a flat plan as those of the peel form, its own first.

    Of a plan of one step, or of parts that all refer to others or calculate, it is the decision as
    it was, with recursion offered; so too where two sources are asked the same.
    """
    handed = [step for step in decision.plan.steps if _is_part(step)]
    if len(decision.plan.steps) == 1 or len({step.text for step in handed}) < max(1, len(handed)):
        return (replace(decision, recursion=True),)
    steps = tuple(
        replace(step, sources=(CENTER,)) if step in handed else step for step in decision.plan.steps
    )
    parts = (
        replace(
            decision,
            id=f"{decision.id}:part-{step.id}",
            objective=fill(step.text, {}),
            plan=Plan((Step(1, step.sources, step.text),)),
            root=decision.objective,
            recursion=True,
        )
        for step in handed
        if CENTER not in step.sources
    )
    return (replace(decision, plan=Plan(steps), recursion=True), *parts)


def _is_part(step: Step) -> bool:
    return not step.needs and step.each is None and CALCULATING.isdisjoint(step.sources)
