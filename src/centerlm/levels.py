"""Solving a level: its plan's steps run as a dataflow, each in exactly one final status."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from centerlm.absorbing import absorb_finding, absorb_level, best_of
from centerlm.acts import SeekView
from centerlm.budget import Amount
from centerlm.calling import call_model
from centerlm.errors import CenterError, ModelError, OutOfBudgetError
from centerlm.events import StepFinished, StepJoined, StepReopened, StepStarted, cut, digest
from centerlm.finding import (
    Finding,
    Status,
    Value,
    failed,
    format_value,
    found,
    nothing,
    short_answer,
    value_to_json,
)
from centerlm.plan import CENTER, Step, fill, normalise, references
from centerlm.planning import is_leaf, plan_level, waits_for_plan
from centerlm.recorder import finding_blob
from centerlm.run import ABSORB_TOKENS, Level, Run
from centerlm.seeking import seek_source
from centerlm.sources.base import Binding, Seek
from centerlm.verify import why_unsupported, why_wrong_type

MAX_QUOTED = 200
REASK, REOPEN = 50, 60
"""Attempts of a step's re-ask and re-opening; those of its alternatives count from 0."""


@dataclass(frozen=True, slots=True)
class Task:
    """A sub-objective with its references filled in: a step, or an item of one.

    `text` holds the answers as they are, `quoted` in quotation marks (what a later plan may see of
    them); `template` and `values` are what `computes` sources get.
    """

    path: str
    sources: tuple[str, ...]
    template: str
    text: str
    quoted: str
    values: Mapping[int, Binding]
    key: str
    items: int = 1


def identity(sources: tuple[str, ...], text: str, values: Mapping[int, Binding]) -> str:
    """What makes two sub-objectives one: sources, normalised filled-in text, and the values whose
    short answers are cut. (Attachments are the root's in the whole tree.)
    """
    long = {k: value_to_json(b.value) for k, b in values.items() if isinstance(b.value, tuple)}
    extra = json.dumps(long, sort_keys=True) if long else ""
    return digest(f"{'|'.join(sources)}\n{normalise(text)}\n{extra}".encode())


async def solve_level(run: Run, level: Level) -> Finding:
    """Plan, run the steps, absorb. Ends with a finding, whatever the steps do."""
    _hold_back(run, level)
    texts: dict[int, str] = {}
    unplanned: CenterError | None = None
    try:
        async with asyncio.TaskGroup() as group:

            def start(step: Step) -> None:
                level.steps.append(step)
                level.open += 1
                level.results[step.id] = asyncio.get_running_loop().create_future()
                group.create_task(_run_step(run, level, step, texts))

            try:
                await plan_level(run, level, start)
            except (ModelError, OutOfBudgetError) as error:
                unplanned = error
                raise  # ends the steps that have started
    except* (ModelError, OutOfBudgetError):
        pass
    if isinstance(unplanned, OutOfBudgetError):
        return best_of(level.done(), str(unplanned))
    if unplanned is not None:
        return failed(str(unplanned))
    level.account.release()
    finding = await absorb_level(run, level, texts)
    return await _verify_level(run, level, finding, texts) if level.is_root else finding


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


async def _verify_level(run: Run, level: Level, finding: Finding, texts: dict[int, str]) -> Finding:
    """Check the root's answer; while it fails and it may, re-open a step and absorb again."""
    for absorbed in range(1, run.options.reopens + 1):
        problem = _problem(run, level, finding)
        step = _to_reopen(run, level) if problem else None
        if problem is None or step is None:
            break
        await _rerun(run, level, step, problem, texts)
        again = await absorb_level(run, level, texts, absorbed=absorbed)
        finding = again if again.found else finding
    problem = _problem(run, level, finding)
    return replace(finding, reason=problem) if problem else finding


def _problem(run: Run, level: Level, finding: Finding) -> str | None:
    if not finding.found or not finding.answer:
        return None
    wrong = why_wrong_type(finding.answer, level.answer_type)
    if wrong is None and run.validator is not None:
        wrong = run.validator(run.objective, finding.answer)
    return wrong


def _to_reopen(run: Run, level: Level) -> Step | None:
    """The earliest unsupported step, else the last one, if it may be asked again."""
    done = [(step, finding) for step, finding in level.done() if finding.found]
    doubtful = [step for step, finding in done if why_unsupported(finding)]
    for step in [*doubtful, *(step for step, _ in reversed(done))]:
        if step.each is None and run.may_reopen(level.at(step.id)):
            return step
    return None


