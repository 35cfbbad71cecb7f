"""One arm of study.py on one world: learning within its bounds, and the quiz with a closed library.

All arms learn by the same visits (`centerlm.study.asking`, the engine, the knowledge web); only
which passages are read differs.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from centerlm.center import CenterLM
from centerlm.evaluation.metrics import exact_match
from centerlm.evaluation.oracle import OracleCenter
from centerlm.evaluation.worlds import journal_in
from centerlm.events import Event, SeekFinished
from centerlm.finding import Citation, Finding, Passage, Status, Usage, finding_from_json
from centerlm.journal import SqliteJournal
from centerlm.learning.world_questions import Carded, world_known, world_library
from centerlm.learning.worlds import World, WorldQuestion, questions_of
from centerlm.learning.worlds.relations import relations
from centerlm.library import Library
from centerlm.many import OpenedJournal
from centerlm.memory import SeekingMemory
from centerlm.memory.noting import entities
from centerlm.memory.web_views import count_notes
from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Budget, Objective
from centerlm.plan import normalise
from centerlm.run import Options
from centerlm.solver import solve
from centerlm.sources.base import Card, Seek
from centerlm.sources.documents import Documents, cite
from centerlm.study import Visit, study
from centerlm.study.asking import ASK, MAX_QUESTIONS, Asking, objective
from centerlm.study.studying import study_name
from centerlm.verify import contains
from centers import center_specs, open_center

ORACLE = "oracle"
ARMS = ("study", "random order", "file order", "search for the topic")
HOPS = (2, 3, 4)
_POOL = 600
_NOTE = re.compile(r"^\[(\d+)\] (.*)$")


@dataclass(frozen=True, slots=True)
class Lesson:
    """What an arm did: passages shown to the center, notes kept, calls."""

    passages: int
    notes: int
    calls: int


def topic_of(world: World, count: int) -> tuple[str, list[WorldQuestion]]:
    """The thing that most composed questions of a world begin with, and up to `count` of them."""
    asked = questions_of(world, hops=HOPS, kinds=["chain"], count=_POOL, seed=1)
    by: dict[str, list[WorldQuestion]] = {}
    for question in asked:
        named = entities(question.readings[0].question)
        if named:
            by.setdefault(named[0], []).append(question)
    topic = max(by, key=lambda name: (len(by[name]), name))
    return topic, by[topic][:count]


def center_of(spec: str, world: World, folder: Path) -> CenterLM:
    """The center of a spec; the oracle knows the world, asks and reads without error."""
    if spec == ORACLE:
        return CenterLM(ScriptedModel(Oracle(world), name=f"{ORACLE}-{world.id}"))
    return open_center(center_specs([spec])[0], folder / "calls")


class Oracle:
    """What the oracle writes: questions on the facts of the passages shown, and true answers where
    a note holds them.
    """

    def __init__(self, world: World) -> None:
        self._known = world_known(world)
        self._texts = {normalise(text.text): text.id for text in world.documents}
        self._facts: dict[str, list[str]] = {}
        for (subject, name), places in world.where.items():
            asked = relations()[name].train.asks[0].replace("{}", world.graph.things[subject].name)
            for place in places:
                self._facts.setdefault(place, []).append(asked)

    def __call__(self, prompt: Prompt, sampling: Sampling) -> str:
        del sampling
        lines = prompt.messages[-1].text.split("\n")
        notes = [m for line in lines if (m := _NOTE.match(line))]
        if prompt.messages[0].text == ASK:
            return self._asked(lines, [note[2] for note in notes])
        question = lines[-1].removeprefix("Question: ")
        known = self._known(question)
        if known is None:  # a composed question: the answer of its last step
            last = notes[-1] if notes else None
            return f"{last[2].rpartition(': ')[2]} [{last[1]}]" if last else "nothing"
        for note in notes:
            for answer in known:
                if contains(note[2], answer):
                    return f"{answer} [{note[1]}]"
        return "nothing"

    def _asked(self, lines: Sequence[str], notes: Sequence[str]) -> str:
        """Up to four questions that the passages answer and that are not known already."""
        told = "\n".join(normalise(line) for line in lines if line.startswith("- "))
        subject = normalise(lines[-1].removeprefix("Subject: "))
        asked: list[str] = []
        for note in notes:
            text = normalise(note)
            place = next((id_ for body, id_ in self._texts.items() if body[:200] in text), None)
            asked += [q for q in self._facts.get(place or "", []) if normalise(q) not in told]
        asked.sort(key=lambda question: subject not in normalise(question))
        return "\n".join([*dict.fromkeys(asked)][: 2 * MAX_QUESTIONS]) + "\n"


async def learn(
    world: World,
    topic: str,
    arm: str,
    folder: Path,
    *,
    spec: str,
    read: int,
    words_only: bool,
) -> Lesson:
    """Learn as an arm does, from `read` passages; a study ends with the visit that reaches them."""
    place = folder / arm.replace(" ", "-")
    journal = journal_in(place)
    memory = _memory(place, words_only)
    center = center_of(spec, world, folder)
    library = _library(world, folder, words_only)
    try:
        if arm == "study":
            shown: set[str] = set()

            def enough(visits: Sequence[Visit]) -> bool:
                for visit in visits[len(counted) :]:
                    counted.append(visit.number)
                    shown.update(visit.passages)
                    shown.update(_sought(journal.events(f"{name}-{visit.number}"), journal))
                return len(shown) >= read

            counted: list[int] = []
            name = study_name(topic, world.id, center.model)
            done = await study(
                topic,
                titles=(),
                center=center,
                library=library,
                source=Documents(library),
                memory=memory,
                journal=journal,
                budget=Budget(),
                options=Options(seek_seconds=None, reasks=False),
                scope=world.id,
                enough=enough,
            )
            return Lesson(len(shown), count_notes(memory), done.usage.calls)
        spent = 0
        for passage in ordered(world, topic, arm, library)[:read]:
            spent += await _read(passage, center, library, memory, journal)
        return Lesson(read, count_notes(memory), spent)
    finally:
        await center.model.close()
        memory.close()
        journal.close()
        library.close()


def ordered(world: World, topic: str, arm: str, library: Library) -> list[Passage]:
    """All passages in the order in which an arm reads them."""
    by_title = [_passage(library, text.text) for text in world.documents]
    found = library.search(topic, min(len(by_title), 1000))
    if arm == "search for the topic":
        seen = {passage.id for passage in found}
        return [*found, *(p for p in by_title if p.id not in seen)]
    if arm == "random order":
        random.Random(f"{world.id} order").shuffle(by_title)
    return by_title


def _passage(library: Library, text: str) -> Passage:
    """The passage of a document; world documents are one passage each."""
    found = library.search(text[:300], 3, mode="words")
    return next(p for p in found if normalise(p.text) in normalise(text) or p.text == text)


@dataclass(frozen=True, slots=True)
class Page:
    """The passage being read, as the source `documents`."""

    documents: Documents
    passage: Passage

    @property
    def card(self) -> Card:
        return self.documents.card

    def bound(self, seek: Seek) -> Usage:
        del seek
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        del seek
        return Finding(
            Status.FOUND,
            passages=(self.passage,),
            citations=(cite(self.passage),),
            source=self.card.name,
            usage=Usage(calls=1),
        )

    def still(self, citation: Citation) -> Citation | str | None:
        return self.documents.still(citation)


async def _read(
    passage: Passage,
    center: CenterLM,
    library: Library,
    memory: SeekingMemory,
    journal: SqliteJournal,
) -> int:
    """One passage, as a study visits a subject; returns the calls made."""
    page = Page(Documents(library), passage)
    known = memory.open_web([page], center.model.identity)
    subject = passage.title
    lines = await memory.known(subject)
    asking = Asking(center, subject, page.card.name, [passage], lines)
    solution = await solve(
        Objective(objective(subject), budget=Budget(depth=1)),
        center=asking,
        sources=[page, known],
        memory=memory,
        journal=OpenedJournal(journal),
        options=Options(seek_seconds=None, reasks=False, splits=False, reopens=0),
        episode=f"read-{passage.id}",
        setup={"study": "read"},
    )
    return solution.usage.calls


def _sought(events: Sequence[Event], journal: SqliteJournal) -> set[str]:
    """The passages that a visit's seeks showed to the center."""
    ids: set[str] = set()
    for event in events:
        if isinstance(event, SeekFinished) and event.source != "known":
            finding = finding_from_json(msgspec.json.decode(journal.blob(event.finding)))
            ids |= {passage.id for passage in finding.passages}
    return ids


