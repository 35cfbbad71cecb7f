"""What a run of training tells while it goes: every update, its curve, and when it is to stop."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.learning.row_trainer import ScaledRow, load
from centerlm.learning.train_settings import TrainSettings
from centerlm.models.weights import write_atomically


@dataclass(frozen=True, slots=True)
class Progress:
    """One update of a run; `loss` is the weighted mean over its trained tokens."""

    update: int
    updates: int
    done: int
    """Updates taken so far in this process."""
    loss: float
    learning_rate: float
    tokens: int
    """Tokens computed so far in this process."""
    plain_tokens: int
    """Tokens the same examples have one by one."""
    trained_tokens: int
    seconds: float


OnProgress = Callable[[Progress], None]

OnUpdate = Callable[[int, int], object]
"""Told how many updates of how many are done."""

Stop = Callable[[], bool]


def ignore(progress: Progress) -> None:
    del progress


def never() -> bool:
    return False


def watch(
    rows: Sequence[ScaledRow],
    settings: TrainSettings,
    total: int,
    curves: Path,
    on_progress: OnProgress,
) -> Any:
    """A callback that keeps the curve and tells of every update."""
    transformers = load("transformers")
    started, first = time.monotonic(), 0

    class Watch(transformers.TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            nonlocal started, first
            started, first = time.monotonic(), state.global_step
            keep_curve(curves, first)

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any
        ) -> None:
            if not logs or "loss" not in logs:
                return
            done = rows[first * settings.rows : state.global_step * settings.rows]
            progress = Progress(
                update=state.global_step,
                updates=total,
                done=state.global_step - first,
                loss=float(logs["loss"]),
                learning_rate=float(logs.get("learning_rate", 0.0)),
                tokens=sum(len(item.row.ids) for item in done),
                plain_tokens=sum(item.row.plain for item in done),
                trained_tokens=sum(len(item.row.targets) for item in done),
                seconds=round(time.monotonic() - started, 3),
            )
            line = {name: getattr(progress, name) for name in Progress.__slots__}
            with curves.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            on_progress(progress)

    return Watch()


def stopping(stop: Stop) -> Any:
    """A callback that asks `stop` after every row, and then saves a checkpoint and ends the run."""
    transformers = load("transformers")
    first = 0

    class Stopping(transformers.TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            nonlocal first
            first = state.global_step

        def on_substep_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            # What the update has gathered so far is given up; its rows come again on resuming.
            self._heed(state, control)

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self._heed(state, control)

        def _heed(self, state: Any, control: Any) -> None:
            if stop():
                control.should_training_stop = True
                control.should_save = state.global_step > first

    return Stopping()


def keep_curve(curves: Path, updates: int) -> None:
    """Drop what a curve says of later updates: they come again, from the checkpoint."""
    if not curves.exists():
        return
    kept: list[str] = []
    for line in curves.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["update"] <= updates:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            break  # a line that a kill cut short
    write_atomically(curves, "".join(f"{line}\n" for line in kept).encode())
