"""What an episode tells of its sources: one outcome for each time that one was asked.

From its events and findings alone. Without known answers, a source did well where the step ended
with an answer from it that its citations bear; `worth` says what is known better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from centerlm.events import (
    Event,
    SeekFinished,
    SeekStarted,
    StepFinished,
    StepPlanned,
    StepReopened,
    StepStarted,
)
from centerlm.finding import Status, finding_from_json
from centerlm.plan import references
from centerlm.verify import why_unsupported

Blob = Callable[[str], bytes]

_TELLING = {Status.FOUND, Status.NOTHING, Status.FAILED}
_GENERATION = 100
"""Attempts of a step's generation: see `answering`."""
_OTHER_WORDS = 50
"""From this attempt of a generation on the source is asked in other words."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A source was asked once. `entry` says where in the episode.

    `text` is the sub-objective, `query` what was asked instead where that differs. `success` in
    0..1; `cost` in money, `seconds` until it answered, `at` in seconds since 1970. `plain` says
    that the text holds nothing that was found: it is a step of the root plan without references.
    """

    entry: str
    source: str
    text: str
    query: str = ""
    success: float
    cost: float = 0.0
    seconds: float = 0.0
    at: float = 0.0
    plain: bool = False


def outcomes(
    events: Iterable[Event], blob: Blob, worth: Mapping[str, float] | None = None
) -> tuple[Outcome, ...]:
    """The outcomes of an episode, in the order in which sources answered. `blob` is its journal's.

    `worth` in 0..1 by path says how right a step's answer was (`learning.credit`); a path that it
    does not name counts as right where it has an answer that its citations bear. What time, budget
    or a person ended says nothing of the source and gives no outcome.

    Raises:
        JournalError: the journal has lost a finding.
    """
    return tuple(_Reading(list(events), blob, worth or {}).read())


class _Reading:
    def __init__(self, events: list[Event], blob: Blob, worth: Mapping[str, float]) -> None:
        self._blob, self._worth = blob, worth
        self._lines = {e.path: e.line for e in events if isinstance(e, StepPlanned)}
        self._steps = {(e.path, e.attempt): e for e in events if isinstance(e, StepStarted)}
        self._ends = {(e.path, e.attempt): e for e in events if isinstance(e, StepFinished)}
        self._asked = {
            (e.path, e.source, e.attempt): e for e in events if isinstance(e, SeekStarted)
        }
        self._answered = {
            (e.path, e.source, e.attempt): e for e in events if isinstance(e, SeekFinished)
        }
        self._reopened = {e.path for e in events if isinstance(e, StepReopened)}
        self._last: dict[tuple[str, int], int] = {}
        for (path, _, attempt), seek in self._answered.items():
            if seek.status == Status.FOUND:
                step = (path, attempt // _GENERATION)
                self._last[step] = max(self._last.get(step, -1), attempt)

    def read(self) -> Iterator[Outcome]:
        for (path, source, attempt), seek in self._answered.items():
            generation = attempt // _GENERATION
            step, end = self._steps.get((path, generation)), self._ends.get((path, generation))
            if step is None or end is None:
                continue
            if seek.status not in _TELLING or end.status not in _TELLING:
                continue
            began = self._asked.get((path, source, attempt))
            other_words = began is not None and attempt % _GENERATION >= _OTHER_WORDS
            query = began.text if began is not None and other_words else ""
            worth = min(max(self._worth.get(path, 1.0), 0.0), 1.0)
            helped = end.source == source and self._helped(path, attempt, end)
            yield Outcome(
                entry=f"{path}/{attempt}",
                source=source,
                text=step.text,
                query="" if query == step.text else query,
                success=worth if helped else 0.0,
                cost=seek.usage.cost,
                seconds=max(seek.at - began.at, 0.0) if began is not None else 0.0,
                at=seek.at,
                plain="." not in path and path in self._lines and not references(self._lines[path]),
            )

    def _helped(self, path: str, attempt: int, end: StepFinished) -> bool:
        """Whether the step's answer is from this attempt, holds, and was not asked for again."""
        generation = attempt // _GENERATION
        if end.status != Status.FOUND or self._last.get((path, generation)) != attempt:
            return False
        if path in self._reopened and (path, generation + 1) in self._ends:
            return False
        if not end.finding:
            return True
        stored = finding_from_json(msgspec.json.decode(self._blob(end.finding)))
        return why_unsupported(stored) is None
