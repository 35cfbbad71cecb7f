"""Many pieces of work at a time, and a journal that many episodes may or may not be in yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from centerlm.episode import fold
from centerlm.errors import InputError
from centerlm.events import Event
from centerlm.journal import Journal

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

CONCURRENCY = 4
UNFINISHED = frozenset({"running", "cancelled"})
"""Statuses of an episode that the same call goes on with."""

Advance = Callable[[int], object]
"""Called with 1 after each item that was worked on."""


async def each_of(
    items: Sequence[_Item],
    work: Callable[[_Item], Awaitable[_Result]],
    *,
    concurrency: int = CONCURRENCY,
    advance: Advance | None = None,
) -> list[_Result]:
    """Do `work` on each item, in order, at most `concurrency` at once; results in items' order.

    Raises:
        Exception: the first that `work` raised; what was under way is cancelled, nothing more is
            begun.
    """
    done: dict[int, _Result] = {}
    waiting = iter(enumerate(items))

    async def worker() -> None:
        for place, item in waiting:
            done[place] = await work(item)
            if advance is not None:
                advance(1)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(concurrency, len(items))):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise first_error(errors) from None
    return [done[place] for place in range(len(items))]


def first_error(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first exception of nested groups: the one error a user can act on."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return error  # pyright: ignore[reportUnknownVariableType]


def is_finished(events: Sequence[Event]) -> bool:
    """Whether these are all events of an episode; one that was stopped is gone on with."""
    return bool(events) and fold(events).status not in UNFINISHED


@dataclass(frozen=True, slots=True)
class OpenedJournal:
    """`journal`, in which an episode that was never begun has no events rather than an error."""

    journal: Journal

    def append(self, episode: str, event: Event, blobs: dict[str, bytes] | None = None) -> None:
        self.journal.append(episode, event, blobs)

    async def commit(self) -> None:
        await self.journal.commit()

    def commit_soon(self) -> None:
        self.journal.commit_soon()

    def events(self, episode: str) -> list[Event]:
        try:
            return self.journal.events(episode)
        except InputError:
            return []

    def blob(self, name: str) -> bytes:
        return self.journal.blob(name)

    def lock(self, episode: str) -> None:
        self.journal.lock(episode)

    def unlock(self, episode: str) -> None:
        self.journal.unlock(episode)
