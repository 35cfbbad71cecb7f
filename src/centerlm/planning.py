"""The plan of a level: recorded, decoded line by line, read whole, repaired once, or direct."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import replace

from centerlm.acts import AbsorbView, Note, PlanView
from centerlm.budget import Amount
from centerlm.calling import bound_of, call_model
from centerlm.errors import InputError, ModelError, OutOfBudgetError, PlanError
from centerlm.events import PlanFinished, PlanProposed, PlanReviewed, StepPlanned, digest
from centerlm.models.base import Reply
from centerlm.nesting import parted
from centerlm.plan import (
    CENTER,
    FORBIDDEN,
    MAX_TEXT,
    Plan,
    Step,
    escape,
    format_plan,
    make_plan,
    parse_plan,
)
from centerlm.protocols import Review, Reviewed
from centerlm.reading import PlanReader
from centerlm.recalling import recall_plan, recorded_plan
from centerlm.run import Level, Run
from centerlm.sources.base import Card, takes_prose

Start = Callable[[Step], None]
MAX_ROOT = 300


async def plan_level(run: Run, level: Level, start: Start) -> None:
    """Settle the level's plan, calling `start` once for each step, early where that is allowed.

    A plan without steps (nothing to ask) leaves the level direct: its model answers alone.

    Raises:
        ModelError: the center's model did not answer.
        OutOfBudgetError: the budget covers no answer, or ended when steps had started already.
        InputError: a recorded plan names a source that is not given.
    """
    recorder = run.recorder
    recorded = recorder.past.plans.get((level.path, level.generation))
    if recorded is not None:
        text = recorder.journal.blob(recorded.plan).decode()
        plan = _recorded(run, text) if text else Plan(())
        if run.options.replaying:
            for step in plan.steps:
                recorder.again(StepPlanned(path=level.at(step.id), line=_line(step)))
        level.experience = recorded_plan(run, level)
        recorder.again(recorded)
        _settle(run, level, plan, start, by=recorded.by)
        return
    asked = recorder.past.asked(level.path, "decompose", level.generation * 100)
    if level.depth <= 0 or not (asked or run.affords(level, 3)):
        _conclude(run, level, direct_plan(run, level), start, by="direct")
        return
    try:
        await _ask(run, level, start)
    except OutOfBudgetError as error:
        if level.steps or not _may_answer(run, level):
            raise
        _conclude(run, level, direct_plan(run, level), start, by="direct", problem=str(error))


def _may_answer(run: Run, level: Level) -> bool:
    """Whether the budget covers a seek and the least that absorbing what it gives may take."""
    least = run.center.absorb(AbsorbView(level.objective, (Note("", ""),)))
    needed = Amount.of(bound_of(run.center.model, least)) + Amount(calls=1)
    return (level.account.left + level.account.held).covers(needed)


async def _ask(run: Run, level: Level, start: Start) -> None:
    level.experience = await recall_plan(run, level)
    view = PlanView(
        objective=level.objective,
        cards=run.cards(level),
        recursion=level.depth > 1,
        root=None if level.is_root else run.objective.text[:MAX_ROOT],
        budget=level.shown,
        experience=level.experience,
        parted=level.parted,
    )
    attempt = level.generation * 100
    reader = await _read(run, level, view, attempt, start)
    if reader is None:
        reply = await _call(run, level, view, attempt)
        await _read_whole(run, level, view, reply, attempt, start)
        return
    if reader.unparted and not view.parted and _may_repeat(run, level, attempt + 1):
        in_parts = replace(view, parted=True)
        with suppress(ModelError):
            reader = await _read(run, level, in_parts, attempt + 1, start) or reader
    if reader.unparted or not reader.steps:
        problem = reader.unparted or "no whole line"
        _conclude(run, level, direct_plan(run, level), start, by="direct", problem=problem)
        return
    problem = "" if reader.problem is None else str(reader.problem)
    announced = _reviewer(run, level) is None
    await _review(run, level, reader.plan(), start, announced=announced, problem=problem)


def _reviewer(run: Run, level: Level) -> Review | None:
    """The person who sees the level's plan before its steps start, if one does."""
    return run.review if level.is_root else None


async def _read(
    run: Run, level: Level, view: PlanView, attempt: int, start: Start
) -> PlanReader | None:
    """Ask for a plan, and start its steps as they are decoded; None, and nothing asked, where the
    center reads plans whole.
    """
    reader = run.center.reader(view)
    if reader is None:
        return None

    def take(steps: list[Step]) -> None:
        for step in steps if _reviewer(run, level) is None else ():
            _announce(run, level, step, "center")
            start(step)

    def on_text(piece: str) -> None:
        take(reader.feed(piece))

    reply = await _call(run, level, view, attempt, on_text)
    if not reader.steps and not reader.pending:
        on_text(reply.text)
    take(reader.finish(cut=reply.cut))
    return reader


async def _call(
    run: Run,
    level: Level,
    view: PlanView,
    attempt: int,
    on_text: Callable[[str], None] | None = None,
) -> Reply:
    return await call_model(
        run.recorder,
        level.account,
        run.center.model,
        run.center.decompose(view),
        path=level.path,
        act="decompose",
        attempt=attempt,
        on_text=on_text,
    )


async def _read_whole(
    run: Run, level: Level, view: PlanView, reply: Reply, attempt: int, start: Start
) -> None:
    """Read a plan that comes whole; refused, it is repaired once, then answered directly."""
    center = run.center
    try:
        plan = parted(center.read_plan(reply.text, view, cut=reply.cut), level.objective)
    except PlanError as error:
        try:
            plan = await _repaired(run, level, view, reply, error, attempt + 1)
        except (PlanError, ModelError, OutOfBudgetError) as again:
            direct = direct_plan(run, level)
            _conclude(run, level, direct, start, by="direct", problem=str(again))
            return
    await _review(run, level, plan, start)


