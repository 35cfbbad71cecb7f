"""What an episode found out for good: the notes it gives to the knowledge web.

From its events and findings alone. A step gives a note where its answer stands in words that it
cites (`cited`); a level of the plan where its answer is that of steps that gave notes, or was
computed from them (`derived`). What nothing outside a model or a person bears gives none: a yes or
no that was read, the reply of an expert, of a person, of a function.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from centerlm.errors import PlanError
from centerlm.events import (
    MAX_FIELD,
    EpisodeFinished,
    EpisodeStarted,
    Event,
    PlanFinished,
    StepFinished,
    StepJoined,
    StepStarted,
)
from centerlm.finding import Citation, Status, finding_from_json
from centerlm.memory.outcomes import Blob
from centerlm.plan import Plan, Step, normalise, parse_plan
from centerlm.verify import contains

MAX_CITATIONS = 3
Trust = Literal["cited", "derived"]


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A claim that was found for a question, at `path` of an episode that `served` an objective.

    `source` gave it, `reader` (identity of a center) read it. `rests` are the notes that a derived
    claim holds with, `follows` those whose claims are in the question; both by `ref`.
    """

    path: str
    question: str
    claim: str
    source: str
    trust: Trust
    citations: tuple[Citation, ...] = ()
    served: str = ""
    reader: str = ""
    at: float = 0.0
    rests: tuple[int, ...] = ()
    follows: tuple[int, ...] = ()

    @property
    def ref(self) -> int:
        return ref_of(self.question, self.claim)


def question_key(question: str) -> int:
    """What makes two questions one: 64 bits of the hash of the normalised text, signed."""
    return _hash(normalise(question))


def ref_of(question: str, claim: str) -> int:
    """What makes two notes one: question and claim, both normalised."""
    return _hash(f"{normalise(question)}\n{normalise(claim)}")


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def notes_of(events: Iterable[Event], blob: Blob) -> tuple[Note, ...]:
    """The notes of an ended episode, what others rest on first. `blob` is its journal's.

    Raises:
        JournalError: the journal has lost a finding.
    """
    return tuple(_Reading(list(events), blob).read())


