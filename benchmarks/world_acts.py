"""The acts one by one on worlds: each decision, search, reading and fold apart from the others.

Everything an act is shown is right (gold plans above it, gold answers filled in), so that its own
accuracy is measured; the passages of a reading are what the real library finds for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from centerlm.evaluation.acts import (
    Answered,
    Decided,
    score_decisions,
    score_folds,
    score_readings,
)
from centerlm.learning.records import Decision, Fold, Reading, Text
from centerlm.learning.worlds import World, WorldQuestion
from centerlm.library import Library
from centerlm.many import Advance
from centerlm.plan import CENTER, normalise
from centerlm.protocols import Center
from world_runs import FORMS, PASSAGES, Form, key_of


@dataclass(frozen=True, slots=True)
class Found:
    """What the real library found for a reading: a note set of one question."""

    notes: tuple[Text, ...]
    reading: Reading
    answer: str | None
    cited: tuple[int, ...]

    @property
    def questions(self) -> tuple[Found, ...]:
        return (self,)


@dataclass(frozen=True, slots=True)
class ActRecord:
    """An act's record with the hops of the (part of the) question it stands for."""

    act: str
    form: Form | None
    hops: int
    kind: str
    record: Decision | Found | Fold


@dataclass(frozen=True, slots=True)
class ActScore:
    """An act's score. `right`: the plan is word for word the gold one, the gold passage was found,
    or the answer is right.
    """

    act: str
    form: Form | None
    hops: int
    kind: str
    right: float
    detail: Decided | Answered | None = None


def act_records(question: WorldQuestion, world: World, library: Library) -> list[ActRecord]:
    """All acts that the question needs, in both forms."""
    records: list[ActRecord] = []
    for form in FORMS:
        decisions = question.decisions[form]
        plans = {normalise(d.objective): d for d in decisions}
        for decision in decisions:
            hops = hops_of(decision, plans)
            records.append(ActRecord("decompose", form, hops, question.kind, decision))
        hops_of_fold = {normalise(d.objective): hops_of(d, plans) for d in decisions}
        for fold in question.folds[form]:
            hops = hops_of_fold.get(normalise(fold.objective), question.hops)
            records.append(ActRecord("fold", form, hops, question.kind, fold))
    for reading in question.readings:
        found = passages_of(reading, world, library)
        records.append(ActRecord("read", None, question.hops, question.kind, found))
    replies = {reply.id: reply for reply in world.replies}
    for hearing in question.hearings:
        notes = tuple(replies[id_] for id_ in hearing.passages[:1])
        if hearing.answer is not None and notes:
            heard = Found(notes, hearing, hearing.answer, (1,))
            records.append(ActRecord("hear", None, question.hops, question.kind, heard))
    return records


def hops_of(decision: Decision, plans: dict[str, Decision], depth: int = 0) -> int:
    """How many steps outside the center and the calculator a decision comes to in the end."""
    hops = 0
    for step in decision.plan.steps:
        if step.sources[0] != CENTER:
            hops += step.sources[0] != "calculator"
            continue
        inner = plans.get(normalise(step.text))
        hops += hops_of(inner, plans, depth + 1) if inner is not None and depth < 16 else 1
    return hops


def passages_of(reading: Reading, world: World, library: Library, k: int = PASSAGES) -> Found:
    """The real library's first `k` passages for a reading, and where the answer is in them."""
    gold = {key_of(text) for text in world.documents if text.id in reading.passages}
    notes = tuple(Text(p.id, p.title, p.text) for p in library.search(reading.question, k))
    cited = tuple(n for n, note in enumerate(notes, start=1) if key_of(note) in gold)
    return Found(notes, reading, reading.answer if cited else None, cited)


async def score_acts(
    center: Center, records: Sequence[ActRecord], *, advance: Advance | None = None
) -> list[ActScore]:
    """Every record scored; a "read" gives a score of its search ("seek") too."""
    chosen = [(r, r.record) for r in records if isinstance(r.record, Decision)]
    decided = await score_decisions(center, [d for _, d in chosen], advance=advance)
    scores = [
        ActScore(r.act, r.form, r.hops, r.kind, float(_same_plan(d, gold)), d)
        for (r, gold), d in zip(chosen, decided, strict=True)
    ]
    notes = [(r, r.record) for r in records if isinstance(r.record, Found)]
    answers = await score_readings(center, [n for _, n in notes], advance=advance)
    for (r, found), answer in zip(notes, answers, strict=True):
        if r.act == "read" and found.reading.answer is not None:
            scores.append(ActScore("seek", None, r.hops, r.kind, float(bool(found.cited))))
        scores.append(ActScore(r.act, None, r.hops, r.kind, answer.em, answer))
    folds = [(r, r.record) for r in records if isinstance(r.record, Fold)]
    folded = await score_folds(center, [f for _, f in folds], advance=advance)
    scores += [
        ActScore(r.act, r.form, r.hops, r.kind, a.em, a)
        for (r, _), a in zip(folds, folded, strict=True)
    ]
    return scores


def _same_plan(decided: Decided, gold: Decision) -> bool:
    return normalise(decided.plan) == normalise(str(gold.plan))
