"""Folds of implicit strategies: facts go to the steps they answer."""

from __future__ import annotations

import json
from pathlib import Path

from centerlm.learning.strategies import operations, read_strategyqa

STEPS = ["How many eggs lays a hen?", "When did Mira Holt die?", "Is #1 more than #2?"]
LOOKED = [[["Hen-1"]], [["Holt-1"]], ["operation"]]


def record(facts: list[str], answer: bool = True) -> str:
    return json.dumps(
        {
            "qid": "a",
            "question": "Could it be?",
            "answer": answer,
            "facts": facts,
            "decomposition": STEPS,
            "evidence": [LOOKED, LOOKED, [[["Hen-1"]], ["operation"], ["no_evidence"]]],
        }
    )


def test_facts_are_matched_to_the_steps_that_look_up(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    facts = ["Holt died in 1950.", "A hen lays one egg a day."]
    file.write_text(f"{record(facts)}\n{record(facts, answer=False)}\n{record(facts[:1])}\n7\n")
    read = read_strategyqa(file)
    first, second = read.folds
    assert first.steps == ((STEPS[0], facts[1]), (STEPS[1], facts[0]))
    assert (first.answer, first.cited) == ("yes", (1, 2))
    assert second.answer == "no"
    assert {skip.kind for skip in read.skipped} == {"facts do not match steps", "not json"}


def test_an_operation_is_what_most_annotators_say() -> None:
    page, operation = [["Hen-1"]], ["operation"]
    assert operations([[page, operation], [page, operation], [page, page]], 2) == {1}
    assert operations([[page, operation], [page, page]], 2) == frozenset()
    assert operations([[page, [["Hen-1"], "operation"]]], 2) == frozenset()
    assert operations("no list", 2) == frozenset()
    assert operations([operation, None], 2) == frozenset()