class _Reading:
    def __init__(self, events: list[Event], blob: Blob) -> None:
        self._blob = blob
        self._texts = {e.path: e.text for e in events if isinstance(e, StepStarted)}
        self._ends = {e.path: e for e in events if isinstance(e, StepFinished)}
        self._joined = {e.path: e.to for e in events if isinstance(e, StepJoined)}
        self._plans = {e.path: e for e in events if isinstance(e, PlanFinished) if e.plan}
        self._parsed: dict[str, Plan | None] = {}
        self._carried: dict[str, frozenset[int] | None] = {}
        self._made: dict[str, Note] = {}
        started = next((e for e in events if isinstance(e, EpisodeStarted)), None)
        settings: Any = msgspec.json.decode(blob(started.settings)) if started else {}
        self._reader = str(settings.get("center", ""))
        setup: Any = settings.get("setup")
        self._visits = isinstance(setup, dict) and "study" in setup
        self._objective = " ".join(str(settings.get("objective", {}).get("text", "")).split())
        self._computing = {
            card["name"] for card in settings.get("sources", ()) if card.get("computes")
        }
        self._end = next((e for e in reversed(events) if isinstance(e, EpisodeFinished)), None)

    def read(self) -> Iterator[Note]:
        for path in self._ends:
            self._rests_of(path)
        asked = self._end is not None and not self._visits  # a study's visit asks nothing itself
        if self._end is not None and asked and self._end.status == "answered":
            self._derive("", self._objective, self._end.answer, self._end.at)
        yield from self._made.values()

    def _rests_of(self, path: str) -> frozenset[int] | None:
        """The notes that the answer at a path holds with; None where it is not borne by any."""
        if path not in self._carried:
            self._carried[path] = None  # a circle of joined steps carries nothing
            self._carried[path] = self._find(path)
        return self._carried[path]

    def _find(self, path: str) -> frozenset[int] | None:
        if path in self._joined:
            return self._rests_of(self._joined[path])
        end = self._ends.get(path)
        if end is None or end.status != Status.FOUND:
            return None
        if path in self._plans:
            return self._derive(path, self._texts.get(path, ""), end.answer, end.at)
        items = [other for other in self._ends if other.rpartition(".")[0] == path]
        if items:
            return _all(self._rests_of(item) for item in items)
        if end.source in self._computing:
            return _all(self._needed(path))
        return self._cite(path, end)

    def _needed(self, path: str) -> Iterator[frozenset[int] | None]:
        """What the answers that were filled in at a path rest on."""
        level, step = self._step(path)
        if step is not None:
            for k in step.needs:
                yield self._rests_of(f"{level}.{k}" if level else str(k))

    def _step(self, path: str) -> tuple[str, Step | None]:
        """The step of a path or, of an item, the one that it is an item of; and its level."""
        while path:
            level, _, number = path.rpartition(".")
            plan = self._plan(level)
            if plan is not None and int(number) <= len(plan.steps):
                return level, plan.steps[int(number) - 1]
            if level in self._plans:
                return level, None
            path = level
        return "", None

    def _plan(self, level: str) -> Plan | None:
        if level not in self._parsed:
            event = self._plans.get(level)
            try:
                self._parsed[level] = parse_plan(self._blob(event.plan).decode()) if event else None
            except PlanError:  # a level that was answered without a step
                self._parsed[level] = None
        return self._parsed[level]

    def _cite(self, path: str, end: StepFinished) -> frozenset[int] | None:
        """A note whose claim stands in words that it cites."""
        question = self._texts.get(path, "")
        if not end.finding or not end.answer or len(question) >= MAX_FIELD or not question:
            return None
        finding = finding_from_json(msgspec.json.decode(self._blob(end.finding)))
        bearing = tuple(c for c in finding.citations if contains(c.quote, end.answer))
        if not bearing or not all(c.file for c in bearing):
            return None
        followed = [rests for rests in self._needed(path) if rests]
        return self._keep(
            Note(
                path=path,
                question=question,
                claim=end.answer,
                source=end.source,
                trust="cited",
                citations=bearing[:MAX_CITATIONS],
                served=self._served,
                reader=self._reader,
                at=end.at,
                follows=tuple(sorted(frozenset[int]().union(*followed))),
            )
        )

    def _derive(self, level: str, question: str, answer: str, at: float) -> frozenset[int] | None:
        """A note on what a level answered, where its last steps bear it."""
        plan = self._plan(level)
        if plan is None or not answer:
            return None
        ends = [(f"{level}.{step.id}" if level else str(step.id)) for step in plan.ends]
        borne = any(self._holds(path, answer) for path in ends)
        rests = _all(self._rests_of(path) for path in ends) if borne else None
        if not rests or not question or len(question) >= MAX_FIELD:
            return rests
        note = Note(
            path=level,
            question=question,
            claim=answer,
            source="center",
            trust="derived",
            served=self._served,
            reader=self._reader,
            at=at,
            rests=tuple(sorted(rests)),
        )
        if note.ref not in rests:  # else one step asked the very question
            self._keep(note)
        return rests

    def _holds(self, path: str, answer: str) -> bool:
        """Whether the answer stands in that of a step."""
        path = self._joined.get(path, path)
        return path in self._ends and contains(self._ends[path].answer, answer)

    @property
    def _served(self) -> str:
        return self._objective[:MAX_FIELD]

    def _keep(self, note: Note) -> frozenset[int]:
        self._made[note.path] = note
        return frozenset((note.ref,))


def _all(rests: Iterable[frozenset[int] | None]) -> frozenset[int] | None:
    """All together; None where one is."""
    whole = frozenset[int]()
    for one in rests:
        if one is None:
            return None
        whole |= one
    return whole
