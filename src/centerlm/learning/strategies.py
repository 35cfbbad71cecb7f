"""Folds of StrategyQA (Geva et al., 2021): facts found for the steps of an implicit strategy, and
the yes or no they come to.

A record is used where it has as many facts as steps that look something up. Facts stand in no
order, so each goes to the step it shares most words with. The other steps compute or conclude and
are no findings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from typing import Any, cast

from centerlm.evaluation.metrics import normalise_answer
from centerlm.learning.hops import as_question
from centerlm.learning.reading import Material, Shelf, read_records
from centerlm.learning.records import Fold

MAX_CITED = 3
MAX_FACTS = 6


def read_strategyqa(path: Path) -> Material:
    """StrategyQA's JSON Lines, for its folds.

    Raises:
        InputError: the file cannot be read.
    """
    lacks = "it lacks an id, a question, an answer or facts"
    return read_records(path, _record, lacks)


def _record(shelf: Shelf, where: str, record: dict[str, Any]) -> list[Fold] | None:
    match record:
        case {
            "qid": str(id_),
            "question": str(question),
            "answer": bool(answer),
            "facts": [*facts],
            "decomposition": [*steps],
        }:
            pass
        case _:
            return None
    steps = [" ".join(str(s).split()) for s in steps]
    computed = operations(record.get("evidence"), len(steps))
    asked = [step for n, step in enumerate(steps) if n not in computed]
    facts = [" ".join(str(f).split()) for f in facts]
    if not asked or len(asked) != len(facts):
        reason = f"{len(asked)} steps that look up, {len(facts)} facts"
        shelf.skip(where, reason, "facts do not match steps")
        return []
    if len(facts) > MAX_FACTS:
        shelf.skip(where, f"it has {len(facts)} facts", "too many facts")
        return []
    asked = [as_question(step) for step in asked]
    notes = tuple(zip(asked, matched(asked, facts), strict=True))
    cited = tuple(range(1, len(notes) + 1))[-MAX_CITED:]
    said = "yes" if answer else "no"
    return [Fold(f"strategyqa:{id_}", "strategyqa", question, notes, said, cited)]


def operations(evidence: Any, steps: int) -> frozenset[int]:
    """Places (from 0) of the steps that most annotators marked as operations, with no page read."""
    votes: Counter[int] = Counter()
    annotators: Sequence[Any] = cast("list[Any]", evidence) if isinstance(evidence, list) else []
    for annotator in annotators:
        if not isinstance(annotator, list):
            continue
        for place, found in enumerate(cast("list[Any]", annotator)[:steps]):
            marks: list[Any] = cast("list[Any]", found) if isinstance(found, list) else []
            if "operation" in marks and not any(isinstance(mark, list) for mark in marks):
                votes[place] += 1
    return frozenset(place for place, count in votes.items() if 2 * count > len(annotators))


def matched(asked: Sequence[str], facts: Sequence[str]) -> tuple[str, ...]:
    """The facts in the order in which they share most words with the questions, in all."""
    questions = [_words(question) for question in asked]

    def shared(order: Sequence[str]) -> int:
        return sum(len(q & _words(f)) for q, f in zip(questions, order, strict=True))

    return max(permutations(facts), key=shared)


def _words(text: str) -> set[str]:
    return {word[:5] for word in normalise_answer(text).split() if len(word) > 2}
