"""An episode told to its page while it runs: server-sent events with the rows that changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from centerlm.serving.accepted import Accepted
from centerlm.serving.order import Refused
from centerlm.serving.wire import EventStream, json_bytes
from centerlm.studio.tree import Tree

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from centerlm.studio.episodes import Episodes

TICK = 0.15
"""Seconds between two messages: a burst of events is one."""


def live(episodes: Episodes, accepted: Accepted, seen: int) -> ASGIApp:
    """The stream of an episode from its event number `seen` on."""
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return EventStream(
        _messages(episodes, accepted, seen), headers, on_left=_nothing, on_refused=_refused
    )


def _nothing() -> None:
    """The page is closed: the episode goes on."""


def _refused(refused: Refused) -> bytes:
    return _message("end", {"problem": refused.message})


def _message(kind: str, data: dict[str, Any], number: int | None = None) -> bytes:
    head = b"" if number is None else b"id: %d\n" % number
    return head + b"event: " + kind.encode() + b"\ndata: " + json_bytes(data) + b"\n\n"


async def _messages(episodes: Episodes, accepted: Accepted, seen: int) -> AsyncGenerator[bytes]:
    tree, shown = Tree(), dict[str, str]()
    moved = asyncio.Event()

    async def pump() -> None:
        async with aclosing(episodes.site.service.follow(accepted)) as events:
            async for event in events:
                tree.take(event)
                if tree.seen <= seen:
                    tree.changed.clear()
                moved.set()

    pumping = asyncio.create_task(pump())
    try:
        ended = False
        while not ended:
            waiting = asyncio.create_task(moved.wait())
            await asyncio.wait((pumping, waiting), timeout=1.0, return_when="FIRST_COMPLETED")
            waiting.cancel()
            ended = pumping.done()  # asked before the tree is: what it took last is told as well
            if not ended:
                await asyncio.sleep(TICK)
            moved.clear()
            told = {
                "outcome": episodes.outcome(accepted.episode, tree),
                "questions": episodes.questions(accepted.episode),
            }
            if tree.changed or told != shown:
                shown = told
                yield _message("tree", _news(episodes, accepted.episode, tree) | told, tree.seen)
        problem = pumping.exception()
        if isinstance(problem, Refused) and problem.status >= 500:
            yield _refused(problem)
            return
        if problem is not None and not isinstance(problem, Refused):
            raise problem
        yield _message("end", {})
    finally:
        pumping.cancel()
        await asyncio.gather(pumping, return_exceptions=True)


def _news(episodes: Episodes, name: str, tree: Tree) -> dict[str, Any]:
    rows = [[node.path, episodes.row(name, tree, node)] for node in tree.news()]
    return {"rows": rows, "facts": episodes.facts(tree, time.time())}
