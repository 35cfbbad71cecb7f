"""What the knowledge web holds, to be shown: notes, where they stand, how they are linked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from centerlm.errors import InputError
from centerlm.finding import Citation
from centerlm.memory.seeking import SeekingMemory
from centerlm.memory.store import to_look_up
from centerlm.memory.web import COLUMNS, Kept, about, check_citations, kept
from centerlm.sources.base import Source


@dataclass(frozen=True, slots=True)
class Link:
    """How a note hangs together with another: `kind` is rests on, follows, contradicts or
    supersedes, or the other way round ("superseded by").
    """

    kind: str
    note: int
    question: str
    claim: str


@dataclass(frozen=True, slots=True)
class Origin:
    """An episode that found a note, at `path`, on the way to the objective it `served`."""

    episode: str
    path: str
    served: str
    at: float


@dataclass(frozen=True, slots=True)
class NoteSummary:
    """A note. `trust` is cited or derived; `state` is current, superseded, or where it was checked
    against sources: holds, changed or not there, with `why`. `at` is when it was found last.
    """

    id: int
    question: str
    claim: str
    source: str
    trust: str
    state: str
    why: str
    at: float
    citations: tuple[Citation, ...]
    origins: tuple[Origin, ...] = ()
    links: tuple[Link, ...] = ()


def list_notes(
    memory: SeekingMemory, text: str = "", *, limit: int = 20, sources: Sequence[Source] = ()
) -> list[NoteSummary]:
    """The notes on what a text names, the likest first; without a text, those found last.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    db, project = memory.connection, memory.project_id
    if text:
        notes = about(db, project, text, limit=limit, all_of=True)
    else:
        rows = db.execute(
            f"SELECT {COLUMNS} FROM notes WHERE project=? ORDER BY at DESC, id DESC LIMIT ?",
            (project, limit),
        ).fetchall()
        notes = [kept(row) for row in rows]
    return [_summary(note, sources) for note in notes]


def show_note(memory: SeekingMemory, id_: int, *, sources: Sequence[Source] = ()) -> NoteSummary:
    """A note with its origins and links.

    Raises:
        InputError: there is none of this number.
        sqlite3.Error: the file cannot be read.
    """
    db, project = memory.connection, memory.project_id
    row = db.execute(
        f"SELECT {COLUMNS} FROM notes WHERE project=? AND id=?", (project, to_look_up(id_))
    ).fetchone()
    if row is None:
        raise InputError(f"there is no note {id_}; list them with: centerlm memory web")
    origins = db.execute(
        "SELECT coalesce(name, ''), path, served, o.at FROM note_origins o LEFT JOIN episodes e "
        "ON e.key=o.episode AND e.project=? WHERE note=? ORDER BY o.at DESC",
        (project, id_),
    ).fetchall()
    links: list[Link] = []
    for near, far, label in (("note", "other", "{}"), ("other", "note", "{} this")):
        rows = db.execute(
            f"SELECT kind, id, question, claim FROM note_links JOIN notes ON id={far} "
            f"WHERE {near}=? ORDER BY kind, id",
            (id_,),
        ).fetchall()
        links += [Link(label.format(r[0]), *r[1:]) for r in rows]
    both = {link.note for link in links if link.kind == "contradicts"}
    links = [x for x in links if not (x.kind == "contradicts this" and x.note in both)]
    summary = _summary(kept(row), sources)
    return replace(summary, origins=tuple(Origin(*one) for one in origins), links=tuple(links))


def count_notes(memory: SeekingMemory) -> int:
    """The notes of the project, with those that hold no more."""
    query = "SELECT count(*) FROM notes WHERE project=?"
    (count,) = memory.connection.execute(query, (memory.project_id,)).fetchone()
    return int(count)


def _summary(note: Kept, sources: Sequence[Source]) -> NoteSummary:
    state, why = ("superseded", note.why) if note.ended else ("current", "")
    if not note.ended and sources and note.trust == "cited":
        standing, changed, why = check_citations(note.citations, sources)
        state = "holds" if standing else "changed" if changed else "not there"
        why = "" if standing else why
    return NoteSummary(
        note.id,
        note.question,
        note.claim,
        note.source,
        note.trust,
        state,
        why,
        note.at,
        note.citations,
    )
