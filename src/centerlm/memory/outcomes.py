"""What an episode tells of its sources: one outcome for each time that one was asked.

From the events alone. Without known answers, a source did well where the step ended with an answer
from it that its citations bear; `worth` says what is known better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

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
from centerlm.finding import Status
from centerlm.plan import references

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
    events: Iterable[Event], worth: Mapping[str, float] | None = None
) -> tuple[Outcome, ...]:
    """The outcomes of an episode, in the order in which sources answered.

    `worth` in 0..1 by path says how right a step's answer was (`learning.credit`); a path that it
    does not name counts as right where it has an answer. What time, budget or a person ended says
    nothing of the source and gives no outcome.
    """
    return tuple(_Reading(worth or {}).read(list(events)))


class _Reading:
    def __init__(self, worth: Mapping[str, float]) -> None:
        self._worth = worth

    def read(self, events: list[Event]) -> Iterator[Outcome]:
        lines = {e.path: e.line for e in events if isinstance(e, StepPlanned)}
        steps = {(e.path, e.attempt): e for e in events if isinstance(e, StepStarted)}
        ends = {(e.path, e.attempt): e for e in events if isinstance(e, StepFinished)}
        asked = {(e.path, e.source, e.attempt): e for e in events if isinstance(e, SeekStarted)}
        answered = {(e.path, e.source, e.attempt): e for e in events if isinstance(e, SeekFinished)}
        reopened = {e.path for e in events if isinstance(e, StepReopened)}
        last: dict[tuple[str, int], int] = {}
        for (path, _, attempt), seek in answered.items():
            if seek.status == Status.FOUND:
                generation = attempt // _GENERATION
                last[path, generation] = max(last.get((path, generation), -1), attempt)
        for at, seek in answered.items():
            path, source, attempt = at
            generation = attempt // _GENERATION
            step, end = steps.get((path, generation)), ends.get((path, generation))
            if step is None or end is None or seek.status not in _TELLING:
                continue
            if end.status not in _TELLING:
                continue
            helped = (
                end.status == Status.FOUND
                and end.source == source
                and last.get((path, generation)) == attempt
                and not self._unsupported(path, generation, attempt, ends, reopened)
            )
            query = asked[at].text if at in asked and attempt % _GENERATION >= _OTHER_WORDS else ""
            began = asked[at].at if at in asked else seek.at
            yield Outcome(
                entry=f"{path}/{attempt}",
                source=source,
                text=step.text,
                query="" if query == step.text else query,
                success=min(max(self._worth.get(path, 1.0), 0.0), 1.0) if helped else 0.0,
                cost=seek.usage.cost,
                seconds=max(seek.at - began, 0.0),
                at=seek.at,
                plain="." not in path and path in lines and not references(lines[path]),
            )

    @staticmethod
    def _unsupported(
        path: str,
        generation: int,
        attempt: int,
        ends: Mapping[tuple[str, int], StepFinished],
        reopened: set[str],
    ) -> bool:
        """Whether the step was asked again after this, because its answer did not hold."""
        if path not in reopened:
            return False
        return (path, generation + 1) in ends or attempt % _GENERATION < _OTHER_WORDS
