"""Questions of generated worlds to roll out on: with their sources, and all that is known of them.

A world is closed: for any wording of any of its relations it is known what holds, also of things
that no question of it names. So a center that asks about the wrong person is told the right answer
about that person.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal

from centerlm.finding import Citation, Finding, Usage, short_answer
from centerlm.learning.credit import Gold
from centerlm.learning.example import TrainingExample
from centerlm.learning.rollouts import Known, Question
from centerlm.learning.worlds import World, WorldQuestion, world_sources
from centerlm.learning.worlds.relations import relations, who_or_what
from centerlm.library import Library
from centerlm.library.embed import Embedder
from centerlm.models.weights import write_atomically
from centerlm.objective import Budget, Objective
from centerlm.plan import CENTER, Plan, fill, normalise
from centerlm.sources.base import Card, CitedSource, Seek, Source
from centerlm.sources.calculator import Calculator
from centerlm.sources.documents import Documents

Form = Literal["flat", "peel"]
PEEL_DEPTH = 9
PASSAGES = 5

_WORLD = re.compile(r"world-(?:train|test)-\d+")


def question_of(world: World, question: WorldQuestion, *, form: Form = "peel") -> Question:
    """A question of a world to roll out on; recursion is offered with "peel" alone."""
    plans = {d.objective: d.plan for d in question.decisions[form]}
    told = _told(question, form)
    answers: dict[str, tuple[str, ...]] = {asked: (answer,) for asked, answer in told.items()}
    answers |= {r.question: () for r in question.readings if r.answer is None}
    accepted = (question.answer, *question.aliases)
    answers[question.text] = accepted
    records = {world.id, question.id, *(d.id for d in question.decisions[form])}
    records |= {r.id for r in (*question.readings, *question.hearings)}
    records |= {f.id for f in question.folds[form]}
    findings = tuple(_findings(question.text, plans, told))
    return Question(
        id=f"{question.id}-{form}",
        objective=Objective(
            question.text, budget=Budget(depth=PEEL_DEPTH if form == "peel" else 1)
        ),
        gold=Gold(accepted, answers, tuple((answer,) for _, answer in findings)),
        world=world.id,
        records=frozenset(records),
        plans=plans,
        findings=findings,
    )


def trained_ids(examples: Iterable[TrainingExample]) -> frozenset[str]:
    """The ids of the records that examples were made from, and of their worlds: a question of a
    world that was trained on is not fresh, whatever it asks.
    """
    ids = {example.id.removesuffix(":absent") for example in examples}
    return frozenset(ids | {m[0] for id_ in ids if (m := _WORLD.match(id_))})


def world_known(world: World) -> Known:
    """What is known of any sub-question in the wordings of the world's relations.

    () is known to have no answer in the documents: the world does not say, or there is nothing of
    that name. None: a question in other words, or about something not named but described.
    """
    table: dict[str, tuple[str, ...]] = {}
    shapes: list[tuple[str, str]] = []
    names = {normalise(thing.name) for thing in world.graph.things}
    for relation in relations().values():
        for form in _forms(relation.name, world):
            before, _, after = normalise(form.replace("{}", "\x00")).partition("\x00")
            shapes.append((before, after))
    for question in world.questions:
        for reading in (*question.readings, *question.hearings):
            table[normalise(reading.question)] = () if reading.answer is None else (reading.answer,)
    for (subject, name), fact in world.graph.facts.items():
        if (subject, name) not in world.where:
            continue
        thing = world.graph.things[subject].name
        for form in _forms(name, world):
            asked = normalise(form.replace("{}", thing))
            table[asked] = (*dict.fromkeys((*table.get(asked, ()), fact.answer, *fact.aliases)),)

    def known(asked: str) -> tuple[str, ...] | None:
        text = normalise(asked)
        if text in table:
            return table[text]
        for before, after in shapes:
            if text.startswith(before) and text.endswith(after):
                subject = text[len(before) : len(text) - len(after)]
                if subject and subject not in names and not any(n in subject for n in names):
                    return ()
        return None

    return known


def _forms(relation: str, world: World) -> tuple[str, ...]:
    """All questions for a relation; `{}` is the subject."""
    made = relations()[relation]
    what = who_or_what(made.object)
    both = (made.wordings(new=new, wide=world.graph.wide) for new in (False, True))
    return tuple(f for w in both for f in (*w.asks, *(f"{what} {noun}?" for noun in w.nouns)))


def _told(question: WorldQuestion, form: Form) -> dict[str, str]:
    """The answer of every sub-question whose answer the records say."""
    told: dict[str, str] = {}
    for fold in question.folds[form]:
        told |= dict(fold.steps)
        if fold.answer is not None:
            told[fold.objective] = fold.answer
    for reading in (*question.readings, *question.hearings):
        if reading.answer is not None:
            told[reading.question] = reading.answer
    return told


def _findings(
    objective: str, plans: Mapping[str, Plan], told: Mapping[str, str]
) -> Iterable[tuple[str, str]]:
    """What right plans find in passages and free text, and fold together below the root, in the
    order it is found.
    """
    plan = plans.get(objective)
    answers: dict[int, str] = {}
    for step in plan.steps if plan else ():
        if step.each is not None or not set(step.needs) <= set(answers):
            continue
        asked = fill(step.text, answers)
        if CENTER in step.sources:
            yield from _findings(asked, plans, told)
        answer = told.get(asked)
        if answer is None:
            continue
        answers[step.id] = short_answer(answer)
        if CENTER not in step.sources or len(plans[asked].steps) > 1:
            yield asked, answer


@dataclass(frozen=True, slots=True)
class Carded:
    """A source under another card: worlds word theirs."""

    source: Source
    card: Card

    def bound(self, seek: Seek) -> Usage:
        return self.source.bound(seek)

    async def seek(self, seek: Seek) -> Finding:
        return await self.source.seek(seek)

    def still(self, citation: Citation) -> Citation | str | None:
        """As the source says (`sources.base.CitedSource`); None where it is never cited."""
        return self.source.still(citation) if isinstance(self.source, CitedSource) else None


def sources_for(world: World, cards: Sequence[Card], documents: Source) -> list[Source]:
    """The real sources behind cards of a question of a world, in their order and so described.

    `documents` searches the world's library.
    """
    names = [card.name for card in cards]
    others = [documents, Calculator(), *world_sources(world, names=names)]
    named = {source.card.name: source for source in others}
    return [Carded(named[card.name], card) for card in cards]


def world_library(
    world: World, folder: Path, *, embedder: Embedder | Literal["installed"] | None = "installed"
) -> Library:
    """The library of a world's documents in `folder`, made or finished if it is not there.

    Raises:
        LibraryError, OSError: it cannot be written or read.
    """
    page = folder / "documents.jsonl"
    if not page.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"title": t.title, "text": t.text}) for t in world.documents]
        write_atomically(page, ("\n".join(lines) + "\n").encode())
    library = Library.open(folder / "library", create=True, embedder=embedder)
    try:
        library.ingest([page])
    except BaseException:
        library.close()
        raise
    return library


@dataclass(slots=True)
class WorldSources:
    """The real sources of questions of these worlds: a library of each world's documents, made in
    `folder` when it is first asked for, the calculator, and what no document says. The documents
    give up to `passages` a request.

    A question gets the sources of its own cards, in their order. Close it to close the libraries.
    """

    worlds: Sequence[World]
    folder: Path
    form: Form = "peel"
    embedder: Embedder | Literal["installed"] | None = "installed"
    passages: int = PASSAGES
    _asked: dict[str, tuple[World, WorldQuestion]] = field(
        default_factory=dict[str, tuple[World, WorldQuestion]], init=False
    )
    _libraries: dict[str, Library] = field(default_factory=dict[str, Library], init=False)
    _known: dict[str, Known] = field(default_factory=dict[str, Known], init=False)
    _open: ExitStack = field(default_factory=ExitStack, init=False)

    def __post_init__(self) -> None:
        for world in self.worlds:
            for question in world.questions:
                self._asked[f"{question.id}-{self.form}"] = world, question

    @property
    def questions(self) -> tuple[Question, ...]:
        """All questions of the worlds, in order."""
        return tuple(question_of(w, q, form=self.form) for w, q in self._asked.values())

    def sources_of(self, question: Question) -> list[Source]:
        """The sources of a question.

        Raises:
            LibraryError, OSError: the library of its world cannot be made or read.
        """
        world, asked = self._asked[question.id]
        return sources_for(world, asked.cards, Documents(self._library(world), k=self.passages))

    def known(self, question: Question) -> Known:
        """What is known of sub-questions in the question's world."""
        if question.world not in self._known:
            self._known[question.world] = world_known(self._asked[question.id][0])
        return self._known[question.world]

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> WorldSources:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _library(self, world: World) -> Library:
        if world.id not in self._libraries:
            library = world_library(world, self.folder / world.id, embedder=self.embedder)
            self._libraries[world.id] = self._open.enter_context(library)
        return self._libraries[world.id]
