"""What the engine carries along: the run of one episode, and the levels of its tree."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from centerlm.acts import Experience, ShownBudget
from centerlm.budget import Account, Amount
from centerlm.finding import Finding
from centerlm.joining import Joins
from centerlm.objective import AnswerType, Objective
from centerlm.plan import Step
from centerlm.protocols import Center, Memory, Review, Validator
from centerlm.recorder import Recorder
from centerlm.sources.base import Card, Source

ABSORB_TOKENS = 1024
"""Tokens held back for a level's last absorb call, where tokens are limited."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. `each_limit` items of a list are gone through; a source has `seek_seconds`.

    `reasks` and `splits` switch the two ways to go on where a step found nothing; at most
    `reopens` unsupported steps are asked again an episode. With `explores`, such a step may ask a
    source that its plan does not name and of which nothing is known yet, also a person: for
    training and trials. `replaying` takes every call and finding from the journal and runs nothing.
    """

    seed: int = 0
    each_limit: int = 32
    seek_seconds: float | None = 120.0
    reasks: bool = True
    splits: bool = True
    reopens: int = 2
    explores: bool = False
    replaying: bool = False


@dataclass(slots=True)
class Level:
    """An objective being solved by a plan of its own: the root (path ""), a child or a split.

    `generation` counts how often the step it answers was re-opened; `ancestors` are the identities
    of the sub-objectives above; `texts` are the steps' filled-in sub-objectives; `open` counts the
    steps and items not finished. A split is `parted`: asked as it is, its objective found nothing.
    """

    path: str
    objective: str
    depth: int
    account: Account
    shown: ShownBudget
    ancestors: frozenset[str] = frozenset()
    generation: int = 0
    experience: Experience = field(default_factory=Experience)
    answer_type: AnswerType = "any"
    steps: list[Step] = field(default_factory=list[Step])
    results: dict[int, asyncio.Future[Finding]] = field(
        default_factory=dict[int, "asyncio.Future[Finding]"]
    )
    texts: dict[int, str] = field(default_factory=dict[int, str])
    planned: asyncio.Event = field(default_factory=asyncio.Event)
    direct: bool = False
    parted: bool = False
    open: int = 0

    @property
    def is_root(self) -> bool:
        return not self.path

    def at(self, id_: int) -> str:
        """The path of a step of this level."""
        return f"{self.path}.{id_}" if self.path else str(id_)

    def done(self) -> list[tuple[Step, Finding]]:
        """The steps that have ended, with their findings, in order."""
        return [
            (step, self.results[step.id].result())
            for step in self.steps
            if step.id in self.results
            and self.results[step.id].done()
            and not self.results[step.id].cancelled()
        ]


@dataclass(slots=True)
class Run:
    """One episode under way. `named` are the sources the root plan named before anything was
    read: with read-only ones, all that a later plan may use. `descend` solves a level further down.
    """

    recorder: Recorder
    center: Center
    sources: Mapping[str, Source]
    objective: Objective
    options: Options
    joins: Joins
    descend: Callable[[Run, Level], Awaitable[Finding]]
    deadline: float | None = None
    review: Review | None = None
    validator: Validator | None = None
    memory: Memory | None = None
    named: frozenset[str] = frozenset()
    reopened: set[str] = field(default_factory=set[str])

    def cards(self, level: Level) -> tuple[Card, ...]:
        """The cards of the sources a plan of this level may name."""
        trusted = level.is_root and not level.experience
        return tuple(
            source.card
            for name, source in self.sources.items()
            if trusted or source.card.effect == "read" or name in self.named
        )

    def limit(self, card: Card) -> float | None:
        """The seconds one seek may take; people have no limit. (The deadline ends all seeks at
        once, as out of budget: a limit that met it would end some as failed.)
        """
        return self.options.seek_seconds if card.shared else None

    def seconds(self, card: Card) -> float | None:
        """The seconds a seek can count on: its limit, at most what is left until the deadline."""
        limit = self.limit(card)
        if self.deadline is None:
            return limit
        left = max(self.deadline - asyncio.get_running_loop().time(), 0.0)
        return left if limit is None else min(left, limit)

    def expired(self) -> bool:
        return self.deadline is not None and asyncio.get_running_loop().time() >= self.deadline

    def affords(self, level: Level, calls: int) -> bool:
        """Whether this many more calls fit; a replay makes none that its past does not hold."""
        return not self.options.replaying and level.account.left.covers(Amount(calls=calls))

    def may_reopen(self, path: str) -> bool:
        """Whether a step may be asked again: once a step, and so many times an episode."""
        if path in self.recorder.past.reopened:
            return path not in self.reopened
        return (
            not self.options.replaying
            and path not in self.reopened
            and len(self.reopened | self.recorder.past.reopened) < self.options.reopens
        )
