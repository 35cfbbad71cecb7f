"""A bounded queue that shares a fixed number of slots fairly between clients.

A free slot goes to the waiting client with the fewest running, in turn where several have as few:
one that sends a thousand requests does not keep another that sends one from its turn.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field


class FullError(Exception):
    """No more may wait; `seconds` is about how long until some will have been served."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the queue is full; try again in {seconds:.0f} seconds")
        self.seconds = seconds


@dataclass(slots=True, eq=False)
class Place:
    """A place in the queue. `turn` waits for a slot; `leave` gives it, or the wait, up."""

    client: str
    _queue: FairQueue
    _slot: asyncio.Future[None]
    _left: bool = False

    async def turn(self) -> None:
        await self._slot

    def leave(self, seconds: float | None = None) -> None:
        """Done; `seconds` is how long the slot was held, where it was."""
        if not self._left:
            self._left = True
            self._queue._leave(self, seconds)  # pyright: ignore[reportPrivateUsage]


def _nobody(running: int, waiting: int) -> None:
    del running, waiting


@dataclass(slots=True)
class FairQueue:
    """`slots` are served at a time, `waiting` more may wait, `each` of them of one client.

    `watch` is told how many are served and how many wait, whenever that changes.
    """

    slots: int
    waiting: int
    each: int
    watch: Callable[[int, int], None] = _nobody
    running: Counter[str] = field(default_factory=Counter[str], init=False)
    _queues: OrderedDict[str, deque[Place]] = field(
        default_factory=lambda: OrderedDict[str, deque[Place]](), init=False
    )
    _mean: float = field(default=1.0, init=False)

    @property
    def busy(self) -> int:
        """Slots taken."""
        return self.running.total()

    def __len__(self) -> int:
        """Places waiting."""
        return sum(map(len, self._queues.values()))

    def admit(self, client: str, *, force: bool = False) -> Place:
        """A place for this client; with `force` though the queue is full.

        Raises:
            FullError: too many wait, of all clients or of this one.
        """
        place = Place(client, self, asyncio.get_running_loop().create_future())
        own = self._queues.get(client, ())
        if self.busy < self.slots and not self._queues:
            self._give(place)
        elif not force and (len(self) >= self.waiting or len(own) >= self.each):
            raise FullError(self._estimate())
        else:
            self._queues.setdefault(client, deque()).append(place)
        self.watch(self.busy, len(self))
        return place

    def _give(self, place: Place) -> None:
        self.running[place.client] += 1
        place._slot.set_result(None)  # pyright: ignore[reportPrivateUsage]

    def _leave(self, place: Place, seconds: float | None) -> None:
        slot = place._slot  # pyright: ignore[reportPrivateUsage]
        if slot.done() and not slot.cancelled():
            self.running[place.client] -= 1
            if not self.running[place.client]:
                del self.running[place.client]
            if seconds is not None:
                self._mean += (seconds - self._mean) / 10
        elif place in (own := self._queues.get(place.client, deque[Place]())):
            own.remove(place)
            if not own:
                del self._queues[place.client]
        while self._queues and self.busy < self.slots:
            client = min(self._queues, key=lambda name: self.running[name])
            own = self._queues[client]
            place = own.popleft()
            if own:
                self._queues.move_to_end(client)
            else:
                del self._queues[client]
            if not place._slot.done():  # pyright: ignore[reportPrivateUsage]
                self._give(place)
        self.watch(self.busy, len(self))

    def _estimate(self) -> float:
        """Seconds until about half of those waiting now have been served; 1 to 120."""
        return min(max(self._mean * len(self) / self.slots / 2, 1.0), 120.0)
