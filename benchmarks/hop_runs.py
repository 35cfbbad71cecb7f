"""One question through the real engine: which passages the whole episode saw, what it answered.

For a fair comparison every row sees at most 8 distinct passages an episode, floor(8 / hops) a step.
Where the center plans itself, hops are the steps of its plan (2 passages a step where it may hand
parts on to itself). Asking again, splitting and re-opening are off, because they would see more.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from centerlm.evaluation.metrics import all_found, exact_match, support_recall, token_f1
from centerlm.evaluation.oracle import OracleCenter
from centerlm.events import CallFinished, Event, SeekFinished, StepFinished
from centerlm.finding import Finding, Passage, Status, Usage, finding_from_json
from centerlm.journal import MemoryJournal
from centerlm.library import Library
from centerlm.objective import Budget, Objective
from centerlm.plan import Plan, normalise
from centerlm.protocols import Center
from centerlm.run import Options
from centerlm.solver import Solution, solve
from centerlm.sources.base import Seek
from centerlm.sources.documents import Documents
from human_plans import HumanPlan
from pool_library import PassageKey, passage_key

PASSAGES = 8
SEED = 0
ROUNDS = 2
RECURSIVE_PASSAGES, RECURSIVE_DEPTH = 2, 8

Row = Literal["question", "iterated", "true", "own", "plan", "recursive"]
"""question only; the question again with what was found; the human plan with true answers filled
in; with the center's own answers; the center's own plan and answers, all steps in one plan; with
recursion.
"""
MODEL_ROWS: tuple[Row, ...] = ("own", "plan", "recursive")
"""Rows that need the center."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Scores of one question, all in 0..1; None where the center answered nothing itself.

    `hops_right` is the share of steps whose own answer is the true one; `answered` of those that
    have any answer. `failed` says what broke, if anything did (the question then counts as it
    ended). `usage` counts calls of the language model only.
    """

    id: str
    hops: int
    passages: int
    mean_support: float
    all_support: float
    em: float | None
    f1: float | None
    hops_right: float | None
    answered: float | None
    failed: str
    usage: Usage


async def run_row(row: Row, human: HumanPlan, library: Library, center: Center | None) -> Outcome:
    """Run a row's system on one question. Without a `center` the oracle answers everything, which
    changes nothing in what is sought in the rows that need none.

    Raises:
        ModelError, LibraryError: as the parts do.
    """
    if row in MODEL_ROWS and center is None:
        raise ValueError(f"the row {row!r} needs a center")
    if row == "iterated":
        return await asyncio.to_thread(_iterated, human, library)
    reads = row != "question" and center is not None
    hops = 1 if row == "question" else human.hops
    documents = Limited(library, PASSAGES // hops)
    if row == "recursive":
        documents.k = RECURSIVE_PASSAGES
    events: list[Event] = []
    journal = MemoryJournal()
    # Depth 0 answers directly: one step that asks the whole question.
    depth = {"question": 0, "recursive": RECURSIVE_DEPTH}.get(row, 1)
    solution = await solve(
        Objective(human.question, budget=Budget(depth=depth)),
        center=_center(row, human, center, reads=reads),
        sources=[documents],
        journal=journal,
        options=Options(seed=SEED, reasks=False, splits=False, reopens=0, seek_seconds=None),
        on_event=events.append,
        review=documents.share if row == "plan" else None,
    )
    return _outcome(row, human, solution, events, journal, reads=reads)


class Limited:
    """The library as a source of at most `PASSAGES` distinct passages an episode, `k` a request."""

    def __init__(self, library: Library, k: int) -> None:
        self._library = library
        self._seen: set[str] = set()
        self.k = k
        self.card = Documents(library, k=PASSAGES).card

    async def share(self, plan: Plan) -> Plan:
        """Divide the passages among the steps of a plan before it runs; the plan stays as it is."""
        self.k = max(PASSAGES // len(plan.steps), 1)
        return plan

    def bound(self, seek: Seek) -> Usage:
        del seek
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        finding = await Documents(self._library, k=self.k).seek(seek)
        kept: list[int] = []
        for at, passage in enumerate(finding.passages):
            if passage.id in self._seen or len(self._seen) < PASSAGES:
                self._seen.add(passage.id)
                kept.append(at)
        if len(kept) == len(finding.passages):
            return finding
        return replace(
            finding,
            status=finding.status if kept else Status.NOTHING,
            passages=tuple(finding.passages[at] for at in kept),
            citations=tuple(finding.citations[at] for at in kept),
            reason="" if kept else f"the {PASSAGES} passages of this episode were all seen",
        )


def _center(row: Row, human: HumanPlan, center: Center | None, *, reads: bool) -> Center:
    if center is not None and row in ("plan", "recursive"):
        return center
    if row == "question":
        answers = {human.question: human.accepted[0]}
    elif row == "true":
        answers = human.told(last=not reads)
        if not reads:
            answers[human.question] = human.accepted[0]
    else:
        answers = {}
    return OracleCenter(
        center if reads and center is not None else _unasked(),
        plans={} if row == "question" else {human.question: human.plan},
        answers={normalise(text): answer for text, answer in answers.items()},
    )


def _iterated(human: HumanPlan, library: Library) -> Outcome:
    """Search, then search again with the title and first sentence of the best passage appended.

    Retrieval that feeds on what it found, without a plan (as in Shao et al., 2023, "Enhancing
    retrieval-augmented large language models with iterative retrieval-generation synergy", but
    without a model). Rounds and what is appended were chosen on the training part.
    """
    seen: dict[str, Passage] = {}
    query = human.question
    for _ in range(ROUNDS):
        fresh = [p for p in library.search(query, 2 * PASSAGES) if p.id not in seen]
        fresh = fresh[: PASSAGES // ROUNDS]
        if not fresh:
            break
        seen |= {p.id: p for p in fresh}
        query = f"{human.question} {fresh[0].title}. {fresh[0].text.split('. ')[0]}"
    found = {passage_key(p.title, p.text) for p in seen.values()}
    return Outcome(
        id=human.id,
        hops=human.hops,
        passages=len(found),
        mean_support=support_recall(found, human.support),
        all_support=all_found(found, human.support),
        em=None,
        f1=None,
        hops_right=None,
        answered=None,
        failed="",
        usage=Usage(),
    )


def _unasked() -> Center:
    """A center whose model must not be needed: every call would fail the run."""
    from centerlm.center import CenterLM
    from centerlm.models import ScriptedModel

    return CenterLM(ScriptedModel({}))


def _outcome(
    row: Row,
    human: HumanPlan,
    solution: Solution,
    events: list[Event],
    journal: MemoryJournal,
    *,
    reads: bool,
) -> Outcome:
    found: dict[PassageKey, None] = {}
    usage = Usage()
    answers: dict[str, str] = {}
    failed = solution.reason if solution.status == "failed" else ""
    for event in events:
        if isinstance(event, SeekFinished):
            finding = finding_from_json(msgspec.json.decode(journal.blob(event.finding)))
            found |= dict.fromkeys(passage_key(p.title, p.text) for p in finding.passages)
        elif isinstance(event, CallFinished) and event.usage.tokens:
            usage += event.usage
        elif isinstance(event, StepFinished):
            answers[event.path] = event.answer
            failed = event.reason if event.status == "failed" else failed
    if len(found) > PASSAGES:
        raise AssertionError(f"{human.id} saw {len(found)} passages, more than {PASSAGES}")
    own = row == "own"
    right = [
        exact_match(answers.get(str(n)) or None, [true])
        for n, true in enumerate(human.answers, start=1)
    ]
    return Outcome(
        id=human.id,
        hops=human.hops,
        passages=len(found),
        mean_support=support_recall(found, human.support),
        all_support=all_found(found, human.support),
        em=exact_match(solution.answer, human.accepted) if reads else None,
        f1=token_f1(solution.answer, human.accepted) if reads else None,
        hops_right=sum(right) / human.hops if own else None,
        answered=sum(map(bool, answers.values())) / human.hops if own else None,
        failed=failed,
        usage=usage,
    )
