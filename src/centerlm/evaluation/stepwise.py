"""A proposal made step by step, as a way of solving a level: choose a step, go on, back up, check.

The objective is taken apart into choices of one step each (after Yao et al., NeurIPS 2023, "Tree
of Thoughts"), and the center makes each of them: its model chooses among the steps that the rules
allow, or among those of them that experience draws. A whole proposal goes to the source that
checks; it says no more than whether that is right. No step is looked at beyond what it does itself.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, runtime_checkable

from centerlm.acts import PlanView, Request
from centerlm.calling import call_model
from centerlm.errors import ModelError, OutOfBudgetError
from centerlm.evaluation.direct_steps import ask_source
from centerlm.evaluation.puzzle_steps import PossibleStep, Walk
from centerlm.evaluation.stepping import StepExperience
from centerlm.finding import Finding, Status, failed, nothing
from centerlm.models.base import Sampling
from centerlm.plan import Step, format_plan, make_plan
from centerlm.run import Level, Run
from centerlm.solver import Descend
from centerlm.sources.base import Card

MOST_SHOWN = 24
"""Steps the model is shown; of more, as many are drawn."""
ASK = "Which step is next?"


@dataclass(frozen=True, slots=True)
class Stepping:
    """What is needed to propose by steps: walks over a puzzle, the call that checks a proposal, how
    many proposals there may be, and experience (None: there is nothing to have it from).
    """

    walk: Callable[[], Walk | None]
    check: str
    proposals: int
    experience: Callable[[], StepExperience | None]


@runtime_checkable
class Stepped(Protocol):
    """A source whose proposals are made of steps."""

    @property
    def card(self) -> Card: ...

    @property
    def stepping(self) -> Stepping: ...


def step_question(stands: str, steps: Sequence[PossibleStep]) -> str:
    """The choice of a step as an objective of the decompose act: it asks for a plan of one step."""
    shown = "; ".join(f"{step.text} ({step.does})" for step in steps)
    return f"{stands} Possible: {shown}. {ASK}"


def step_plan(source: str, step: PossibleStep) -> str:
    """The answer to it, in the plan language."""
    return format_plan(make_plan([Step(1, (source,), step.text)]))


def stepwise(source: str, stepping: Stepping, experience: StepExperience | None) -> Descend:
    """A level solved by proposals made of steps, until `source` finds one right."""
    return partial(_level, source=source, stepping=stepping, experience=experience)


async def _level(
    run: Run,
    level: Level,
    *,
    source: str,
    stepping: Stepping,
    experience: StepExperience | None,
) -> Finding:
    """Ends with a finding, whatever the model writes."""
    card = run.sources[source].card
    draw = random.Random(f"{run.options.seed} {level.path}")
    walk, choices = stepping.walk(), 0
    checked = nothing("no step is possible")
    if walk is None:
        return checked
    for number in range(1, stepping.proposals + 1):
        walk.again()
        try:
            choices = await _propose(run, level, card, walk, experience, draw, choices)
            if not walk.proposal():
                break
            text = f"{stepping.check}({walk.proposal()})"
            checked = await ask_source(
                run, level, card.name, text, number, by="stepwise", key="proposal"
            )
        except ModelError as error:
            return failed(str(error))
        except OutOfBudgetError as error:
            return Finding(Status.OUT_OF_BUDGET, answer=walk.proposal() or None, reason=str(error))
        if walk.reached:
            return replace(checked, answer=walk.proposal())
    return checked if not checked.found else nothing("no proposal was right")


async def _propose(
    run: Run,
    level: Level,
    card: Card,
    walk: Walk,
    experience: StepExperience | None,
    draw: random.Random,
    choices: int,
) -> int:
    """Walk until the proposal is whole; returns how many choices the model has made so far."""
    while not walk.over:
        steps = walk.possible()
        if not steps:
            if not walk.back():
                break
            continue
        if experience is not None:
            steps = experience.best(steps, draw)
        # In any order: a model that takes the first of a list should not be led by ours.
        steps = draw.sample(steps, min(len(steps), MOST_SHOWN))
        if len(steps) > 1:
            choices += 1
            step = await _choose(run, level, card, walk.stands, steps, choices)
        else:
            step = steps[0]
        walk.take(step)
    return choices


async def _choose(
    run: Run, level: Level, card: Card, stands: str, steps: Sequence[PossibleStep], number: int
) -> PossibleStep:
    """The step that the center's model takes as a plan of one step; the first where it is none."""
    view = PlanView(step_question(stands, steps), (card,), recursion=False)
    request = run.center.decompose(view)
    plans = {step_plan(card.name, step): step for step in steps}
    if run.center.model.constraint == "gbnf":
        written = " | ".join(f'"{_quoted(plan)}"' for plan in plans)
        sampling = Sampling(max_tokens=64, grammar=f"root ::= {written}\n")
        request = Request(request.prompt, sampling)
    reply = await call_model(
        run.recorder,
        level.account,
        run.center.model,
        request,
        path=level.path,
        act="step",
        attempt=number,
    )
    text = " ".join(reply.text.split())
    named = [step for plan, step in plans.items() if plan == text or step.text in text]
    return max(named, key=lambda step: len(step.text), default=steps[0])


def _quoted(text: str) -> str:
    """Text inside quotation marks of GBNF."""
    return re.sub(r'(["\\])', r"\\\1", text)
