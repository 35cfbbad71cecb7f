"""Asking the seeking memory, once: what it says is recorded before it is used.

Resuming and replaying take it from the record, so that prompts and the order of sources are those
of the first time, whatever was learned or forgotten since.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Literal

import msgspec

from centerlm.acts import Experience, Guided
from centerlm.events import MemoryRecalled, digest
from centerlm.plan import CENTER
from centerlm.recorder import to_blob
from centerlm.run import Level, Run
from centerlm.sources.base import KNOWN, takes_prose
from centerlm.tasks import Task

Use = Literal["decompose", "order", "elsewhere", "seek"]

_stored = msgspec.json.Decoder(list[str | tuple[str, str]])


async def recall_plan(run: Run, level: Level) -> Experience:
    """What helped before with objectives like this level's."""
    memory = run.memory
    recalled = await _recalled(
        run,
        level.path,
        "decompose",
        level.generation * 100,
        None if memory is None else lambda: memory.recall(level.objective, run.cards(level)),
    )
    return _experience(recalled)


def recorded_plan(run: Run, level: Level) -> Experience:
    """What was recalled before the recorded plan of a level was made."""
    return _experience(_from_record(run, level.path, "decompose", level.generation * 100))


async def recall_order(run: Run, task: Task, attempt: int) -> tuple[str, ...]:
    """The task's sources in the order in which to ask them; `known` before them where it has the
    answer to the very question.

    The others are as the plan has them where that matters: where one is the center. Where one
    writes or is a person, the plan stands.
    """
    names = task.sources
    cards = [run.sources[name].card for name in names if name != CENTER]
    if any(card.effect == "write" or not card.shared for card in cards):
        return names
    fixed = len(names) < 2 or CENTER in names
    may_know = KNOWN in run.sources and KNOWN not in names
    if fixed and not may_know:
        return names
    memory = run.memory
    seed = run.recorder.seed_of(task.path, "order", attempt)
    order = await _recalled(
        run,
        task.path,
        "order",
        attempt,
        None if memory is None else lambda: memory.order(task.text, names, seed),
    )
    lines = _experience(order).lines
    first = (KNOWN,) if may_know and lines[:1] == (KNOWN,) else ()
    rest = lines[len(first) :]
    return first + (rest if not fixed and sorted(rest) == sorted(names) else names)


async def recall_elsewhere(run: Run, task: Task, attempt: int) -> str | None:
    """A source that the task does not name, to be asked where those it names gave nothing: one
    that the memory knows to answer the like. Where the run explores, any; without a memory, by lot.

    None for a task that was not asked in prose, and where no other source takes prose.
    """
    if CENTER in task.sources or not all(takes_prose(run.sources[n].card) for n in task.sources):
        return None
    others = tuple(
        name
        for name, source in run.sources.items()
        if name not in (*task.sources, KNOWN) and takes_prose(source.card)
    )
    if not others:
        return None
    memory, explores = run.memory, run.options.explores
    seed = run.recorder.seed_of(task.path, "elsewhere", attempt)

    async def ask() -> tuple[str, ...]:
        if memory is None:
            return (Random(seed).choice(others),)
        return await memory.elsewhere(task.text, others, seed, explores=explores)

    said = await _recalled(
        run, task.path, "elsewhere", attempt, ask if explores or memory is not None else None
    )
    return next((name for name in _experience(said).lines if name in others), None)


async def recall_queries(run: Run, task: Task, name: str, attempt: int) -> Experience:
    """Other words in which this source was asked the like, and found it."""
    memory = run.memory
    recalled = await _recalled(
        run,
        task.path,
        "seek",
        attempt,
        None if memory is None else lambda: memory.queries(task.text, name),
    )
    return _experience(recalled)


Items = Sequence[str | Sequence[str]]
"""What was recalled, as it is recorded: lines, and people's plans as [objective, plan]."""


def recorded(recalled: bytes) -> Experience:
    """What an event of the memory says was recalled: lines or names of sources, and plans."""
    return _experience(_stored.decode(recalled))


def _items(said: Experience | tuple[str, ...]) -> Items:
    if isinstance(said, Experience):
        return [*said.lines, *([one.objective, one.plan] for one in said.plans)]
    return said


def _experience(items: Items | None) -> Experience:
    items = items or ()
    return Experience(
        tuple(item for item in items if isinstance(item, str)),
        tuple(Guided(item[0], item[1]) for item in items if not isinstance(item, str)),
    )


async def _recalled(
    run: Run,
    path: str,
    use: Use,
    attempt: int,
    ask: Callable[[], Awaitable[Experience | tuple[str, ...]]] | None,
) -> Items | None:
    """From the record, or from the memory; None where neither is there."""
    if (path, use, attempt) in run.recorder.past.recalled:
        return _from_record(run, path, use, attempt)
    if ask is None or run.options.replaying:
        return None
    items = _items(await ask())
    data = to_blob(items)
    event = MemoryRecalled(
        path=path, act=use, attempt=attempt, recalled=digest(data), lines=len(items)
    )
    run.recorder.emit(event, recalled=data)
    return items


def _from_record(run: Run, path: str, use: Use, attempt: int) -> Items | None:
    event = run.recorder.past.recalled.get((path, use, attempt))
    if event is None:
        return None
    run.recorder.again(event)
    return _stored.decode(run.recorder.journal.blob(event.recalled))
