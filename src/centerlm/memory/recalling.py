"""What is known of sources on one kind of sub-objective: posteriors, costs, lines, queries."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from centerlm.experience import experience_line, query_line
from centerlm.memory.belief import PRIOR, UNKNOWN, Posterior, counts, posterior
from centerlm.memory.filing import decode_belief
from centerlm.memory.window import faded, last_at, spent
from centerlm.plan import CENTER
from centerlm.sources.base import KNOWN

COST_WEIGHT = 0.2
"""Of two sources, one whose cost is the whole scale has to be right a quarter more often."""
MONEY_SCALE, SECONDS_SCALE = 0.1, 60.0
MAX_LINES = 4
MAX_QUERIES = 3
ASKED_ENOUGH = 3
_LINES_A_KIND = 2
_FADE = 0.97
_RECENT = 16
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source on a kind. `found` of `asked` since it last changed; `cost` (money) and `seconds`
    are means of the last 16 requests, None where it was never asked.
    """

    source: str
    posterior: Posterior
    found: int
    asked: int
    cost: float | None
    seconds: float | None

    def value(self, success: float) -> float:
        """What asking is worth at this success: cost counts only where the answer is right."""
        money, seconds = self.cost or 0.0, self.seconds or 0.0
        spent = 0.5 * money / (money + MONEY_SCALE) + 0.5 * seconds / (seconds + SECONDS_SCALE)
        return success * (1.0 - COST_WEIGHT * spent)


def view_sources(
    db: sqlite3.Connection, project: int, kind: int | None, sources: Iterable[str], now: float
) -> list[SourceView]:
    """What is known of these sources on a kind, each backed by its record on other kinds; nothing
    of a kind that another process has just forgotten.

    A day without a question counts as one question of the kind: old evidence fades.
    """
    ticks = 0
    if kind is not None:
        row = db.execute("SELECT ticks FROM kinds WHERE id=?", (kind,)).fetchone()
        ticks = row[0] if row else 0
    arms: dict[str, tuple[int, bytes, bytes]] = {}
    if kind is not None:
        rows = db.execute("SELECT source, tick, belief, window FROM arms WHERE kind=?", (kind,))
        arms = {source: (tick, belief, window) for source, tick, belief, window in rows}
    views: list[SourceView] = []
    for source in sources:
        record = _record(db, project, source)
        prior, strength = _backed(*faded(record, _FADE, but=kind))
        belief, idle, window = UNKNOWN, 0, b""
        if source in arms:
            tick, data, window = arms[source]
            days = max(now - last_at(window), 0.0) / _DAY
            belief, idle = decode_belief(data), ticks - tick + int(days)
        found, asked = counts(belief)
        cost, seconds = spent(window or record, _RECENT) or (None, None)
        views.append(
            SourceView(
                source,
                posterior(belief, idle, prior=prior, strength=strength),
                found,
                asked,
                cost,
                seconds,
            )
        )
    return views


def _record(db: sqlite3.Connection, project: int, source: str) -> bytes:
    """The window of a source over all kinds."""
    row = db.execute(
        "SELECT window FROM records WHERE project=? AND source=?", (project, source)
    ).fetchone()
    return row[0] if row else b""


def _backed(found: float, asked: float) -> tuple[float, float]:
    """The success to expect from a source's record on other kinds, and how many questions it
    counts as: 2 where there is no record, up to 4.
    """
    return (found + 1.0) / (asked + 2.0), PRIOR * (1.0 + asked / (asked + 8.0))


def drawn_order(views: Sequence[SourceView], rng: Random) -> tuple[str, ...]:
    """The sources in the order in which to ask them: Thompson sampling over what each is worth."""
    worth = {view.source: view.value(view.posterior.draw(rng)) for view in views}
    return tuple(sorted(worth, key=lambda source: -worth[source]))


def lines_of(
    db: sqlite3.Connection, project: int, kinds: Sequence[int], sources: Sequence[str], now: float
) -> tuple[str, ...]:
    """At most four lines: on each kind what the best sources did, then the next ones."""
    lines: list[str] = []
    offered = set(sources)
    for kind in kinds:
        asked = [
            source
            for (source,) in db.execute("SELECT source FROM arms WHERE kind=?", (kind,))
            if source in offered
        ]
        views = [
            view
            for view in view_sources(db, project, kind, asked, now)
            if view.asked >= ASKED_ENOUGH
        ]
        views.sort(key=lambda view: -view.posterior.mean)
        lines += [
            experience_line(view.source, view.found, view.asked, like)
            for view in views[:_LINES_A_KIND]
            if (like := _example(db, kind, view.source))
        ]
    return tuple(lines[:MAX_LINES])


def missed_source(
    db: sqlite3.Connection, project: int, kind: int, sources: Sequence[str], now: float
) -> str:
    """A sentence on the source that answered a kind best, where it is no longer there to be asked;
    "" where one that is there did as well.
    """
    given = {*sources, CENTER, KNOWN}
    asked = [name for (name,) in db.execute("SELECT source FROM arms WHERE kind=?", (kind,))]
    if given.issuperset(asked):
        return ""
    views = view_sources(db, project, kind, asked, now)
    known = [view for view in views if view.asked >= ASKED_ENOUGH and view.found]
    best = max(known, key=lambda view: view.posterior.mean, default=None)
    if best is None or best.source in given:
        return ""
    return (
        f"{best.source}, which answered {best.found} of {best.asked} questions like these, is not "
        "among the sources now; what is known of it is kept, and forgotten with: "
        f"centerlm memory forget --source {best.source}"
    )


def _example(db: sqlite3.Connection, kind: int, source: str) -> str:
    """A question of the kind: one asked of this source, and one that quotes no finding, if any; ""
    where the kind has just been forgotten.
    """
    row = db.execute(
        "SELECT text FROM exemplars WHERE kind=? ORDER BY plain DESC, source=? DESC, id DESC "
        "LIMIT 1",
        (kind, source),
    ).fetchone()
    if row is None:
        row = db.execute("SELECT text FROM kinds WHERE id=?", (kind,)).fetchone()
    return str(row[0]) if row else ""


def queries_of(db: sqlite3.Connection, kinds: Sequence[int], source: str) -> tuple[str, ...]:
    """Lines about other words that found what the question itself did not, the newest first."""
    lines: list[str] = []
    for kind in kinds:
        lines += [
            query_line(query, text)
            for text, query in db.execute(
                "SELECT text, query FROM exemplars WHERE kind=? AND source=? AND query<>'' "
                "AND success>=0.5 ORDER BY at DESC, id DESC LIMIT ?",
                (kind, source, MAX_QUERIES),
            )
        ]
    return tuple(dict.fromkeys(lines))[:MAX_QUERIES]
