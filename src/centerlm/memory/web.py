"""The knowledge web in use: what is known is given again only where it still holds now.

A note holds where a source of this very solve says that its words still stand. Its claim is given
as an answer only to the very question, only where the same center read it, and where no other note
says otherwise; to a question that is like it, the words it cites are given, to be read again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from centerlm.errors import CenterError
from centerlm.experience import known_line
from centerlm.finding import Citation, Finding, Passage, Status, nothing
from centerlm.memory.kinds import is_minor
from centerlm.memory.notes import question_key
from centerlm.memory.noting import (
    CONTRADICTS,
    decode_citations,
    end_note,
    entities,
    renew_note,
)
from centerlm.memory.store import transaction
from centerlm.sources.base import KNOWN, CitedSource, Source
from centerlm.verify import contains, words

MAX_LINES = 4
MAX_PASSAGES = 8
"""Each the sentence that a note cites: together no longer than a search of the documents."""
_CANDIDATES = 32
_MAX_WORDS = 32
_OVERLAP = 0.6
"""Share of the words of a question without names that a note has to have."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A note as it is kept: `found` by so many origins, `ended` (seconds since 1970, 0: it has not)
    and `why`.
    """

    id: int
    question: str
    claim: str
    source: str
    trust: str
    citations: tuple[Citation, ...]
    at: float
    ended: float
    why: str


COLUMNS = "id, question, claim, source, trust, citations, at, ended, why"


def kept(row: Sequence[object]) -> Kept:
    """A row of `COLUMNS`."""
    values: list[object] = list(row)
    values[5] = decode_citations(values[5])  # pyright: ignore[reportArgumentType]
    return Kept(*values)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, slots=True)
class KnowledgeWeb:
    """The notes of a project, used with the sources of one solve by the center named `reader`.

    `likest` gives the places of texts by how like they are to a question, the likest first. With
    `writes` False nothing is changed: neither that a note holds no more, nor that it was used.
    """

    db: sqlite3.Connection
    project: int
    sources: tuple[Source, ...]
    reader: str
    writes: bool
    likest: Callable[[str, Sequence[str]], list[int]]

    def answer(self, question: str, now: float) -> Finding:
        """What is known of a question: its answer, words to read again, or nothing and why."""
        exact, why = self.exact(question, now)
        if exact is not None:
            return Finding(
                Status.FOUND, answer=exact.claim, citations=exact.citations, source=KNOWN
            )
        passages = self.passages(question, now)
        if not passages:
            return nothing(why or "nothing like it is known", source=KNOWN)
        return Finding(Status.FOUND, passages=passages, source=KNOWN)

    def exact(self, question: str, now: float) -> tuple[Kept | None, str]:
        """The note that answers this very question, or why none does."""
        rows = self.db.execute(
            f"SELECT {COLUMNS} FROM notes WHERE project=? AND key=? AND ended=0 AND trust='cited' "
            "ORDER BY at DESC, id DESC",
            (self.project, question_key(question)),
        ).fetchall()
        standing: list[Kept] = []
        why = ""
        for note in map(kept, rows):
            checked, problem = self._check(note, now)
            if checked is not None:
                standing.append(checked)
            why = why or problem
        if any(not _agree(standing[0], other) for other in standing[1:]):
            return None, f"what is known contradicts itself: {_both(standing)}"
        for note in standing:
            if self._read_by_same(note.id):
                if self.writes:
                    self.db.execute("UPDATE notes SET used=? WHERE id=?", (now, note.id))
                return note, ""
        if standing:
            why = "it was read by another center; its words are read again"
        return None, why

    def passages(self, question: str, now: float) -> tuple[Passage, ...]:
        """The words that notes on the same things cite, to be read for this question."""
        names = _named(question)
        asked, share = (names, 1.0) if names else (set(_content(question)), _OVERLAP)
        made: dict[str, Passage] = {}
        near = [
            note
            for note in self._about(question)
            if len(asked & set(words(_text(note)))) >= share * len(asked)
        ]
        for place in self.likest(question, [note.question for note in near]):
            if len(made) >= MAX_PASSAGES:
                break
            note = near[place]
            checked, _ = self._check(note, now)
            for citation in checked.citations if checked else ():
                made.setdefault(f"{citation.passage} {citation.quote}", _passage(citation))
        return tuple(made.values())[:MAX_PASSAGES]

    def lines(self, objective: str, now: float) -> tuple[str, ...]:
        """At most four lines on what is known of what an objective names, and of what was found of
        that, from note to note.
        """
        names = _named(objective)
        lines: list[str] = []
        seen: set[int] = set()
        reached = [
            note
            for note in self._about(objective)
            if names & _named(f"{note.question} {note.claim}")
        ]
        while reached and len(lines) < MAX_LINES:
            note = reached.pop(0)
            if note.id in seen or not self._read_by_same(note.id):
                continue
            seen.add(note.id)
            checked, _ = self._check(note, now)
            if checked is None or self._contradicted(note.id):
                continue
            lines.append(known_line(note.question, note.claim))
            if entities(note.claim):
                reached += [n for n in self._about(note.claim) if contains(n.question, note.claim)]
        return tuple(lines)

    def _about(self, text: str) -> list[Kept]:
        return about(self.db, self.project, text, limit=_CANDIDATES)

    def _read_by_same(self, note: int) -> bool:
        query = "SELECT 1 FROM note_origins WHERE note=? AND reader=? LIMIT 1"
        return self.db.execute(query, (note, self.reader)).fetchone() is not None

    def _contradicted(self, note: int) -> bool:
        query = (
            "SELECT 1 FROM note_links JOIN notes ON notes.id=other WHERE note=? AND kind=? AND "
            "ended=0 LIMIT 1"
        )
        return self.db.execute(query, (note, CONTRADICTS)).fetchone() is not None

    def _check(self, note: Kept, now: float) -> tuple[Kept | None, str]:
        """The note with the citations that hold now, or why none does; kept up to date."""
        standing, changed, problem = check_citations(note.citations, self.sources)
        if standing:
            if standing != note.citations and self.writes:
                with transaction(self.db):
                    renew_note(self.db, note.id, standing)
            return replace(note, citations=standing), ""
        if changed and self.writes:
            with transaction(self.db):
                end_note(self.db, note.id, problem, now)
        return None, problem


def about(
    db: sqlite3.Connection, project: int, text: str, *, limit: int, all_of: bool = False
) -> list[Kept]:
    """The notes that have words of a text (of its names, if it has any), the likest first: those
    that are cited and have not ended, or `all_of` them.
    """
    asked = sorted(_named(text) or set(_content(text)))[:_MAX_WORDS]
    if not asked:
        return []
    query = " OR ".join(f'"{word}"' for word in asked)
    columns = ", ".join(f"notes.{name}" for name in COLUMNS.split(", "))
    only = "" if all_of else "AND ended=0 AND trust='cited' "
    rows = db.execute(
        f"SELECT {columns} FROM note_words JOIN notes ON notes.id=note_words.rowid "
        f"WHERE note_words MATCH ? AND project=? {only}"
        "ORDER BY bm25(note_words), notes.id LIMIT ?",
        (query, project, limit),
    ).fetchall()
    return [kept(row) for row in rows]


def check_citations(
    citations: Sequence[Citation], sources: Sequence[Source]
) -> tuple[tuple[Citation, ...], bool, str]:
    """The citations that hold now; whether the others changed for certain; and why they do not
    hold.
    """
    standing: list[Citation] = []
    changed, problem = bool(citations), ""
    asked = [source for source in sources if isinstance(source, CitedSource)]
    for citation in citations:
        said: list[Citation | str] = []
        for source in asked:
            try:
                one = source.still(citation)
            except CenterError as error:
                problem, changed = problem or str(error), False
                continue
            said += [] if one is None else [one]
        held = next((one for one in said if isinstance(one, Citation)), None)
        if held is not None:
            standing.append(held)
        elif said:
            problem = problem or str(said[0])
        else:
            changed = False
            lacking = f"{citation.file}, where it was found, is in none of the sources"
            problem = problem or lacking
    return tuple(standing), changed, problem


def _passage(citation: Citation) -> Passage:
    return Passage(
        id=citation.passage,
        text=citation.quote,
        title=citation.title,
        file=citation.file,
        start=citation.start,
        end=citation.end,
        unit=citation.unit,
    )


def _text(note: Kept) -> str:
    return " ".join([note.question, note.claim, *(c.quote for c in note.citations)])


def _agree(one: Kept, other: Kept) -> bool:
    return contains(one.claim, other.claim) or contains(other.claim, one.claim)


def _both(notes: Sequence[Kept]) -> str:
    return " and ".join(f"{note.claim!r} ({note.citations[0].file})" for note in notes[:2])


def _named(text: str) -> set[str]:
    return {word for name in entities(text) for word in words(name)}


def _content(text: str) -> list[str]:
    return [word for word in words(text) if not is_minor(word)]
