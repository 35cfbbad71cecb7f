"""Daemon threads for plain functions: many at once, and none that keeps the process from ending.

The interpreter waits at exit for the threads of a standard executor; a function of a user that
hangs would hang the command with it.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeAlias

Job: TypeAlias = tuple["Future[Any]", contextvars.Context, Callable[[], Any]]


class DaemonThreads:
    """Runs functions in up to `size` daemon threads, started as they are needed."""

    def __init__(self, size: int = 32) -> None:
        self._size = size
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._lock = threading.Lock()  # guards the two counts
        self._threads = 0
        self._idle = 0

    async def run(self, function: Callable[[], Any]) -> Any:
        """The function's result, or what it raised.

        Cancelling forgets a function that has not begun; one that runs is left to end by itself.
        """
        future: Future[Any] = Future()
        with self._lock:
            start = not self._idle and self._threads < self._size
            if start:
                self._threads += 1
            elif self._idle:
                self._idle -= 1
        self._jobs.put((future, contextvars.copy_context(), function))
        if start:
            threading.Thread(target=self._work, name="centerlm-source", daemon=True).start()
        result, error = await asyncio.wrap_future(future)
        if error is not None:
            raise error
        return result

    def _work(self) -> None:
        while True:
            future, context, function = self._jobs.get()
            if future.set_running_or_notify_cancel():
                # Errors travel as results: asyncio cannot pass a StopIteration on and would hang.
                try:
                    future.set_result((context.run(function), None))
                except BaseException as error:  # noqa: BLE001 (a thread's boundary: the caller gets it)
                    future.set_result((None, error))
            del future, context, function
            with self._lock:
                self._idle += 1
