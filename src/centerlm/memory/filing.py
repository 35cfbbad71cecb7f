"""Putting outcomes where they belong, and taking them out again.

An episode's outcomes wait in the inbox until experience is next asked for; then each is filed
under its kind: the source's window and belief, its record over all kinds, and an exemplar.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from bisect import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

import msgspec

from centerlm.memory.belief import UNKNOWN, Stretch
from centerlm.memory.index import MAX_KINDS, KindIndex
from centerlm.memory.outcomes import Outcome
from centerlm.memory.window import Seen, added, appended, belief_of, needle, pack, unpack

MAX_EXEMPLARS = 32
MAX_INBOX = 10_000
MAX_EPISODES = 65_536
"""Episodes remembered as learned: an older one that is resumed counts anew."""
_TRIM_EVERY = 512
_BATCH = 2_000
_HASHED = re.compile(r"#-?[0-9]{1,19}")

Row: TypeAlias = "tuple[object, ...]"

_beliefs = msgspec.msgpack.Decoder(tuple[Stretch, ...])
_outcome = msgspec.msgpack.Decoder(Outcome)


def hashed(text: str) -> int | None:
    """The number of a name of the form "#NUMBER", of 64 bits, signed; None where it is none."""
    number = int(text[1:]) if _HASHED.fullmatch(text) else None
    return number if number is not None and -(1 << 63) <= number < 1 << 63 else None


def key_of(name: str) -> int:
    """The key of an episode: 64 bits of its name's hash, signed. "#KEY" names it by its key."""
    if (key := hashed(name)) is not None:
        return key
    digest = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


