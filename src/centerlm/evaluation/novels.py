"""Novels to evaluate continuations on: which are for dev, positions in them, and what comes next.

A folder of text files, with or without the `metadata.csv` of a corpus (file, author, title, year).
"""

from __future__ import annotations

import csv
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from centerlm.books.prose import Span, paragraphs
from centerlm.books.structure import read_structure
from centerlm.errors import InputError
from centerlm.library.decoding import decode
from centerlm.library.document import safe_text
from centerlm.library.readers import read_bytes

DEV_FROM = 1883
"""Dev are the novels of authors of whom none appeared before; all others are for training."""
POSITIONS = 10
PASSAGE_WORDS = (60, 160)
DISTRACTORS, DISTRACTOR_WORDS = 4, 10_000
CHAPTER_WORDS = 3_000


@dataclass(frozen=True, slots=True)
class Novel:
    """A file with what is known of it; `year` 0: unknown."""

    path: Path
    author: str
    title: str
    year: int


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a novel, before a paragraph, and what a continuation is held against.

    `passage` is the text that follows, `later` the one a paragraph further on, `distractors` others
    from the next 10,000 words, `chapter` and `last_chapter` 3,000 words after and before.
    """

    at: int
    share: float
    passage: str
    later: str
    distractors: tuple[str, ...]
    chapter: str
    last_chapter: str


def read_novels(folder: Path) -> list[Novel]:
    """The novels of a folder.

    Raises:
        InputError: there are none, or `metadata.csv` names a file that is not there.
    """
    table = next(
        (p for p in (folder / "metadata.csv", folder.parent / "metadata.csv") if p.is_file()), None
    )
    place = folder / "corpus" if (folder / "corpus").is_dir() else folder
    if table is None:
        found = [Novel(path, "", path.stem, 0) for path in sorted(place.glob("*.txt"))]
        if not found:
            raise InputError(f"{folder} has no novels; give a folder of text files (*.txt)")
        return found
    novels: list[Novel] = []
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            path = place / (row.get("file") or "")
            if not path.is_file():
                raise InputError(f"{table} names {path.name!r}, which is not in {place}")
            year = row.get("year") or "0"
            novels.append(
                Novel(path, row.get("author") or "", row.get("title") or path.stem,
                      int(year) if year.isdigit() else 0)
            )  # fmt: skip
    return sorted(novels, key=lambda novel: novel.path.name)


def dev_novels(novels: Sequence[Novel]) -> list[Novel]:
    """Those of authors who wrote nothing before `DEV_FROM`; all where no year is known."""
    early = {novel.author for novel in novels if 0 < novel.year < DEV_FROM}
    if not any(novel.year for novel in novels):
        return list(novels)
    return [novel for novel in novels if novel.author not in early]


def text_of(novel: Novel) -> str:
    """The whole text, as a library would store it."""
    name = str(novel.path)
    return safe_text(decode(read_bytes(novel.path), name))


def positions(text: str, count: int = POSITIONS, *, seed: int = 0) -> list[Position]:
    """Places spread evenly over what a text tells; fewer where it is too short for so many."""
    told = read_structure(text).told
    if not told:
        return []
    spans = [p for chapter in told for p in paragraphs(text, chapter.start, chapter.end)]
    if len(spans) == len(told):  # lines without paragraphs: any line may begin a passage
        spans = [p for c in told for p in _lines(text, c.start, c.end)]
    found: list[Position] = []
    for number in range(count):
        share = (number + 1) / (count + 1)
        wanted = told[0].start + share * (told[-1].end - told[0].start)
        index = next((i for i, s in enumerate(spans) if s.start >= wanted), len(spans))
        made = _position(text, spans, index, share, random.Random(f"{seed} {number}"))
        if made is not None and all(made.at != other.at for other in found):
            found.append(made)
    return found


def _lines(text: str, start: int, end: int) -> list[Span]:
    spans: list[Span] = []
    at = start
    for line in text[start:end].split("\n"):
        if line.strip():
            spans.append(Span(at, at + len(line)))
        at += len(line) + 1
    return spans


def _position(
    text: str, spans: Sequence[Span], index: int, share: float, draw: random.Random
) -> Position | None:
    passage, after = _passage(text, spans, index)
    later, _ = _passage(text, spans, index + 1)
    if not passage or not later:
        return None
    others: list[str] = []
    words, at = 0, after + 1
    starts: list[int] = []
    while at < len(spans) and words < DISTRACTOR_WORDS:
        starts.append(at)
        words += len(text[spans[at].start : spans[at].end].split())
        at += 1
    draw.shuffle(starts)
    for start in starts:
        other, _ = _passage(text, spans, start)
        if other and other not in (later, passage, *others):
            others.append(other)
        if len(others) == DISTRACTORS:
            break
    if len(others) < DISTRACTORS:
        return None
    begin = spans[index].start
    return Position(
        begin,
        share,
        passage,
        later,
        tuple(others),
        _words_after(text, begin, CHAPTER_WORDS),
        " ".join(text[max(0, begin - 12 * CHAPTER_WORDS) : begin].split()[-CHAPTER_WORDS:]),
    )


def _passage(text: str, spans: Sequence[Span], index: int) -> tuple[str, int]:
    """Whole paragraphs from one on, up to the bound of words; and the last one's index."""
    least, most = PASSAGE_WORDS
    words: list[str] = []
    last = index
    for last in range(index, len(spans)):
        words += text[spans[last].start : spans[last].end].split()
        if len(words) >= least:
            break
    return (" ".join(words[:most]) if len(words) >= least else ""), last


def _words_after(text: str, start: int, words: int) -> str:
    return " ".join(text[start : start + 12 * words].split()[:words])


def position_id(novel: Novel, position: Position) -> str:
    """Changes with the file's name and the place."""
    made = hashlib.blake2b(f"{novel.path.name} {position.at}".encode(), digest_size=4).hexdigest()
    return f"{novel.path.stem}-{position.share:.2f}-{made}"
