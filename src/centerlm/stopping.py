"""Signals that end work recorded and resumable, not at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

import click

T = TypeVar("T")

_STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


async def stoppable(
    work: Coroutine[Any, Any, T],
    signals: list[int],
    leave: Callable[[], None] = lambda: None,
) -> T:
    """Let signals end the work recorded and resumable; a second one does not wait for that, but
    tells how to go on (`leave`) and ends the process. `signals` gets those that came.
    """
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        signals.append(number)
        if len(signals) > 1:
            leave()
            _leave_at_once(signals[0])
        task.cancel()
        loop.call_soon_threadsafe(lambda: None)  # wakes the loop, so that it sees this

    with handled_by(stop):
        return await work


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Generator[None]:
    """The signals that stop work go to `handler`, and then again where they went before."""
    before = {number: signal.signal(number, handler) for number in _STOPPING}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _leave_at_once(number: int) -> NoReturn:
    """End the process though something does not let itself be cancelled; the journal bears it."""
    if sys.stdout and sys.stdout.isatty():
        click.echo("\x1b[?25h", nl=False)  # the drawing may have hidden the cursor
    os._exit(128 + number)
