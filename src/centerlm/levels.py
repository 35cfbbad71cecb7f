"""Solving a level: its plan's steps run as a dataflow, each in exactly one final status."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from centerlm.absorbing import absorb_level, best_of
from centerlm.answering import settle
from centerlm.budget import Amount
from centerlm.errors import CenterError, ModelError, OutOfBudgetError
from centerlm.finding import Citation, Finding, Status, Value, failed, found, named_items, nothing
from centerlm.plan import Step
from centerlm.planning import plan_level, waits_for_plan
from centerlm.run import ABSORB_TOKENS, Level, Run
from centerlm.sources.base import Binding
from centerlm.tasks import (
    Task,
    bindings,
    computes,
    finish_step,
    make_task,
    shown,
    start_step,
    stop_step,
    value_of,
)


async def solve_level(run: Run, level: Level) -> Finding:
    """Plan, run the steps, absorb. Ends with a finding, whatever the steps do."""
    _hold_back(run, level)
    unplanned: CenterError | None = None
    try:
        async with asyncio.TaskGroup() as group:

            def start(step: Step) -> None:
                level.steps.append(step)
                level.open += 1
                level.results[step.id] = asyncio.get_running_loop().create_future()
                group.create_task(_run_step(run, level, step))

            try:
                await plan_level(run, level, start)
            except (ModelError, OutOfBudgetError) as error:
                unplanned = error
                raise  # ends the steps that have started
    except* (ModelError, OutOfBudgetError):
        pass
    finally:
        _stop_unstarted(run, level)
    if isinstance(unplanned, OutOfBudgetError):
        return best_of(level.done(), str(unplanned))
    if unplanned is not None:
        return failed(str(unplanned))
    level.account.release()
    return await absorb_level(run, level)


def _hold_back(run: Run, level: Level) -> None:
    """Keep one absorb call: its cost at the price of the center's model, where money counts."""
    price = run.center.model.price.cost(ABSORB_TOKENS, 64)
    left = level.account.left
    level.account.hold(
        Amount(
            calls=min(1, left.calls),
            tokens=min(ABSORB_TOKENS, left.tokens // 4),
            money=min(price, left.money / 4),
        )
    )


def _stop_unstarted(run: Run, level: Level) -> None:
    """End the steps whose tasks were cancelled before they ran at all: those run no handler."""
    for step in level.steps:
        if not level.results[step.id].done():
            stop_step(run, level.at(step.id), level.generation)
            level.results[step.id].cancel()


async def _run_step(run: Run, level: Level, step: Step) -> None:
    """Bring one step to its final status and wake what waits for it."""
    result, past = level.results[step.id], run.recorder.past
    if past.replaying and (end := past.unrepeatable(level.at(step.id), level.generation)):
        level.texts[step.id] = step.text
        level.open -= 1
        result.set_result(run.recorder.retell(end))
        return
    try:
        finding = await step_finding(run, level, step, level.generation)
    except asyncio.CancelledError:
        stop_step(run, level.at(step.id), level.generation)
        result.cancel()
        raise
    finally:
        level.open -= 1
    result.set_result(finding)


async def step_finding(
    run: Run,
    level: Level,
    step: Step,
    generation: int,
    *,
    reopened: Finding | None = None,
) -> Finding:
    """The finding of a step, once those it needs have ended.

    `reopened` is what the step found before where this one is asked again, in other words.
    """
    path = level.at(step.id)
    findings = {k: await asyncio.shield(level.results[k]) for k in step.needs}
    if waits_for_plan(step, run.cards(level)):
        await level.planned.wait()
    level.texts[step.id] = step.text
    for k, finding in findings.items():
        if not (finding.found or _counts(run, step, finding)):
            missing = nothing(f"needs #{k}, which has no answer")
            return finish_step(run, path, missing, generation=generation, key=f"needs {k}")
    values = bindings(level, findings)
    if step.each is not None:
        return await _each(run, level, step, step.each, values, generation)
    task = make_task(run, level, step, path, values, generation)
    level.texts[step.id] = task.text
    return await settle(run, level, task, reopened=reopened)


def _counts(run: Run, step: Step, finding: Finding) -> bool:
    """Whether the step only counts over a list: it may see a list without any answer."""
    counting = step.text.lstrip().startswith("count(")
    return counting and isinstance(finding.value, tuple) and computes(run, step)


async def _each(
    run: Run, level: Level, step: Step, each: int, values: dict[int, Binding], generation: int
) -> Finding:
    """Run the step once for each item of a list; the answer is the list of answers, in order."""
    path, text = level.at(step.id), step.text
    whole = values[each].value
    if isinstance(whole, str):  # passages enumerate in words: "A, B and C"
        whole = named_items(whole) or whole
    items = whole if isinstance(whole, tuple) else (whole,)
    asked = items[: run.options.each_limit]
    if run.options.replaying or run.recorder.past.step(path, generation, "each") is None:
        start_step(run, Task(path, step.sources, text, text, text, values, "each", generation))
    unfinished = set(range(1, len(asked) + 1))

    async def one(number: int, item: Value) -> Finding:
        item_path = f"{path}.{number}"
        if item is None:
            missing = nothing("the item has no answer")
            finding = finish_step(run, item_path, missing, generation=generation)
        else:
            bound = {**values, each: Binding(item, shown(item))}
            task = make_task(run, level, step, item_path, bound, generation, len(asked))
            finding = await settle(run, level, task)
        unfinished.discard(number)
        level.open -= 1
        return finding

    level.open += len(asked)
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(n, item)) for n, item in enumerate(asked, start=1)]
    finally:
        level.open -= len(unfinished)
        for number in sorted(unfinished):
            stop_step(run, f"{path}.{number}", generation)
    finding = _list_finding([task.result() for task in tasks], len(items))
    return finish_step(run, path, finding, generation=generation, key="each", tried=step.sources)


def _list_finding(findings: list[Finding], items: int) -> Finding:
    """The list of the items' answers, `nothing` kept in place, what is missing counted."""
    answers = tuple(value_of(f) if f.found else None for f in findings)
    missing = answers.count(None)
    notes: list[str] = []
    if missing:
        notes.append(f"{missing} of {len(answers)} items have no answer")
    if items > len(findings):
        notes.append(f"{items - len(findings)} of {items} items were not asked (limit)")
    citations: dict[tuple[str, str], Citation] = {
        (c.passage, c.quote): c for f in findings for c in f.citations
    }
    if missing == len(answers):
        statuses = {f.status for f in findings}
        status = statuses.pop() if len(statuses) == 1 else Status.NOTHING
        reason = "; ".join(notes) or "the list is empty"
        return Finding(status, value=answers, reason=reason)
    return replace(found(answers), citations=tuple(citations.values()), reason="; ".join(notes))
