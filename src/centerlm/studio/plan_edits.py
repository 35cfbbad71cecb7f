"""One change of a plan at a time, as people make them: references follow along.

Pure; every result is a valid plan, or a PlanError says why it would be none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from centerlm.errors import PlanError
from centerlm.plan import Plan, Step, make_plan, renumber

_HASH = re.compile(r"##|#([0-9]{1,4})(?![0-9])")
_OF = re.compile(r"^(?P<head>.+) (?:of|by) (?P<tail>(?:the |a |an )?[^#]+?)\??$")


def moved(plan: Plan, id_: int, by: int) -> Plan:
    """The plan with a step one place up (`by` -1) or down (1).

    Raises:
        PlanError: there is no place, or one of the two needs the other.
    """
    at = _at(plan, id_)
    to = at + by
    if not 0 <= to < len(plan.steps):
        raise PlanError(f"step {id_} is the {'first' if by < 0 else 'last'} already", line=id_)
    upper, lower = plan.steps[min(at, to)], plan.steps[max(at, to)]
    if upper.id in lower.needs:
        raise PlanError(
            f"step {lower.id} needs #{upper.id}, so it cannot stand before it",
            line=lower.id,
            hint="change the reference first",
        )
    steps = list(plan.steps)
    steps[at], steps[to] = steps[to], steps[at]
    return _numbered(steps)


def removed(plan: Plan, id_: int) -> Plan:
    """The plan without a step.

    Raises:
        PlanError: another step needs it, or it is the only one.
    """
    _at(plan, id_)
    if users := [step.id for step in plan.steps if id_ in step.needs]:
        raise PlanError(
            f"step {users[0]} needs #{id_}", line=id_, hint="change that step, or merge the two"
        )
    return _numbered([step for step in plan.steps if step.id != id_])


def with_sources(plan: Plan, id_: int, sources: Sequence[str]) -> Plan:
    """The plan with a step asked of other sources, in this order.

    Raises:
        PlanError: none is named.
    """
    at = _at(plan, id_)
    if not sources:
        raise PlanError(f"step {id_} has no source", line=id_, hint="choose one at least")
    steps = list(plan.steps)
    steps[at] = replace(steps[at], sources=tuple(dict.fromkeys(sources)))
    return _numbered(steps)


def with_text(plan: Plan, id_: int, text: str) -> Plan:
    """The plan with a step in other words.

    Raises:
        PlanError: they are no text of a step here.
    """
    at = _at(plan, id_)
    steps = list(plan.steps)
    steps[at] = replace(steps[at], text=" ".join(text.split()))
    return make_plan(steps)


def added(plan: Plan, source: str, text: str) -> Plan:
    """The plan with a step at its end.

    Raises:
        PlanError: the text is none of a step.
    """
    return make_plan([*plan.steps, Step(len(plan.steps) + 1, (source,), " ".join(text.split()))])


def split(plan: Plan, id_: int, first: str, second: str) -> Plan:
    """The plan with two steps for one; what needed it needs the second.

    `second` refers to the first of the two as `#id`. References to earlier steps stay as they are.

    Raises:
        PlanError: one of the two is no text of a step.
    """
    at = _at(plan, id_)
    old = plan.steps[at]
    new = {step.id: step.id if step.id < id_ else step.id + 1 for step in plan.steps}
    head = replace(old, text=" ".join(first.split()))
    tail = Step(id_ + 1, old.sources, " ".join(second.split()))
    later = [_renamed(step, new) for step in plan.steps[at + 1 :]]
    return make_plan([*plan.steps[:at], head, tail, *later])


def halves(step: Step) -> tuple[str, str]:
    """A first guess at how a step is split: what is asked about, then what is asked of that."""
    match = _OF.match(step.text)
    if match is None:
        return step.text, f"What follows from #{step.id}?"
    return f"What is {match['tail']}?", f"{match['head']} of #{step.id}?"


def merged(plan: Plan, id_: int) -> Plan:
    """The plan with a step put into the words of those that need it.

    Raises:
        PlanError: none needs it, one goes through its items, or a text becomes too long.
    """
    at = _at(plan, id_)
    users = [step for step in plan.steps if id_ in step.needs]
    if not users:
        raise PlanError(
            f"no step needs #{id_}", line=id_, hint="remove it, or refer to it in a later step"
        )
    if each := next((step.id for step in users if step.each == id_), None):
        raise PlanError(f"step {each} goes through the items of #{id_}", line=each)
    words = plan.steps[at].text.rstrip(" ?.")

    def put(match: re.Match[str]) -> str:
        return words if match[1] and int(match[1]) == id_ else match[0]

    steps = [
        replace(step, text=_HASH.sub(put, step.text)) if step in users else step
        for step in plan.steps
        if step.id != id_
    ]
    return _numbered(steps)


def _at(plan: Plan, id_: int) -> int:
    if not 1 <= id_ <= len(plan.steps):
        raise PlanError(f"there is no step {id_}", hint="mend the text first")
    return id_ - 1


def _numbered(steps: Sequence[Step]) -> Plan:
    """The steps, which have their old ids, in this order."""
    if not steps:
        raise PlanError("a plan has one step at least", hint="change the step instead")
    new = {step.id: place for place, step in enumerate(steps, start=1)}
    return make_plan([_renamed(step, new) for step in steps])


def _renamed(step: Step, new: Mapping[int, int]) -> Step:
    each = None if step.each is None else new[step.each]
    return Step(new[step.id], step.sources, renumber(step.text, new), each)
