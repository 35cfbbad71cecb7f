"""Plans of people, remembered whole: an edit of a plan helps with the next objective of its kind.

A plan that a person made out of the center's, or left as it was and rated 4 or 5, stands for its
objective, until a newer one does. It is recalled for objectives that ask alike, names masked, and
only where all its sources are offered.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Sequence

import msgspec

from centerlm.acts import Guided
from centerlm.errors import PlanError
from centerlm.events import GOOD, EpisodeStarted, Event, PlanFinished, PlanReviewed
from centerlm.memory.index import KindIndex
from centerlm.memory.kinds import mask
from centerlm.memory.outcomes import Blob
from centerlm.plan import CENTER, parse_plan

MAX_PLANS = 4096
"""Plans a project keeps; of more, the oldest go."""
MAX_OBJECTIVE = 300
SHOWN = 3
"""Plans recalled for one objective."""
_NEAR = 24


def guided_of(events: Iterable[Event], blob: Blob) -> Guided | None:
    """The plan that a person made out of the center's for an episode's objective, or found good;
    None where nobody did. `blob` is its journal's.

    Raises:
        JournalError: the journal has lost the plan.
    """
    settings = plan = ""
    for event in events:
        match event:
            case EpisodeStarted():
                settings = event.settings
            case PlanFinished(path="", by="person") if event.plan:
                plan = event.plan
            case PlanReviewed(verdict="edited"):
                plan = event.plan
            case PlanReviewed(verdict="accepted") if event.rating >= GOOD:
                plan = event.plan
            case _:
                pass
    if not plan or not settings:
        return None
    stored = msgspec.json.decode(blob(settings))
    text = " ".join(str(stored.get("objective", {}).get("text", "")).split())
    if not text or len(text) > MAX_OBJECTIVE:
        return None
    return Guided(text, blob(plan).decode())


def put_plan(
    db: sqlite3.Connection, project: int, episode: int, guided: Guided, now: float
) -> None:
    """Keep an episode's plan, within the caller's transaction; of too many the oldest go."""
    take_out_plan(db, project, episode)
    db.execute(
        "INSERT INTO plans(project, episode, text, objective, plan, at) VALUES (?, ?, ?, ?, ?, ?)",
        (project, episode, mask(guided.objective), guided.objective, guided.plan, now),
    )
    db.execute(
        "DELETE FROM plans WHERE project=?1 AND id <= "
        "(SELECT id FROM plans WHERE project=?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        (project, MAX_PLANS),
    )


def take_out_plan(db: sqlite3.Connection, project: int, episode: int) -> bool:
    """Take out an episode's plan; whether there was one."""
    gone = db.execute("DELETE FROM plans WHERE project=? AND episode=?", (project, episode))
    return gone.rowcount > 0


def plans_like(
    db: sqlite3.Connection, index: KindIndex, objective: str, sources: Collection[str]
) -> tuple[Guided, ...]:
    """At most three plans of objectives that ask like this one, the likest last.

    Of several for one objective the newest counts. Only plans over `sources` (and `[center]`).
    """
    index.refresh(db)
    (vector,) = index.embed([objective])
    near = [id_ for id_, how in index.nearest(vector, _NEAR) if how >= index.space.resembles]
    offered = {*sources, CENTER}
    best: list[Guided] = []
    for id_ in near:
        row = db.execute("SELECT project, objective FROM plans WHERE id=?", (id_,)).fetchone()
        if row is None or any(one.objective == row[1] for one in best):
            continue
        newest = db.execute(
            "SELECT plan FROM plans WHERE project=? AND objective=? ORDER BY id DESC LIMIT 1", row
        ).fetchone()
        if newest is not None and _fits(newest[0], offered):
            best.append(Guided(row[1], newest[0]))
        if len(best) == SHOWN:
            break
    return tuple(reversed(best))


def _fits(plan: str, sources: Collection[str]) -> bool:
    try:
        parse_plan(plan, sources=sources)
    except PlanError:
        return False
    return True


def list_plans(
    db: sqlite3.Connection, project: int, limit: int
) -> Sequence[tuple[str, str, str, float]]:
    """The newest plans first: objective, plan, the episode's name and when (seconds since 1970)."""
    return db.execute(
        "SELECT objective, plan, coalesce(name, '#' || episode), plans.at FROM plans "
        "LEFT JOIN episodes ON episodes.project=plans.project AND key=episode "
        "WHERE plans.project=? ORDER BY id DESC LIMIT ?",
        (project, limit),
    ).fetchall()
