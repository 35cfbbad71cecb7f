"""One question of a world through the real engine, over the real library of the world's documents.

"peel": recursion is offered and plans peel one hop; "flat": it is not, one plan has all steps. An
oracle replaces one thing: the plans, the passages found, or the answers read; all else is the
center's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from centerlm.center import CenterLM
from centerlm.evaluation.metrics import exact_match, token_f1
from centerlm.evaluation.oracle import OracleCenter
from centerlm.evaluation.rationed import Rationed
from centerlm.finding import Finding, Passage, Status, Usage
from centerlm.learning.records import Reading, Text
from centerlm.learning.world_questions import sources_for, world_library
from centerlm.learning.worlds import World, WorldQuestion
from centerlm.library import Library
from centerlm.objective import Budget, Objective
from centerlm.plan import normalise
from centerlm.protocols import Center
from centerlm.run import Options
from centerlm.solver import solve
from centerlm.sources.base import Seek, Source
from centerlm.sources.documents import Documents, cite

Form = Literal["peel", "flat"]
FORMS: tuple[Form, ...] = ("peel", "flat")
Oracle = Literal["none", "plan", "finding", "answer", "plan and finding", "plan and answer"]
ORACLES: tuple[Oracle, ...] = (
    "none",
    "plan",
    "finding",
    "answer",
    "plan and finding",
    "plan and answer",
)
SEED = 0
DEPTH = 9
CALLS = 12
"""Model calls an episode may make for each hop: about twice what a right solve needs. A budget
would be shown in the prompts; a center that goes on without end is stopped from outside instead.
"""
PASSAGES = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one episode ended; `right` is EM over all accepted answers. Seconds are the model's."""

    id: str
    hops: int
    kind: str
    form: Form
    oracle: Oracle
    held_out: tuple[str, ...]
    right: float
    f1: float
    status: str
    answer: str
    gold: str
    usage: Usage


def build_library(world: World, folder: Path, *, words_only: bool = False) -> Path:
    """The folder of the world's library, made if it is not there; with `words_only` no vectors.

    Raises:
        LibraryError, OSError: it cannot be written.
    """
    world_library(world, folder, embedder=None if words_only else "installed").close()
    return folder / "library"


async def run_question(
    question: WorldQuestion,
    world: World,
    library: Library,
    center: CenterLM,
    *,
    form: Form,
    oracle: Oracle = "none",
    passages: int = PASSAGES,
) -> Outcome:
    """Solve one question.

    Raises:
        ModelError, LibraryError: as the parts do.
    """
    rationed = replace(center, model=Rationed(center.model, iter(range(CALLS * question.hops))))
    texts = {text.id: text for text in world.documents}
    documents: Source = Documents(library, k=passages)
    if "finding" in oracle:
        documents = GoldDocuments(documents, question.readings, texts)
    solution = await solve(
        Objective(question.text, budget=Budget(depth=DEPTH if form == "peel" else 1)),
        center=_center(rationed, question, form, oracle),
        sources=sources_for(world, question.decisions[form][0].cards, documents),
        options=Options(seed=SEED, seek_seconds=None),
    )
    accepted = (question.answer, *question.aliases)
    return Outcome(
        id=question.id,
        hops=question.hops,
        kind=question.kind,
        form=form,
        oracle=oracle,
        held_out=tuple(sorted(question.held_out)),
        right=exact_match(solution.answer, accepted),
        f1=token_f1(solution.answer, accepted),
        status=solution.status,
        answer=solution.answer or "",
        gold=question.answer,
        usage=solution.usage,
    )


def _center(center: Center, question: WorldQuestion, form: Form, oracle: Oracle) -> Center:
    if oracle in ("none", "finding"):
        return center
    plans = {d.objective: d.plan for d in question.decisions[form]} if "plan" in oracle else {}
    answers: dict[str, str] = {}
    if "answer" in oracle:
        asked = (*question.readings, *question.hearings)
        answers = {normalise(r.question): r.answer for r in asked if r.answer is not None}
    return OracleCenter(center, plans, answers)


class GoldDocuments:
    """`documents` that finds the passage which holds the answer, and nothing else.

    Asked exactly what a reading asks, it gives that reading's passage; asked otherwise, the first
    of the question's gold passages that the real search finds, else what that found.
    """

    def __init__(
        self, documents: Documents, readings: Iterable[Reading], texts: Mapping[str, Text]
    ) -> None:
        self.card = documents.card
        self._documents = documents
        held = [r for r in readings if r.answer is not None and r.passages]
        self._by_question = {normalise(r.question): texts[r.passages[0]] for r in held}
        self._gold = {key_of(texts[id_]) for r in held for id_ in r.passages}

    def bound(self, seek: Seek) -> Usage:
        return self._documents.bound(seek)

    async def seek(self, seek: Seek) -> Finding:
        finding = await self._documents.seek(seek)
        if text := self._by_question.get(normalise(seek.text)):
            passage = Passage(text.id, text.text, text.title)
        else:
            gold = [p for p in finding.passages if (p.title, _line(p.text)) in self._gold]
            if not gold:
                return finding
            passage = gold[0]
        return replace(
            finding, status=Status.FOUND, passages=(passage,), citations=(cite(passage),), reason=""
        )


def key_of(text: Text) -> tuple[str, str]:
    """What tells a world's text from the others after it was stored in a library."""
    return text.title, _line(text.text)


def _line(text: str) -> str:
    return " ".join(text.split())


def held_out_groups(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes by what of them was never trained on."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(" and ".join(outcome.held_out) or "nothing", []).append(outcome)
    return dict(sorted(groups.items()))
