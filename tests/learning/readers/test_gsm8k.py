"""GSM8K: calls become steps, earlier results references, and the plan computes the answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from centerlm.learning.guidance import Read
from centerlm.learning.readers import read_gsm8k
from centerlm.learning.readers.gsm8k import question_id


def read(folder: Path, question: str, answer: str) -> Read:
    path = folder / "train.jsonl"
    path.write_text(json.dumps({"question": question, "answer": answer}))
    return read_gsm8k(path)


def steps(read: Read) -> list[str]:
    (guidance,) = read.guidance
    assert {step.sources for step in guidance.plan.steps} == {("calculator",)}
    return [step.text for step in guidance.plan.steps]


def test_results_become_references_and_given_numbers_stay(tmp_path: Path) -> None:
    question = "Ada sold 48 pens in May and half as many in June. How many in all?"
    got = read(tmp_path, question, "<<48/2=24>>24 in June.\nSo <<48+24=72>>72 in all.\n#### 72")
    assert steps(got) == ["48 / 2", "48 + #1"]
    (guidance,) = got.guidance
    assert (guidance.answer, dict(guidance.answers)) == ("72", {1: "24", 2: "72"})
    assert (guidance.id, guidance.objective) == (question_id(question), question)


@pytest.mark.parametrize(
    ("question", "answer", "plan"),
    [
        # a result equal to a given number is used where nothing else uses it
        ("2 of 4 and 4?", "<<2*2=4>> then <<4+1=5>>\n#### 5", ["2 * 2", "#1 + 1"]),
        # equal results are used one after the other
        ("6, 8?", "<<2*24=48>> <<3*16=48>> <<48+48=96>>\n#### 96", ["2 * 24", "3 * 16", "#1 + #2"]),
        # what the answer does not need is left out
        ("1?", "<<5+6=11>> <<3*7=21>> <<21-1=20>>\n#### 20", ["3 * 7", "#1 - 1"]),
        # a call that computes nothing is no step
        ("12?", "<<12=12>> <<12*.5=6.00>>\n#### 6", ["12 * 0.5"]),
        ("1?", "<<(1,000+2)*-3=-3006>>\n#### -3,006", ["(1000 + 2) * -3"]),
        ("1?", "<<20%*50=10>>\n#### 10", ["20% * 50"]),
        # written results may be rounded, the plan is exact
        ("1?", "<<10/3=3.33>> <<3.33*6=19.98>>\n#### 20", ["10 / 3", "#1 * 6"]),
    ],
)
def test_how_calls_are_read(tmp_path: Path, question: str, answer: str, plan: list[str]) -> None:
    assert steps(read(tmp_path, question, answer)) == plan


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("<<2+3=5>>\n#### 6", "not reproduced"),
        ("Two and three are five.\n#### 5", "no calls"),
        ("<<2+3=5>>", "no answer"),
        ("<<x+3=5>>\n#### 5", "not computable"),
        ("<<2//3=5>>\n#### 5", "not computable"),
        ("<<5/0=5>>\n#### 5", "not computable"),
        ("<<2+3>>\n#### 5", "not computable"),
        ("<<1+1=2>>" * 33 + "\n#### 2", "too many steps"),
    ],
)
def test_what_does_not_compute_the_answer_is_listed(tmp_path: Path, answer: str, kind: str) -> None:
    got = read(tmp_path, "How many?", answer)
    assert ([s.kind for s in got.skipped], got.guidance) == ([kind], ())
