"""Which plans are most worth a person's look: those that went badly, differ, or were corrected.

Three shares, each from 0 to 1, are weighed together:

- uncertain: how much of the plan came to nothing (steps without an answer, asked again, or a plan
  that was no plan);
- disagreement: how many plans for like questions have another shape (sources and references);
- corrected: how many plans for like questions people have corrected or rejected.

Questions are alike by their words, with names and numbers masked, as in the seeking memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from centerlm.episode import fold
from centerlm.errors import PlanError
from centerlm.events import Event, PlanFinished, PlanReviewed
from centerlm.journal import Summary
from centerlm.memory.kinds import WordSpace, mask
from centerlm.plan import parse_plan
from centerlm.stored_journal import StoredJournal

WEIGHTS = {"uncertain": 0.4, "disagreement": 0.3, "corrected": 0.3}
ALIKE = 0.6
LOOKED_AT = 300
"""So many of the newest episodes are looked at."""

Shape = tuple[tuple[tuple[str, ...], tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True)
class Planned:
    """What is known of an episode's root plan. `verdict` is a person's, "" where none has looked;
    `failed` is the share of its steps that came to nothing.
    """

    name: str
    question: str
    plan: str
    shape: Shape
    failed: float
    why: str
    verdict: str
    at: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A plan to look at, with its score in 0..1 and what speaks for it."""

    planned: Planned
    score: float
    reasons: tuple[str, ...]


def planned_of(row: Summary, events: Sequence[Event], journal: StoredJournal) -> Planned | None:
    """The root plan of an episode; None where it has none."""
    state = fold(events)
    if not state.plan:
        return None
    text = journal.blob(state.plan).decode()
    try:
        plan = parse_plan(text)
    except PlanError:
        return None
    ended = next(e for e in events if isinstance(e, PlanFinished) and not e.path)
    reviews = [e for e in events if isinstance(e, PlanReviewed)]
    verdict = reviews[-1].verdict if reviews else "edited" if ended.edited else ""
    without = [n for n in state.roots if n.status not in ("found", "planned", "running")]
    again = sum(node.reopened > 0 for node in state.roots)
    failed = min((len(without) + 0.5 * again) / max(len(state.roots), 1), 1.0)
    why = f"{len(without)} of {len(state.roots)} steps without an answer" if without else ""
    if ended.problem:
        failed, why = 1.0, "the center wrote no plan that could be used"
    shape = tuple((step.sources, step.needs) for step in plan.steps)
    return Planned(row.name, state.question, text, shape, failed, why, verdict, row.started)


def queue(known: Sequence[Planned], limit: int = 20) -> list[Candidate]:
    """The plans nobody has looked at, those most worth it first; equal ones newest first."""
    vectors: list[Mapping[str, float]] = list(
        WordSpace().embed([mask(one.question) for one in known])
    )
    words: dict[str, list[int]] = {}
    for place, vector in enumerate(vectors):
        for word in vector:
            words.setdefault(word, []).append(place)
    found: list[Candidate] = []
    for place, one in enumerate(known):
        if not one.verdict:
            near = {other for word in vectors[place] for other in words[word]} - {place}
            like = [known[o] for o in near if _cosine(vectors[place], vectors[o]) >= ALIKE]
            found.append(_candidate(one, like))
    found.sort(key=lambda candidate: (-candidate.score, -candidate.planned.at))
    return found[:limit]


def _candidate(one: Planned, like: Sequence[Planned]) -> Candidate:
    looked = [other for other in like if other.verdict]
    other_shape = sum(other.shape != one.shape for other in like)
    corrected = sum(other.verdict in ("edited", "rejected") for other in looked)
    shares = {
        "uncertain": one.failed,
        "disagreement": other_shape / len(like) if like else 0.0,
        "corrected": corrected / len(looked) if looked else 0.0,
    }
    reasons = [one.why] if one.why else []
    if other_shape:
        reasons.append(f"{other_shape} of {len(like)} plans for like questions look otherwise")
    if corrected:
        reasons.append(f"{corrected} of {len(looked)} plans for like questions were corrected")
    score = sum(WEIGHTS[name] * share for name, share in shares.items())
    return Candidate(one, score, tuple(reasons))


def _cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    if len(other) < len(one):
        one, other = other, one
    return sum(weight * other.get(word, 0.0) for word, weight in one.items())