async def _rerun(run: Run, level: Level, first: Step, reason: str, texts: dict[int, str]) -> None:
    """Ask a step again, then those that depend on it where its answer changed."""
    changed: set[int] = set()
    for step in level.steps:
        if step is not first and not changed & set(step.needs):
            continue
        before = level.results[step.id].result()
        if step is first:
            _reopen(run, level.at(step.id), reason)
        finding = await _step_finding(run, level, step, texts, reopened=step is first)
        if finding.found and finding.answer != before.answer:
            changed.add(step.id)
            level.results[step.id] = asyncio.get_running_loop().create_future()
            level.results[step.id].set_result(finding)


def _reopen(run: Run, path: str, reason: str) -> None:
    run.reopened.add(path)
    event = StepReopened(path=path, reason=cut(reason))
    if path in run.recorder.past.reopened:
        run.recorder.again(event)
    else:
        run.recorder.emit(event)


async def _run_step(run: Run, level: Level, step: Step, texts: dict[int, str]) -> None:
    """Bring one step to its final status and wake what waits for it."""
    result, past = level.results[step.id], run.recorder.past
    if past.replaying and (ended := past.steps.get((level.at(step.id), 0))):
        texts[step.id] = step.text
        level.open -= 1
        result.set_result(run.recorder.retell(ended))
        return
    try:
        finding = await _step_finding(run, level, step, texts)
    except asyncio.CancelledError:
        status = Status.OUT_OF_BUDGET if run.expired() else Status.CANCELLED
        _finish_step(run, level.at(step.id), Finding(status, reason="stopped"), (), "", 0)
        result.cancel()
        raise
    finally:
        level.open -= 1
    result.set_result(finding)


async def _step_finding(
    run: Run, level: Level, step: Step, texts: dict[int, str], *, reopened: bool | None = None
) -> Finding:
    """The finding of a step. `reopened` is None the first time, then whether it is this step that
    is asked again, in other words, or one that depends on it.
    """
    path = level.at(step.id)
    findings = {k: await asyncio.shield(level.results[k]) for k in step.needs}
    if waits_for_plan(step, run.cards(level)):
        await level.planned.wait()
    generation = level.generation + (reopened is not None)
    texts[step.id] = step.text
    for k, finding in findings.items():
        if not (finding.found or _counts(run, step, finding)):
            status = Status.NOTHING
            missing = Finding(status, reason=f"needs #{k}, which has no answer")
            return _finish_step(run, path, missing, (), f"needs {k}", generation)
    values = {k: Binding(_value(f), _label(level, k)) for k, f in findings.items()}
    if step.each is not None:
        return await _each(run, level, step, values, texts, generation)
    task = _task(level, step, path, values)
    texts[step.id] = task.text
    return await _settle(run, level, task, generation, reask=bool(reopened))


def _counts(run: Run, step: Step, finding: Finding) -> bool:
    """Whether the step only counts over a list: it may see a list without any answer."""
    computes = any(name in run.sources and run.sources[name].card.computes for name in step.sources)
    return computes and isinstance(finding.value, tuple) and step.text.lstrip().startswith("count(")


def _value(finding: Finding) -> Value:
    return finding.value if finding.value is not None else finding.answer


def _label(level: Level, k: int) -> str | None:
    """What the answer of step k is the answer for: the one reference in its text, if any."""
    named = references(level.steps[k - 1].text)
    if len(named) != 1:
        return None
    result = level.results[named[0]]
    return result.result().answer if result.done() and not result.cancelled() else None


def _task(
    level: Level,
    step: Step,
    path: str,
    values: Mapping[int, Binding],
    items: int = 1,
) -> Task:
    if level.direct:
        text = " ".join(level.objective.split())
        key = identity(step.sources, text, {})
        return Task(path, step.sources, text, text, text, values, key)
    answers = {k: short_answer(_shown(b.value)) for k, b in values.items()}
    quoted = {k: '"' + a.replace('"', "'")[:MAX_QUOTED] + '"' for k, a in answers.items()}
    text = fill(step.text, answers)
    return Task(
        path=path,
        sources=step.sources,
        template=step.text,
        text=text,
        quoted=fill(step.text, quoted),
        values=values,
        key=identity(step.sources, text, values),
        items=items,
    )


def _shown(value: Value) -> str:
    return short_answer(format_value(value))


async def _each(
    run: Run,
    level: Level,
    step: Step,
    values: dict[int, Binding],
    texts: dict[int, str],
    generation: int,
) -> Finding:
    """Run the step once for each item of a list; the answer is the list of answers, in order."""
    path, each = level.at(step.id), step.each or 0
    whole = values[each].value
    items = whole if isinstance(whole, tuple) else (whole,)
    asked = items[: run.options.each_limit]
    text = step.text
    texts[step.id] = text
    if run.recorder.past.step(path, generation, "each") is None:
        _start_step(run, Task(path, step.sources, text, text, text, values, "each"), generation)

    async def one(number: int, item: Value) -> Finding:
        item_path = f"{path}.{number}"
        if item is None:
            missing = nothing("the item has no answer")
            return _finish_step(run, item_path, missing, (), "", generation)
        bound = {**values, each: Binding(item, _shown(item))}
        task = _task(level, step, item_path, bound, len(asked))
        try:
            return await _settle(run, level, task, generation)
        except asyncio.CancelledError:
            status = Status.OUT_OF_BUDGET if run.expired() else Status.CANCELLED
            _finish_step(run, item_path, Finding(status, reason="stopped"), (), "", generation)
            raise
        finally:
            level.open -= 1

    level.open += len(asked)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(n, item)) for n, item in enumerate(asked, start=1)]
    findings = [task.result() for task in tasks]
    return _finish_step(
        run, path, _list_finding(findings, len(items)), step.sources, "each", generation
    )


