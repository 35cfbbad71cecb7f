"""One question through the real engine: which passages the whole episode saw, what it answered.

For a fair comparison every row sees at most 8 distinct passages an episode, floor(8 / hops) a step.
Asking again, splitting and re-opening are off, because they would see more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from centerlm.evaluation.metrics import all_found, exact_match, support_recall, token_f1
from centerlm.evaluation.oracle import OracleCenter
from centerlm.events import CallFinished, Event, SeekFinished, StepFinished
from centerlm.finding import Usage, finding_from_json
from centerlm.journal import MemoryJournal
from centerlm.library import Library
from centerlm.objective import Budget, Objective
from centerlm.plan import normalise
from centerlm.protocols import Center
from centerlm.run import Options
from centerlm.solver import Solution, solve
from centerlm.sources.documents import Documents
from human_plans import HumanPlan
from pool_library import PassageKey, passage_key

PASSAGES = 8
SEED = 0

Row = Literal["question", "true", "own"]
"""question only; the human plan with true answers filled in; with the center's own answers."""


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
    changes nothing in what is sought unless the row is "own".

    Raises:
        ModelError, LibraryError: as the parts do.
    """
    if row == "own" and center is None:
        raise ValueError("the row of the center's own answers needs a center")
    reads = row != "question" and center is not None
    if row == "question":
        answers = {human.question: human.accepted[0]}
    elif row == "true":
        answers = human.told(last=not reads)
        if not reads:
            answers[human.question] = human.accepted[0]
    else:
        answers = {}
    oracle = OracleCenter(
        center if reads and center is not None else _unasked(),
        plans={} if row == "question" else {human.question: human.plan},
        answers={normalise(text): answer for text, answer in answers.items()},
    )
    events: list[Event] = []
    journal = MemoryJournal()
    hops = 1 if row == "question" else human.hops
    solution = await solve(
        # Depth 0 answers directly: one step that asks the whole question.
        Objective(human.question, budget=Budget(depth=0 if row == "question" else 1)),
        center=oracle,
        sources=[Documents(library, k=PASSAGES // hops)],
        journal=journal,
        options=Options(seed=SEED, reasks=False, splits=False, reopens=0, seek_seconds=None),
        on_event=events.append,
    )
    return _outcome(row, human, solution, events, journal, reads=reads)


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
