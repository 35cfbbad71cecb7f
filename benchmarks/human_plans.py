"""MuSiQue's human decompositions as plans of centerlm, in two forms; read from --data DIR.

"written" keeps each sub-question as the set has it; "sentences" turns those of the form
"X >> relation" into questions, as the shipped reader of this guidance does. What cannot be a plan
is named with the reason and left out of no count silently.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from centerlm.errors import PlanError
from centerlm.evaluation.oracle import filled_answers
from centerlm.learning.relations import relation_to_question
from centerlm.plan import Plan, parse_plan
from pool import read_lines
from pool_library import PassageKey, passage_key

Form = Literal["written", "sentences"]
FORMS: tuple[Form, ...] = ("written", "sentences")
SOURCE = "documents"


@dataclass(frozen=True, slots=True)
class HumanPlan:
    """A question with its human plan, a true answer for each step, and what supports them."""

    id: str
    question: str
    accepted: tuple[str, ...]
    plan: Plan
    answers: tuple[str, ...]
    support: frozenset[PassageKey]

    @property
    def hops(self) -> int:
        return len(self.plan.steps)

    def told(self, *, last: bool) -> dict[str, str]:
        """True answers by filled-in step text; with `last` that of the last step too."""
        answers = dict(enumerate(self.answers, start=1))
        if not last:
            del answers[self.hops]
        return filled_answers(self.plan, answers)


@dataclass(frozen=True, slots=True)
class HumanPlans:
    """Questions in a fixed random order, so that the first of them are a fair sample of all.

    `problems` say which plans could not be read and why; `relations` of `steps` steps are written
    as relations.
    """

    plans: tuple[HumanPlan, ...]
    problems: tuple[str, ...]
    steps: int
    relations: int
    sha256: str


def read_plans(data: Path, form: Form, *, part: str = "dev") -> HumanPlans:
    """The human plans of a part of MuSiQue."""
    plans: list[HumanPlan] = []
    problems: list[str] = []
    steps = relations = 0
    for record in read_lines(data / "musique" / f"{part}.jsonl"):
        written = [step["question"] for step in record["question_decomposition"]]
        steps += len(written)
        relations += sum(relation_to_question(text) != text for text in written)
        try:
            plans.append(_human_plan(record, written, form))
        except PlanError as error:
            problems.append(f"{record['id']}: {error}")
    plans.sort(key=lambda plan: plan.id)
    random.Random(0).shuffle(plans)
    digest = hashlib.sha256((data / "musique" / f"{part}.jsonl").read_bytes()).hexdigest()
    return HumanPlans(tuple(plans), tuple(problems), steps, relations, digest)


def _human_plan(record: dict[str, Any], written: Sequence[str], form: Form) -> HumanPlan:
    texts = map(relation_to_question, written) if form == "sentences" else written
    lines = [
        f"{number} [{SOURCE}] {_step_text(text, number)}"
        for number, text in enumerate(texts, start=1)
    ]
    plan = parse_plan("\n".join(lines), sources=[SOURCE])
    if len(plan.steps) != len(lines):
        raise PlanError("two steps are the same", hint="nothing to mend: the set has them so")
    steps = record["question_decomposition"]
    paragraphs = [record["paragraphs"][step["paragraph_support_idx"]] for step in steps]
    return HumanPlan(
        id=record["id"],
        question=record["question"],
        accepted=(record["answer"], *record["answer_aliases"]),
        plan=plan,
        answers=tuple(step["answer"] for step in steps),
        support=frozenset(passage_key(p["title"], p["paragraph_text"]) for p in paragraphs),
    )


def _step_text(text: str, number: int) -> str:
    """One line; a `#` that is no reference to an earlier step is a literal one."""

    def keep(match: re.Match[str]) -> str:
        id_ = match[1]
        return match[0] if id_ and 1 <= int(id_) < number else f"#{match[0]}"

    return re.sub(r"#(\d{1,4}(?!\d))?", keep, " ".join(text.split()))