def _list_finding(findings: list[Finding], items: int) -> Finding:
    """The list of the items' answers, `nothing` kept in place, what is missing counted."""
    answers = tuple(_value(f) if f.found else None for f in findings)
    missing = answers.count(None)
    notes: list[str] = []
    if missing:
        notes.append(f"{missing} of {len(answers)} items have no answer")
    if items > len(findings):
        notes.append(f"{items - len(findings)} of {items} items were not asked (limit)")
    citations = {(c.passage, c.quote): c for f in findings for c in f.citations}
    if not findings or missing == len(answers):
        statuses = {f.status for f in findings}
        status = statuses.pop() if len(statuses) == 1 else Status.NOTHING
        reason = "; ".join(notes) or "the list is empty"
        return Finding(status, value=answers, reason=reason)
    return replace(found(answers), citations=tuple(citations.values()), reason="; ".join(notes))


async def _settle(
    run: Run, level: Level, task: Task, generation: int, *, reask: bool = False
) -> Finding:
    """Bring a sub-objective to its final status: from the past, by joining, or anew."""
    key, first = task.key, generation == level.generation
    earlier = run.recorder.past.step(task.path, generation, key)
    if earlier is not None and run.options.replaying:
        return run.recorder.retell(earlier)
    if earlier is not None:
        finding = run.recorder.finding(earlier.finding)
        if first and _joinable(run, task.sources):
            run.joins.remember(key, task.path, finding)
        return finding
    _start_step(run, task, generation)
    leaf, shared = key in level.ancestors, None
    if first and not leaf and _joinable(run, task.sources):
        shared = run.joins.find(key)
        if shared is None:
            shared = run.joins.start(key, task.path, _work(run, level, task, generation))
        elif run.joins.closes_cycle(task.path, shared):
            shared, leaf = None, True
        else:
            run.recorder.emit(StepJoined(path=task.path, to=shared.path))
    if shared is not None:
        finding = await run.joins.wait(task.path, shared)
    else:
        finding = await _work(run, level, task, generation, leaf=leaf, reask=reask)
    return _finish_step(run, task.path, finding, task.sources, key, generation)


def _joinable(run: Run, names: tuple[str, ...]) -> bool:
    """Whether equal questions may share one answer: never those to people, or that write."""
    cards = [run.sources[name].card for name in names if name != CENTER]
    return all(card.shared and card.effect == "read" for card in cards)


async def _work(
    run: Run, level: Level, task: Task, generation: int, *, leaf: bool = False, reask: bool = False
) -> Finding:
    """Answer a sub-objective; once more, in other words, if its citations do not carry it."""
    base, name = generation * 100, _reaskable(run, task.sources)
    if reask and name:
        try:
            return await _reask(run, level, task, name, [task.text], base + REASK)
        except OutOfBudgetError as error:
            return Finding(Status.OUT_OF_BUDGET, reason=str(error))
    finding = await _answer(run, level, task, generation, leaf=leaf)
    reason = why_unsupported(finding)
    if reason is None or name is None or leaf or not run.options.reasks:
        return finding
    if not run.may_reopen(task.path):
        return finding
    if not _may_seek(run, level, task.path, base + REOPEN):
        return finding
    _reopen(run, task.path, reason)
    try:
        again = await _reask(run, level, task, name, [task.text], base + REOPEN)
    except OutOfBudgetError:
        return finding
    return again if again.found and not why_unsupported(again) else finding


def _reaskable(run: Run, names: tuple[str, ...]) -> str | None:
    """The first source that can be asked again in other words."""
    for name in names:
        if name != CENTER and is_leaf(run.sources[name].card):
            return name
    return None


