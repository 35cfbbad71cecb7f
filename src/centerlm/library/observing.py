"""Books in a library: taking notes on a document when it is stored, and reading them again.

Observations stand beside the passages of the same document and go with it. What keeps a text from
being noted becomes a sentence, never an error: it is found by search all the same.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from centerlm.books.noting import MAX_BOOK_WORDS, MIN_BOOK_WORDS, observe, take_notes
from centerlm.books.observations import Observation
from centerlm.books.prose import form_of, is_english
from centerlm.books.structure import read_structure
from centerlm.errors import MissingExtraError
from centerlm.library.document import Document

LONG_WORDS = 20_000
"""A text without chapters is a book from this length on."""
_NOT_BOOKS = (".jsonl", ".pdf", ".rst")


@dataclass(frozen=True, slots=True)
class Book:
    """A document that was noted as a book; `length` in characters."""

    document: int
    title: str
    file: str
    length: int
    words: int
    form: str
    english: bool


@dataclass(frozen=True, slots=True)
class Noted:
    """What was noted of a document, and what its reader should know, or "". `unfinished` where a
    package was missing.
    """

    observations: Sequence[Observation] = ()
    remark: str = ""
    unfinished: bool = False


def noted(document: Document) -> Noted:
    """Observations of a document that is a book; none of one that is no book."""
    if Path(document.file).suffix.lower() in _NOT_BOOKS:
        return Noted()
    words = len(document.text.split())
    if words < MIN_BOOK_WORDS:
        return Noted()
    headings = [(section.heading, section.start) for section in document.sections]
    structure = read_structure(document.text, headings)
    is_epub = document.file.lower().endswith(".epub")
    if len(structure.told) < 2 and words < LONG_WORDS and not is_epub:
        return Noted()
    if words > MAX_BOOK_WORDS:
        return Noted(
            remark=f"{document.file} has {words:,} words, more than a book: it is searched by "
            "passages, and its people and places are not noted; split it into books"
        )
    try:
        notes = take_notes(document.text, structure)
    except MissingExtraError as error:
        return Noted(
            remark=f"{document.file} is a book, but its people and places are not noted: {error}",
            unfinished=True,
        )
    seen = list(observe(document.text, structure, notes))
    if not notes.english:
        return Noted(
            seen,
            f"{document.file} is not in English: it has its chapters and is searched by passages, "
            "but its people, places and threads are not noted",
        )
    if notes.form != "prose":
        form = _FORMS[notes.form]
        return Noted(seen, f"{document.file} looks like a {form}: no narrator is noted for it")
    return Noted(seen)


def keep(connection: sqlite3.Connection, row: int | None, notes: Noted) -> None:
    """Store what was noted of the document in this row."""
    for seen in notes.observations:
        connection.execute(
            'INSERT INTO observations (document, kind, subject, start, "end", data) '
            "VALUES (?, ?, ?, ?, ?, ?)",
            (row, seen.kind, seen.subject, seen.start, seen.end, json.dumps(dict(seen.data))),
        )


_FORMS = {"verse": "poem", "script": "play"}


def books(connection: sqlite3.Connection) -> list[Book]:
    """The books of a library, in the order they were stored."""
    rows = connection.execute(
        'SELECT d.id, d.title, f.path, o."end", o.data FROM observations o '
        "JOIN documents d ON d.id = o.document JOIN files f ON f.id = d.file "
        "WHERE o.kind = 'book' ORDER BY d.id"
    )
    found: list[Book] = []
    for document, title, file, length, data in rows:
        told = json.loads(data)
        found.append(
            Book(document, title, file, length, told["words"], told["form"], told["english"])
        )
    return found


def sole_text(connection: sqlite3.Connection) -> Book | None:
    """The one text of a library that has but one, whether it was noted as a book or not."""
    rows = connection.execute(
        'SELECT d.id, d.title, f.path, max(p."end") FROM documents d JOIN files f ON f.id = d.file '
        "JOIN passages p ON p.document = d.id WHERE d.unit = 'characters' GROUP BY d.id LIMIT 2"
    ).fetchall()
    if len(rows) != 1:
        return None
    document, title, file, length = rows[0]
    text = text_between(connection, document, 0, length)
    return Book(document, title, file, length, len(text.split()), form_of(text), is_english(text))


def observations(
    connection: sqlite3.Connection,
    document: int,
    *,
    kinds: Collection[str] = (),
    subject: str | None = None,
    before: int | None = None,
) -> list[Observation]:
    """Observations of a document in order of position: of some kinds, on a subject, that start
    before a position.
    """
    sql = 'SELECT kind, subject, start, "end", data FROM observations WHERE document = ?'
    values: list[str | int] = [document]
    if kinds:
        sql += f" AND kind IN ({', '.join('?' * len(kinds))})"
        values += list(kinds)
    if subject is not None:
        sql += " AND subject = ?"
        values.append(subject)
    if before is not None:
        sql += " AND start < ?"
        values.append(before)
    rows = connection.execute(f"{sql} ORDER BY start, id", values)
    return [Observation(row[0], row[1], row[2], row[3], json.loads(row[4])) for row in rows]


def text_between(connection: sqlite3.Connection, document: int, start: int, end: int) -> str:
    """The text of a document from its passages; space between them is filled with line breaks.

    `result[i]` is the character at `start + i` of the document, wherever a passage has it.
    """
    rows: Sequence[tuple[int, int, str]] = connection.execute(
        'SELECT start, "end", text FROM passages WHERE document = ? AND "end" > ? AND start < ? '
        "ORDER BY start",
        (document, start, end),
    ).fetchall()
    pieces: list[str] = []
    at = start
    for begin, stop, text in rows:
        pieces.append("\n" * max(begin - at, 0))
        pieces.append(text[max(at - begin, 0) : min(end, stop) - begin])
        at = min(end, stop)
    pieces.append("\n" * (end - at))
    return "".join(pieces)
