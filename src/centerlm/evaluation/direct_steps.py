"""A step of a level that asks one source as it is, recorded like any step: for baselines."""

from __future__ import annotations

from centerlm.events import StepPlanned
from centerlm.finding import Finding
from centerlm.run import Level, Run
from centerlm.seeking import seek_source
from centerlm.sources.base import Seek
from centerlm.tasks import Task, finish_step, start_step


async def ask_source(
    run: Run, level: Level, name: str, text: str, number: int, *, by: str, key: str
) -> Finding:
    """What the source `name` says to `text`, as step `number` of the level. `by` is the system that
    asks; `key` tells its steps apart from those of others.

    Raises:
        OutOfBudgetError: nothing is left for it.
    """
    path = level.at(number)
    task = Task(path, (name,), text, text, text, {}, f"{key} {number}")
    run.recorder.emit(StepPlanned(path=path, line=f"{number} [{name}] {text}"[:300], by=by))
    start_step(run, task)
    source = run.sources[name]
    finding = await seek_source(
        run.recorder,
        level.account,
        source,
        Seek(text, template=text.replace("#", "##"), objective=run.objective.text),
        path=path,
        attempt=0,
        seconds=run.seconds(source.card),
    )
    finish_step(run, path, finding, generation=level.generation, key=task.key, tried=(name,))
    return finding
