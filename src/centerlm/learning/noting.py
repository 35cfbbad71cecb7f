"""Readings with the notes they are read from: what a real library finds, right passage or not.

A `NoteSet` is one list of passages and every question that is asked of it, so that a trainer pays
for the passages once. The passages are the best k for one of the questions; its gold passage is
left out in some sets, and questions of nearby passages are put beside it that these passages cannot
answer, so that about the share `absent` of all questions has no answer.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Literal

from centerlm.errors import InputError
from centerlm.learning.reading import mentions
from centerlm.learning.records import Reading, Text
from centerlm.library import Library
from centerlm.library.embed import Embedder, cores

Search = Callable[[str, int], Sequence[str]]
"""Ids of the best k `Text`s for a question, best first."""

MAX_CITED = 3
SPARE = 8
"""Passages looked at beyond the k shown: their questions are those that nearly fit."""

SHUFFLED = 0.25
"""Sets whose passages are in any order. In the others the best comes first, as in use: that what
stands first is more likely to hold the answer is worth learning, that it always does is not.
"""

AHEAD = 5 + SPARE
"""Passages that are searched for questions that are known to come."""


@dataclass(frozen=True, slots=True)
class Question:
    """A reading asked of a note set. `answer` None: the notes do not hold it.

    `cited` are the numbers (from 1) of the notes that do.
    """

    reading: Reading
    answer: str | None
    cited: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NoteSet:
    """Passages in the order shown, and all that is asked of them."""

    notes: tuple[Text, ...]
    questions: tuple[Question, ...]


@contextmanager
def pool(
    texts: Iterable[Text],
    folder: Path,
    *,
    embedder: Embedder | Literal["installed"] | None = "installed",
    asked: Collection[str] = (),
    say: Callable[[int, int], None] = lambda done, of: None,
) -> Generator[Search]:
    """A real library of the texts, kept in `folder` (what did not change is not read again).

    It searches by words and meaning where the embedding weights are installed, else by words. The
    questions in `asked` are searched first, on all cores (`say` gets how many are done, of how
    many); none is searched twice.

    Raises:
        InputError: a text has more words than a passage may have; cut it with `reading.windowed`.
        LibraryError: the folder cannot be written.
    """
    ids: dict[tuple[str, str], str] = {}
    lines: list[str] = []
    for text in texts:
        title, words = " ".join(text.title.split()) or "untitled", " ".join(text.text.split())
        if ids.setdefault((title[:200].rstrip(), words), text.id) == text.id:
            lines.append(json.dumps({"title": title, "text": words}, ensure_ascii=False))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pool.jsonl"
    content = "\n".join(lines) + "\n"
    if not file.is_file() or file.read_text("utf-8") != content:
        file.write_text(content, "utf-8")
    with Library.open(folder / "library", create=True, embedder=embedder) as library:
        report = library.ingest([file])
        if report.passages != report.documents:
            raise InputError(
                "a text is longer than a passage of a library; cut the texts with "
                "centerlm.learning.reading.windowed first"
            )

        def find(question: str, k: int) -> list[str | None]:
            return [ids.get((p.title, p.text)) for p in library.search(question, k)]

        ranked: dict[str, tuple[int, list[str | None]]] = {}
        questions = [q for q in dict.fromkeys(asked) if q.strip()]
        with ThreadPoolExecutor(cores(), "centerlm-pool") as workers:
            for found in workers.map(partial(find, k=AHEAD), questions):
                ranked[questions[len(ranked)]] = AHEAD, found
                say(len(ranked), len(questions))

        def search(question: str, k: int) -> list[str]:
            if ranked.get(question, (0,))[0] < k:
                ranked[question] = k, find(question, k)
            return [id_ for id_ in ranked[question][1][:k] if id_ is not None]

        yield search


def noted(
    readings: Iterable[Reading],
    texts: Iterable[Text],
    search: Search,
    *,
    seed: int,
    ks: Sequence[int] = (2, 3, 4, 5),
    absent: float,
    most: int = 10,
    again: int = 4,
) -> Iterator[NoteSet]:
    """Note sets in which every reading is answered at least once, in an order of `seed`.

    `ks` are the numbers of notes, drawn evenly; `absent` (0 to below 1) is the share of questions
    without an answer, and of sets whose own question has lost its passage; `most` bounds the
    questions of a set that have an answer, and `again` how often a reading is asked beside others,
    with an answer and without. A question counts as unanswerable only if no note holds its answer's
    words.

    Raises:
        InputError: a reading names a passage that is not among `texts`.
    """
    if not 0 <= absent < 1 or not ks or min(ks) < 1 or most < 1:
        raise InputError(f"note sets need 0 <= absent < 1, k and most >= 1, not {absent}, {ks}")
    shelf = _Shelf.of(readings, texts)
    rng = Random(seed)
    order = list(shelf.readings)
    rng.shuffle(order)
    drawing = _Drawing(shelf, search, rng, absent / (1 - absent), most, again)
    for reading in order:
        if drawing.answered[reading.id]:
            continue
        if rng.random() < absent and reading.passages:
            yield from drawing.note_set(reading, rng.choice(ks), gone=True)
        yield from drawing.note_set(reading, rng.choice(ks), gone=False)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Texts by id, and the readings by the passages that hold their answers."""

    texts: Mapping[str, Text]
    readings: tuple[Reading, ...]
    by_passage: Mapping[str, Sequence[Reading]]

    @classmethod
    def of(cls, readings: Iterable[Reading], texts: Iterable[Text]) -> _Shelf:
        held = {text.id: text for text in texts}
        all_readings = tuple(readings)
        by_passage: dict[str, list[Reading]] = {}
        for reading in all_readings:
            for id_ in reading.passages:
                if id_ not in held:
                    raise InputError(
                        f"reading {reading.id} names passage {id_}, which is not among the texts; "
                        "give readings and texts of the same reader"
                    )
                by_passage.setdefault(id_, []).append(reading)
        return cls(held, all_readings, by_passage)


