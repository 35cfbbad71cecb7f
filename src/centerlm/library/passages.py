"""Documents cut into passages of bounded size, on paragraph and sentence bounds.

A passage is a span: `text[start:end]` is exactly its words, so a citation can be checked against
the file. Knows nothing of storage or search.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from centerlm.library.document import Document, Section

MAX_WORDS = 120

_WORD = re.compile(r"\S+")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_SENTENCE = re.compile(r"""(?<=[.!?…])["'”’)\]]*\s+(?=["'“‘(\[]?[^\W_a-z])|(?<=[。！？])""")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Sr|Jr|Lt|Col|Gen|Capt|Rev|Hon|No|Vol|vs|cf|ca|c|b|d|e\.g|i\.e"
    r"|Fig|Eq|approx|Inc|Ltd|Co)|\b[A-Z](?:\.[A-Z])*)\.$"
)
_LONG_WORD = 12  # a run of over 24 characters without spaces counts a word for each 12
_LONG_RUN = re.compile(r"\S{25,}")


@dataclass(frozen=True, slots=True)
class Span:
    """Where a passage stands in its document's text, and the heading it stands under."""

    start: int
    end: int
    heading: str = ""


def cut(document: Document, *, max_words: int = MAX_WORDS) -> list[Span]:
    """Passages of at most `max_words` words each, in order, none across a section's bound.

    A section that fits is one passage; a longer one is cut into pieces of like size, at paragraph
    ends where it can, else at sentence ends, else between words. Scripts without spaces count a
    word for every 12 characters.
    """
    return [
        span
        for section in _sections(document)
        for span in _cut_section(document.text, section, max_words)
    ]


def count_words(text: str) -> int:
    """Words as passages count them."""
    extra = sum(_weight(m.end() - m.start()) - 1 for m in _LONG_RUN.finditer(text))
    return len(text.split()) + extra


def _weight(length: int) -> int:
    return 1 if length <= 2 * _LONG_WORD else -(-length // _LONG_WORD)


def _sections(document: Document) -> Iterator[Section]:
    """The sections, and what stands outside of them as sections without a heading."""
    at = 0
    for section in document.sections:
        if section.start > at:
            yield Section("", at, section.start)
        yield section
        at = section.end
    if at < len(document.text):
        yield Section("", at, len(document.text))


def _cut_section(text: str, section: Section, max_words: int) -> Iterator[Span]:
    whole = _trim(text, section.start, section.end)
    words = count_words(text[whole[0] : whole[1]])
    if not any(c.isalnum() for c in text[whole[0] : whole[1]]):
        return
    if _is_heading_only(text[whole[0] : whole[1]], section.heading):
        return
    if words <= max_words:
        yield Span(*whole, section.heading)
        return
    target = -(-words // -(-words // max_words))  # pieces of like size, none over the limit
    start = end = whole[0]
    size = 0
    for piece_start, piece_end, piece_words, ends_paragraph in _pieces(text, whole, max_words):
        if size and (size + piece_words > max_words or size >= target):
            yield Span(start, end, section.heading)
            size = 0
        if not size:
            start = piece_start
        size += piece_words
        end = piece_end
        if ends_paragraph and size >= 0.75 * target:
            yield Span(start, end, section.heading)
            size = 0
    if size:
        yield Span(start, end, section.heading)


def _pieces(
    text: str, whole: tuple[int, int], max_words: int
) -> Iterator[tuple[int, int, int, bool]]:
    """Sentences (or parts of over-long ones): start, end, words, whether a paragraph ends here."""
    for start, end in _split(text, whole, _PARAGRAPH):
        sentences = list(_sentences(text, (start, end)))
        for index, (a, b) in enumerate(sentences):
            parts = list(_parts(text, a, b, max_words))
            for number, (c, d, words) in enumerate(parts):
                last = index == len(sentences) - 1 and number == len(parts) - 1
                yield c, d, words, last


def _sentences(text: str, span: tuple[int, int]) -> Iterator[tuple[int, int]]:
    held: int | None = None
    for start, end in _split(text, span, _SENTENCE):
        begin = start if held is None else held
        if end < span[1] and _ABBREVIATION.search(text[max(begin, end - 12) : end]):
            held = begin
            continue
        held = None
        yield begin, end
    if held is not None:
        yield held, span[1]


def _split(text: str, span: tuple[int, int], bound: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    start = span[0]
    for match in bound.finditer(text, *span):
        piece = _trim(text, start, match.end())
        if piece[0] < piece[1]:
            yield piece
            start = match.end()
    piece = _trim(text, start, span[1])
    if piece[0] < piece[1]:
        yield piece


def _parts(text: str, start: int, end: int, max_words: int) -> Iterator[tuple[int, int, int]]:
    """A sentence in parts of at most `max_words` words each; one part if it fits."""
    begin, last, size = start, start, 0
    for match in _WORD.finditer(text, start, end):
        for a, b in _word_parts(match.start(), match.end(), max_words):
            weight = _weight(b - a)
            if size and size + weight > max_words:
                yield begin, last, size
                begin, size = a, 0
            size += weight
            last = b
    if size:
        yield begin, last, size


def _word_parts(start: int, end: int, max_words: int) -> Iterator[tuple[int, int]]:
    step = max_words * _LONG_WORD
    if _weight(end - start) <= max_words:
        yield start, end
        return
    for at in range(start, end, step):
        yield at, min(at + step, end)


def _trim(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _is_heading_only(text: str, heading: str) -> bool:
    return bool(heading) and text.strip("# \t\n") == heading
