"""StrategyQA (Geva et al., TACL 2021): implicit questions, their human decompositions, yes or no.

A step that can be computed goes to the calculator. A last step that needs no text ("operation", by
most annotators) and cannot be computed is what the root's absorb act answers: it is left out where
at least two steps stay. All other steps go to the documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from centerlm.learning.guidance import Guidance, Read
from centerlm.learning.readers.common import (
    CALCULATOR,
    DOCUMENTS,
    Made,
    Unusable,
    compose,
    convert,
    escape_others,
    json_lines,
    tidy,
)
from centerlm.learning.readers.prose import computed
from centerlm.plan import Step, references, renumber

NAME = "strategyqa"


class _Row(msgspec.Struct):
    qid: str
    question: str
    answer: bool
    decomposition: list[str]
    evidence: list[list[Any]] = msgspec.field(default_factory=list[list[Any]])
    """By annotator and step: lists of paragraphs, "no_evidence" or "operation"."""


def read_strategyqa(path: Path) -> Read:
    """Guidance from a file of StrategyQA in JSONL; `answer` is "yes" or "no".

    Raises:
        InputError: the file is missing or cannot be read.
    """
    return convert(path, json_lines(path, _Row), _make)


def _make(row: _Row, where: str) -> Made:
    del where
    texts = [tidy(text) for text in row.decomposition if text.strip()]
    if not texts:
        raise Unusable("no steps", "the record has no decomposition")
    texts = [escape_others(text, at) for at, text in enumerate(texts, start=1)]
    steps: list[Step] = []
    new: dict[int, int] = {}
    counts: list[str] = []
    for at, text in enumerate(texts, start=1):
        text, number = renumber(text, new), len(steps) + 1
        calls = computed(text, number)
        if calls:
            steps += [Step(number + i, (CALCULATOR,), call) for i, call in enumerate(calls)]
            counts.append("strategyqa: step computed")
        elif at == len(texts) and _is_left_to_absorb(text, steps, row.evidence, at - 1):
            counts.append("strategyqa: last step left to the absorb act")
        else:
            steps.append(Step(number, (DOCUMENTS,), text))
        new[at] = len(steps)
    plan, _ = compose(steps)
    answer = "yes" if row.answer else "no"
    guidance = Guidance(row.qid, tidy(row.question), plan, NAME, answer=answer)
    return Made(guidance, tuple(counts))


def _is_left_to_absorb(
    text: str, before: Sequence[Step], evidence: Sequence[Sequence[Any]], place: int
) -> bool:
    """Whether a last step needs nothing but earlier answers, and the plan is whole without it.

    One step alone, or one computed end, would be taken for the answer as it stands.
    """
    if not references(text) or len(before) < 2 or not _is_operation(evidence, place):
        return False
    needed = {k for step in before for k in step.needs}
    ends = [step for step in before if step.id not in needed]
    return len(ends) > 1 or ends[0].sources != (CALCULATOR,)


def _is_operation(evidence: Sequence[Sequence[Any]], place: int) -> bool:
    """Whether most annotators found that the step needs no text."""
    marks = [annotator[place] for annotator in evidence if place < len(annotator)]
    return 2 * sum("operation" in mark for mark in marks) > len(marks)
