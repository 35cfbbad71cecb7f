"""Forgetting what was said in a shared database: what was told until then, and nothing newer.

So it may be done late, twice, or once more after an older episode was learned, and comes to the
same. How far a memory came is kept in its file, in one transaction with the effect.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from centerlm.forgettings import Forgetting
from centerlm.memory.filing import (
    file_inbox,
    keep_in_kind,
    keep_records,
    key_of,
    remove_empty,
    take_out,
)
from centerlm.memory.guided import take_out_plan
from centerlm.memory.index import MAX_KINDS, KindIndex
from centerlm.memory.noting import remove_notes, sweep, take_out_notes
from centerlm.memory.store import transaction


def applied(db: sqlite3.Connection, project: int, database: str) -> int:
    """The id up to which a project has forgotten what was said in a database; 0 for none."""
    row = db.execute(
        "SELECT last FROM applied WHERE project=? AND database=?", (project, database)
    ).fetchone()
    return 0 if row is None else int(row[0])


def set_applied(db: sqlite3.Connection, project: int, database: str, last: int) -> None:
    db.execute("INSERT OR REPLACE INTO applied VALUES (?, ?, ?)", (project, database, last))


def apply(
    db: sqlite3.Connection,
    project: int,
    index: KindIndex,
    database: str,
    forgettings: Sequence[Forgetting],
) -> None:
    """Forget what was said in a database, in the order of its ids.

    Raises:
        sqlite3.Error: the file cannot be written; nothing is forgotten.
    """
    try:
        with transaction(db):
            file_inbox(db, project, index)
            for forgetting in forgettings:
                _apply(db, project, index, forgetting)
            remove_empty(db, project)
            last = max([applied(db, project, database), *(one.id for one in forgettings)])
            set_applied(db, project, database, last)
    finally:
        index.stale()


def _apply(db: sqlite3.Connection, project: int, index: KindIndex, forgetting: Forgetting) -> None:
    value, at = forgetting.value, forgetting.at
    match forgetting.what:
        case "kind":
            for kind in _kinds_like(db, project, index, value):
                _forget_kind(db, project, kind, at)
        case "source":
            _forget_source(db, project, value, at)
        case "episode":
            projects = [project]
            if not forgetting.project:
                projects = [row[0] for row in db.execute("SELECT id FROM projects").fetchall()]
            for each in projects:
                forget_episode(db, each, value)
        case "note":
            rows = db.execute(
                "SELECT id FROM notes WHERE project=? AND ref=? AND at<=?",
                (project, int(value), at),
            )
            remove_notes(db, [row[0] for row in rows.fetchall()])
        case "all":
            _forget_all(db, project, at)


def _kinds_like(db: sqlite3.Connection, project: int, index: KindIndex, text: str) -> list[int]:
    """The kinds that a question with this text, its names masked, would join: every one that is
    near enough, so that doing it twice does not go on to the next nearest.
    """
    index.refresh(db)
    (vector,) = index.space.embed([text])
    near = index.nearest(vector, MAX_KINDS)
    same = db.execute("SELECT id FROM kinds WHERE project=? AND text=?", (project, text))
    joined = [kind for kind, likeness in near if likeness >= index.space.joins]
    return list(dict.fromkeys([*(row[0] for row in same.fetchall()), *joined]))


def _forget_kind(db: sqlite3.Connection, project: int, kind: int, at: float) -> None:
    _forget_under(db, kind, at)
    keep_records(db, project, lambda seen: seen.tick != kind or seen.at > int(at))


def _forget_under(db: sqlite3.Connection, kind: int, at: float, source: str | None = None) -> None:
    """Forget what stands under a kind (of one source, or of all)."""
    second = int(at)  # windows keep whole seconds
    keep_in_kind(db, kind, lambda name, seen: seen.at > second or source not in (None, name))
    db.execute(
        "DELETE FROM exemplars WHERE kind=?1 AND at<?2 AND (?3 IS NULL OR source=?3)",
        (kind, second + 1, source),
    )


def _forget_source(db: sqlite3.Connection, project: int, source: str, at: float) -> None:
    kinds = db.execute(
        "SELECT kind FROM arms JOIN kinds ON kinds.id=kind WHERE project=? AND source=?",
        (project, source),
    ).fetchall()
    for (kind,) in kinds:
        _forget_under(db, kind, at, source)
    keep_records(db, project, lambda seen: seen.at > int(at), source=source)
    notes = db.execute(
        "SELECT id FROM notes WHERE project=? AND source=? AND at<=?", (project, source, at)
    ).fetchall()
    remove_notes(db, [row[0] for row in notes])


def _forget_all(db: sqlite3.Connection, project: int, at: float) -> None:
    for (kind,) in db.execute("SELECT id FROM kinds WHERE project=?", (project,)).fetchall():
        _forget_under(db, kind, at)
    keep_records(db, project, lambda seen: seen.at > int(at))
    notes = db.execute("SELECT id FROM notes WHERE project=? AND at<=?", (project, at)).fetchall()
    remove_notes(db, [row[0] for row in notes])
    db.execute("DELETE FROM plans WHERE project=? AND at<=?", (project, at))
    db.execute("UPDATE episodes SET forgotten=1 WHERE project=? AND at<=?", (project, at))
    db.execute("UPDATE projects SET forgotten=max(forgotten, ?) WHERE id=?", (at, project))


def forget_episode(db: sqlite3.Connection, project: int, name: str) -> bool:
    """Forget what an episode told, within the caller's transaction; whether it had told something
    and was not forgotten.
    """
    key = key_of(name)
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
