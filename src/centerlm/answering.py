"""Answering one task: from the past, by joining equal work, or by asking its sources in order.

Nothing here raises for what a source or a model does: a task ends with a finding.
"""

from __future__ import annotations

from dataclasses import replace

from centerlm.absorbing import absorb_finding
from centerlm.acts import Asked, SeekView
from centerlm.calling import call_model
from centerlm.errors import ModelError, OutOfBudgetError
from centerlm.events import StepJoined, StepReopened, cut
from centerlm.finding import Finding, Status, failed, nothing
from centerlm.plan import CENTER, normalise
from centerlm.planning import is_leaf
from centerlm.recalling import recall_elsewhere, recall_order, recall_queries
from centerlm.run import Level, Run
from centerlm.seeking import seek_source
from centerlm.sources.base import Seek
from centerlm.tasks import Task, finish_step, start_step
from centerlm.verify import why_unsupported

ELSEWHERE, REASK, REOPEN = 40, 50, 60
"""Attempts at a source that a step does not name, of its re-ask and of its re-opening; those of its
alternatives count from 0."""


async def settle(run: Run, level: Level, task: Task, *, reopened: Finding | None = None) -> Finding:
    """Bring a task to its final status: from the past, by joining, or anew.

    `reopened` is what it found before where it is asked again, and stands if that finds nothing.
    """
    first, past = task.generation == level.generation, run.recorder.past
    if past.replaying and (end := past.unrepeatable(task.path, task.generation)):
        return run.recorder.retell(end)
    earlier = None if past.replaying else past.step(task.path, task.generation, task.key)
    if earlier is not None:
        if (task.path, "seek", task.generation * 100 + REOPEN) in past.calls:
            run.reopened.add(task.path)
        finding = run.recorder.finding(earlier.finding)
        if first and _joinable(run, task.sources):
            run.joins.remember(task.key, task.path, finding)
        return finding
    start_step(run, task)
    leaf, shared = task.key in level.ancestors, None
    if first and not leaf and _joinable(run, task.sources):
        shared = run.joins.find(task.key)
        if shared is None:
            shared = run.joins.start(task.key, task.path, _work(run, level, task))
        elif shared.path == task.path:
            shared = None  # this very step, under one that was re-opened: it is asked anew
        elif past.replaying or run.joins.closes_cycle(task.path, shared):
            shared, leaf = None, True
        else:
            run.recorder.emit(StepJoined(path=task.path, to=shared.path))
    if shared is not None:
        finding = await run.joins.wait(task.path, shared)
    else:
        finding = await _work(run, level, task, leaf=leaf, reask=reopened is not None)
    if reopened is not None and not finding.found:
        finding = reopened
    return finish_step(
        run,
        task.path,
        finding,
        generation=task.generation,
        key=task.key,
        tried=task.sources,
    )


def reopen(run: Run, path: str, reason: str) -> None:
    """Record that a step is asked again because its answer does not hold."""
    run.reopened.add(path)
    event = StepReopened(path=path, reason=cut(reason))
    if path in run.recorder.past.reopened:
        run.recorder.again(event)
    else:
        run.recorder.emit(event)


def _joinable(run: Run, names: tuple[str, ...]) -> bool:
    """Whether equal questions may share one answer: never those to people, or that write."""
    cards = [run.sources[name].card for name in names if name != CENTER]
    return all(card.shared and card.effect == "read" for card in cards)


async def _work(
    run: Run, level: Level, task: Task, *, leaf: bool = False, reask: bool = False
) -> Finding:
    """Answer a task; once more, in other words, if its citations do not carry it."""
    base, name = task.generation * 100, _reaskable(run, task.sources)
    if reask and name:
        try:
            return await _reask(run, level, task, name, base + REASK)
        except OutOfBudgetError as error:
            return Finding(Status.OUT_OF_BUDGET, reason=str(error))
    finding = await _answer(run, level, task, leaf=leaf)
    reason = why_unsupported(finding)
    if reason is None or name is None or leaf or not run.options.reasks:
        return finding
    if not (
        run.may_reopen(task.path) and may_call(run, level, (task.path, "seek", base + REOPEN), 3)
    ):
        return finding
    reopen(run, task.path, reason)
    try:
        again = await _reask(run, level, task, name, base + REOPEN)
    except OutOfBudgetError:
        return finding
    return again if again.found and not why_unsupported(again) else finding


def _reaskable(run: Run, names: tuple[str, ...]) -> str | None:
    """The first source that can be asked again in other words."""
    for name in names:
        if name != CENTER and is_leaf(run.sources[name].card):
            return name
    return None