async def quiz(
    world: World,
    questions: Sequence[WorldQuestion],
    arm: str,
    folder: Path,
    *,
    spec: str,
    words_only: bool,
) -> list[float]:
    """Exact match of each composed question, answered from what an arm noted."""
    place = folder / arm.replace(" ", "-")
    memory = _memory(place, words_only, learns=False)
    library = _library(world, folder, words_only)
    center = center_of(spec, world, folder)
    documents = Documents(library)
    known = memory.open_web([documents], center.model.identity)
    closed = Carded(known, replace(documents.card, knows="what was noted"))
    right: list[float] = []
    try:
        for question in questions:
            decision = question.decisions["flat"][0]
            solution = await solve(
                Objective(question.text, budget=Budget(depth=1)),
                center=OracleCenter(center, {question.text: decision.plan}),
                sources=[closed],
                options=Options(seek_seconds=None, reasks=False, splits=False, reopens=0),
            )
            right.append(exact_match(solution.answer, (question.answer, *question.aliases)))
    finally:
        await center.model.close()
        memory.close()
        library.close()
    return right


def _memory(place: Path, words_only: bool, *, learns: bool = True) -> SeekingMemory:
    embedder = None if words_only else "installed"
    return SeekingMemory(place / "memory.sqlite", project="study", embedder=embedder, learns=learns)


def _library(world: World, folder: Path, words_only: bool) -> Library:
    return world_library(world, folder / "world", embedder=None if words_only else "installed")
