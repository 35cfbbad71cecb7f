"""Replaying an episode: the same engine, every call and finding taken from the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from centerlm.center import CenterLM
from centerlm.episode import episode_to_json, fold
from centerlm.errors import InputError, ModelError
from centerlm.finding import Finding, Usage
from centerlm.journal import Journal, Overlay
from centerlm.models.base import Constraint, Price, Prompt, Reply
from centerlm.run import Options
from centerlm.solver import Solution, solve, stored_objective
from centerlm.sources.base import Card, Seek


@dataclass(frozen=True, slots=True)
class Replayed:
    """The outcome of a replay, its events (`journal`), and whether it is the recorded outcome.

    `data` is the outcome as `episode_to_json` gives it, with the recorded time in place of its own.
    """

    solution: Solution
    journal: Overlay
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

    Raises:
        InputError: the episode has not ended.
        JournalError: the record lacks something the replay needs.
    """
    events = journal.events(name)
    recorded = fold(events)
    if recorded.status in ("running", "cancelled"):
        raise InputError(f"episode {name} has not ended; finish it with: centerlm resume {name}")
    settings = journal.blob(recorded.settings)
    data = msgspec.json.decode(settings)
    over = Overlay(journal)
    solution = await solve(
        stored_objective(settings),
        center=CenterLM(_NoModel(data["center"], data["constraint"])),
        sources=[_NoSource(msgspec.convert(card, Card)) for card in data["sources"]],
        journal=over,
        options=Options(replaying=True),
        episode=name,
    )
    before = episode_to_json(recorded, name, journal.blob)
    after = episode_to_json(solution.tree, name, over.blob)
    after["usage"]["seconds"] = before["usage"]["seconds"]
    same = msgspec.json.encode(before) == msgspec.json.encode(after)
    return Replayed(solution, over, after, same)
