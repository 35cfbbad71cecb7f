"""Progress of a benchmark: bars on a terminal, elsewhere a line now and then on standard error."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

EVERY = 10.0
"""Seconds between lines of one task."""


class Telling(Progress):
    """A `rich` progress that also tells where there is no terminal to draw on."""

    def __init__(self, console: Console | None = None) -> None:
        console = console or Console(stderr=True, soft_wrap=True)
        self._drawn = console.is_terminal and not console.is_dumb_terminal
        self._told: dict[TaskID, float] = {}
        self._began: dict[TaskID, float] = {}
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not self._drawn,
        )

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._tell(task_id)

    def update(self, task_id: TaskID, **changes: Any) -> None:
        super().update(task_id, **changes)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        """A line, at first, every `EVERY` seconds, and at the end."""
        task = self._tasks[task_id]
        now = time.monotonic()
        began = self._began.setdefault(task_id, now)
        ended = task.total is not None and task.completed >= task.total
        soon = task_id in self._told and now - self._told[task_id] < EVERY
        if self._drawn or not task.visible or (soon and not ended):
            return
        self._told[task_id] = now
        of = "" if task.total is None else f" of {task.total:,.0f}"
        self.console.print(
            f"{task.description}: {task.completed:,.0f}{of}{_left(task, now - began)}",
            markup=False,
            highlight=False,
        )


def _left(task: Any, seconds: float) -> str:
    """About how long the rest takes, by the speed so far."""
    if not task.total or not task.completed or task.completed >= task.total:
        return ""
    minutes = seconds / task.completed * (task.total - task.completed) / 60
    return f", about {minutes:.0f} min left" if minutes >= 1.5 else ""
