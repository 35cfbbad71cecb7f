"""The source `book`: what was noted of a book up to a position, in words, with citations.

Answers who is present, who may come up next, where somebody was last, who somebody is, who is dead,
what happened lately, what is left open and who narrates; anything else finds nothing, and is for
`documents`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from centerlm.books.observations import Observation
from centerlm.books.view import BookView
from centerlm.errors import InputError
from centerlm.finding import Citation, Finding, Usage, found, nothing, shortened
from centerlm.library import Library
from centerlm.sources.base import Card, Seek

NAME = "book"
_QUOTE = 160
_LATELY = 560
"""Characters of what happened lately: some 140 tokens."""
_WORD = re.compile(r"[^\W\d_][\w’'-]*")


def view_of(library: Library, document: int | None = None, before: int | None = None) -> BookView:
    """A book of a library up to a position: by default its first book, to its end.

    Raises:
        InputError: the library holds no book, or not this one.
        LibraryError: it cannot be read.
    """
    books = library.books()
    chosen = [b for b in books if document in (None, b.document)]
    if not chosen:
        raise no_book(library)
    book = chosen[0]
    end = book.length if before is None else min(before, book.length)
    seen = library.observations(book.document, before=end)
    return BookView(
        seen, lambda start, stop: library.text(book.document, start, stop), end, book.title
    )


def no_book(library: Library) -> InputError:
    return InputError(
        f"{library.folder} holds no book; a book has 1,000 words or more and chapters, or "
        "20,000 words, and needs: pip install 'centerlm[books]'"
    )


def book_card(title: str = "", name: str = NAME) -> Card:
    """The card of the notes on a book."""
    return Card(
        name=name,
        knows=f"notes on {title or 'the book'}: who is present, who may come up next, where NAME "
        "was last, who NAME is, who is dead, what happened lately, what is left open, who narrates",
        limits="answers these questions only",
        typed=True,
        latency=0.01,
    )


class Book:
    """The notes of a book as a knowledge source."""

    def __init__(self, view: BookView, *, file: str = "", name: str = NAME) -> None:
        self._view = view
        self._file = file
        self._card = book_card(view.title, name)
        self._topics: Sequence[tuple[re.Pattern[str], Callable[[str], list[_Line]]]] = (
            (re.compile(r"\b(?:dead|died|death)\b", re.IGNORECASE), self._dead),
            (re.compile(r"\bwho\b.*\b(?:next|expected)\b", re.IGNORECASE), self._expected),
            (re.compile(r"\b(?:lately|recently|happened)\b", re.IGNORECASE), self._lately),
            (
                re.compile(r"\b(?:narrat\w*|tense|voice|style|tells?|told)\b", re.IGNORECASE),
                self._voice,
            ),
            (
                re.compile(
                    r"\b(?:open|promis\w*|secrets?|threads?|unresolved|await\w*|unsettled|plans?|danger)\b",
                    re.IGNORECASE,
                ),
                self._threads,
            ),
            (re.compile(r"\bwhere\b", re.IGNORECASE), self._where),
            (re.compile(r"\b(?:present|here|there|scene)\b", re.IGNORECASE), self._present),
            (re.compile(r"\bwho\b", re.IGNORECASE), self._who),
        )

    @property
    def card(self) -> Card:
        return self._card

    def bound(self, seek: Seek) -> Usage:
        del seek
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        return await asyncio.to_thread(self.answer, seek.text)

    def answer(self, question: str) -> Finding:
        """What the notes say to a question, each line with the sentence it rests on."""
        told = (tell for topic, tell in self._topics if topic.search(question))
        tell = next(told, self._who)
        lines = tell(question)
        if not lines:
            reason = "the notes of the book say nothing on that"
            return replace(nothing(reason, source=self._card.name), usage=Usage(calls=1))
        between = ". " if tell == self._lately else "; "
        made = found(between.join(line for line, _ in lines), source=self._card.name)
        cited = tuple(self._cite(seen) for _, seen in lines if seen is not None)
        return replace(made, citations=cited, usage=Usage(calls=1))

    def _named(self, question: str) -> list[str]:
        """People and places of the book that a question names."""
        words = set(_WORD.findall(question.replace("'s", "").replace("’s", "")))
        return [
            name
            for kind in ("person", "place")
            for name, many in self._view.names(kind).items()
            if any(set(form.split()) <= words for form in many)
        ][:5]

    def _present(self, question: str) -> list[_Line]:
        del question
        here = self._view.present()[:6]
        return [(seen.subject, seen) for seen in here]

    def _expected(self, question: str) -> list[_Line]:
        del question
        return [(seen.subject, seen) for seen in self._view.expected()]

    def _where(self, question: str) -> list[_Line]:
        names = self._named(question) or [seen.subject for seen in self._view.present()[:4]]
        seen = [(name, self._view.where(name)) for name in names]
        return [(f"{name}: {at.data['place']}", at) for name, at in seen if at is not None]

    def _who(self, question: str) -> list[_Line]:
        lines: list[_Line] = []
        for name in self._named(question):
            if (seen := self._view.entity(name)) is not None:
                also = ", ".join(seen.data["aliases"][:3])
                share = f"named {seen.data['mentions']} times"
                lines.append((f"{name}{f' (also {also})' if also else ''}, {share}", seen))
        return lines

    def _dead(self, question: str) -> list[_Line]:
        del question
        return [(f"{seen.subject} is dead", seen) for seen in self._view.dead()[:8]]

    def _threads(self, question: str) -> list[_Line]:
        del question
        return [(f"{o.data['sort']}: {self._quote(o)}", o) for o in self._view.threads()]

    def _lately(self, question: str) -> list[_Line]:
        del question
        # As sentences: a language model that reads them before the text goes on in prose.
        return [
            (c.text[:1].upper() + c.text[1:], Observation("book", "", c.start, c.end))
            for c in self._view.lately(_LATELY)
        ]

    def _voice(self, question: str) -> list[_Line]:
        del question
        voice = self._view.voice()
        if "unclear" == voice.person == voice.tense:
            return []
        return [(f"{voice.person} person, {voice.tense} tense", None)]

    def _quote(self, seen: Observation) -> str:
        return shortened(" ".join(self._view.text(seen.start, seen.end).split()), _QUOTE)

    def _cite(self, seen: Observation) -> Citation:
        """The sentence, or for what spans many pages its beginning."""
        end = min(seen.end, seen.start + _QUOTE)
        quote = " ".join(self._view.text(seen.start, end).split())
        return Citation(
            f"book-{seen.start}", self._file, self._view.title, seen.start, end, quote=quote
        )


_Line = tuple[str, Observation | None]
