"""One act of a center over records, apart from the engine: what it plans, reads and folds.

Each record is one model call with the center's own rendering, read as in use. Scores come in the
order of the records; what the model refuses (a prompt longer than its context) is a wrong answer
with the reason kept, never the end of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from centerlm.acts import Absorbed, AbsorbView, Note, PlanView
from centerlm.errors import ModelError, PlanError
from centerlm.evaluation.metrics import exact_match, token_f1
from centerlm.evaluation.plans import PlanScores, is_valid, score_plan
from centerlm.finding import short_answer
from centerlm.grammar import with_center
from centerlm.learning.records import Decision, Fold, Reading, Text
from centerlm.many import CONCURRENCY, Advance, each_of
from centerlm.plan import Plan, format_plan
from centerlm.protocols import Center
from centerlm.sources.base import Card


class AskedReading(Protocol):
    """A reading asked of notes: its answer (None: they do not hold it), and the numbers (from 1)
    of the notes that do.
    """

    @property
    def reading(self) -> Reading: ...

    @property
    def answer(self) -> str | None: ...

    @property
    def cited(self) -> Sequence[int]: ...


class NoteSet(Protocol):
    """Notes and all the questions asked of them."""

    @property
    def notes(self) -> Sequence[Text]: ...

    @property
    def questions(self) -> Sequence[AskedReading]: ...


@dataclass(frozen=True, slots=True)
class Decided:
    """A plan of the center. `valid`: the whole reply is a plan. `plan` is "" where none was."""

    id: str
    origin: str
    valid: bool
    plan: str
    scores: PlanScores
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """An absorb of the center.

    `known`: the notes hold the answer. `answer` None: "nothing". `em` and `f1` are those of the
    answer, or whether it is right to say nothing. `cited_right`: at least one note is cited and
    none that does not hold the answer; None where there is no answer, or none to be had.
    """

    id: str
    origin: str
    known: bool
    answer: str | None
    em: float
    f1: float
    cited_right: bool | None
    problem: str = ""


async def score_decisions(
    center: Center,
    decisions: Sequence[Decision],
    *,
    cards: Sequence[Card] = (),
    concurrency: int = CONCURRENCY,
    advance: Advance | None = None,
) -> list[Decided]:
    """The plans the center makes, against the right ones; `cards` where a decision has none."""

    async def one(decision: Decision) -> Decided:
        offered = decision.cards or tuple(cards)
        view = PlanView(decision.objective, offered, decision.recursion, decision.root)
        plan: Plan | None = None
        valid, problem = False, ""
        request = center.decompose(view)
        try:
            reply = await center.model.complete(request.prompt, request.sampling)
            names = tuple(card.name for card in offered)
            names = with_center(names) if decision.recursion or not names else names
            valid = is_valid(reply.text, names, cut=reply.cut)
            plan = center.read_plan(reply.text, view, cut=reply.cut)
        except (ModelError, PlanError) as error:
            problem = str(error)
        return Decided(
            decision.id,
            decision.origin,
            valid,
            format_plan(plan) if plan is not None else "",
            score_plan(decision.objective, plan, decision.plan),
            problem,
        )

    return await each_of(decisions, one, concurrency=concurrency, advance=advance)


async def score_readings(
    center: Center,
    note_sets: Sequence[NoteSet],
    *,
    concurrency: int = CONCURRENCY,
    advance: Advance | None = None,
) -> list[Answered]:
    """The answers the center reads from notes; one score a question, set after set."""
    tasks = [
        (asked, tuple(Note(note.title, note.text) for note in notes.notes))
        for notes in note_sets
        for asked in notes.questions
    ]

    async def one(task: tuple[AskedReading, tuple[Note, ...]]) -> Answered:
        asked, notes = task
        reading, cited = asked.reading, frozenset(asked.cited)
        absorbed, problem = await _absorb(center, AbsorbView(reading.question, notes))
        return _answered(reading.id, reading.origin, absorbed, problem, asked.answer, cited)

    return await each_of(tasks, one, concurrency=concurrency, advance=advance)


async def score_folds(
    center: Center,
    folds: Sequence[Fold],
    *,
    concurrency: int = CONCURRENCY,
    advance: Advance | None = None,
) -> list[Answered]:
    """The answers the center makes of a level's answered steps."""

    async def one(fold: Fold) -> Answered:
        notes = tuple(Note(question, answer) for question, answer in fold.steps)
        absorbed, problem = await _absorb(center, AbsorbView(fold.objective, notes, fold.root))
        cited = frozenset(fold.cited)
        return _answered(fold.id, fold.origin, absorbed, problem, fold.answer, cited)

    return await each_of(folds, one, concurrency=concurrency, advance=advance)


async def _absorb(center: Center, view: AbsorbView) -> tuple[Absorbed, str]:
    request = center.absorb(view)
    try:
        reply = await center.model.complete(request.prompt, request.sampling)
    except ModelError as error:
        return Absorbed(None), str(error)
    return center.read_absorb(reply.text, view, cut=reply.cut), ""


def _answered(
    id_: str,
    origin: str,
    absorbed: Absorbed,
    problem: str,
    right: str | None,
    cited: frozenset[int],
) -> Answered:
    answer = None if absorbed.answer is None else short_answer(absorbed.answer)
    if right is None:
        silent = float(answer is None and not problem)
        return Answered(id_, origin, False, answer, silent, silent, None, problem)
    given = set(absorbed.cited)
    return Answered(
        id_,
        origin,
        True,
        answer,
        exact_match(answer, [right]),
        token_f1(answer, [right]),
        None if answer is None else bool(given) and given <= cited,
        problem,
    )
