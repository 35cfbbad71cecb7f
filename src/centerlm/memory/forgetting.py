"""Forgetting: kinds, sources, episodes, or all of a project. What is forgotten stays so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from centerlm.errors import InputError
from centerlm.forgettings import Forgetting, What
from centerlm.memory.applying import forget_episode
from centerlm.memory.filing import keep_records, key_of, remove_empty, remove_kinds
from centerlm.memory.noting import remove_notes
from centerlm.memory.seeking import SeekingMemory
from centerlm.memory.store import to_look_up, transaction


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants forgotten: one of these, by the numbers of this memory."""

    kinds: tuple[int, ...] = ()
    source: str | None = None
    episode: str | None = None
    notes: tuple[int, ...] = ()
    everything: bool = False


def forget(memory: SeekingMemory, wanted: Wanted) -> bool:
    """Forget it here; False where it is an episode that told nothing.

    Raises:
        InputError: there is no such thing.
    """
    if wanted.source is not None:
        forget_source(memory, wanted.source)
    elif wanted.episode is not None:
        return bool(forget_episodes(memory, [wanted.episode]))
    elif wanted.notes:
        forget_notes(memory, wanted.notes)
    elif wanted.everything:
        forget_all(memory)
    else:
        forget_kinds(memory, wanted.kinds)
    return True


def said_for_all(memory: SeekingMemory, wanted: Wanted) -> list[Forgetting]:
    """The same, said so that other memories know what is meant; nothing is forgotten yet.

    Raises:
        InputError: there is no such thing.
    """
    memory.settle()

    def said(what: What, value: str) -> Forgetting:
        return Forgetting(memory.project, what, value, memory.now())

    if wanted.source is not None:
        _check_source(memory, wanted.source)
        return [said("source", wanted.source)]
    if wanted.episode is not None:
        return [said("episode", wanted.episode)]
    if wanted.notes:
        return [said("note", str(_ref(memory, note))) for note in wanted.notes]
    if wanted.everything:
        return [said("all", "")]
    return [said("kind", _text(memory, kind)) for kind in wanted.kinds]


def _text(memory: SeekingMemory, kind: int) -> str:
    query = "SELECT text FROM kinds WHERE id=? AND project=?"
    return str(_listed(memory, query, kind, "kind", "centerlm memory list"))


def _ref(memory: SeekingMemory, note: int) -> int:
    query = "SELECT ref FROM notes WHERE id=? AND project=?"
    return int(_listed(memory, query, note, "note", "centerlm memory web"))


def _listed(memory: SeekingMemory, query: str, number: int, what: str, listing: str) -> Any:
    """What a query finds under a number that a listing shows."""
    row = memory.connection.execute(query, (to_look_up(number), memory.project_id)).fetchone()
    if row is None:
        raise InputError(f"there is no {what} {number}; list them with: {listing}")
    return row[0]


def _check_source(memory: SeekingMemory, source: str) -> None:
    for table in ("records", "notes"):
        query = f"SELECT 1 FROM {table} WHERE project=? AND source=? LIMIT 1"
        if memory.connection.execute(query, (memory.project_id, source)).fetchone():
            return
    raise InputError(
        f"nothing is remembered of a source {source!r}; see those with: centerlm memory list"
    )


def remembers(memory: SeekingMemory, episode: str) -> bool:
    """Whether an episode was learned and not forgotten."""
    row = memory.connection.execute(
        "SELECT forgotten FROM episodes WHERE project=? AND key=?",
        (memory.project_id, key_of(episode)),
    ).fetchone()
    return row is not None and not row[0]


def forget_kinds(memory: SeekingMemory, kinds: Sequence[int]) -> None:
    """Forget kinds.

    Raises:
        InputError: there is no such kind; none is forgotten.
    """
    memory.settle()
    db, gone = memory.connection, set(kinds)
    with transaction(db):
        for kind in gone:
            _text(memory, kind)
        remove_kinds(db, kinds)
        keep_records(db, memory.project_id, lambda seen: seen.tick not in gone)


def forget_notes(memory: SeekingMemory, notes: Sequence[int]) -> None:
    """Forget notes, and what rests on them.

    Raises:
        InputError: there is no such note; none is forgotten.
    """
    db = memory.connection
    with transaction(db):
        for note in notes:
            _ref(memory, note)
        remove_notes(db, notes)


def forget_source(memory: SeekingMemory, source: str) -> None:
    """Forget all about a source.

    Raises:
        InputError: nothing is known of it.
    """
    memory.settle()
    db, project = memory.connection, memory.project_id
    with transaction(db):
        _check_source(memory, source)
        db.execute("DELETE FROM records WHERE project=? AND source=?", (project, source))
        notes = db.execute(
            "SELECT id FROM notes WHERE project=? AND source=?", (project, source)
        ).fetchall()
        remove_notes(db, [row[0] for row in notes])
        for table in ("arms", "exemplars"):
            db.execute(
                f"DELETE FROM {table} WHERE source=? AND kind IN "
                "(SELECT id FROM kinds WHERE project=?)",
                (source, project),
            )
        remove_empty(db, project)


def forget_episodes(
    memory: SeekingMemory, episodes: Sequence[str], *, everywhere: bool = False
) -> int:
    """Forget what episodes told; returns how many had told something.

    They are not learned again, also where the journal still has them. `everywhere`: in all
    projects of the file.
    """
    db, forgotten = memory.connection, 0
    with transaction(db):
        projects = [memory.project_id]
        if everywhere:
            projects = [row[0] for row in db.execute("SELECT id FROM projects")]
        for name in episodes:
            known = False
            for project in projects:
                known |= forget_episode(db, project, name)
            forgotten += known
    return forgotten


def forget_all(memory: SeekingMemory) -> None:
    """Forget the project; no episode that ended before now is learned again."""
    db, project = memory.connection, memory.project_id
    with transaction(db):
        kinds = db.execute("SELECT id FROM kinds WHERE project=?", (project,)).fetchall()
        remove_kinds(db, [row[0] for row in kinds])
        notes = db.execute("SELECT id FROM notes WHERE project=?", (project,)).fetchall()
        remove_notes(db, [row[0] for row in notes])
        for table in ("inbox", "records", "plans"):
            db.execute(f"DELETE FROM {table} WHERE project=?", (project,))
        db.execute("UPDATE episodes SET forgotten=1 WHERE project=?", (project,))
        db.execute("UPDATE projects SET forgotten=? WHERE id=?", (memory.now(), project))
