"""Tasks: sub-objectives with their references filled in, and the record of how they end.

A task is a step, or an item of one. Its `key` is its identity: equal keys are one sub-objective.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from centerlm.events import StepFinished, StepStarted, cut, digest
from centerlm.finding import Finding, Status, Value, format_value, short_answer, value_to_json
from centerlm.plan import Step, fill, normalise, references
from centerlm.recorder import finding_blob
from centerlm.run import Level, Run
from centerlm.sources.base import Binding


@dataclass(frozen=True, slots=True)
class Task:
    """A sub-objective ready to be asked.

    `text` holds the answers as they are, `quoted` in quotation marks (what a later plan may see of
    them); `template` and `values` are what `computes` sources get. `generation` counts how often
    it was re-opened, `items` into how many its step was divided.
    """

    path: str
    sources: tuple[str, ...]
    template: str
    text: str
    quoted: str
    values: Mapping[int, Binding]
    key: str
    generation: int = 0
    items: int = 1


def identity(
    sources: tuple[str, ...], text: str, values: Mapping[int, Binding], *, computes: bool = False
) -> str:
    """What makes two sub-objectives one: sources, normalised filled-in text, and the lists whose
    short answers are cut. (Attachments are the root's in the whole tree.)

    A source that `computes` gets typed values and their labels instead of the text, so there all
    of them count: `earlier(1950, 1960)` is another question for other people. Its text is a formula
    or a program, in which case and quotation marks count too: 3 MW are not 3 mW.
    """
    exact = {
        k: [value_to_json(b.value), b.label if computes else None]
        for k, b in values.items()
        if computes or isinstance(b.value, tuple)
    }
    extra = json.dumps(exact, sort_keys=True) if exact else ""
    asked = text if computes else normalise(text)
    return digest(f"{'|'.join(sources)}\n{asked}\n{extra}".encode())


def make_task(
    run: Run,
    level: Level,
    step: Step,
    path: str,
    values: Mapping[int, Binding],
    generation: int,
    items: int = 1,
) -> Task:
    """Fill in the references of a step, once; a level answered directly asks its objective."""
    if level.direct:
        text = " ".join(level.objective.split())
        key = identity(step.sources, text, {})
        return Task(path, step.sources, text, text, text, values, key, generation)
    answers = {k: shown(b.value) for k, b in values.items()}
    quoted = {k: '"' + a.replace('"', "'") + '"' for k, a in answers.items()}
    text = fill(step.text, answers)
    return Task(
        path=path,
        sources=step.sources,
        template=step.text,
        text=text,
        quoted=fill(step.text, quoted),
        values=values,
        key=identity(step.sources, text, values, computes=computes(run, step)),
        generation=generation,
        items=items,
    )


def bindings(level: Level, findings: Mapping[int, Finding]) -> dict[int, Binding]:
    """What the references of a step stand for, from the findings they name."""
    return {k: Binding(value_of(f), _label(level, k)) for k, f in findings.items()}


def value_of(finding: Finding) -> Value:
    """The typed answer, or the short one as text."""
    return finding.value if finding.value is not None else finding.answer


def shown(value: Value) -> str:
    """A value as it is inserted into another step's text."""
    return short_answer(format_value(value))


def computes(run: Run, step: Step) -> bool:
    """Whether a source of the step gets references as typed values."""
    return any(name in run.sources and run.sources[name].card.computes for name in step.sources)


def _label(level: Level, k: int) -> str | None:
    """What the answer of step k is the answer for: the one reference in its text, if any."""
    named = references(level.steps[k - 1].text)
    if len(named) != 1:
        return None
    result = level.results[named[0]]
    return result.result().answer if result.done() and not result.cancelled() else None


def start_step(run: Run, task: Task) -> None:
    run.recorder.emit(
        StepStarted(
            path=task.path,
            text=cut(task.text),
            sources=task.sources,
            key=task.key,
            attempt=task.generation,
        )
    )


def finish_step(
    run: Run,
    path: str,
    finding: Finding,
    *,
    generation: int,
    key: str = "",
    tried: tuple[str, ...] = (),
) -> Finding:
    """Record a final status; the very same record of an earlier run is not written again."""
    data = finding_blob(finding)
    event = StepFinished(
        path=path,
        status=str(finding.status),
        finding=digest(data),
        answer=finding.answer or "",
        source=finding.source,
        tried=tuple(name for name in tried if name != finding.source)[:4],
        cites=_cited(finding),
        reason=cut(finding.reason),
        key=key,
        attempt=generation,
    )
    earlier = run.recorder.past.step(path, generation, key)
    if earlier is not None and earlier.finding == event.finding:
        run.recorder.again(earlier)
    else:
        run.recorder.emit(event, finding=data)
    return finding


def stop_step(run: Run, path: str, generation: int) -> None:
    """Record the final status of a step that was stopped: by the deadline, or by its user."""
    status = Status.OUT_OF_BUDGET if run.expired() else Status.CANCELLED
    finish_step(run, path, Finding(status, reason="stopped"), generation=generation)


def _cited(finding: Finding) -> tuple[str, ...]:
    """Names of the first few things it cites; words of a source may have neither title nor file."""
    named = (cut(cite.title or cite.file, 60) for cite in finding.citations)
    return tuple(dict.fromkeys(name for name in named if name))[:3]
