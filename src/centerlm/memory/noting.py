"""Putting notes into the knowledge web, and taking them out again.

A note is one question with one claim; it is there once, with every episode that found it. A file
that changed ends what was read in it; a derived note ends with what it rests on.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from centerlm.finding import Citation
from centerlm.memory.kinds import is_minor
from centerlm.memory.notes import Note, question_key
from centerlm.sources.base import KNOWN
from centerlm.verify import contains

MAX_NOTES = 8192
"""Notes a project keeps; of more, those not found or used for longest go."""
MAX_ORIGINS = 32
"""Episodes that a note is known from: the newest."""
RESTS, FOLLOWS, CONTRADICTS, SUPERSEDES = "rests on", "follows", "contradicts", "supersedes"

_NAME = re.compile(r"[^\W\d_][\w'’-]*|\d{3,}")
_citations = msgspec.json.Decoder(tuple[Citation, ...])


def put_notes(
    db: sqlite3.Connection, project: int, episode: int, notes: Sequence[Note], now: float
) -> None:
    """Put an episode's notes in, within the caller's transaction; see `sweep` for what goes."""
    for note in notes:
        id_ = _put(db, project, note)
        db.execute(
            "INSERT OR REPLACE INTO note_origins(note, episode, path, served, reader, at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (id_, episode, note.path, note.served, note.reader, note.at),
        )
        db.execute(
            "DELETE FROM note_origins WHERE note=?1 AND (episode, path) IN (SELECT episode, path "
            "FROM note_origins WHERE note=?1 ORDER BY at DESC LIMIT -1 OFFSET ?2)",
            (id_, MAX_ORIGINS),
        )
        for kind, refs in ((RESTS, note.rests), (FOLLOWS, note.follows)):
            for ref in refs:
                link(db, id_, _id_of(db, project, ref), kind)
        if note.trust == "cited":
            _compare(db, project, id_, note, now)
    sweep(db, project)


def _put(db: sqlite3.Connection, project: int, note: Note) -> int:
    """The number of a note; found once more, it holds again, with the citations of now."""
    id_ = _id_of(db, project, note.ref)
    citations = msgspec.json.encode(note.citations)
    if id_ is not None:
        db.execute(
            "UPDATE notes SET citations=?, source=?, trust=?, at=max(at, ?), ended=0, why='' "
            "WHERE id=?",
            (citations, _source_of(db, project, note), note.trust, note.at, id_),
        )
        return id_
    named = "; ".join(entities(note.question) + entities(note.claim))
    cursor = db.execute(
        "INSERT INTO notes(project, key, ref, question, claim, source, trust, citations, entities, "
        "at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(project, question_key(note.question), note.ref, note.question, note.claim),
            *(_source_of(db, project, note), note.trust, citations, named, note.at),
        ),
    )
    made = int(cursor.lastrowid or 0)
    db.execute(
        "INSERT INTO note_words(rowid, question, claim, entities) VALUES (?, ?, ?, ?)",
        (made, note.question, note.claim, named),
    )
    return made


def _source_of(db: sqlite3.Connection, project: int, note: Note) -> str:
    """Where a note is from: what `known` gave, where the note that it gave is from."""
    if note.source != KNOWN:
        return note.source
    for citation in note.citations:
        row = db.execute(
            "SELECT source FROM notes WHERE project=? AND source<>? AND instr(citations, ?) "
            "AND instr(citations, ?) ORDER BY ref=? DESC LIMIT 1",
            (
                *(project, KNOWN, msgspec.json.encode(citation.passage)),
                *(msgspec.json.encode(citation.file), note.ref),
            ),
        ).fetchone()
        if row:
            return str(row[0])
    return KNOWN


def _compare(db: sqlite3.Connection, project: int, id_: int, note: Note, now: float) -> None:
    """Link what says otherwise of the same question; of the same place in an older file, end it."""
    rows = db.execute(
        "SELECT id, claim, citations FROM notes WHERE project=? AND key=? AND id<>? AND ended=0 "
        "AND trust='cited'",
        (project, question_key(note.question), id_),
    ).fetchall()
    places = {(c.file, c.start): c.passage for c in note.citations}
    for other, claim, data in rows:
        if contains(claim, note.claim) or contains(note.claim, claim):
            continue
        cited = decode_citations(data)
        if any(places.get((c.file, c.start), c.passage) != c.passage for c in cited):
            end_note(db, other, "its place in the file says otherwise now", now)
            link(db, id_, other, SUPERSEDES)
        else:
            link(db, id_, other, CONTRADICTS)
            link(db, other, id_, CONTRADICTS)


def decode_citations(data: bytes) -> tuple[Citation, ...]:
    return _citations.decode(data)


def link(db: sqlite3.Connection, note: int, other: int | None, kind: str) -> None:
    if other is not None and other != note:
        db.execute("INSERT OR IGNORE INTO note_links VALUES (?, ?, ?)", (note, other, kind))


def end_note(db: sqlite3.Connection, note: int, why: str, now: float) -> None:
    """A note holds no more, and nothing that rests on it does."""
    db.execute("UPDATE notes SET ended=?, why=? WHERE id=? AND ended=0", (now, why, note))
    db.execute(
        "UPDATE notes SET ended=?, why='what it rests on holds no more' WHERE ended=0 AND id IN "
        "(SELECT note FROM note_links WHERE other=? AND kind=?)",
        (now, note, RESTS),
    )


def renew_note(db: sqlite3.Connection, note: int, citations: Iterable[Citation]) -> None:
    """A note holds, at other places of its files."""
    db.execute(
        "UPDATE notes SET citations=? WHERE id=?", (msgspec.json.encode(tuple(citations)), note)
    )


def take_out_notes(db: sqlite3.Connection, project: int, episode: int) -> None:
    """Take out that an episode found notes; those that none found any more go with `sweep`."""
    db.execute(
        "DELETE FROM note_origins WHERE episode=? AND note IN (SELECT id FROM notes WHERE "
        "project=?)",
        (episode, project),
    )


def sweep(db: sqlite3.Connection, project: int) -> None:
    """Remove the notes that no episode found any more, and the oldest where there are too many."""
    rows = db.execute(
        "SELECT id FROM notes WHERE project=?1 AND id NOT IN (SELECT note FROM note_origins)",
        (project,),
    ).fetchall()
    rows += db.execute(
        "SELECT id FROM notes WHERE project=? ORDER BY ended=0 DESC, max(at, used) DESC, id DESC "
        "LIMIT -1 OFFSET ?",
        (project, MAX_NOTES),
    ).fetchall()
    remove_notes(db, [row[0] for row in rows])


def remove_notes(db: sqlite3.Connection, notes: Sequence[int]) -> None:
    """Remove notes, their links, and the derived ones that rest on them."""
    gone = dict.fromkeys(notes)
    for note in notes:
        rows = db.execute("SELECT note FROM note_links WHERE other=? AND kind=?", (note, RESTS))
        gone.update(dict.fromkeys(row[0] for row in rows.fetchall()))
    each = [(note,) for note in gone]
    for table, column in (
        ("note_origins", "note"),
        ("note_links", "note"),
        ("note_links", "other"),
        ("note_words", "rowid"),
        ("notes", "id"),
    ):
        db.executemany(f"DELETE FROM {table} WHERE {column}=?", each)


def _id_of(db: sqlite3.Connection, project: int, ref: int) -> int | None:
    row = db.execute("SELECT id FROM notes WHERE project=? AND ref=?", (project, ref)).fetchone()
    return None if row is None else int(row[0])


def entities(text: str) -> tuple[str, ...]:
    """What a text names: capitalised words side by side, and numbers of three digits or more. The
    first word of a sentence counts where another such word follows it.
    """
    found: list[list[str]] = []
    end = -1
    for match in _NAME.finditer(text):
        word = match[0].removesuffix("'s").removesuffix("’s")
        if not (word[0].isupper() or word[0].isdigit()) or is_minor(word):
            continue
        if not text[: match.start()].strip() and text[match.end() + 1 :][:1].islower():
            continue
        if found and text[end : match.start()] == " " and word[0].isupper():
            found[-1].append(word)
        else:
            found.append([word])
        end = match.end()
    return tuple(dict.fromkeys(" ".join(words) for words in found))
