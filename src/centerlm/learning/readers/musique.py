"""MuSiQue (Trivedi et al., TACL 2022): questions of 2-4 hops with their human decompositions.

Part of the sub-questions are written "X >> relation". Both forms can be read: "sentence" rewrites
them as questions (`learning.relations`), "written" keeps them.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from centerlm.learning.guidance import Guidance, Read
from centerlm.learning.readers.common import (
    DOCUMENTS,
    Made,
    Unusable,
    compose,
    convert,
    escape_others,
    json_lines,
    tidy,
)
from centerlm.learning.relations import is_relation, relation_to_question
from centerlm.plan import Step

NAME = "musique"

Form = Literal["sentence", "written"]


class _Part(msgspec.Struct):
    question: str
    answer: str = ""


class _Row(msgspec.Struct):
    id: str
    question: str
    question_decomposition: list[_Part]
    answer: str | None = None


def read_musique(path: Path, form: Form = "sentence") -> Read:
    """Guidance from a file of MuSiQue in JSONL, with the answer of every step.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    return convert(path, json_lines(path, _Row), partial(_make, form=form))


def _make(row: _Row, where: str, *, form: Form) -> Made:
    del where
    if not row.question_decomposition:
        raise Unusable("no steps", "the record has no decomposition")
    steps: list[Step] = []
    counts: list[str] = []
    for at, part in enumerate(row.question_decomposition, start=1):
        text = tidy(escape_others(part.question, at))
        if form == "sentence" and is_relation(text):
            text = relation_to_question(text)
            counts.append("musique: relation rewritten as a question")
        steps.append(Step(at, (DOCUMENTS,), text))
    answers = {at: tidy(p.answer) for at, p in enumerate(row.question_decomposition, start=1)}
    plan, known = compose(steps, answers)
    guidance = Guidance(row.id, tidy(row.question), plan, NAME, answer=row.answer, answers=known)
    return Made(guidance, tuple(counts))
