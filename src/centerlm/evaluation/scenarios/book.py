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
from centerlm.books.likelihood import KeptScorer, Scorer, TorchScorer, choose, context_of, gains
from centerlm.books.prose import words_of
from centerlm.books.style import Grams, grams, without_quotes
from centerlm.errors import InputError, MissingExtraError
from centerlm.evaluation.items import Item, check_items
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
from centerlm.library import Library
from centerlm.objective import Objective
from centerlm.sources.base import Source
from centerlm.sources.book import Book, view_of
from centerlm.sources.documents import Documents

LAST_TOKENS = 512
NOTES_TOKENS = 200
MAX_QUOTED = 8
PASSAGES = 5
_TAIL_WORDS = 60
_ASKED = (
    "What has to be known to write what comes next in the book: who is present, where they are, "
    "and what is left open? The text ends: "
)


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
        library = self.library(item)
        return (
            Documents(library, k=PASSAGES),
            Book(view_of(library), file=library.books()[0].file),
        )

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

    def score(self, item: Item, episodes: Sequence[Solved]) -> Scores:
        place = self.places[item.id]
        return self.scores_of(item, place, self._notes(place, episodes[0]))

    def notes_of(self, item: Item, episodes: Sequence[Solved]) -> str:
        """What a system found out, as the scorer sees it."""
        return self._notes(self.places[item.id], episodes[0])

    def scores_of(self, item: Item, place: Place, notes: str) -> dict[str, float | None]:
        """All measures of notes at a place."""
        scorer, before = self.scorer, place.before
        size = len(context_of(scorer, notes, before, LAST_TOKENS, NOTES_TOKENS)) - LAST_TOKENS
        size = max(size, 0)

        def context(text: str, last: int = LAST_TOKENS) -> tuple[int, ...]:
            return context_of(scorer, text, before, last, max(size, 1))

        contexts = {
            "last": context(""),
            "notes": context_of(scorer, notes, before, LAST_TOKENS, NOTES_TOKENS),
            "random": context(self._random(item, before) if size else ""),
            "similar": context(self._similar(item, before) if size else ""),
            "longer": context("", LAST_TOKENS + size),
        }
        found = gains(scorer, contexts, place.position.passage)
        names = {
            **view_of(self.library(item)).names("person"),
            **view_of(self.library(item)).names("place"),
        }
        true = set(mentioned(place.position.chapter, names))
        passages, right = self._choices(item, place)
        return {
            "notes_gain": found.gain("notes", "last"),
            "over_random": found.gain("notes", "random"),
            "over_similar": found.gain("notes", "similar"),
            "over_longer": found.gain("notes", "longer"),
            "choice": float(choose(scorer, contexts["notes"], passages) == right),
            "choice_bare": float(choose(scorer, contexts["last"], passages) == right),
            "forecast_f1": forecast_f1(set(mentioned(notes, names)), true),
            "forecast_floor": forecast_f1(set(mentioned(place.position.last_chapter, names)), true),
            "notes_tokens": float(size),
        }

    def baselines(self) -> Mapping[str, Mapping[str, Scores]]:
        return {}

    def close(self) -> None:
        self.held.close()

    def _notes(self, place: Place, solved: Solved) -> str:
        lines: list[str] = []
        for source in ("book", "documents"):
            for asked, finding in solved.asked(source):
                if finding.found and finding.value is not None:
                    lines.append(f"{_short(asked)} {finding.value}")
        for path, node in solved.tree.nodes.items():
            if node.answer and node.source != "book" and path and node.status == "found":
                lines.append(f"{_short(node.text)} {node.answer}")
        if solved.answer and not any(solved.answer in line for line in lines):
            lines.append(solved.answer)
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
        return "\n".join(p.text for p in found)

    def _choices(self, item: Item, place: Place) -> tuple[list[str], int]:
        passages = [place.position.later, *place.position.distractors]
        random.Random(f"{self.seed} {item.id} choice").shuffle(passages)
        return passages, passages.index(place.position.later)


def _short(asked: str) -> str:
    """A question without the text that was quoted in it."""
    return "" if _ASKED[:40] in asked else f"{asked.rstrip()}"


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
            tail = " ".join(before.split()[-_TAIL_WORDS:])
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
                    Objective(_ASKED + tail),
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
