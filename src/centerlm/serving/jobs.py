"""Requests under way, and how others watch them: here, or in another worker by its journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from centerlm.errors import InputError
from centerlm.events import Event
from centerlm.serving.accepted import Accepted, AcceptedRequests
from centerlm.serving.order import Refused
from centerlm.stored_journal import StoredJournal

CANCELLED, PAUSED, ITS_PLAN = "it was cancelled", "it was paused", "its plan waits for a person"
"""Why a request was stopped; it can go on."""

LOOK = 0.05
"""Seconds between two looks at what another worker does."""


@dataclass(slots=True, eq=False)
class Job:
    """A request of this worker. `events` are those so far; `problem` is why it has no end; one that
    is not `fresh` may have begun before.

    `watchers` are the clients that wait for it; without a key, it is cancelled when they left
    (`left`, for this `reason`). `note` says what it does where no event does.
    """

    request: Accepted
    fresh: bool = False
    events: list[Event] = field(default_factory=list[Event])
    problem: Refused | None = None
    ended: bool = False
    left: bool = False
    reason: str = CANCELLED
    note: str = ""
    watchers: int = 0
    task: asyncio.Task[None] | None = None
    _news: list[asyncio.Future[None]] = field(default_factory=list["asyncio.Future[None]"])

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self._wake()

    def end(self, problem: Refused | None = None) -> None:
        self.problem, self.ended = problem, True
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, []
        for waiter in news:
            if not waiter.done():
                waiter.set_result(None)

    async def follow(self, seen: int = 0) -> AsyncGenerator[Event]:
        """The events from number `seen` on, until it has ended.

        Raises:
            Refused: it ended without an answer that could be kept.
        """
        while True:
            while seen < len(self.events):
                seen += 1
                yield self.events[seen - 1]
            if self.ended:
                break
            waiter = asyncio.get_running_loop().create_future()
            self._news.append(waiter)
            await waiter
        if self.problem is not None:
            raise self.problem


async def follow_elsewhere(
    request: Accepted, store: AcceptedRequests, journal: StoredJournal, seen: int = 0
) -> AsyncGenerator[Event]:
    """The events, from number `seen` on, of a request that another worker has or that has ended.

    Ends when it has, or when its worker died: look at the request `again`.

    Raises:
        Refused: it failed.
    """
    while True:
        now = store.again(request)
        for event in _after(journal, request.episode, seen):
            seen += 1
            yield event
        if now is None or now.state != "open" or not store.alive(now.owner):
            break
        await asyncio.sleep(LOOK)
    if now is not None and now.state == "failed":
        raise Refused(400, now.reason)


def _after(journal: StoredJournal, episode: str, seen: int) -> list[Event]:
    try:
        return journal.events(episode, seen)
    except InputError:  # it has not begun
        return []