async def _answer(run: Run, level: Level, task: Task, generation: int, *, leaf: bool) -> Finding:
    """Alternatives in order, one re-ask, a split; `leaf` steps only their sources."""
    base, asked, findings = generation * 100, [task.text], list[Finding]()
    try:
        for index, name in enumerate(task.sources):
            if name == CENTER:
                finding = await _child(run, level, task, generation, leaf=leaf)
            else:
                finding = await _ask(run, level, task, name, task.text, base + index)
            if finding.found:
                return finding
            findings.append(finding)
        if leaf:
            return _worst(findings)
        nothing_from = tuple(
            name
            for name, finding in zip(task.sources, findings, strict=True)
            if finding.status is Status.NOTHING
        )
        name = _reaskable(run, nothing_from) if run.options.reasks else None
        if name and _may_seek(run, level, task.path, base + REASK):
            findings.append(await _reask(run, level, task, name, asked, base + REASK))
        if not findings[-1].found and _may_split(run, level, task):
            findings.append(await _child(run, level, task, generation, leaf=False))
    except OutOfBudgetError as error:
        findings.append(Finding(Status.OUT_OF_BUDGET, reason=str(error)))
    return findings[-1] if findings[-1].found else _worst(findings)


def _worst(findings: list[Finding]) -> Finding:
    """What an unanswered step ends with: out of budget, else nothing, else failed."""
    for status in (Status.OUT_OF_BUDGET, Status.NOTHING, Status.FAILED):
        for finding in findings:
            if finding.status is status:
                return finding
    return findings[-1]


def _may_seek(run: Run, level: Level, path: str, attempt: int) -> bool:
    recorded = (path, "seek", attempt) in run.recorder.past.calls
    return recorded or run.affords(level, 3)


def _may_split(run: Run, level: Level, task: Task) -> bool:
    if not run.options.splits or CENTER in task.sources or level.depth <= 1:
        return False
    if not all(run.sources[name].card.effect == "read" for name in task.sources):
        return False
    if not any(run.sources[name].card.shared for name in task.sources):
        return False
    return task.path in run.recorder.past.plans or run.affords(level, 6)


async def _child(run: Run, level: Level, task: Task, generation: int, *, leaf: bool) -> Finding:
    """Solve the sub-objective with a plan of its own, one level down; its answer is typed."""
    parts = max(level.open, 1)
    account = level.account.child(parts)
    child = Level(
        path=task.path,
        objective=task.quoted,
        depth=0 if leaf else level.depth - 1,
        account=account,
        shown=level.shown.share(len(level.steps) * task.items),
        ancestors=level.ancestors | {task.key},
        generation=generation,
    )
    try:
        finding = await solve_level(run, child)
    finally:
        account.close()
    if finding.found and not finding.typed:
        return replace(finding, value=finding.answer)
    return finding


async def _reask(
    run: Run, level: Level, task: Task, name: str, asked: list[str], attempt: int
) -> Finding:
    """Ask a source once more in the center's own words."""
    card = run.sources[name].card
    view = SeekView(task.text, card, run.objective.text, tuple(asked))
    try:
        reply = await call_model(
            run.recorder,
            level.account,
            run.center.model,
            run.center.seek(view),
            path=task.path,
            act="seek",
            attempt=attempt,
        )
    except ModelError as error:
        return failed(str(error), source=name)
    query = run.center.read_seek(reply.text, view)
    if query is None or not query.query or normalise(query.query) in map(normalise, asked):
        return nothing("no other way to ask was found", source=name)
    asked.append(query.query)
    return await _ask(run, level, task, name, query.query, attempt)


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
        seconds=run.seconds(),
    )
    if source.card.schema is not None:
        view = SeekView(task.text, source.card, run.objective.text)
        try:
            reply = await call_model(
                run.recorder,
                level.account,
                run.center.model,
                run.center.seek(view),
                path=task.path,
                act="seek",
                attempt=attempt,
            )
        except ModelError as error:
            return failed(str(error), source=name)
        written = run.center.read_seek(reply.text, view)
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
        seconds=None if not source.card.shared and run.deadline is None else run.seconds(),
    )
    return await absorb_finding(
        run, level.account, finding, text=task.text, path=task.path, attempt=attempt
    )


def _start_step(run: Run, task: Task, generation: int) -> None:
    run.recorder.emit(
        StepStarted(
            path=task.path,
            text=cut(task.text),
            sources=task.sources,
            key=task.key,
            attempt=generation,
        )
    )


def _finish_step(
    run: Run, path: str, finding: Finding, tried: tuple[str, ...], key: str, generation: int
) -> Finding:
    """Record a final status; the very same record of an earlier run is not written again."""
    data = finding_blob(finding)
    event = StepFinished(
        path=path,
        status=str(finding.status),
        finding=digest(data),
        answer=finding.answer or "",
        source=finding.source,
        tried=tuple(name for name in tried if name != finding.source)[:4],
        cites=tuple(dict.fromkeys(cut(c.title or c.file, 60) for c in finding.citations))[:3],
        reason=cut(finding.reason),
        key=key,
        attempt=generation,
    )
    earlier = run.recorder.past.step(path, generation, key)
    if earlier is not None and earlier.finding == event.finding:
        run.recorder.again(earlier)
    else:
        run.recorder.emit(event, finding=data)
    return finding
