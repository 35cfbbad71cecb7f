"""One episode's pen: writes events to journal and fold, reads back what is there already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import msgspec

from centerlm.episode import Episode
from centerlm.errors import CenterError, JournalError, OutOfBudgetError
from centerlm.events import (
    CallFinished,
    EpisodeResumed,
    Event,
    SeekFinished,
    StepFinished,
    StepStarted,
    digest,
    fit,
)
from centerlm.finding import Finding, finding_from_json, finding_to_json
from centerlm.journal import Journal
from centerlm.past import Past

_encoder = msgspec.json.Encoder()


class Recorder:
    """Events go through here once: to the journal, the folded state and whoever listens.

    `replaying` says that nothing may run that the past does not hold, `limited` that a budget
    bounds calls, tokens, seconds or money.
    """

    def __init__(
        self,
        name: str,
        journal: Journal,
        *,
        seed: int,
        past: Past,
        replaying: bool = False,
        limited: bool = False,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.name = name
        self.journal = journal
        self.seed = seed
        self.past = past
        self.replaying = replaying
        self.limited = limited
        self.state = Episode()
        self._on_event = on_event
        self._told: set[int] = set()

    def emit(self, event: Event, **blobs: bytes) -> None:
        """Queue an event; the values of `blobs` are stored under their digests."""
        event = fit(event)
        stored = {digest(data): data for data in blobs.values()} if blobs else None
        self.journal.append(self.name, event, stored)
        self.show(event)

    def show(self, event: Event) -> None:
        """Fold an event in without writing it: it is in the journal already."""
        self.state.apply(event)
        if self._on_event is not None:
            self._on_event(event)

    def again(self, event: Event) -> None:
        """Something the past holds was taken from there: a replay tells it again, once."""
        if self.replaying and id(event) not in self._told:
            self._told.add(id(event))
            self.journal.append(self.name, event)
            self.show(event)

    def retell(self, end: StepFinished) -> Finding:
        """Replay a step: tell all that happened at and below it, save what re-opening it began."""
        for event in self.past.under[end.path]:
            again = isinstance(event, StepStarted) and event.attempt > end.attempt
            if again and event.path == end.path:
                break
            self.again(event)
        return self.finding(end.finding)

    def retell_rest(self) -> None:
        """Tell what a replay had no use for but what was spent: failed attempts, resumptions."""
        for event in self.past.events:
            if isinstance(event, CallFinished | SeekFinished | EpisodeResumed):
                self.again(event)

    async def commit(self) -> None:
        await self.journal.commit()

    def commit_soon(self) -> None:
        self.journal.commit_soon()

    def missing(self, what: str) -> CenterError:
        """The error for something a replay needs and the journal does not hold.

        Under a budget it was refused then, as it is now.
        """
        end = self.past.finished
        if self.limited and end is not None:
            return OutOfBudgetError(end.reason or "the budget had too little left")
        return JournalError(
            f"episode {self.name} cannot be replayed: it holds no {what}; "
            "finish it first with: centerlm resume"
        )

    def seed_of(self, path: str, act: str, attempt: int, sample: int = 0) -> int:
        """31 bits of hash(episode seed, step path, act, attempt, sample)."""
        text = f"{self.seed}|{path}|{act}|{attempt}|{sample}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) >> 1

    def key_of(self, path: str, attempt: int) -> str:
        """The idempotency key of a seek."""
        return f"{self.name}/{path}/{attempt}"

    def finding(self, name: str) -> Finding:
        """A stored finding."""
        return finding_from_json(msgspec.json.decode(self.journal.blob(name)))


def to_blob(data: Any) -> bytes:
    """Plain data, and dataclasses of it, as JSON bytes.

    Lone surrogates, which cannot be stored, become question marks.
    """
    try:
        return _encoder.encode(data)
    except UnicodeEncodeError:
        plain = msgspec.to_builtins(data)
        return json.dumps(plain, ensure_ascii=False).encode("utf-8", "replace")


def finding_blob(finding: Finding) -> bytes:
    return to_blob(finding_to_json(finding))
