"""Continuing a book with the engine: its sources and plan put together, and what came of it.

What has to be found out first is the center's plan, or the given questions where that has none that
the notes answer; outline, beat after beat and putting together follow from the length. All else is
the engine's: journal, budget, resume, replay. After a kill it goes on at the beat that was in work.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import msgspec

from centerlm.acts import PlanView, Request
from centerlm.books.continuing import (
    QUESTIONS,
    asks_to_continue,
    check_length,
    continuation_plan,
    needs_objective,
    questions_of,
)
from centerlm.books.noting import MAX_BOOK_WORDS
from centerlm.books.view import BookView, view_of_text
from centerlm.episode import Episode
from centerlm.errors import InputError, PlanError
from centerlm.evaluation.systems import Delegating
from centerlm.finding import Finding, clean_text, finding_from_json, finding_to_json
from centerlm.library import Library
from centerlm.library.observing import Book as Begun
from centerlm.models.base import LanguageModel
from centerlm.plan import Plan
from centerlm.protocols import Center
from centerlm.reading import PlanReader
from centerlm.sources.base import Source
from centerlm.sources.book import Book, no_book
from centerlm.sources.writer import Chapter, Desk, Outline, Writer

DEFAULT_LENGTH = 1_500
MIN_WORDS = 50
"""Of a text to go on from."""
_WHOSE = re.compile(r"\(((?:given|the center's) questions[^)]*)\)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Continuing:
    """A center with the plan of a continuation, and the sources it names."""

    center: Center
    sources: Sequence[Source]


def length_of(question: str, given: int | None) -> int | None:
    """The words to write; None where the question asks for no continuation.

    Raises:
        InputError: a length is given for another question, or cannot be written.
    """
    if not asks_to_continue(question):
        if given is not None:
            raise InputError(
                '--length is for continuing a book; ask e.g. "Continue this book by one chapter"'
            )
        return None
    return check_length(DEFAULT_LENGTH if given is None else given)


def continuing(
    question: str, folder: Path, length: int, center: Center, model: LanguageModel
) -> Continuing:
    """What solves the question for the book in a library's folder; `model` writes.

    Raises:
        InputError: the library holds no book and more or less than one text, or what it holds is
            not in English, too short or too long.
        MissingExtraError: the extra `books` is not installed.
    """
    with closing(Library.open(folder, embedder=None)) as library:
        noted = library.books()
        begun = noted[0] if noted else library.sole_text()
        if begun is None:
            raise no_book(library)
        _check_begun(begun)
        # Everything that is asked later is read now, so that nothing depends on an open file.
        text = library.text(begun.document, 0, begun.length)
        seen = library.observations(begun.document) if noted else None
    if seen is None:  # the beginning of a book may be too short to be noted as one
        view = view_of_text(text, begun.title)
    else:
        view = BookView(seen, lambda start, stop: text[start:stop], begun.length, begun.title)
    book = Book(view, file=begun.file)
    desk = Desk(view, view.known(), model, length)
    planning = ContinuingCenter(center, question, book, needs_objective(text), length)
    return Continuing(planning, (book, Outline(desk), Writer(desk), Chapter(desk)))


def _check_begun(begun: Begun) -> None:
    if not MIN_WORDS <= begun.words <= MAX_BOOK_WORDS:
        least = begun.words < MIN_WORDS
        bound, what = (MIN_WORDS, "at least") if least else (MAX_BOOK_WORDS, "at most")
        mend = "give more of it" if least else "give its last part"
        raise InputError(
            f"{begun.file} holds no book that can be continued: it has {begun.words:,} words and "
            f"has to have {what} {bound:,}; {mend}"
        )
    if not begun.english:
        raise InputError(f"{begun.file} is not in English; only English books are continued")


@dataclass(frozen=True, slots=True)
class ContinuingCenter(Delegating):
    """A center that plans what `needs` asks of the notes when it is to plan `question`, the
    continuation; the plan it gives is that of the whole continuation.
    """

    question: str
    book: Book
    needs: str
    length: int

    def decompose(self, view: PlanView) -> Request:
        return self.center.decompose(self._asked(view))

    def reader(self, view: PlanView) -> PlanReader | None:
        """None for the continuation: its plan is made when the center's is whole."""
        return None if view.objective == self.question else self.center.reader(view)

    def read_plan(self, text: str, view: PlanView, *, cut: bool) -> Plan:
        if view.objective != self.question:
            return self.center.read_plan(text, view, cut=cut)
        try:
            plan = self.center.read_plan(text, self._asked(view), cut=cut)
        except PlanError:
            questions, why = [], "given questions: the center made no plan"
        else:
            questions = questions_of(plan, lambda asked: self.book.answer(asked).found)
            why = "the center's questions" if questions else (
                "given questions: the notes answer none of the center's"
            )  # fmt: skip
        if not questions:
            questions = [asked for asked in QUESTIONS if self.book.answer(asked).found]
        return continuation_plan(self.length, questions, why)

    def _asked(self, view: PlanView) -> PlanView:
        if view.objective != self.question:
            return view
        return replace(view, objective=self.needs, cards=(self.book.card,), recursion=False)


def continuation_of(tree: Episode, blob: Callable[[str], bytes]) -> dict[str, Any]:
    """Text, outline, notes with citations, beats and report of an episode; plain data.

    What has not been written is missing: `text` then holds the beats there are.
    """
    by_source: dict[str, list[tuple[str, Finding]]] = {}
    for node in tree.roots:
        if node.finding and node.status == "found":
            finding = finding_from_json(msgspec.json.decode(blob(node.finding)))
            by_source.setdefault(node.source, []).append((node.text, finding))
    beats = by_source.get("writer", [])
    whole = by_source.get("chapter", [])
    outline = next((f.value for _, f in by_source.get("outline", [])), ())
    plan = blob(tree.plan).decode() if tree.plan else ""
    texts = [str(finding.value) for _, finding in beats]
    return {
        "text": str(whole[0][1].value) if whole else "\n\n".join(texts),
        "outline": list(outline) if isinstance(outline, tuple) else [],
        "planned_by": told[1] if (told := _WHOSE.search(plan)) else "",
        "notes": [
            {
                "question": asked,
                "answer": str(finding.value),
                "citations": finding_to_json(finding).get("citations", []),
            }
            for asked, finding in by_source.get("book", [])
        ],
        "beats": [json.loads(finding.text) for _, finding in beats],
        "report": json.loads(whole[0][1].text) if whole else None,
    }


def print_continuation(made: Mapping[str, Any]) -> None:
    """The text, then what it rests on."""
    click.echo(f"\n{clean_text(made['text']) or 'nothing was written'}\n")
    if made["outline"] and made["planned_by"]:
        click.echo(f"outline, after {clean_text(made['planned_by'])}")
    for number, line in enumerate(made["outline"], start=1):
        click.echo(f"beat {number}: {clean_text(line)}")
    for note in made["notes"]:
        click.echo(f"note: {clean_text(note['question'])} {clean_text(note['answer'])}")
        for cite in note["citations"][:3]:
            click.echo(
                f"      {cite['start']:g}-{cite['end']:g}: {clean_text(cite['quote'])[:100]}"
            )
    if report := made["report"]:
        share = report["consistency"]
        named = "nobody is named" if share is None else f"{100 * share:.0f} % of names known or new"
        click.echo(
            f"report: {report['words']:,} words, {named}, "
            f"longest copied run {report['longest_copy']}"
        )
        for number, problems in enumerate(report["problems"], start=1):
            for problem in problems:
                click.echo(f"        beat {number}: {clean_text(problem)}")
