"""Book continuation: do the notes that a system makes at a place of a book help to continue it?

Measured without a judge: the base model, without any adapter, scores the true next passage after
those notes and the last tokens of the text, against the last tokens alone, and against as many
tokens of random earlier text, of most-similar text, and of more of the last text. Notes may quote
at most 8 words running. Everything a system reads is a library of the text up to the place.
"""

from __future__ import annotations

import hashlib
import importlib.util
import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from centerlm.books.checking import forecast_f1, mentioned
from centerlm.books.continuing import QUESTIONS, needs_objective, without_ending
from centerlm.books.likelihood import KeptScorer, Scorer, TorchScorer
from centerlm.books.prose import words_of
from centerlm.books.style import Grams, grams, without_quotes
from centerlm.books.view import BookView, view_of_text
from centerlm.errors import InputError, MissingExtraError
from centerlm.evaluation.items import Item, check_items
from centerlm.evaluation.notes_worth import (
    NOTES_TOKENS,
    Choice,
    Others,
    choices_of,
    gains_of,
)
from centerlm.evaluation.novels import (
    Novel,
    Position,
    dev_novels,
    position_id,
    positions,
    read_novels,
    text_of,
)
from centerlm.evaluation.scenarios.base import Opening, Scores
from centerlm.evaluation.scoring import Solved
from centerlm.finding import Finding
from centerlm.library import Library
from centerlm.objective import Objective
from centerlm.sources.base import Source
from centerlm.sources.book import Book, view_of
from centerlm.sources.documents import Documents

LAST_TOKENS = 512
MAX_QUOTED = 8
PASSAGES = 5
_TAIL_WORDS = 60


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a novel with what is known of it before and after."""

    novel: Novel
    position: Position
    before: str


@dataclass(slots=True)
class BookContinuation:
    """The scenario; libraries are made when an item is first asked for, and kept in `work`."""

    items: Sequence[Item]
    places: Mapping[str, Place]
    hashes: Mapping[str, str]
    work: Path
    scorer: Scorer
    vectors: bool
    seed: int
    warnings: Sequence[str] = ()
    held: ExitStack = field(default_factory=ExitStack)
    opened: dict[str, Library] = field(default_factory=dict[str, Library])
    runs: dict[str, Grams] = field(default_factory=dict[str, Grams])
    name: str = "book"
    metric: str = "notes_gain"

    def sources_of(self, item: Item) -> Sequence[Source]:
        book = Book(self.view(item), file=self.places[item.id].novel.path.name)
        return Documents(self.library(item), k=PASSAGES), book

    def main_source(self, item: Item) -> str:
        return self.sources_of(item)[0].card.name

    def enough(self, item: Item, episodes: Sequence[Solved]) -> bool:
        del item
        return bool(episodes)

    def library(self, item: Item) -> Library:
        """The text up to an item's place as a library."""
        if item.id not in self.opened:
            folder = self.work / "places" / item.id
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"{self.places[item.id].novel.path.stem}.txt"
            file.write_text(self.places[item.id].before, encoding="utf-8")
            library = self.held.enter_context(
                Library.open(folder, create=True, embedder="installed" if self.vectors else None)
            )
            library.ingest([file])
            self.opened[item.id] = library
        return self.opened[item.id]

    def view(self, item: Item) -> BookView:
        """What a reader knows at an item's place; near its beginning that is no whole book yet."""
        library = self.library(item)
        if library.books():
            return view_of(library)
        return view_of_text(self.places[item.id].before, self.places[item.id].novel.title)

    def score(self, item: Item, episodes: Sequence[Solved]) -> Scores:
        place = self.places[item.id]
        return self.scores_of(item, place, self._notes(place, episodes[0]))

    def notes_of(self, item: Item, episodes: Sequence[Solved]) -> str:
        """What a system found out, as the scorer sees it."""
        return self._notes(self.places[item.id], episodes[0])

    def given_notes(self, item: Item) -> str:
        """What the given questions find out in the notes of the book: no model is asked."""
        book = Book(self.view(item))
        found = [(question, book.answer(question)) for question in QUESTIONS]
        return self.quotable(item, notes_lines(found))

    def retrieved(self, item: Item) -> str:
        """What a search with the last words of the text finds."""
        return self.quotable(item, self.others(item).similar)

    def quotable(self, item: Item, notes: str) -> str:
        """The notes without runs of more than `MAX_QUOTED` words of the whole book."""
        return without_quotes(notes, self._runs(self.places[item.id]), MAX_QUOTED)

    def others(self, item: Item, elsewhere: str = "") -> Others:
        """What stands in the place of notes."""
        before = self.places[item.id].before
        return Others(self._random(item, before), self._similar(item, before), elsewhere)

    def choice(self, item: Item) -> Choice:
        """The passage one paragraph on among others from further on."""
        place = self.places[item.id]
        passages = [place.position.later, *place.position.distractors]
        random.Random(f"{self.seed} {item.id} choice").shuffle(passages)
        return Choice(passages, passages.index(place.position.later))

    def names(self, item: Item) -> dict[str, tuple[str, ...]]:
        """People and places of the text up to the item's place, with all their names."""
        return self.view(item).names("person", "place")

    def scores_of(self, item: Item, place: Place, notes: str) -> dict[str, float | None]:
        """All measures of notes at a place."""
        scorer, before, passage = self.scorer, place.before, place.position.passage
        return {
            **gains_of(scorer, before, passage, notes, self.others(item), LAST_TOKENS),
            **choices_of(scorer, before, notes, self.choice(item), LAST_TOKENS),
            **self.forecast(item, notes),
            "notes_tokens": float(min(len(scorer.encode(notes)), NOTES_TOKENS)),
        }

    def forecast(self, item: Item, notes: str) -> dict[str, float | None]:
        """F1 between people and places named in the notes and in the next chapter; the floor is
        the last chapter's.
        """
        position, names = self.places[item.id].position, self.names(item)
        true = set(mentioned(position.chapter, names))
        return {
            "forecast_f1": forecast_f1(set(mentioned(notes, names)), true),
            "forecast_floor": forecast_f1(set(mentioned(position.last_chapter, names)), true),
        }

    def baselines(self) -> Mapping[str, Mapping[str, Scores]]:
        return {}

    def close(self) -> None:
        self.held.close()

    def _notes(self, place: Place, solved: Solved) -> str:
        found = [pair for name in ("documents", "book") for pair in solved.asked(name)]
        lines = [notes_lines(found)]
        for path, node in solved.tree.nodes.items():
            if node.answer and node.source != "book" and path and node.status == "found":
                lines.insert(0, f"{without_ending(node.text)} {node.answer}")
        if solved.answer and not any(solved.answer in line for line in lines):
            lines.insert(0, solved.answer)
        return without_quotes("\n".join(lines), self._runs(place), MAX_QUOTED)

    def _runs(self, place: Place) -> Grams:
        name = place.novel.path.name
        if name not in self.runs:
            self.runs = {name: grams(words_of(text_of(place.novel)), MAX_QUOTED + 1)}
        return self.runs[name]

    def _random(self, item: Item, before: str) -> str:
        draw = random.Random(f"{self.seed} {item.id}")
        at = draw.randrange(max(1, len(before) - 8 * NOTES_TOKENS))
        return before[at : at + 8 * NOTES_TOKENS]

    def _similar(self, item: Item, before: str) -> str:
        """The most similar earlier passages, without those that stand at the end anyway."""
        tail = " ".join(before.split()[-_TAIL_WORDS:])
        far = len(before) - 6 * LAST_TOKENS
        found = [p for p in self.library(item).search(tail, 20) if p.end < far]
        return "\n".join(p.text for p in reversed(found))


