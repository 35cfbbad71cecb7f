"""Prose as a reader sees it: sentences, what is said aloud, the narrator's person and tense.

Sentences are those of sentencex (rules of abbreviations and quotations for many languages). The
rest is counting words, for English; `is_english` says whether a text is. Needs the extra `books`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from centerlm.books.words import ENGLISH, PAST, PRESENT
from centerlm.errors import MissingExtraError

Form = Literal["prose", "verse", "script"]
Person = Literal["first", "third", "unclear"]
Tense = Literal["past", "present", "unclear"]

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_BLOCK = 200_000
_CLEAR = 8
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*|\n(?=[^\S\n]{2,}\S)")
# An opening mark follows a space or bracket, a closing one a letter or punctuation. Speech over
# several paragraphs opens each anew and closes once, so it never runs past a paragraph's end.
_SAID = re.compile(
    r"[“][^”\n]*(?:\n(?!\s*\n)[^”\n]*)*(?:”|(?=\n\s*\n)|\Z)"
    r'|(?<![^\s(\[—–-])"[^"\n]*(?:\n(?!\s*\n)[^"\n]*)*(?:"|(?=\n\s*\n)|\Z)'
)
_SINGLE = re.compile(
    r"(?<![^\s(\[—–-])['‘](?=[A-Z])(?:[^\n]|\n(?!\s*\n)){1,2000}?[,.?!—-]['’](?!\w)"
)

_FIRST = frozenset({"i", "my", "me", "myself", "mine"})
_THIRD = frozenset({"he", "she", "his", "her", "him", "himself", "herself", "hers"})
_SPEAKER = re.compile(
    r"^[^\S\n]*([A-Z][A-Z .'’-]{1,30}|[A-Z][a-z]+(?: [A-Z][a-z]+)?)[.:](?:\s|$)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Voice:
    """The narrator: grammatical person and tense outside of speech."""

    person: Person
    tense: Tense


@dataclass(frozen=True, slots=True)
class Span:
    start: int
    end: int


def sentences(text: str, start: int = 0, end: int | None = None) -> Iterator[Span]:
    """Sentences of a stretch of text, without the space around them, as positions in `text`.

    Raises:
        MissingExtraError: sentencex is not installed.
    """
    splitter = _splitter()
    end = len(text) if end is None else end
    while start < end:
        stop = _block_end(text, start, end)
        block = text[start:stop]
        for bound in splitter.get_sentence_boundaries("en", block):
            piece: str = bound["text"]
            stripped = piece.strip()
            if stripped:
                at = start + int(bound["start_index"]) + piece.index(stripped[0])
                yield Span(at, at + len(stripped))
        start = stop


def _splitter() -> Any:
    try:
        return importlib.import_module("sentencex")
    except ModuleNotFoundError:
        raise MissingExtraError("sentencex", "books") from None


def _block_end(text: str, start: int, end: int) -> int:
    """Blocks bound the memory of one call; they end at a line's end."""
    if end - start <= _BLOCK:
        return end
    at = text.rfind("\n", start + 1, start + _BLOCK)
    return at + 1 if at > start else start + _BLOCK


def paragraphs(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Paragraphs: between blank lines, at indented lines, or at lines where each is one."""
    end = len(text) if end is None else end
    body = text[start:end]
    bound = re.compile(r"\n\s*") if _line_is_paragraph(body) else _PARAGRAPH
    spans: list[Span] = []
    at = 0
    for match in bound.finditer(body):
        _add(spans, body, at, match.start(), start)
        at = match.end()
    _add(spans, body, at, len(body), start)
    return spans


def _add(spans: list[Span], body: str, a: int, b: int, offset: int) -> None:
    piece = body[a:b]
    stripped = piece.strip()
    if stripped:
        at = a + piece.index(stripped[0])
        spans.append(Span(offset + at, offset + at + len(stripped)))


def _line_is_paragraph(body: str) -> bool:
    """Whether lines are not wrapped: some are much longer than any wrapped line."""
    lines = [len(line) for line in body[:100_000].split("\n") if line.strip()]
    return bool(lines) and sum(length > 120 for length in lines) > 0.1 * len(lines)


def speech(text: str) -> list[Span]:
    """What is said aloud: between quotation marks, double ones or, in books without, single."""
    found = [Span(m.start(), m.end()) for m in _SAID.finditer(text)]
    if sum(s.end - s.start for s in found) < 0.02 * len(text):
        single = [Span(m.start(), m.end()) for m in _SINGLE.finditer(text)]
        if len(single) > len(found):
            return single
    return found


def without_speech(text: str) -> str:
    """The narrator's words alone."""
    at, kept = 0, list[str]()
    for span in speech(text):
        kept.append(text[at : span.start])
        at = span.end
    kept.append(text[at:])
    return " ".join(kept)


def words_of(text: str) -> list[str]:
    """Lower-case words without digits and punctuation; "don’t" is one word."""
    return [word.replace("’", "'").lower() for word in _WORD.findall(text)]


def voice(text: str) -> Voice:
    """Person and tense of the narrator, by counting pronouns and verbs outside of speech.

    "unclear" where fewer than 8 words tell, or neither is clearly more frequent.
    """
    words = words_of(without_speech(text))
    first, third = _count(words, _FIRST), _count(words, _THIRD)
    past, present = _count(words, PAST), _count(words, PRESENT)
    person: Person = "unclear"
    if first + third >= _CLEAR:
        # A narrator who says I also speaks of others; one who does not hardly ever says I.
        person = "first" if first >= 0.25 * (first + third) else "third"
        if 0.12 < first / (first + third) < 0.25:
            person = "unclear"
    tense: Tense = "unclear"
    if past + present >= _CLEAR:
        share = past / (past + present)
        tense = "past" if share > 0.6 else "present" if share < 0.4 else "unclear"
    return Voice(person, tense)


def _count(words: list[str], wanted: frozenset[str]) -> int:
    return sum(word in wanted for word in words)


def is_english(text: str) -> bool:
    """Whether the most frequent English words have their usual share of a text (10 % or more)."""
    words = words_of(text[:200_000])
    return bool(words) and _count(words, ENGLISH) >= 0.1 * len(words)


def form_of(text: str) -> Form:
    """Prose, verse, or a script, by the shape of its lines.

    A script: one line in seven begins with a speaker's name. Verse: nine of ten lines are short,
    and most begin with a capital though the line before did not end a sentence.
    """
    lines = [line.strip() for line in text[:200_000].split("\n") if line.strip()]
    if len(lines) < 8:
        return "prose"
    heads = [match[1].strip() for match in _SPEAKER.finditer(text[:200_000])]
    repeated = sum(1 for head in heads if heads.count(head) >= 3) if len(heads) < 5000 else 0
    if repeated > len(lines) / 7:
        return "script"
    short = sum(len(line) <= 62 for line in lines)
    run_on = sum(
        after[:1].isupper() and before[-1:] not in ".!?\"”'’:*" for before, after in pairwise(lines)
    )
    return "verse" if short > 0.9 * len(lines) and run_on > 0.35 * len(lines) else "prose"
