"""Replaying an episode: the same engine, every call and finding taken from the journal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from centerlm.center import CenterLM
from centerlm.episode import Episode, episode_to_json, fold
from centerlm.errors import InputError, ModelError
from centerlm.events import CallFinished, Event, StepFinished
from centerlm.finding import Finding, Usage
from centerlm.journal import Journal, MemoryJournal
from centerlm.models.base import Constraint, Price, Prompt, Reply
from centerlm.run import Options
from centerlm.solver import Solution, solve, stored_objective
from centerlm.sources.base import Card, Seek


@dataclass(frozen=True, slots=True)
class Replayed:
    """The outcome of a replay and its events (`journal`).

    `data` is the outcome as `episode_to_json` gives it, with the recorded usage, for a replay
    spends nothing. `same` says whether it is, times left out, the recorded outcome byte by byte.
    """

    solution: Solution
    journal: Journal
    data: dict[str, Any]
    same: bool


@dataclass(frozen=True, slots=True)
class _NoModel:
    """Stands where a model stood; a replay never calls it."""

    identity: str
    constraint: Constraint
    name: str = "replay"
    context: int = 1 << 40
    price: Price = Price()  # noqa: RUF009 - frozen

    def count(self, prompt: Prompt) -> int:
        del prompt
        return 0

    async def complete(self, prompt: Prompt, *_: Any, **__: Any) -> Reply:
        del prompt
        raise ModelError("a replay calls no model")

    async def close(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class _NoSource:
    """Stands where a source stood; a replay never asks it."""

    card: Card

    def bound(self, seek: Seek) -> Usage:
        del seek
        return Usage()

    async def seek(self, seek: Seek) -> Finding:
        del seek
        raise ModelError("a replay asks no source")


async def replay_episode(journal: Journal, name: str) -> Replayed:
    """Run an episode again from its record alone.

    Plans, calls and findings come from the record; references, lists, absorbing and verifying are
    done anew. Only where a call failed or the budget ended are steps taken as they ended.

    Raises:
        InputError: the episode has not ended, or ended with a call that failed.
        JournalError: the record lacks something the replay needs.
    """
    events = journal.events(name)
    recorded = fold(events)
    if recorded.status in ("running", "cancelled"):
        raise InputError(f"episode {name} has not ended; finish it with: centerlm resume {name}")
    failed = _failed_calls(events)
    if "" in failed:
        raise InputError(
            f"episode {name} ended with a call that failed, so there is nothing to replay; "
            f"try again with: centerlm resume {name}"
        )
    settings = journal.blob(recorded.settings)
    data = msgspec.json.decode(settings)
    record = _Record(journal, _replayable(events, failed | _cut_off(recorded)))
    solution = await solve(
        stored_objective(settings),
        center=CenterLM(_NoModel(data["center"], data["constraint"])),
        sources=[_NoSource(msgspec.convert(card, Card)) for card in data["sources"]],
        journal=record,
        options=Options(replaying=True),
        episode=name,
    )
    before = episode_to_json(recorded, name, journal.blob)
    after = episode_to_json(solution.tree, name, record.blob) | {"usage": before["usage"]}
    same = msgspec.json.encode(before) == msgspec.json.encode(after)
    return Replayed(solution, record, after, same)


class _Record(MemoryJournal):
    """What a replay reads, from a journal that it leaves as it is, and what it writes."""

    def __init__(self, below: Journal, past: Sequence[Event]) -> None:
        super().__init__()
        self._below = below
        self._past = past

    def events(self, episode: str) -> list[Event]:
        return super().events(episode) or list(self._past)

    def blob(self, name: str) -> bytes:
        return self._blobs[name] if name in self._blobs else self._below.blob(name)


def _failed_calls(events: Sequence[Event]) -> set[str]:
    """The paths with a call that failed and was not made up for later (after a resume)."""
    last: dict[tuple[str, str, int], CallFinished] = {}
    for event in events:
        if isinstance(event, CallFinished):
            last[event.path, event.act, event.attempt] = event
    return {event.path for event in last.values() if not event.reply}


def _cut_off(recorded: Episode) -> set[str]:
    """The paths of steps that ended because something else did."""
    cut_off = ("out_of_budget", "cancelled")
    return {path for path, node in recorded.nodes.items() if node.status in cut_off}


def _replayable(events: Sequence[Event], unknowable: set[str]) -> list[Event]:
    """What a replay may know: not how steps ended, but for whole trees where it cannot find out."""
    kept = {path.partition(".")[0] for path in unknowable}
    return [
        event
        for event in events
        if not isinstance(event, StepFinished) or event.path.partition(".")[0] in kept
    ]