async def _answer(run: Run, level: Level, task: Task, *, leaf: bool) -> Finding:
    """Alternatives in order, a source not named, one re-ask, a split; at a `leaf` nothing but the
    alternatives.
    """
    base, findings = task.generation * 100, list[Finding]()
    order = task.sources
    try:
        order = await recall_order(run, task, base)
        for index, name in enumerate(order):
            if name == CENTER:
                finding = await _child(run, level, task, leaf=leaf)
            else:
                finding = await _ask(run, level, task, name, task.text, base + index)
            if finding.found:
                return finding
            findings.append(finding)
        if leaf:
            return _worst(findings)
        nothing_from = tuple(
            name
            for name, finding in zip(order, findings, strict=True)
            if finding.status is Status.NOTHING
        )
        if other := await _elsewhere(run, level, task, base + ELSEWHERE):
            if other.found:
                return other
            findings.append(other)
        name = _reaskable(run, nothing_from) if run.options.reasks else None
        if name and may_call(run, level, (task.path, "seek", base + REASK), 3):
            findings.append(await _reask(run, level, task, name, base + REASK))
        if not findings[-1].found and _may_split(run, level, task):
            findings.append(await _child(run, level, task, parted=True))
    except OutOfBudgetError as error:
        findings.append(Finding(Status.OUT_OF_BUDGET, reason=str(error)))
    return findings[-1] if findings[-1].found else _worst(findings)


async def _elsewhere(run: Run, level: Level, task: Task, attempt: int) -> Finding | None:
    """What a source says that the task does not name; None where there is none to ask."""
    recalled = (task.path, "elsewhere", attempt) in run.recorder.past.recalled
    if not recalled and not run.affords(level, 2):
        return None
    name = await recall_elsewhere(run, task, attempt)
    return None if name is None else await _ask(run, level, task, name, task.text, attempt)


def _worst(findings: list[Finding]) -> Finding:
    """What an unanswered step ends with: out of budget, else nothing, else failed."""
    for status in (Status.OUT_OF_BUDGET, Status.NOTHING, Status.FAILED):
        for finding in findings:
            if finding.status is status:
                return finding
    return findings[-1]


def may_call(run: Run, level: Level, call: tuple[str, str, int], calls: int) -> bool:
    """Whether a way that begins with this model call is open: taken before, or affordable."""
    return run.recorder.past.asked(*call) or run.affords(level, calls)


def _may_split(run: Run, level: Level, task: Task) -> bool:
    if not run.options.splits or CENTER in task.sources or level.depth <= 1:
        return False
    cards = [run.sources[name].card for name in task.sources]
    if any(card.computes or card.effect != "read" for card in cards):
        return False  # a call that cannot be computed has no parts to ask for
    if not any(card.shared for card in cards):
        return False
    past, plan = run.recorder.past, (task.path, task.generation)
    planned = plan in past.plans or past.asked(task.path, "decompose", task.generation * 100)
    return planned or run.affords(level, 6)


async def _child(
    run: Run, level: Level, task: Task, *, leaf: bool = False, parted: bool = False
) -> Finding:
    """Solve the task with a plan of its own, one level down; its answer is typed."""
    account = level.account.child(max(level.open, 1))
    child = Level(
        path=task.path,
        objective=task.quoted,
        depth=0 if leaf else level.depth - 1,
        account=account,
        shown=level.shown.share(len(level.steps) * task.items),
        ancestors=level.ancestors | {task.key},
        generation=task.generation,
        parted=parted,
    )
    try:
        finding = await run.descend(run, child)
    finally:
        account.close()
    if finding.found and not finding.typed:
        return replace(finding, value=finding.answer)
    return finding


async def _reask(run: Run, level: Level, task: Task, name: str, attempt: int) -> Finding:
    """Ask a source once more in the center's own words."""
    card = run.sources[name].card
    experience = await recall_queries(run, task, name, attempt)
    view = SeekView(task.text, card, run.objective.text, (task.text,), experience)
    try:
        query = await _written(run, level, task, view, attempt)
    except ModelError as error:
        return failed(str(error), source=name)
    if query is None or not query.query or normalise(query.query) == normalise(task.text):
        return nothing("no other way to ask was found", source=name)
    return await _ask(run, level, task, name, query.query, attempt)


async def _written(
    run: Run, level: Level, task: Task, view: SeekView, attempt: int
) -> Asked | None:
    """What the seek act writes: a query, or arguments.

    Raises:
        ModelError: the center's model did not answer.
        OutOfBudgetError: the call was not covered.
    """
    reply = await call_model(
        run.recorder,
        level.account,
        run.center.model,
        run.center.seek(view),
        path=task.path,
        act="seek",
        attempt=attempt,
    )
    return run.center.read_seek(reply.text, view)


async def _ask(run: Run, level: Level, task: Task, name: str, text: str, attempt: int) -> Finding:
    """Seek one source and absorb what it gave."""
    source = run.sources[name]
    seek = Seek(
        text=text,
        template=task.template,
        values=task.values,
        objective=run.objective.text,
        attachments=run.objective.attachments,
        seed=run.recorder.seed_of(task.path, "source", attempt),
        seconds=run.seconds(source.card),
    )
    if source.card.schema is not None:
        view = SeekView(task.text, source.card, run.objective.text)
        try:
            written = await _written(run, level, task, view, attempt)
        except ModelError as error:
            return failed(str(error), source=name)
        if written is None:
            return failed(f"no arguments for {name} could be written", source=name)
        seek = replace(seek, arguments=written.arguments)
    finding = await seek_source(
        run.recorder,
        level.account,
        source,
        seek,
        path=task.path,
        attempt=attempt,
        seconds=run.limit(source.card),
    )
    return await absorb_finding(
        run, level.account, finding, text=task.text, path=task.path, attempt=attempt
    )
