"""The center's plan for an objective, and nothing run: what `centerlm plan` shows."""

from __future__ import annotations

from centerlm.acts import Experience, PlanView, ShownBudget
from centerlm.errors import PlanError
from centerlm.objective import Objective
from centerlm.plan import Plan
from centerlm.protocols import Center, Memory
from centerlm.sources.base import Card


async def plan_alone(
    center: Center, objective: Objective, cards: tuple[Card, ...], memory: Memory | None = None
) -> Plan:
    """The plan the center makes, repaired once where it is none.

    Raises:
        PlanError: it wrote no plan.
        ModelError: the model did not answer.
    """
    limits = objective.budget
    experience = await memory.recall(objective.text, cards) if memory else Experience()
    view = PlanView(
        objective=objective.text,
        cards=cards,
        recursion=limits.depth > 1,
        budget=ShownBudget(limits.calls, limits.tokens, limits.seconds, limits.money, limits.depth),
        experience=experience,
    )
    request = center.decompose(view)
    reply = await center.model.complete(request.prompt, request.sampling)
    try:
        return center.read_plan(reply.text, view, cut=reply.cut)
    except PlanError as error:
        request = center.repair(view, reply.text, error)
    reply = await center.model.complete(request.prompt, request.sampling)
    return center.read_plan(reply.text, view, cut=reply.cut)