async def _repaired(
    run: Run, level: Level, view: PlanView, reply: Reply, error: PlanError, attempt: int
) -> Plan:
    """The plan written again with what was wrong; `error` itself where no call is left."""
    if not _may_repeat(run, level, attempt):
        raise error
    again = await call_model(
        run.recorder,
        level.account,
        run.center.model,
        run.center.repair(view, reply.text, error),
        path=level.path,
        act="decompose",
        attempt=attempt,
    )
    return parted(run.center.read_plan(again.text, view, cut=again.cut), level.objective)


def _may_repeat(run: Run, level: Level, attempt: int) -> bool:
    """Whether the plan may be asked for again: it was before, or the budget covers it."""
    return run.recorder.past.asked(level.path, "decompose", attempt) or run.affords(level, 3)


async def _review(
    run: Run,
    level: Level,
    plan: Plan,
    start: Start,
    *,
    announced: bool = False,
    problem: str = "",
) -> None:
    if (review := _reviewer(run, level)) is not None:
        edited = await _reviewed(run, plan, review)
        if edited != plan:
            _conclude(run, level, edited, start, by="person", edited=plan)
            return
    _conclude(run, level, plan, start, announced=announced, problem=problem)


async def _reviewed(run: Run, plan: Plan, review: Review) -> Plan:
    """The plan as a person wants it; what they said of it is recorded."""
    before = format_plan(plan).encode()
    proposed = PlanProposed(plan=digest(before), steps=len(plan.steps))
    run.recorder.emit(proposed, plan=before)
    await run.recorder.commit()
    answer = await review(plan)
    said = answer if isinstance(answer, Reviewed) else Reviewed(answer)
    edited = plan if said.plan == plan else make_plan(said.plan.steps, sources=run.sources)
    if isinstance(answer, Reviewed):
        after = format_plan(edited).encode()
        event = PlanReviewed(
            verdict="accepted" if edited == plan else "edited",
            before=proposed.plan,
            plan=digest(after),
            by=said.by,
            why=said.why,
            rating=said.rating,
        )
        run.recorder.emit(event, plan=after)
    return edited


def _conclude(
    run: Run,
    level: Level,
    plan: Plan,
    start: Start,
    *,
    by: str = "center",
    problem: str = "",
    edited: Plan | None = None,
    announced: bool = False,
) -> None:
    """Record the whole plan, then start what has not started."""
    if not announced:
        for step in plan.steps:
            _announce(run, level, step, by)
    text = format_plan(plan).encode()
    blobs = {"plan": text}
    if edited is not None:
        blobs["edited"] = format_plan(edited).encode()
    run.recorder.emit(
        PlanFinished(
            path=level.path,
            plan=digest(text),
            steps=len(plan.steps),
            by=by,
            problem=problem[:300],
            edited=digest(blobs["edited"]) if edited is not None else "",
            attempt=level.generation,
        ),
        **blobs,
    )
    _settle(run, level, plan, start, by=by)


def _settle(run: Run, level: Level, plan: Plan, start: Start, *, by: str) -> None:
    level.direct = by == "direct"
    if level.direct and plan.steps:
        level.account.release()  # the answer of the only step is the level's: no last call
    if level.is_root:
        run.named = frozenset(name for step in plan.steps for name in step.sources)
    for step in plan.steps:
        if step.id not in level.results:
            start(step)
    level.planned.set()


def _recorded(run: Run, text: str) -> Plan:
    """A plan of an earlier run of the episode.

    Raises:
        InputError: it names a source that is not given this time.
    """
    try:
        return parse_plan(text, sources=run.sources)
    except PlanError as error:
        raise InputError(
            f"the plan this episode began with cannot be gone on with: {error.problem}; "
            "give the same sources as before"
        ) from None


def _announce(run: Run, level: Level, step: Step, by: str) -> None:
    run.recorder.emit(StepPlanned(path=level.at(step.id), line=_line(step), by=by))


def _line(step: Step) -> str:
    return str(Plan((step,)))


def direct_plan(run: Run, level: Level) -> Plan:
    """The plan that answers directly: one step that asks what can be asked in prose.

    Passages first, then experts; no step where the budget covers no seek or there is no source.
    """
    leaves = [card for card in run.cards(level) if is_leaf(card)]
    if not leaves or not run.affords(level, 1):
        return Plan(())
    text = escape(" ".join(re.sub(f"[{FORBIDDEN}]", " ", level.objective).split()))
    if not text:
        return Plan(())
    if len(text) > MAX_TEXT:
        text = text[: MAX_TEXT - 1].rstrip()
        hashes = len(text) - len(text.rstrip("#"))
        text = text[: len(text) - hashes % 2] + "…"  # no half of a "##"
    return Plan((Step(1, tuple(card.name for card in leaves[:3]), text),))


def is_leaf(card: Card) -> bool:
    """Whether a source takes any question in prose, changes nothing and needs no person."""
    return takes_prose(card) and card.shared and not card.typed


def waits_for_plan(step: Step, sources: Collection[Card]) -> bool:
    """Whether a step may only start when the whole plan is valid: recursion, and any write."""
    effects = {card.name: card.effect for card in sources}
    return any(name == CENTER or effects.get(name) == "write" for name in step.sources)
