"""The center's plan for an objective, and nothing run: what `centerlm plan` shows."""

from __future__ import annotations

from dataclasses import replace

from centerlm.acts import Experience, PlanView, Request, ShownBudget
from centerlm.budget import Account, Amount
from centerlm.calling import begin_payment, bound_of
from centerlm.errors import PlanError
from centerlm.models.base import Reply
from centerlm.nesting import parted
from centerlm.objective import Objective
from centerlm.plan import Plan
from centerlm.protocols import Center, Memory
from centerlm.reading import PlanReader
from centerlm.sources.base import Card


async def plan_alone(
    center: Center,
    objective: Objective,
    cards: tuple[Card, ...],
    memory: Memory | None = None,
    account: Account | None = None,
) -> Plan:
    """The plan that the solver would go by: repaired once where it is none, or asked for once more
    where it does not take the question apart. `account` pays for it; without one, the objective's
    budget does.

    Raises:
        PlanError: it wrote no plan; solving would ask the sources directly.
        ModelError: the model did not answer.
        OutOfBudgetError: a call was not paid for, and not made.
    """
    limits = objective.budget
    account = account or Account(Amount.limits(limits))
    experience = await memory.recall(objective.text, cards) if memory else Experience()
    view = PlanView(
        objective=objective.text,
        cards=cards,
        recursion=limits.depth > 1,
        budget=ShownBudget(limits.calls, limits.tokens, limits.seconds, limits.money, limits.depth),
        experience=experience,
    )
    reader = center.reader(view)
    if reader is None:
        return await _whole(center, view, account)
    return await _by_lines(center, view, reader, account)


async def _by_lines(center: Center, view: PlanView, reader: PlanReader, account: Account) -> Plan:
    """A plan read line by line; asked for once more, in parts, where it is not in parts."""
    again = center.reader(in_parts := replace(view, parted=True)) or reader
    for asked, lines in ((view, reader), (in_parts, again)):
        reply = await _written(center, center.decompose(asked), account)
        lines.feed(reply.text)
        lines.finish(cut=reply.cut)
        if not lines.unparted:
            return lines.plan()
    raise PlanError(again.unparted)


async def _whole(center: Center, view: PlanView, account: Account) -> Plan:
    """A plan that comes whole, repaired once where it is none."""
    reply = await _written(center, center.decompose(view), account)
    try:
        return parted(center.read_plan(reply.text, view, cut=reply.cut), view.objective)
    except PlanError as error:
        reply = await _written(center, center.repair(view, reply.text, error), account)
    return parted(center.read_plan(reply.text, view, cut=reply.cut), view.objective)


async def _written(center: Center, request: Request, account: Account) -> Reply:
    payment = await begin_payment(account, bound_of(center.model, request))
    try:
        reply = await center.model.complete(
            request.prompt, request.sampling, before_retry=payment.before_retry
        )
        payment.answered(reply.usage)
    finally:
        payment.settle()
    return reply