@dataclass(frozen=True, slots=True)
class _Drawing:
    """What note sets are drawn with. `absent` questions without an answer are asked for each that
    has one; `answered` and `missed` count the sets in which a reading had an answer and had none.
    """

    shelf: _Shelf
    search: Search
    rng: Random
    absent: float
    most: int
    again: int
    answered: Counter[str] = field(default_factory=Counter[str])
    missed: Counter[str] = field(default_factory=Counter[str])

    def note_set(self, reading: Reading, k: int, *, gone: bool) -> Iterator[NoteSet]:
        """The set of one reading, `gone` without its passage; none where nothing can be asked."""
        gold = set(reading.passages)
        ranked = [
            id_ for id_ in self.search(reading.question, k + SPARE) if id_ in self.shelf.texts
        ]
        if gone:
            ranked = [id_ for id_ in ranked if id_ not in gold]
        ids = ranked[:k]
        if gold and not gone and not gold & set(ids):
            ids = [*ids[: k - 1], self.rng.choice(reading.passages)]
        if self.rng.random() < SHUFFLED:
            self.rng.shuffle(ids)
        notes = tuple(self.shelf.texts[id_] for id_ in ids)
        asked = self._answerable(reading, ids)
        nearby = [r for id_ in ranked[k:] for r in self.shelf.by_passage.get(id_, ())]
        self.rng.shuffle(nearby)
        nearby += self.rng.sample(self.shelf.readings, min(4, len(self.shelf.readings)))
        wanted = self._due(len(asked))
        if gone or not gold:
            nearby.insert(0, reading)
            wanted = max(wanted, 1)
        asked += self._unanswerable(nearby, notes, {q.reading.question for q in asked}, wanted)
        self.rng.shuffle(asked)
        for question in asked:
            counter = self.missed if question.answer is None else self.answered
            counter[question.reading.id] += 1
        if notes and asked:
            yield NoteSet(notes, tuple(asked))

    def _due(self, answerable: int) -> int:
        """How many questions without an answer a set gets beside so many that have one."""
        owed = self.absent * (self.answered.total() + answerable) - self.missed.total()
        return max(0, math.floor(owed + self.rng.random()))

    def _answerable(self, reading: Reading, ids: Sequence[str]) -> list[Question]:
        """The readings whose gold passage is shown: the set's own, then others up to `most`."""
        held = {r.id: r for id_ in ids for r in self.shelf.by_passage.get(id_, ())}
        others = [r for r in held.values() if self.answered[r.id] < self.again and r != reading]
        self.rng.shuffle(others)
        chosen: dict[str, Question] = {}
        for other in [held[reading.id], *others] if reading.id in held else others:
            cited = tuple(n for n, id_ in enumerate(ids, start=1) if id_ in other.passages)
            if len(chosen) < self.most and other.answer is not None:
                chosen.setdefault(other.question, Question(other, other.answer, cited[:MAX_CITED]))
        return list(chosen.values())

    def _unanswerable(
        self, readings: Iterable[Reading], notes: Sequence[Text], asked: set[str], wanted: int
    ) -> list[Question]:
        """Readings that no note answers: the first `wanted` that are not asked yet."""
        chosen: dict[str, Question] = {}
        for reading in readings:
            if len(chosen) == wanted:
                break
            fresh = reading.question not in asked and self.missed[reading.id] < self.again
            if fresh and _is_absent(reading, notes):
                chosen.setdefault(reading.question, Question(reading, None, ()))
        return list(chosen.values())


def _is_absent(reading: Reading, notes: Iterable[Text]) -> bool:
    """Whether no note is the reading's passage or holds the words of its answer."""
    if reading.answer is None:
        return True
    return not any(
        note.id in reading.passages or mentions(f"{note.title} {note.text}", reading.answer)
        for note in notes
    )