def entry_of(entry: str, source: str) -> int:
    """32 bits that say which outcome of an episode this is; "#ENTRY" names it by them."""
    if (bits := hashed(entry)) is not None:
        return bits & 0xFFFFFFFF
    digest = hashlib.blake2b(f"{entry}|{source}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


def encode_belief(belief: Sequence[Stretch]) -> bytes:
    return msgspec.msgpack.encode(tuple(belief))


def decode_belief(data: bytes) -> tuple[Stretch, ...]:
    return _beliefs.decode(data)


def put(db: sqlite3.Connection, project: int, episode: int, found: Iterable[Outcome]) -> None:
    """Put an episode's outcomes into the inbox; of more than 10,000 of a project the oldest are
    dropped.
    """
    db.executemany(
        "INSERT INTO inbox(project, episode, data) VALUES (?, ?, ?)",
        [(project, episode, msgspec.msgpack.encode(outcome)) for outcome in found],
    )
    db.execute(
        "DELETE FROM inbox WHERE project=?1 AND id <= "
        "(SELECT id FROM inbox WHERE project=?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        (project, MAX_INBOX),
    )


def mark(db: sqlite3.Connection, project: int, name: str, at: float) -> None:
    """Remember that an episode is learned."""
    db.execute(
        "INSERT INTO episodes(project, key, name, at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT(project, key) DO UPDATE SET at=excluded.at",
        (project, key_of(name), name, at),
    )
    if key_of(name) % _TRIM_EVERY:
        return
    db.execute(
        "DELETE FROM episodes WHERE project=?1 AND at < "
        "(SELECT at FROM episodes WHERE project=?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)",
        (project, MAX_EPISODES),
    )


def waiting(db: sqlite3.Connection, project: int) -> bool:
    """Whether anything is in the inbox."""
    query = "SELECT 1 FROM inbox WHERE project=? LIMIT 1"
    return db.execute(query, (project,)).fetchone() is not None


def file_inbox(db: sqlite3.Connection, project: int, index: KindIndex) -> None:
    """File what waits in the inbox, within the caller's transaction."""
    while rows := db.execute(
        "SELECT id, episode, data FROM inbox WHERE project=? ORDER BY id LIMIT ?",
        (project, _BATCH),
    ).fetchall():
        file(db, project, index, [(episode, _outcome.decode(data)) for _, episode, data in rows])
        db.execute("DELETE FROM inbox WHERE project=? AND id<=?", (project, rows[-1][0]))


class _Arm:
    """Window and belief of a source on a kind, while a batch is filed."""

    __slots__ = ("belief", "tick", "window")

    def __init__(self, row: tuple[int, bytes, bytes] | None) -> None:
        self.tick = row[0] if row else 0
        self.belief = decode_belief(row[1]) if row else UNKNOWN
        self.window = row[2] if row else b""


def file(
    db: sqlite3.Connection,
    project: int,
    index: KindIndex,
    batch: Sequence[tuple[int, Outcome]],
) -> None:
    """File outcomes, each with its episode's key, under their kinds."""
    index.refresh(db)
    kinds = kinds_of(db, index, [outcome.text for _, outcome in batch])
    ticks: dict[int, int] = {}
    used: dict[int, float] = {}
    arms: dict[tuple[int, str], _Arm] = {}
    records: dict[str, bytes] = {}
    exemplars: dict[int, list[Row]] = {}
    for (episode, outcome), kind in zip(batch, kinds, strict=True):
        source = outcome.source
        if kind not in ticks:
            row = db.execute("SELECT ticks, used FROM kinds WHERE id=?", (kind,)).fetchone()
            ticks[kind], used[kind] = row
        ticks[kind] += 1
        used[kind] = max(used[kind], outcome.at)
        if (kind, source) not in arms:
            arms[kind, source] = _Arm(
                db.execute(
                    "SELECT tick, belief, window FROM arms WHERE kind=? AND source=?",
                    (kind, source),
                ).fetchone()
            )
        if source not in records:
            row = db.execute(
                "SELECT window FROM records WHERE project=? AND source=?", (project, source)
            ).fetchone()
            records[source] = row[0] if row else b""
        arm, entry = arms[kind, source], entry_of(outcome.entry, source)
        seen = Seen(
            episode,
            entry,
            int(outcome.at),
            ticks[kind],
            outcome.success,
            outcome.cost,
            outcome.seconds,
        )
        gap = seen.tick - arm.tick if arm.window else 1
        arm.window, arm.belief = added(arm.window, arm.belief, seen, gap)
        arm.tick = seen.tick
        records[source] = appended(records[source], replace(seen, tick=kind))
        exemplars.setdefault(kind, []).append(exemplar_of(kind, episode, entry, outcome))
    db.executemany(
        "UPDATE kinds SET ticks=?, used=? WHERE id=?", [(ticks[k], used[k], k) for k in ticks]
    )
    db.executemany(
        "INSERT OR REPLACE INTO arms(id, kind, source, tick, belief, window) VALUES "
        "((SELECT id FROM arms WHERE kind=?1 AND source=?2), ?1, ?2, ?3, ?4, ?5)",
        [(k, s, a.tick, encode_belief(a.belief), a.window) for (k, s), a in arms.items()],
    )
    db.executemany(
        "INSERT OR REPLACE INTO records(id, project, source, window) VALUES "
        "((SELECT id FROM records WHERE project=?1 AND source=?2), ?1, ?2, ?3)",
        [(project, source, window) for source, window in records.items()],
    )
    for kind, rows in exemplars.items():
        keep_exemplars(db, kind, rows)
    evict(db, project, index)


def kinds_of(db: sqlite3.Connection, index: KindIndex, texts: Sequence[str]) -> list[int]:
    """The kind of each question; new ones are begun where none is near enough."""
    unique = list(dict.fromkeys(texts))
    vectors = index.embed(unique)
    kinds: dict[str, int] = {}
    begun = False
    for text, vector, near in zip(unique, vectors, index.nearest_each(vectors), strict=True):
        if near is not None and near[1] >= index.space.joins:
            kinds[text] = near[0]
            continue
        if begun:  # kinds of this very batch
            again = index.nearest(vector)
            if again and again[0][1] >= index.space.joins:
                kinds[text] = again[0][0]
                continue
        kinds[text] = index.add(db, text, vector)
        begun = True
    return [kinds[text] for text in texts]


def exemplar_of(kind: int, episode: int, entry: int, outcome: Outcome) -> Row:
    """An outcome as an exemplar of its kind."""
    return (
        *(kind, episode, entry, outcome.source, outcome.text, outcome.query),
        *(outcome.success, int(outcome.plain), outcome.at),
    )


def keep_exemplars(db: sqlite3.Connection, kind: int, rows: Sequence[Row]) -> None:
    """Add exemplars to a kind and keep 32: words that worked first, then the newest."""
    db.executemany(
        "INSERT INTO exemplars(kind, episode, entry, source, text, query, success, plain, at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows[-4 * MAX_EXEMPLARS :],
    )
    db.execute(
        "DELETE FROM exemplars WHERE kind=?1 AND id NOT IN (SELECT id FROM exemplars WHERE kind=?1 "
        "ORDER BY query<>'' AND success>=0.5 DESC, at DESC, id DESC LIMIT ?2)",
        (kind, MAX_EXEMPLARS),
    )


def evict(db: sqlite3.Connection, project: int, index: KindIndex) -> None:
    """Remove the kinds not asked for longest where there are too many."""
    rows = db.execute(
        "SELECT id FROM kinds WHERE project=? ORDER BY used DESC, id DESC LIMIT -1 OFFSET ?",
        (project, MAX_KINDS),
    ).fetchall()
    if rows:
        remove_kinds(db, [row[0] for row in rows])
        index.stale()


def remove_kinds(db: sqlite3.Connection, kinds: Sequence[int]) -> None:
    """Remove kinds with all that stands under them."""
    each = [(kind,) for kind in kinds]
    for table, column in (("arms", "kind"), ("exemplars", "kind"), ("kinds", "id")):
        db.executemany(f"DELETE FROM {table} WHERE {column}=?", each)


def take_out(db: sqlite3.Connection, project: int, episode: int) -> bool:
    """Take out all that an episode contributed; beliefs are what the rest gives.

    Returns whether there was anything.
    """
    waited = db.execute("DELETE FROM inbox WHERE project=? AND episode=?", (project, episode))
    kinds = db.execute(
        "SELECT DISTINCT kinds.id FROM arms JOIN kinds ON kinds.id=arms.kind "
        "WHERE project=? AND instr(window, ?)",
        (project, needle(episode)),
    ).fetchall()
    for (kind,) in kinds:
        keep_in_kind(db, kind, lambda _, seen: seen.episode != episode)
    db.execute(
        "DELETE FROM exemplars WHERE episode=? AND kind IN (SELECT id FROM kinds WHERE project=?)",
        (episode, project),
    )
    keep_records(db, project, lambda seen: seen.episode != episode, holding=needle(episode))
    remove_empty(db, project)
    return bool(kinds) or waited.rowcount > 0


def keep_in_kind(db: sqlite3.Connection, kind: int, wanted: Callable[[str, Seen], bool]) -> None:
    """Cut a kind down to the outcomes (by their source) that are wanted, and count its questions
    as if the others had not been.
    """
    rows = db.execute("SELECT id, source, window FROM arms WHERE kind=?", (kind,)).fetchall()
    arms = {(id_, source): unpack(window) for id_, source, window in rows}
    gone = sorted(s.tick for (_, name), seen in arms.items() for s in seen if not wanted(name, s))
    if not gone:
        return
    for (id_, source), seen in arms.items():
        kept = [replace(s, tick=s.tick - bisect(gone, s.tick)) for s in seen if wanted(source, s)]
        if not kept:
            db.execute("DELETE FROM arms WHERE id=?", (id_,))
            continue
        db.execute(
            "UPDATE arms SET tick=?, belief=?, window=? WHERE id=?",
            (kept[-1].tick, encode_belief(belief_of(kept)), pack(kept), id_),
        )
    db.execute("UPDATE kinds SET ticks=ticks-? WHERE id=?", (len(gone), kind))


def keep_records(
    db: sqlite3.Connection,
    project: int,
    wanted: Callable[[Seen], bool],
    *,
    source: str | None = None,
    holding: bytes = b"",
) -> None:
    """Cut the sources' records over all kinds (or that of one) down to what is wanted."""
    rows = db.execute(
        "SELECT id, window FROM records WHERE project=?1 AND (?2 IS NULL OR source=?2)",
        (project, source),
    ).fetchall()
    for id_, window in rows:
        if holding and holding not in window:
            continue
        seen = [s for s in unpack(window) if wanted(s)]
        if seen:
            db.execute("UPDATE records SET window=? WHERE id=?", (pack(seen), id_))
        else:
            db.execute("DELETE FROM records WHERE id=?", (id_,))


def remove_empty(db: sqlite3.Connection, project: int) -> None:
    """Remove kinds that nothing is known of any more."""
    rows = db.execute(
        "SELECT id FROM kinds WHERE project=? AND id NOT IN (SELECT kind FROM arms)", (project,)
    ).fetchall()
    remove_kinds(db, [row[0] for row in rows])