def notes_lines(found: Sequence[tuple[str, Finding]]) -> str:
    """Findings with what was asked, a line each, the first asked last: nearest to the text."""
    return "\n".join(
        f"{without_ending(asked)} {finding.value}"
        for asked, finding in reversed(found)
        if finding.found and finding.value is not None
    )


def open_book(opening: Opening) -> BookContinuation:
    """Read the novels: dev ones, or those whose file names (without .txt) are asked for as sets.

    Raises:
        InputError: no data, no such novel, or none that is long enough.
        MissingExtraError: torch or sentencex is not installed.
    """
    for module, extra in (("sentencex", "books"), ("torch", "train")):
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(module, extra)
    if opening.data is None or not Path(opening.data).expanduser().is_dir():
        raise InputError("the scenario book needs --data with a folder of novels (text files)")
    novels = read_novels(Path(opening.data).expanduser())
    by_name = {novel.path.stem: novel for novel in novels}
    for name in opening.sets:
        if name not in by_name:
            raise InputError(
                f"there is no novel {name!r} in {opening.data}; known: {', '.join(by_name)}"
            )
    chosen = [by_name[name] for name in opening.sets] or dev_novels(novels)
    items: list[Item] = []
    places: dict[str, Place] = {}
    hashes: dict[str, str] = {}
    for novel in chosen:
        text = text_of(novel)
        hashes[novel.path.name] = hashlib.sha256(text.encode()).hexdigest()
        here: list[Item] = []
        for position in positions(text, seed=opening.seed):
            before = text[: position.at]
            id_ = position_id(novel, position)
            splits = {
                "novel": novel.path.stem,
                "author": novel.author,
                "share": f"{position.share:.1f}",
            }
            here.append(
                Item(
                    id_,
                    novel.path.stem,
                    Objective(needs_objective(before)),
                    (position.passage,),
                    splits=splits,
                )
            )
            places[id_] = Place(novel, position, before)
        items += opening.chosen(here)
    check_items(items, opening.data)
    kept = {item.id: places[item.id] for item in items}
    scorer = KeptScorer(TorchScorer(opening.scorer), opening.work / "likelihood.jsonl")
    return BookContinuation(
        items, kept, hashes, opening.work, scorer, opening.vectors, opening.seed
    )
