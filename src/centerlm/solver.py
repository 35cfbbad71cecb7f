"""The recursive, concurrent loop: decompose, run every step as soon as its references are met,
absorb, verify, re-open.

One engine, one path: solving, resuming, replaying, training rollouts and evaluation all run this.
It knows protocols (`protocols.py`, `sources/base.py`, `models/base.py`) and no implementation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from centerlm.absorbing import best_of
from centerlm.acts import ShownBudget
from centerlm.budget import Account, Amount
from centerlm.episode import Episode
from centerlm.errors import InputError
from centerlm.events import EpisodeFinished, EpisodeResumed, EpisodeStarted, Event, cut, digest
from centerlm.finding import Finding, Status, Usage
from centerlm.joining import Joins
from centerlm.journal import Journal, MemoryJournal, new_episode_name
from centerlm.levels import solve_level
from centerlm.many import first_error
from centerlm.objective import Attachment, Budget, Objective
from centerlm.past import past_of
from centerlm.plan import CENTER, is_source_name
from centerlm.protocols import Center, Memory, Review, Validator
from centerlm.recorder import Recorder, finding_blob, to_blob
from centerlm.reopening import improve, why_refused
from centerlm.run import Level, Options, Run
from centerlm.sources.base import Source
from centerlm.tasks import identity

Descend = Callable[[Run, Level], Awaitable[Finding]]


@dataclass(frozen=True, slots=True)
class Solution:
    """The root's answer. `status` is answered | partial | nothing | failed | cancelled |
    out_of_budget; with anything but "answered" the answer, if any, is the best so far.

    `tree` is the folded episode: every step with its finding; `episode` its name in the journal.
    """

    answer: str | None
    status: str
    reason: str
    finding: Finding
    episode: str
    usage: Usage
    tree: Episode


async def solve(
    objective: Objective,
    *,
    center: Center,
    sources: Sequence[Source],
    memory: Memory | None = None,
    journal: Journal | None = None,
    options: Options | None = None,
    episode: str | None = None,
    review: Review | None = None,
    validator: Validator | None = None,
    setup: Mapping[str, Any] | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_start: Callable[[str], None] | None = None,
    descend: Descend = solve_level,
) -> Solution:
    """Solve an objective, or go on with `episode` where the journal holds a part of it.

    Nothing is done before the event that says so is committed to `journal` (default: in memory).
    `setup` is plain data kept with the episode: how its parts were put together. `on_start` gets
    the episode's name before anything else happens. `descend` solves a level, the root's first:
    evaluation puts other ways of solving to the same sources, budget and journal.

    Raises:
        InputError: two sources share a name, or one has a name that no plan could use.
        JournalError: events cannot be written; another process solves this episode.
        asyncio.CancelledError: cancelled; the episode can be resumed.
    """
    options = options or Options()
    named = _by_name(sources)
    journal = MemoryJournal() if journal is None else journal
    name = new_episode_name() if episode is None else episode
    journal.lock(name)
    if on_start is not None:
        on_start(name)
    try:
        events = journal.events(name) if episode is not None else []
        recorder = Recorder(
            name,
            journal,
            seed=options.seed,
            past=past_of(events, replaying=options.replaying),
            replaying=options.replaying,
            limited=objective.budget != Budget(depth=objective.budget.depth),
            on_event=on_event,
        )
        return await _solve(
            recorder,
            events,
            objective,
            center,
            named,
            memory,
            options,
            review,
            validator,
            setup,
            descend,
        )
    finally:
        journal.unlock(name)


async def _solve(
    recorder: Recorder,
    events: Sequence[Event],
    objective: Objective,
    center: Center,
    sources: Mapping[str, Source],
    memory: Memory | None,
    options: Options,
    review: Review | None,
    validator: Validator | None,
    setup: Mapping[str, Any] | None,
    descend: Descend,
) -> Solution:
    _begin(recorder, events, objective, center, sources, setup)
    root = _root(objective)
    past = recorder.past
    root.account.charge(past.spent + past.lost + past.cut_off)
    deadline = None
    if objective.budget.seconds is not None and not options.replaying:
        left = objective.budget.seconds - past.seconds
        if left <= 0:
            solution = _finish(recorder, _so_far(recorder), "out_of_budget")
            await recorder.commit()
            return solution
        deadline = asyncio.get_running_loop().time() + left
    finding: Finding | None = None
    try:
        async with asyncio.TaskGroup() as group:
            run = Run(
                recorder,
                center,
                sources,
                objective,
                options,
                Joins(group),
                descend,
                deadline,
                review,
                validator,
                memory,
            )
            try:
                async with asyncio.timeout_at(deadline):
                    finding = await descend(run, root)
                    for attempt in range(1, options.reopens + 1):
                        if (problem := why_refused(run, root, finding)) is None:
                            break
                        finding = await improve(run, root, problem, attempt=attempt) or finding
            except TimeoutError:
                finding = _best(finding, root, "the time is up")
            finally:
                run.joins.stop()
    except BaseExceptionGroup as group_error:
        raise first_error(group_error) from None
    except asyncio.CancelledError:
        finding = replace(_best(finding, root, "interrupted"), status=Status.CANCELLED)
        _finish(recorder, finding, "cancelled")
        await asyncio.shield(recorder.commit())
        raise
    assert finding is not None  # the group above ends with an answer, or it raises
    if problem := why_refused(run, root, finding):
        finding = replace(finding, reason=problem)
    if recorder.replaying:
        recorder.retell_rest()
    solution = _finish(recorder, finding, _status(finding, root, recorder.state))
    await recorder.commit()
    if memory is not None and not options.replaying:
        events = recorder.journal.events(recorder.name)
        await memory.learn(recorder.name, events, recorder.journal.blob)
    return solution


def _best(finding: Finding | None, root: Level, reason: str) -> Finding:
    """The best answer so far of a run that was stopped, marked as such."""
    if finding is None:
        return best_of(root.done(), reason)
    return replace(finding, status=Status.OUT_OF_BUDGET, reason=reason)


def _so_far(recorder: Recorder) -> Finding:
    """What an earlier run of the episode had, where no time is left to go on."""
    found = [
        (int(path), event)
        for (path, _), event in recorder.past.steps.items()
        if "." not in path and event.status == Status.FOUND
    ]
    reason = "the time is up"
    if not found:
        return Finding(Status.OUT_OF_BUDGET, reason=reason)
    _, last = max(found, key=lambda item: (item[0], item[1].attempt))
    finding = recorder.finding(last.finding)
    return replace(finding, status=Status.OUT_OF_BUDGET, reason=reason)


def _by_name(sources: Sequence[Source]) -> dict[str, Source]:
    named: dict[str, Source] = {}
    for source in sources:
        name = source.card.name
        if not is_source_name(name):
            raise InputError(
                f"{name[:80]!r} cannot be named in a plan; use a letter, then letters, digits and "
                "_ . : -, at most 64"
            )
        if name in named or name == CENTER:
            raise InputError(f"the source name {name!r} is taken; rename one of the two")
        named[name] = source
    return named


def _begin(
    recorder: Recorder,
    events: Sequence[Event],
    objective: Objective,
    center: Center,
    sources: Mapping[str, Source],
    setup: Mapping[str, Any] | None,
) -> None:
    past = recorder.past
    if recorder.replaying and (past.finished is None or past.finished.status == "cancelled"):
        raise recorder.missing("end")
    if past.started is not None and not recorder.replaying:
        recorder.seed = past.started.seed
        for event in events:
            recorder.show(event)
        recorder.emit(EpisodeResumed(lost=past.cut_off))
        return
    if past.started is not None:
        recorder.seed = past.started.seed
        recorder.again(past.started)
        return
    settings = to_blob(
        {
            "objective": objective,
            "setup": setup,
            "center": center.model.identity,
            "constraint": center.model.constraint,
            "sources": [source.card for source in sources.values()],
        }
    )
    recorder.emit(
        EpisodeStarted(question=cut(objective.text), settings=digest(settings), seed=recorder.seed),
        settings=settings,
    )


def stored_objective(settings: bytes) -> Objective:
    """The objective of an episode, from the settings its first event names."""
    data = msgspec.json.decode(settings)["objective"]
    return Objective(
        text=data["text"],
        answer_type=data["answer_type"],
        attachments=tuple(Attachment(**a) for a in data["attachments"]),
        budget=Budget(**data["budget"]),
    )


def _root(objective: Objective) -> Level:
    budget = objective.budget
    shown = ShownBudget(budget.calls, budget.tokens, budget.seconds, budget.money, budget.depth)
    return Level(
        path="",
        objective=objective.text,
        depth=budget.depth,
        account=Account(Amount.limits(budget)),
        shown=shown,
        ancestors=frozenset({identity((CENTER,), objective.text, {})}),
        answer_type=objective.answer_type,
    )


def _status(finding: Finding, root: Level, state: Episode) -> str:
    if not finding.found:
        return str(finding.status)
    statuses = {f.status for _, f in root.done()}
    missing = any(isinstance(f.value, tuple) and None in f.value for _, f in root.done())
    if not (missing or statuses - {Status.FOUND} or finding.reason):
        return "answered"
    short = any(node.status == Status.OUT_OF_BUDGET for node in state.nodes.values())
    return "out_of_budget" if short else "partial"


def _finish(recorder: Recorder, finding: Finding, status: str) -> Solution:
    data = finding_blob(finding)
    usage = recorder.state.usage
    recorder.emit(
        EpisodeFinished(
            status=status,
            finding=digest(data),
            answer=finding.answer or "",
            reason=cut(finding.reason),
        ),
        finding=data,
    )
    return Solution(
        answer=finding.answer,
        status=status,
        reason=finding.reason,
        finding=finding,
        episode=recorder.name,
        usage=usage,
        tree=recorder.state,
    )
