"""StrategyQA: what is computed, what is left to the absorb act, and what is asked of documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from centerlm.learning.guidance import Read
from centerlm.learning.readers import read_strategyqa


def read(folder: Path, *records: dict[str, Any] | str) -> Read:
    path = folder / "train.jsonl"
    lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
    path.write_text("\n".join(lines))
    return read_strategyqa(path)


def record(steps: list[str], *, last: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """A record; `last` are the annotators' marks of its last step."""
    marks = last or ["operation"] * 3
    evidence = [[*([["Ister-1"]] for _ in steps[1:]), [mark]] for mark in marks]
    return {
        "qid": "q1", "question": "Is the Ister longer than the Vell?", "answer": True,
        "decomposition": steps, "evidence": evidence,
    } | more  # fmt: skip


def plans(read: Read) -> list[str]:
    return [str(guidance.plan) for guidance in read.guidance]


LENGTHS = ["How long is the Ister?", "How long is the Vell?"]


def test_a_comparison_becomes_a_call_and_the_yes_or_no_of_it(tmp_path: Path) -> None:
    got = read(tmp_path, record([*LENGTHS, "Is #1 longer than #2?"]))
    (guidance,) = got.guidance
    assert str(guidance.plan) == (
        "1 [documents] How long is the Ister?\n"
        "2 [documents] How long is the Vell?\n"
        "3 [calculator] compare(#1, #2)\n"
        "4 [calculator] same(#3, greater)"
    )
    assert (guidance.id, guidance.by, guidance.answer) == ("q1", "strategyqa", "yes")
    assert got.counts == {"strategyqa: step computed": 1}


def test_references_follow_a_computed_step_that_became_two(tmp_path: Path) -> None:
    steps = [*LENGTHS, "Is #1 longer than #2?", "Why is #3 so?"]
    got = read(tmp_path, record(steps, last=["x", "y", "z"]))
    assert plans(got)[0].endswith("5 [documents] Why is #4 so?")


def test_a_last_step_that_needs_no_text_is_left_to_the_absorb_act(tmp_path: Path) -> None:
    got = read(tmp_path, record([*LENGTHS, "Is #1 among #2?"]))
    assert [len(g.plan.steps) for g in got.guidance] == [2]
    assert got.counts == {"strategyqa: last step left to the absorb act": 1}


def test_it_stays_where_annotators_used_text_or_one_step_would_be_left(tmp_path: Path) -> None:
    by_text = record([*LENGTHS, "Is #1 among #2?"], last=["operation", ["Ister-1"], ["Vell-1"]])
    alone = record(["Who may arrest?", "Is a singer one of #1?"])
    without = record([*LENGTHS, "Is the Ister long?"])
    got = read(tmp_path, by_text, alone, without)
    assert [len(g.plan.steps) for g in got.guidance] == [3, 2, 3]
    assert plans(got)[1].endswith("2 [documents] Is a singer one of #1?")
    assert not got.counts


def test_one_computed_end_is_never_left_as_the_answer(tmp_path: Path) -> None:
    got = read(tmp_path, record([*LENGTHS, "What is #1 minus #2?", "Is #3 like #1?"]))
    assert plans(got)[0].endswith("3 [calculator] #1 - #2\n4 [documents] Is #3 like #1?")


def test_what_cannot_be_used_is_listed_with_its_line(tmp_path: Path) -> None:
    got = read(
        tmp_path,
        record(["Which team is #1 in the list?", "Who leads #1?"]),
        "{",
        json.dumps({"qid": "q"}),
        record([]),
        record(["x" * 201]),
        record(["What is #2?", "How?"]),
        record([*LENGTHS, "Is #1 greater than " + "#1 and #2 plus " * 50_000], last=["x"]),
    )
    assert plans(got) == [
        "1 [documents] Which team is ##1 in the list?\n2 [documents] Who leads #1?",
        "1 [documents] What is ##2?\n2 [documents] How?",
    ]
    places = [one.where.rpartition(":")[2] for one in got.skipped]
    assert list(zip(places, (s.kind for s in got.skipped), strict=True)) == [
        ("2", "not json"), ("3", "not a record"), ("4", "no steps"), ("5", "too long"),
        ("7", "too long"),
    ]  # fmt: skip
    assert all(one.reason for one in got.skipped)
