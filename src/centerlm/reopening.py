"""Verifying the root's answer: while it does not hold, a step is re-opened and all absorbed again.

At most once a step and so many times an episode (`Options.reopens`).
"""

from __future__ import annotations

import asyncio

from centerlm.absorbing import absorb_level
from centerlm.answering import reopen
from centerlm.finding import Finding
from centerlm.joining import is_within
from centerlm.levels import step_finding
from centerlm.plan import Step
from centerlm.run import Level, Run
from centerlm.tasks import stop_step
from centerlm.verify import why_unsupported, why_wrong_type


def why_refused(run: Run, level: Level, finding: Finding) -> str | None:
    """Why the root's answer is refused: its type, or what the scenario's validator says."""
    if not finding.found or not finding.answer:
        return None
    wrong = why_wrong_type(finding.answer, level.answer_type)
    if wrong is not None or run.validator is None:
        return wrong
    try:
        return run.validator(run.objective, finding.answer)
    except Exception as error:  # noqa: BLE001 - a user's own code: the answer stays, unverified
        return f"the validator raised {type(error).__name__}: {error}"


async def improve(run: Run, level: Level, problem: str, *, attempt: int) -> Finding | None:
    """Re-open one step, then those that depend on it, and absorb again.

    `attempt` counts from 1. None if no step may be re-opened, or no answer came of it.
    """
    step = _to_reopen(run, level)
    if step is None:
        return None
    await _rerun(run, level, step, problem, attempt)
    again = await absorb_level(run, level, absorbed=attempt)
    return again if again.found else None


def _to_reopen(run: Run, level: Level) -> Step | None:
    """The earliest unsupported step, else the last one, if it may be asked again."""
    done = [(step, finding) for step, finding in level.done() if finding.found]
    doubtful = [step for step, finding in done if why_unsupported(finding)]
    for step in [*doubtful, *(step for step, _ in reversed(done))]:
        if (
            step.each is None
            and _repeatable(run, level, step)
            and run.may_reopen(level.at(step.id))
        ):
            return step
    return None


def _repeatable(run: Run, level: Level, first: Step) -> bool:
    """Whether asking the step again would ask no person, and write nothing, a second time."""
    again: set[int] = set()
    for step in level.steps:
        if step is not first and not again & set(step.needs):
            continue
        again.add(step.id)
        asked = _asked_under(run, level.at(step.id)).union(step.sources)
        for card in (run.sources[name].card for name in asked if name in run.sources):
            if card.effect == "write" or not card.shared:
                return False
    return True


def _asked_under(run: Run, path: str) -> set[str]:
    """The sources named by the steps at and under a path, and by those that they joined."""
    nodes, names = run.recorder.state.nodes, set[str]()
    waiting, seen = [path], set[str]()
    while waiting:
        above = waiting.pop()
        seen.add(above)
        for node in (node for at, node in nodes.items() if is_within(at, above)):
            names.update(node.sources)
            if node.joined and node.joined not in seen:
                waiting.append(node.joined)
    return names


async def _rerun(run: Run, level: Level, first: Step, reason: str, attempt: int) -> None:
    """Ask a step again, then those that depend on it where its answer changed."""
    changed: set[int] = set()
    reopen(run, level.at(first.id), reason)
    for step in level.steps:
        if step is not first and not changed & set(step.needs):
            continue
        before = level.results[step.id].result()
        kept = before if step is first else None
        try:
            finding = await step_finding(run, level, step, attempt, reopened=kept)
        except asyncio.CancelledError:
            stop_step(run, level.at(step.id), attempt)
            raise
        if (finding.found, finding.answer) != (before.found, before.answer):
            changed.add(step.id)
        level.results[step.id] = asyncio.get_running_loop().create_future()
        level.results[step.id].set_result(finding)
