"""What reading a file gives: documents, or the problem that kept it from being read.

Knows no file format. Offsets count characters of `Document.text`, which is cleaned text: what the
library stores, shows and cites.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from centerlm.finding import clean_text

_BREAKS = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document under one heading: a chapter, a titled part, a page."""

    heading: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Timed:
    """A passage of a recording or video: what is seen or heard from `start` to `end` seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """Text with a title. `sections` are in order and do not overlap.

    `position` counts documents within a file from 0 (JSON Lines files hold many); `sha256` is the
    digest of the file. `timed` are the passages of a picture, recording or video, whose `text` is
    empty. `unfinished` says that something was left out for want of a package or of weights.
    """

    title: str
    text: str
    file: str = ""
    sha256: str = ""
    sections: tuple[Section, ...] = ()
    position: int = 0
    timed: tuple[Timed, ...] = ()
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file, or a part of it, could not be read: one sentence that names the file."""

    file: str
    reason: str


def safe_text(text: str) -> str:
    """Text without control characters; page and paragraph separators become line breaks."""
    return clean_text(_BREAKS.sub("\n", text))


def one_line(text: str, limit: int = 200) -> str:
    """A title or heading: one line of at most `limit` characters."""
    return " ".join(safe_text(text).split())[:limit].rstrip()


class TextBuilder:
    """Puts a document's text together piece by piece, and its sections with it."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._starts: list[tuple[str, int]] = []

    def add(self, text: str, separator: str = "\n\n") -> None:
        """Append a piece; the separator stands before it, except at the very start."""
        if self._length and text:
            text = separator + text
        self._pieces.append(text)
        self._length += len(text)

    def begin_section(self, heading: str) -> None:
        """What is added from here on stands under `heading`."""
        self._starts.append((one_line(heading), self._length))

    def build(self) -> tuple[str, tuple[Section, ...]]:
        """The text, and the sections that hold any of it."""
        ends = [start for _, start in self._starts] + [self._length]
        sections = tuple(
            Section(heading, start, end)
            for (heading, start), end in zip(self._starts, ends[1:], strict=True)
            if end > start
        )
        return "".join(self._pieces), sections
