"""What a memory holds, to be shown: kinds, their sources, exemplars and episodes."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from centerlm.errors import InputError
from centerlm.memory.recalling import view_sources
from centerlm.memory.seeking import SeekingMemory
from centerlm.memory.store import number_of, to_look_up
from centerlm.memory.window import unpack


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """A source on a kind: `success` in 0..1 with its 90 % interval, `found` of `asked` since it
    last changed, means of `cost` (money) and `seconds`, and the episodes it is known from.
    """

    source: str
    success: float
    low: float
    high: float
    found: int
    asked: int
    cost: float
    seconds: float
    episodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A question of a kind, and how it went. `query` is what was asked instead, "" if nothing."""

    text: str
    source: str
    query: str
    success: float
    episode: str
    at: float


@dataclass(frozen=True, slots=True)
class KindSummary:
    """A kind: its number, its question with names masked, an example, how often it was asked (of
    any source) and when last (seconds since 1970).
    """

    id: int
    kind: str
    like: str
    asked: int
    last: float
    sources: tuple[SourceSummary, ...]
    exemplars: tuple[Exemplar, ...] = ()


def list_kinds(memory: SeekingMemory, limit: int = 50) -> list[KindSummary]:
    """The kinds asked for last first; without exemplars and episodes.

    Raises:
        sqlite3.Error: the file cannot be read.
    """
    memory.settle()
    rows = memory.connection.execute(
        "SELECT id FROM kinds WHERE project=? ORDER BY used DESC, id DESC LIMIT ?",
        (memory.project_id, limit),
    ).fetchall()
    kinds = [_kind(memory, row[0], whole=False) for row in rows]
    return [kind for kind in kinds if kind is not None]


def show_kind(memory: SeekingMemory, wanted: str) -> KindSummary:
    """A kind by its number, or the one that a question resembles most.

    Raises:
        InputError: there is none.
        sqlite3.Error: the file cannot be read.
    """
    memory.settle()
    if (number := number_of(wanted)) is not None:
        kind = _kind(memory, to_look_up(number), whole=True)
        if kind is None:
            raise InputError(f"there is no kind {wanted}; list them with: centerlm memory list")
        return kind
    kinds = (_kind(memory, kind, whole=True) for kind in memory.alike(wanted))
    likest = next((kind for kind in kinds if kind is not None), None)
    if likest is None:
        raise InputError(
            "nothing like this question is remembered; see what is with: centerlm memory list"
        )
    return likest


def projects(db: sqlite3.Connection) -> list[str]:
    """The projects that a file has experience of, by name."""
    rows = db.execute(
        "SELECT name FROM projects WHERE id IN (SELECT project FROM kinds) "
        "OR id IN (SELECT project FROM inbox) ORDER BY name"
    )
    return [str(row[0]) for row in rows]


def _kind(memory: SeekingMemory, kind: int, *, whole: bool) -> KindSummary | None:
    """None where the project has no such kind, perhaps no more: others may forget meanwhile."""
    db = memory.connection
    row = db.execute(
        "SELECT text, ticks, used FROM kinds WHERE id=? AND project=?", (kind, memory.project_id)
    ).fetchone()
    if row is None:
        return None
    text, ticks, used = row
    rows = db.execute("SELECT source, window FROM arms WHERE kind=?", (kind,)).fetchall()
    names = dict(
        db.execute(
            "SELECT key, name FROM episodes WHERE project=?", (memory.project_id,)
        ).fetchall()
        if whole
        else ()
    )
    windows = dict(rows)
    views = view_sources(db, memory.project_id, kind, windows, memory.now())
    sources: list[SourceSummary] = []
    for view in sorted(views, key=lambda view: -view.posterior.mean):
        low, high = view.posterior.interval()
        keys = dict.fromkeys(seen.episode for seen in unpack(windows[view.source]))
        sources.append(
            SourceSummary(
                view.source,
                view.posterior.mean,
                low,
                high,
                view.found,
                view.asked,
                view.cost or 0.0,
                view.seconds or 0.0,
                tuple(names.get(key, f"#{key}") for key in keys) if whole else (),
            )
        )
    exemplars = db.execute(
        "SELECT text, source, query, success, episode, at FROM exemplars WHERE kind=? "
        "ORDER BY plain DESC, id DESC",
        (kind,),
    ).fetchall()
    return KindSummary(
        kind,
        text,
        exemplars[0][0] if exemplars else text,
        ticks,
        used,
        tuple(sources),
        tuple(
            Exemplar(row[0], row[1], row[2], row[3], names.get(row[4], f"#{row[4]}"), row[5])
            for row in exemplars
        )
        if whole
        else (),
    )
