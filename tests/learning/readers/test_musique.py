"""MuSiQue: both forms of the sub-questions, answers by step, and literal `#`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from centerlm.errors import InputError
from centerlm.learning.guidance import Read
from centerlm.learning.readers import read_musique
from centerlm.learning.readers.musique import Form


def part(question: str, answer: str) -> dict[str, Any]:
    return {"id": 7, "question": question, "answer": answer, "paragraph_support_idx": 1}


def read(folder: Path, parts: list[dict[str, Any]], form: Form = "sentence") -> Read:
    record = {
        "id": "2hop__1_2", "question": "Where was the  author of Norburg born ?", "answer": "Vell",
        "paragraphs": [{"idx": 0}], "question_decomposition": parts, "answerable": True,
    }  # fmt: skip
    path = folder / "train.jsonl"
    path.write_text(json.dumps(record))
    return read_musique(path, form)


PARTS = [part("Norburg >> author", "Ada Brandt"), part("#1 >> place of birth", "Vell")]


def test_relations_become_sentences(tmp_path: Path) -> None:
    (guidance,) = read(tmp_path, PARTS).guidance
    assert str(guidance.plan) == (
        "1 [documents] Who is the author of Norburg?\n2 [documents] Where was #1 born?"
    )
    assert guidance.objective == "Where was the author of Norburg born?"
    assert (guidance.answer, dict(guidance.answers)) == ("Vell", {1: "Ada Brandt", 2: "Vell"})
    assert (guidance.id, guidance.by) == ("2hop__1_2", "musique")


def test_the_written_form_is_kept_on_request(tmp_path: Path) -> None:
    got = read(tmp_path, PARTS, "written")
    assert str(got.guidance[0].plan).endswith("2 [documents] #1 >> place of birth")
    assert not got.counts


def test_questions_stay_but_for_the_space_before_their_mark(tmp_path: Path) -> None:
    (guidance,) = read(tmp_path, [part("Who leads Norburg ?", "x")]).guidance
    assert str(guidance.plan) == "1 [documents] Who leads Norburg?"


def test_a_hash_that_refers_to_nothing_is_literal(tmp_path: Path) -> None:
    parts = [part("Who sang Song #9 # 1?", "A"), part("What is the #1 hit of #1 and #2?", "B")]
    (guidance,) = read(tmp_path, parts).guidance
    assert [s.text for s in guidance.plan.steps] == [
        "Who sang Song ##9 ## 1?",
        "What is the #1 hit of #1 and ##2?",
    ]


def test_answers_follow_equal_steps_that_merge(tmp_path: Path) -> None:
    parts = [
        part("Who leads Norburg?", "A"), part("Who leads Norburg?", "A"),
        part("Where was #2 born?", "Vell"),
    ]  # fmt: skip
    (guidance,) = read(tmp_path, parts).guidance
    assert str(guidance.plan).endswith("2 [documents] Where was #1 born?")
    assert dict(guidance.answers) == {1: "A", 2: "Vell"}


def test_a_record_without_parts_is_listed(tmp_path: Path) -> None:
    assert [s.kind for s in read(tmp_path, []).skipped] == ["no steps"]


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.jsonl does not exist"):
        read_musique(tmp_path / "train.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        read_musique(tmp_path)
