"""Forgetting: kinds, sources, episodes, or all of a project. What is forgotten stays so."""

from __future__ import annotations

from collections.abc import Sequence

from centerlm.errors import InputError
from centerlm.memory.filing import (
    keep_records,
    key_of,
    remove_empty,
    remove_kinds,
    take_out,
)
from centerlm.memory.guided import take_out_plan
from centerlm.memory.noting import remove_notes, sweep, take_out_notes
from centerlm.memory.seeking import SeekingMemory
from centerlm.memory.store import transaction


def forget_kind(memory: SeekingMemory, kind: int) -> None:
    """Forget a kind.

    Raises:
        InputError: there is no such kind.
    """
    memory.settle()
    db, project = memory.connection, memory.project_id
    with transaction(db):
        if not db.execute(
            "SELECT 1 FROM kinds WHERE id=? AND project=?", (kind, project)
        ).fetchone():
            raise InputError(f"there is no kind {kind}; list them with: centerlm memory list")
        remove_kinds(db, [kind])
        keep_records(db, project, lambda seen: seen.tick != kind)


def forget_notes(memory: SeekingMemory, notes: Sequence[int]) -> None:
    """Forget notes, and what rests on them.

    Raises:
        InputError: there is no such note; none is forgotten.
    """
    db, project = memory.connection, memory.project_id
    with transaction(db):
        for note in notes:
            if not db.execute(
                "SELECT 1 FROM notes WHERE id=? AND project=?", (note, project)
            ).fetchone():
                raise InputError(f"there is no note {note}; list them with: centerlm memory web")
        remove_notes(db, notes)


def forget_source(memory: SeekingMemory, source: str) -> None:
    """Forget all about a source.

    Raises:
        InputError: nothing is known of it.
    """
    memory.settle()
    db, project = memory.connection, memory.project_id
    with transaction(db):
        gone = db.execute("DELETE FROM records WHERE project=? AND source=?", (project, source))
        notes = db.execute(
            "SELECT id FROM notes WHERE project=? AND source=?", (project, source)
        ).fetchall()
        remove_notes(db, [row[0] for row in notes])
        if not gone.rowcount and not notes:
            raise InputError(
                f"nothing is remembered of a source {source!r}; see those with: "
                "centerlm memory list"
            )
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
                known |= _forget_episode(memory, project, name)
            forgotten += known
    return forgotten


def _forget_episode(memory: SeekingMemory, project: int, name: str) -> bool:
    db, key = memory.connection, key_of(name)
    row = db.execute(
        "SELECT forgotten FROM episodes WHERE project=? AND key=?", (project, key)
    ).fetchone()
    if row is not None and row[0]:
        return False
    taken = take_out(db, project, key)
    take_out_notes(db, project, key)
    taken |= take_out_plan(db, project, key)
    sweep(db, project)
    db.execute("UPDATE episodes SET forgotten=1 WHERE project=? AND key=?", (project, key))
    return taken or row is not None


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
