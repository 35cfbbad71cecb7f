"""One answer for each sub-objective of a tree, however many steps ask for it.

The work of a sub-objective is a task of its own, so that it survives the cancellation of the step
that asked first while others still wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from centerlm.finding import Finding


@dataclass(slots=True)
class Shared:
    """Work under way, or done, at `path`, and how many steps wait for it.

    Given up is work all of whose askers were cancelled: whoever asks next begins it anew.
    """

    path: str
    task: asyncio.Future[Finding]
    waiting: int = 0
    given_up: bool = False


def is_within(path: str, above: str) -> bool:
    """Whether `path` is `above` or lies under it; the root "" is above everything."""
    return not above or path == above or path.startswith(above + ".")


class Joins:
    """The sub-objectives of one tree that are being answered or were."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._shared: dict[str, Shared] = {}
        self._edges: dict[str, str] = {}

    def find(self, key: str) -> Shared | None:
        """The work of this sub-objective, unless it was given up."""
        shared = self._shared.get(key)
        return None if shared is None or shared.given_up else shared

    def start(self, key: str, path: str, work: Coroutine[Any, Any, Finding]) -> Shared:
        """Begin the work of a sub-objective nobody asked for yet."""
        shared = self._shared[key] = Shared(path, self._group.create_task(work))
        return shared

    def closes_cycle(self, joiner: str, shared: Shared) -> bool:
        """Whether `joiner` waiting for `shared` would wait, in the end, for itself.

        `shared` ends after everything under its path, and whatever waits there for other work.
        """
        seen: set[str] = set()
        open_paths = [shared.path]
        while open_paths:
            owner = open_paths.pop()
            if is_within(joiner, owner):
                return True
            if owner in seen:
                continue
            seen.add(owner)
            open_paths += [to for waiter, to in self._edges.items() if is_within(waiter, owner)]
        return False

    async def wait(self, joiner: str, shared: Shared) -> Finding:
        """The result of shared work; its last waiter's cancellation ends the work."""
        if shared.task.done() and not shared.task.cancelled():
            return shared.task.result()
        if joiner != shared.path:
            self._edges[joiner] = shared.path
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.task)
        except asyncio.CancelledError:
            if shared.waiting == 1 and not shared.task.done():
                shared.given_up = True
                shared.task.cancel()
            raise
        finally:
            shared.waiting -= 1
            self._edges.pop(joiner, None)

    def remember(self, key: str, path: str, finding: Finding) -> None:
        """An answer that an earlier run of the episode already has."""
        if key not in self._shared:
            done: asyncio.Future[Finding] = asyncio.get_running_loop().create_future()
            done.set_result(finding)
            self._shared[key] = Shared(path, done)

    def stop(self) -> None:
        """End all work under way; the tree is solved, or its time is up."""
        for shared in self._shared.values():
            shared.task.cancel()
