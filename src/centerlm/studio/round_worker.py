"""The process of one round: count corrections, train on guidance, count them again.

`python -m centerlm.studio.round_worker FOLDER`. What is done is not done again when it is started
anew: the run of learning is resumed, and what was counted stands in `round.json`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from random import Random
from typing import Any

from centerlm.config import CenterSettings, Settings
from centerlm.errors import CenterError, ModelError, PlanError
from centerlm.evaluation.corrections import corrections
from centerlm.journal_file import lock_file
from centerlm.learning.edits import named
from centerlm.learning.guidance import Guidance
from centerlm.learning.readers.own import read_own
from centerlm.learning.run_folder import read_json, write_json
from centerlm.learning.sample_cards import cards_naming
from centerlm.objective import Objective
from centerlm.opening import open_center
from centerlm.plan import CENTER
from centerlm.plan_alone import plan_alone


async def counted(model: str, adapter: str, held: list[Guidance]) -> list[int]:
    """The corrections that each plan of the center still needs."""
    center = open_center(Settings(center=CenterSettings(model=model, adapter=adapter or None)))
    numbers: list[int] = []
    try:
        for one in held:
            names = named(one.plan) - {CENTER}
            cards = cards_naming(names, Random(one.id))
            try:
                plan = await plan_alone(center, Objective(one.objective), cards)
            except (PlanError, ModelError):
                plan = None
            numbers.append(corrections(plan, one.plan).total)
    finally:
        await center.model.close()
    return numbers


def work(folder: Path) -> int:
    """Do what is left of a round; the exit code."""
    from centerlm.learn_command import run_learn

    file = folder / "round.json"
    record: dict[str, Any] = read_json(file) or {}

    def note(**more: Any) -> None:
        record.update(more)
        write_json(file, record)

    held = list(read_own(folder / "held.jsonl").guidance) if record.get("held") else []
    model, start = str(record["model"]), str(record["start"])
    if "before" not in record:
        note(state="counting before")
        note(before=asyncio.run(counted(model, start, held)))
    run = folder / "run"
    note(state="training")
    code = run_learn(
        "decompose",
        data=(),
        out=run,
        field=None,
        config=folder / "recipe.toml",
        preset=None,
        base=None,
        start=Path(start) if start else None,
        replay=None,
        match=None,
        resume=(run / "learn.json").is_file(),
        force=False,
        ray=None,
        as_json=False,
    )
    if code:
        note(state="stopped")
        return code
    note(state="counting after")
    note(after=asyncio.run(counted(model, str(run / "adapter.gguf"), held)))
    note(state="done", problem="")
    return 0


def main(folder: Path) -> int:
    """Work on a round as its one process."""
    file = folder / "round.json"
    try:
        _ = lock_file(folder / "lock")  # until the process ends
    except BlockingIOError:
        return 1
    write_json(file, (read_json(file) or {}) | {"state": "waiting", "process": os.getpid()})
    try:
        return work(folder)
    except KeyboardInterrupt:
        write_json(file, (read_json(file) or {}) | {"state": "stopped"})
        return 130
    except CenterError as error:
        write_json(file, (read_json(file) or {}) | {"state": "failed", "problem": str(error)})
        return 2
    except BaseException as error:
        problem = f"{type(error).__name__}: {error}"
        write_json(file, (read_json(file) or {}) | {"state": "failed", "problem": problem})
        raise


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
