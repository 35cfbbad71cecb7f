"""Outcomes of elsewhere, put among one's own by when they were: what is old news stays so here."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from centerlm.memory.filing import (
    Row,
    encode_belief,
    entry_of,
    evict,
    exemplar_of,
    keep_exemplars,
    kinds_of,
)
from centerlm.memory.index import KindIndex
from centerlm.memory.outcomes import Outcome
from centerlm.memory.window import MOST, Seen, belief_of, pack, unpack

_Told = tuple[str, Seen]
"""A source and an outcome of it."""


def merge(
    db: sqlite3.Connection, project: int, index: KindIndex, batch: Sequence[tuple[int, Outcome]]
) -> None:
    """File outcomes, the oldest first, each with its episode's key, as if each had been learned
    when it was; within the caller's transaction. Of a source on a kind the newest are kept,
    wherever they are from.
    """
    index.refresh(db)
    kinds = kinds_of(db, index, [outcome.text for _, outcome in batch])
    told: dict[int, list[_Told]] = {}
    exemplars: dict[int, list[Row]] = {}
    records: dict[str, list[Seen]] = {}
    for (episode, one), kind in zip(batch, kinds, strict=True):
        entry = entry_of(one.entry, one.source)
        seen = Seen(episode, entry, int(one.at), kind, one.success, one.cost, one.seconds)
        told.setdefault(kind, []).append((one.source, seen))
        exemplars.setdefault(kind, []).append(exemplar_of(kind, episode, entry, one))
        records.setdefault(one.source, []).append(seen)
    for kind, new in told.items():
        _merge_kind(db, kind, new)
        keep_exemplars(db, kind, exemplars[kind])
    for source, new in records.items():
        row = db.execute(
            "SELECT window FROM records WHERE project=? AND source=?", (project, source)
        ).fetchone()
        there = unpack(row[0]) if row else []
        db.execute(
            "INSERT INTO records(project, source, window) VALUES (?, ?, ?) "
            "ON CONFLICT(project, source) DO UPDATE SET window=excluded.window",
            (project, source, pack(sorted([*there, *new], key=lambda seen: seen.at)[1 - MOST :])),
        )
    evict(db, project, index)


def _merge_kind(db: sqlite3.Connection, kind: int, new: Sequence[_Told]) -> None:
    """Put outcomes into a kind's windows; its questions are counted anew, in order of time."""
    rows = db.execute("SELECT source, window FROM arms WHERE kind=?", (kind,)).fetchall()
    there = [(source, seen) for source, window in rows for seen in unpack(window)]
    there.sort(key=lambda one: one[1].tick)
    ordered = sorted([*((one, False) for one in there), *((one, True) for one in new)], key=_at)
    arms: dict[str, list[Seen]] = {}
    tick = before = 0
    for (source, seen), is_new in ordered:
        before += is_new
        tick = tick + 1 if is_new else max(tick + 1, seen.tick + before)
        arms.setdefault(source, []).append(replace(seen, tick=tick))
    for source, seen in arms.items():
        kept = seen[1 - MOST :]
        db.execute(
            "INSERT INTO arms(kind, source, tick, belief, window) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT(kind, source) DO UPDATE SET tick=excluded.tick, belief=excluded.belief, "
            "window=excluded.window",
            (kind, source, kept[-1].tick, encode_belief(belief_of(kept)), pack(kept)),
        )
    db.execute(
        "UPDATE kinds SET ticks=max(ticks + ?, ?), used=max(used, ?) WHERE id=?",
        (len(new), tick, max(seen.at for _, seen in new), kind),
    )


def _at(one: tuple[_Told, bool]) -> int:
    return one[0][1].at
