"""The loop of a study: choose a subject, read on it, ask, seek, keep what was found, follow it.

Each visit to a subject is an episode of the engine, named after the study, so the journal is all
the state there is: after a kill the same call goes on, and no finished step is run again. What is
found becomes notes of the memory that is given.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import msgspec

from centerlm.episode import fold
from centerlm.errors import InputError
from centerlm.events import EpisodeStarted, Event, PlanFinished
from centerlm.finding import Citation, Finding, Passage, Status, Usage
from centerlm.journal import Journal
from centerlm.many import OpenedJournal
from centerlm.memory import SeekingMemory
from centerlm.memory.forgetting import remembers
from centerlm.memory.notes import Note, notes_of
from centerlm.memory.noting import entities
from centerlm.memory.outcomes import outcomes
from centerlm.models.base import LanguageModel
from centerlm.objective import Budget, Objective
from centerlm.plan import fill, normalise, parse_plan
from centerlm.protocols import Center
from centerlm.run import Options
from centerlm.solver import solve
from centerlm.sources.base import Card, CitedSource, Seek, Source
from centerlm.study.agenda import Agenda, Subject
from centerlm.study.asking import MAX_QUESTIONS, Asking, objective

PASSAGES = 3
LEAST_CALLS = 3
"""Calls a visit needs at least: to ask, to seek, to read."""
_GOES_ON = frozenset({"running", "cancelled"})


class Reads(Protocol):
    """Where passages on a subject come from: a library."""

    def search(self, query: str, k: int = 5) -> list[Passage]: ...


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit to a subject: the questions asked, the notes that are new, the ids of the passages
    that were read on it, whether it has `more` of its own that were not, and what it cost. One that
    read what has `changed` since counts by its cost alone, without notes: its subject is read anew.
    """

    number: int
    subject: str
    questions: tuple[str, ...]
    notes: tuple[Note, ...]
    passages: tuple[str, ...]
    usage: Usage
    more: bool = False
    kept: bool = False
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Study:
    """What a study did. `why` it ended: the budget, or nothing left to learn; `open` subjects were
    never visited.
    """

    name: str
    visits: tuple[Visit, ...]
    open: int
    why: str

    @property
    def notes(self) -> tuple[Note, ...]:
        return tuple({n.ref: n for visit in self.visits for n in visit.notes}.values())

    @property
    def passages(self) -> frozenset[str]:
        return frozenset(id_ for visit in self.visits for id_ in visit.passages)

    @property
    def usage(self) -> Usage:
        return sum((visit.usage for visit in self.visits), Usage())


class _Chosen(msgspec.Struct, frozen=True):
    """What a visit begins with; kept with its episode."""

    study: str
    subject: str
    passages: tuple[Passage, ...]
    known: tuple[str, ...]
    more: bool = False
    memory: Mapping[str, str] | None = None
    """What it teaches, as in the setup of a solve: `episodes rm` forgets it there."""


@dataclass(slots=True)
class _State:
    """What the visits so far leave for the next: all of it is in the journal."""

    agenda: Agenda
    asked: set[str] = field(default_factory=set[str])
    read: dict[str, int] = field(default_factory=dict[str, int])
    refs: set[int] = field(default_factory=set[int])
    visits: list[Visit] = field(default_factory=list[Visit])


