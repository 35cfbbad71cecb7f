"""What an earlier run of an episode already has: so that resuming and replaying repeat nothing.

Resuming runs the same engine again; wherever it would call a model or a source, or start a step,
it first looks here. An entry counts only if it belongs to the same text (`key`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from centerlm.events import (
    CallFinished,
    CallStarted,
    EpisodeFinished,
    EpisodeResumed,
    EpisodeStarted,
    Event,
    MemoryRecalled,
    PlanFinished,
    PlanReviewed,
    SeekFinished,
    SeekStarted,
    StepFinished,
    StepJoined,
    StepReopened,
)
from centerlm.finding import Usage

CallKey = tuple[str, str, int]
SeekKey = tuple[str, str, int]

_NOT_FINISHED = {"cancelled", "out_of_budget"}


@dataclass(slots=True)
class Past:
    """Finished calls, seeks, plans and steps by path; and what was started but never finished.

    `refused` are calls that failed; only a replay does not make them again. For a replay, `events`
    holds all and `under` those at and below each step. `spent` was spent by finished calls, `lost`
    by calls that earlier kills cut off, `cut_off` (at most) by those the last kill cut off;
    `seconds` passed while the episode was running.
    """

    replaying: bool = False
    calls: dict[CallKey, CallFinished] = field(default_factory=dict[CallKey, CallFinished])
    refused: dict[CallKey, CallFinished] = field(default_factory=dict[CallKey, CallFinished])
    seeks: dict[SeekKey, SeekFinished] = field(default_factory=dict[SeekKey, SeekFinished])
    begun: dict[SeekKey, SeekStarted] = field(default_factory=dict[SeekKey, SeekStarted])
    recalled: dict[CallKey, MemoryRecalled] = field(default_factory=dict[CallKey, MemoryRecalled])
    plans: dict[tuple[str, int], PlanFinished] = field(
        default_factory=dict[tuple[str, int], PlanFinished]
    )
    steps: dict[tuple[str, int], StepFinished] = field(
        default_factory=dict[tuple[str, int], StepFinished]
    )
    reopened: set[str] = field(default_factory=set[str])
    joined: set[str] = field(default_factory=set[str])
    started: EpisodeStarted | None = None
    finished: EpisodeFinished | None = None
    spent: Usage = field(default_factory=Usage)
    lost: Usage = field(default_factory=Usage)
    cut_off: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    events: list[Event] = field(default_factory=list[Event])
    under: dict[str, list[Event]] = field(default_factory=dict[str, list[Event]])

    def asked(self, path: str, act: str, attempt: int) -> bool:
        """Whether this call need not be made: its reply, or for a replay its failure, is known."""
        key = (path, act, attempt)
        return key in self.calls or (self.replaying and key in self.refused)

    def unrepeatable(self, path: str, attempt: int) -> StepFinished | None:
        """The end of a step that a replay tells instead of running it: one that joined another,
        or that time or budget ended, depends on what else happened just then.
        """
        event = self.steps.get((path, attempt))
        if event is not None and (path in self.joined or event.status in _NOT_FINISHED):
            return event
        return None

    def step(self, path: str, attempt: int, key: str) -> StepFinished | None:
        """The final status of a step, if it ended with one that stands."""
        event = self.steps.get((path, attempt))
        if event is None or event.key != key:
            return None
        return event if self.replaying or event.status not in _NOT_FINISHED else None


def past_of(events: Iterable[Event], *, replaying: bool = False) -> Past:
    """Sort events into a `Past`; for a replay, with all of them, also by the step above."""
    past = Past(replaying=replaying)
    flying: dict[tuple[str, str, int], Usage] = {}
    first = last = 0.0
    for event in events:
        if isinstance(event, PlanReviewed):
            continue  # it may come long after the end, and nothing depends on it
        if replaying:
            past.events.append(event)
            parts = event.path.split(".") if event.path else []
            for depth in range(1, len(parts) + 1):
                past.under.setdefault(".".join(parts[:depth]), []).append(event)
        if isinstance(event, EpisodeResumed):
            past.lost += event.lost
            past.seconds += last - first
            first = last = event.at
            flying.clear()
            continue
        first, last = first or event.at, event.at
        match event:
            case EpisodeStarted():
                past.started = event
            case EpisodeFinished():
                past.finished = event
            case CallStarted():
                flying[event.path, event.act, event.attempt] = event.bound
            case CallFinished():
                flying.pop((event.path, event.act, event.attempt), None)
                past.spent += event.usage
                kept = past.calls if event.reply else past.refused
                kept[event.path, event.act, event.attempt] = event
            case SeekStarted():
                flying[event.path, "seek " + event.source, event.attempt] = event.bound
                past.begun[event.path, event.source, event.attempt] = event
            case SeekFinished():
                flying.pop((event.path, "seek " + event.source, event.attempt), None)
                past.spent += event.usage
                if replaying or event.status not in _NOT_FINISHED:
                    past.seeks[event.path, event.source, event.attempt] = event
            case MemoryRecalled():
                past.recalled[event.path, event.act, event.attempt] = event
            case PlanFinished():
                # The first: earlier versions did not say which attempt a later one is of.
                past.plans.setdefault((event.path, event.attempt), event)
            case StepJoined():
                past.joined.add(event.path)
            case StepReopened():
                past.reopened.add(event.path)
            case StepFinished():
                past.steps[event.path, event.attempt] = event
            case _:
                pass
    past.seconds += last - first
    past.cut_off = sum(flying.values(), Usage())
    return past
