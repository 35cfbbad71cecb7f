"""The structure of a book: front matter, parts, chapters, scenes, as spans of its text.

Made for plain text as Project Gutenberg publishes it and for text taken out of EPUB and HTML, where
a heading is a line of its own. Tables of contents repeat the headings and are told by what stands
between two of them: next to nothing. Knows nothing of files or libraries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["front", "chapter", "back"]

MIN_CHAPTER_WORDS = 40
"""A heading followed by less than this, and then by its like, stands in a table of contents."""
MAX_HEADING = 90

_ROMAN = r"(?=[IVXLC])(?:C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
_ONES = "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen"
_TEENS = "sixteen|seventeen|eighteen|nineteen"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_ORDINAL = (
    "first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|last"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teenth|(?:twent|thirt|fort|fift)ieth"
)
_WORDS = f"(?:the )?(?:(?:{_TENS})[- ]?)?(?:{_ONES}|{_TEENS}|{_ORDINAL})|(?:{_TENS})"
_NUMBER = rf"(?:(?:no\.? ?)?\d{{1,3}}|{_ROMAN}|{_WORDS})"
_PART = "book|part|volume|vol|act|partie|livre|teil|buch|tome|libro|parte"
_CHAPTER = "chapter|chap|letter|canto|stave|scene|chapitre|kapitel|cap[ií]tulo|capitolo|hoofdstuk"
_NAMED = (
    "prologue|epilogue|introduction|introductory|preface|foreword|conclusion|afterword|postscript"
    "|dedication|prelude|interlude|finale|l'envoi|envoi|proem|appendix"
)
_LABEL = re.compile(
    rf"(?:(?P<part>{_PART})|(?P<chapter>{_CHAPTER}))\b[.:]?\s+(?P<number>{_NUMBER})"
    r"(?![\w'’])(?P<rest>.*)",
    re.IGNORECASE,
)
_NAME = re.compile(
    rf"(?P<name>{_NAMED})\b(?P<rest>[\s.:—–-]*|[.:—–-]\s*\S.{{0,60}})", re.IGNORECASE
)
_BARE = re.compile(rf"(?:\d{{1,3}}|{_ROMAN})\.?")
_CONTENTS = re.compile(r"(?:table of )?contents\.?", re.IGNORECASE)
_SCENE = re.compile(r"(?:[*•·#~+=_—–-]\s*){3,}|#|§|⁂")
_LINE = re.compile(r"[^\n]*\n?")
_START = re.compile(r"\*{3} ?START OF TH(?:E|IS) PROJECT GUTENBERG EBOOK[^\n]*\n", re.IGNORECASE)
_END = re.compile(
    r"^(?:\*{3} ?END OF TH(?:E|IS) PROJECT GUTENBERG|End of (?:the )?Project Gutenberg)",
    re.IGNORECASE | re.MULTILINE,
)
_THE_END = re.compile(r"^[ \t]*THE END\.?[ \t]*$", re.MULTILINE)
_LAST_SHARE = 0.95
"""Where "THE END" ends a book: volumes end with it too."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A stretch of a chapter between two breaks (a line of stars, or a wide gap)."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter, or what stands before and after all of them; `start` is at its heading.

    `number` counts chapters through the whole book from 1 (0: front and back matter). `part` is the
    heading of the part it stands in, "" where there are none.
    """

    kind: Kind
    number: int
    part: str
    title: str
    start: int
    end: int
    scenes: tuple[Scene, ...]

    @property
    def heading(self) -> str:
        """Part and title in one line."""
        return f"{self.part}, {self.title}" if self.part else self.title


@dataclass(frozen=True, slots=True)
class Structure:
    """A book in pieces that follow one another and cover its text."""

    chapters: tuple[Chapter, ...]

    @property
    def told(self) -> tuple[Chapter, ...]:
        """The chapters proper: what the book tells."""
        return tuple(chapter for chapter in self.chapters if chapter.kind == "chapter")

    def at(self, position: int) -> Chapter:
        """The piece a position stands in.

        Raises:
            ValueError: the book has no text.
        """
        for chapter in reversed(self.chapters):
            if chapter.start <= position:
                return chapter
        raise ValueError("an empty book has no positions")


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    start: int
    end: int
    alone: bool


@dataclass(frozen=True, slots=True)
class _Heading:
    """A heading: `level` 0 is a part, 1 a chapter; `end` is where the text under it begins."""

    level: int
    label: str
    title: str
    start: int
    end: int


def read_structure(text: str, headings: Sequence[tuple[str, int]] = ()) -> Structure:
    """The structure of a text; `headings` are (text, start) of those its format marks as such.

    A text without any heading is one chapter called "".
    """
    start, end = _body(text)
    found = _without_contents(text, list(_marked(text, start, end)), end)
    if not any(heading.level for heading in found):
        given = [
            _Heading(1, "", title, at, at + len(title))
            for title, at in headings
            if title and start <= at < end and not _CONTENTS.fullmatch(title)
        ]
        given = _without_contents(text, given, end)
        if len(given) > 1:
            found = sorted([*found, *given], key=lambda heading: heading.start)
    if not any(heading.level for heading in found):
        bare = _without_contents(text, _numbered(text, start, end), end)
        if len(bare) > 1:
            found = sorted([*found, *bare], key=lambda heading: heading.start)
    return Structure(tuple(_pieces(text, found, start, end)))


def _body(text: str) -> tuple[int, int]:
    """Where the book itself begins and ends, without what a publisher put around it."""
    begun = _START.search(text, 0, min(len(text), 50_000))
    start = begun.end() if begun else 0
    ended = _END.search(text, start)
    end = ended.start() if ended else len(text)
    closed = _THE_END.search(text, start + int(_LAST_SHARE * (end - start)), end)
    return start, closed.end() if closed else end


def _lines(text: str, start: int, end: int) -> Iterator[_Line]:
    """Lines with text; `alone` says that a blank line, or none, stands before."""
    blank = True
    for match in _LINE.finditer(text, start, end):
        stripped = match[0].strip(" \t\n_=*[]") if len(match[0]) <= 2 * MAX_HEADING else match[0]
        if match[0].strip():
            yield _Line(stripped, match.start(), match.end(), blank)
        blank = not match[0].strip()
        if match.end() >= end:
            return


def _marked(text: str, start: int, end: int) -> Iterator[_Heading]:
    """Headings that say what they are: "Chapter IV. The Storm", "BOOK ONE", "Epilogue"."""
    for line in _lines(text, start, end):
        if not line.text or len(line.text) > MAX_HEADING:
            continue
        if label := _LABEL.fullmatch(line.text):
            rest = label["rest"].strip()
            if not _is_title(rest):
                continue
            name = line.text[: len(line.text) - len(label["rest"])].strip()
            yield from _split_label(label, name, rest.strip(" .:—–-"), line)
        elif (named := _NAME.fullmatch(line.text)) and _is_title(named["rest"].strip()):
            yield _Heading(1, line.text.strip(" .:"), "", line.start, line.end)


def _split_label(label: re.Match[str], name: str, rest: str, line: _Line) -> Iterator[_Heading]:
    """A heading, or two where one line has both: "BOOK I. CHAPTER II"."""
    level = 0 if label["part"] else 1
    inner = _LABEL.fullmatch(rest) if level == 0 else None
    if inner and inner["chapter"] and _is_title(inner["rest"].strip()):
        yield _Heading(0, name, "", line.start, line.start)
        yield _Heading(1, rest, "", line.start, line.end)
        return
    yield _Heading(level, name, rest, line.start, line.end)


def _is_title(rest: str) -> bool:
    """Whether what follows a label can be a title: not the rest of a sentence.

    "Chapter two was the worst of it." begins with a small letter; a title begins with a capital, a
    dash, a quotation mark or a digit.
    """
    first = rest.lstrip(" .:—–-\"'“‘(_")[:1]
    return not first or not first.islower()


def _numbered(text: str, start: int, end: int) -> list[_Heading]:
    """Lines that are a number alone, where they count up (again from 1 in each part)."""
    lines = [line for line in _lines(text, start, end) if _BARE.fullmatch(line.text)]
    found: list[_Heading] = []
    expected = 1
    for line in lines:
        number = _value(line.text.rstrip("."))
        if number == expected or (number == 1 and found):
            found.append(_Heading(1, line.text.rstrip("."), "", line.start, line.end))
            expected = number + 1
    return found


def _value(text: str) -> int:
    if text.isdigit():
        return int(text)
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}[letter] for letter in text.upper()]
    return sum(
        -value if value < max(values[index + 1 :], default=0) else value
        for index, value in enumerate(values)
    )


def _without_contents(text: str, found: list[_Heading], end: int) -> list[_Heading]:
    """Headings that have text under them; parts that have such chapters."""
    kept: list[_Heading] = []
    for index, heading in enumerate(found):
        later = found[index + 1].start if index + 1 < len(found) else end
        if heading.level and len(text[heading.end : later].split()) < MIN_CHAPTER_WORDS:
            continue
        kept.append(heading)
    return [
        heading
        for index, heading in enumerate(kept)
        if heading.level
        or (index + 1 < len(kept) and kept[index + 1].level)
        or len(text[heading.end : _next_start(kept, index, end)].split()) >= MIN_CHAPTER_WORDS
    ]


def _next_start(found: list[_Heading], index: int, end: int) -> int:
    return found[index + 1].start if index + 1 < len(found) else end


def _pieces(text: str, found: list[_Heading], start: int, end: int) -> Iterator[Chapter]:
    """What the headings cut the text into."""
    chapters = [heading for heading in found if heading.level]
    if not chapters:  # parts alone are chapters; so is a book without any heading
        found = chapters = [replace(heading, level=1) for heading in found]
    if not chapters:
        if start:
            yield Chapter("front", 0, "", "Front matter", 0, start, ())
        if text[start:end].strip():
            yield Chapter("chapter", 1, "", "", start, end, _scenes(text, start, end))
        if end < len(text):
            yield Chapter("back", 0, "", "Back matter", end, len(text), ())
        return
    part, number = "", 0
    before = found[0].start
    if text[:before].strip():
        yield Chapter("front", 0, "", "Front matter", 0, before, ())
    for index, heading in enumerate(found):
        if heading.level == 0:
            part = heading.label
            if heading.title:
                part = f"{heading.label}: {heading.title}"
            continue
        begin = heading.start
        if index and found[index - 1].level == 0:
            begin = found[index - 1].start  # a part's heading belongs to its first chapter
        close = _next_start(found, index, end)
        title = heading.title or _title_below(text, heading, close)
        full = ": ".join(piece for piece in (heading.label, title) if piece)
        number += 1
        yield Chapter(
            "chapter", number, part, full, begin, close, _scenes(text, heading.end, close)
        )
    if end < len(text):
        yield Chapter("back", 0, "", "Back matter", end, len(text), ())


def _title_below(text: str, heading: _Heading, close: int) -> str:
    """A title on the line after "CHAPTER I": capitals, or a short line with a blank one after."""
    lines = text[heading.end : min(close, heading.end + 400)].split("\n")
    filled = [index for index, line in enumerate(lines[:-1]) if line.strip()]
    if not filled:
        return ""
    first = lines[filled[0]].strip(" \t_*[]")
    if len(first) > MAX_HEADING or len(first.split()) > 14:
        return ""
    after = lines[filled[0] + 1]
    letters = [c for c in first if c.isalpha()]
    if letters and all(c.isupper() for c in letters):
        return first.strip(" .")
    if not after.strip() and first[-1:] not in ",;:!?\"'”’" and first[:1].isupper():
        return first.strip(" .") if not first.endswith(".") or len(first.split()) <= 10 else ""
    return ""


def _scenes(text: str, start: int, end: int) -> tuple[Scene, ...]:
    """The scenes of a chapter: cut at lines of stars and at gaps of three or more blank lines."""
    cuts: list[tuple[int, int]] = []
    blanks, gap = 0, start
    begun = False
    for match in _LINE.finditer(text, start, end):
        line = match[0].strip()
        if not line:
            blanks += 1
            if blanks == 1:
                gap = match.start()
        elif len(line) <= 40 and _SCENE.fullmatch(line):
            cuts.append((match.start(), match.end()))
            blanks = 0
        else:
            if begun and blanks >= 3:
                cuts.append((gap, match.start()))
            blanks, begun = 0, True
        if match.end() >= end:
            break
    bounds = [start, *(at for cut in cuts for at in cut), end]
    return tuple(
        Scene(a, b) for a, b in zip(bounds[::2], bounds[1::2], strict=True) if text[a:b].strip()
    )