async def study(
    topic: str,
    *,
    titles: Sequence[str],
    center: Center,
    library: Reads,
    source: Source,
    memory: SeekingMemory,
    journal: Journal,
    budget: Budget,
    options: Options | None = None,
    scope: str = "",
    on_event: Callable[[Event], None] | None = None,
    on_visit: Callable[[Visit], None] = lambda visit: None,
    enough: Callable[[Sequence[Visit]], bool] = lambda visits: False,
) -> Study:
    """Study a topic or, where `topic` is "", all that `titles` name; or go on where it was stopped.

    Questions are asked of `source`, whose passages come from `library`. `scope` tells studies of
    one topic apart (say, the library's place). `budget` bounds the whole of it, what earlier calls
    spent included; without one it goes on until nothing is left to learn, or what was done so far
    is `enough`. Visits that the memory was told to forget are as if they had not been made.

    Raises:
        InputError: there is nothing to begin with.
        JournalError: events cannot be written; another process runs this study.
        EndpointError: the center's model stopped answering; the same call goes on.
    """
    options = replace(options or Options(), splits=False, reopens=0)
    state = _State(Agenda())
    state.agenda.begin(_beginning(topic, titles))
    if not state.agenda.subjects:
        raise InputError("there is nothing to begin with: name a topic, or fill the library")
    name = study_name(topic, scope, center.model)
    opened = OpenedJournal(journal)
    visits = _Visits(name, center, library, source, memory, opened, options, on_event)
    number = 0
    while True:
        if enough(state.visits):
            return _ended(name, state, "enough was learned")
        number += 1
        if visits.forgotten(number):
            continue
        visit = visits.kept(number)
        if visit is None:
            subject = state.agenda.next()
            if subject is None:
                return _ended(name, state, "nothing is left to learn")
            left = _left(budget, state.visits)
            if left is None:
                return _ended(name, state, "the budget is used up")
            visit = await visits.run(number, subject, state, left)
        _take_in(state, visit)
        on_visit(visit)


def study_name(topic: str, scope: str, model: LanguageModel) -> str:
    """The name of a study; its visits are the episodes of this name and a number."""
    key = f"{normalise(topic)}\n{scope}\n{model.identity}"
    return "study-" + hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=6).hexdigest()


def _beginning(topic: str, titles: Sequence[str]) -> list[str]:
    if topic:
        return list(entities(topic)) or [topic]
    return [name for title in titles for name in (entities(title) or (title,))]


def _ended(name: str, state: _State, why: str) -> Study:
    return Study(name, tuple(state.visits), state.agenda.open, why)


def _take_in(state: _State, visit: Visit) -> None:
    state.visits.append(visit)
    if visit.changed:
        return
    new = [note for note in visit.notes if note.ref not in state.refs and note.trust == "cited"]
    state.refs |= {note.ref for note in new}
    state.asked |= {normalise(question) for question in visit.questions}
    if len(visit.questions) < MAX_QUESTIONS or not new:
        for id_ in visit.passages:
            state.read[id_] = state.read.get(id_, 0) + 1
    answered = {normalise(note.question) for note in visit.notes}
    unanswered = [asked for asked in visit.questions if normalise(asked) not in answered]
    found = [(note.question, note.claim) for note in new]
    state.agenda.visited(visit.subject, found, MAX_QUESTIONS, unanswered, more=visit.more)


def _left(budget: Budget, visits: Sequence[Visit]) -> Budget | None:
    """What is left for a visit; None where no visit fits any more."""
    spent = sum((visit.usage for visit in visits), Usage())
    calls = None if budget.calls is None else budget.calls - spent.calls
    tokens = None if budget.tokens is None else budget.tokens - spent.tokens
    seconds = None if budget.seconds is None else budget.seconds - spent.seconds
    money = None if budget.money is None else budget.money - spent.cost
    if calls is not None and calls < LEAST_CALLS:
        return None
    if any(left is not None and left <= 0 for left in (tokens, seconds, money)):
        return None
    return Budget(calls, tokens, seconds, money, 1)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The source of a study during a visit: a question asked on the passages just read is answered
    from them, and in other words from all there is.
    """

    source: Source
    passages: tuple[Passage, ...]
    questions: Collection[str]

    @property
    def card(self) -> Card:
        return self.source.card

    def bound(self, seek: Seek) -> Usage:
        return self.source.bound(seek)

    async def seek(self, seek: Seek) -> Finding:
        if not self.passages or normalise(seek.text) not in self.questions:
            return await self.source.seek(seek)
        return Finding(
            Status.FOUND, passages=self.passages, source=self.card.name, usage=Usage(calls=1)
        )


@dataclass(frozen=True, slots=True)
class _Visits:
    """Making visits, and finding those that were made."""

    name: str
    center: Center
    library: Reads
    source: Source
    memory: SeekingMemory
    journal: OpenedJournal
    options: Options
    on_event: Callable[[Event], None] | None

    def forgotten(self, number: int) -> bool:
        """Whether a visit was removed or forgotten: it counts as not made, and its name is not used
        again, as what is forgotten under a name stays so.
        """
        name, events = self._events(number)
        if self.memory.learned(name):
            return not remembers(self.memory, name)
        return bool(events) and events[0].at < self.memory.forgotten_until()

    def kept(self, number: int) -> Visit | None:
        """A visit that the journal has, whole; what a kill kept it from teaching is caught up."""
        name, events = self._events(number)
        if not events or fold(events).status in _GOES_ON:
            return None
        visit = self._visit(number, events, kept=True)
        if not self.memory.learned(name):
            self.memory.remember(name, outcomes(events, self.journal.blob), visit.notes)
        chosen = self._chosen(events)
        if chosen is None or all(map(self._stands, chosen.passages)):
            return visit
        return replace(visit, notes=(), changed=True)

    def _stands(self, passage: Passage) -> bool:
        """Whether a passage is in the source as it was when it was read."""
        if not isinstance(self.source, CitedSource):
            return True
        read = Citation(passage.id, passage.file, start=passage.start, end=passage.end)
        now = self.source.still(read)
        return isinstance(now, Citation) and now.passage == passage.id

    async def run(self, number: int, subject: Subject, state: _State, left: Budget) -> Visit:
        """Make a visit, or go on with one that was cut short."""
        name, events = self._events(number)
        known = self.memory.open_web([self.source], self.center.model.identity)
        chosen = self._chosen(events)
        if chosen is None:
            passages, more = await asyncio.to_thread(self._passages, subject.name, state)
            lines = await self.memory.known(subject.name)
            teaches = {"path": str(self.memory.path), "project": self.memory.project}
            chosen = _Chosen(self.name, subject.name, passages, lines, more, teaches)
        asking = Asking(
            self.center,
            chosen.subject,
            self.source.card.name,
            chosen.passages,
            chosen.known,
            frozenset(state.asked),
        )
        reading = _Reading(self.source, chosen.passages, asking.questions)
        await solve(
            Objective(objective(chosen.subject), budget=left),
            center=asking,
            sources=[reading, known],
            memory=self.memory,
            journal=self.journal,
            options=self.options,
            episode=name,
            setup=msgspec.to_builtins(chosen),
            on_event=self.on_event,
        )
        return self._visit(number, self._events(number)[1])

    def _passages(self, subject: str, state: _State) -> tuple[tuple[Passage, ...], bool]:
        """Passages on a subject, and whether it has more of its own: of those read least, the ones
        that its name is the title of, or else ones that name it, in the order of the search.
        """
        found = self.library.search(subject, 3 * PASSAGES)
        wanted = normalise(subject)
        naming = [p for p in found if wanted in normalise(f"{p.title} {p.text}")] or found
        least = min((state.read.get(p.id, 0) for p in naming), default=0)
        fresh = [p for p in naming if state.read.get(p.id, 0) == least]
        own = [p for p in fresh if wanted in normalise(p.title)]
        return tuple((own or fresh)[:PASSAGES]), not least and len(own) > PASSAGES

    def _events(self, number: int) -> tuple[str, list[Event]]:
        name = f"{self.name}-{number}"
        return name, self.journal.events(name)

    def _chosen(self, events: Sequence[Event]) -> _Chosen | None:
        """What a visit that was begun began with."""
        started = next((e for e in events if isinstance(e, EpisodeStarted)), None)
        if started is None:
            return None
        stored = msgspec.json.decode(self.journal.blob(started.settings))
        return msgspec.convert(stored["setup"], _Chosen)

    def _visit(self, number: int, events: Sequence[Event], *, kept: bool = False) -> Visit:
        chosen = self._chosen(events)
        assert chosen is not None  # an episode begins with it
        plan = next((e for e in events if isinstance(e, PlanFinished) and not e.path), None)
        text = self.journal.blob(plan.plan).decode() if plan else ""
        steps = parse_plan(text).steps if text else ()
        return Visit(
            number=number,
            subject=chosen.subject,
            questions=tuple(fill(step.text, {}) for step in steps),
            notes=notes_of(events, self.journal.blob),
            passages=tuple(passage.id for passage in chosen.passages),
            usage=fold(events).usage,
            more=chosen.more,
            kept=kept,
        )
