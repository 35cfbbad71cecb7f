"""No test record gets into training without being forced."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from centerlm.errors import InputError
from centerlm.learning.guard import check_no_test_ids
from centerlm.learning.readers.gsm8k import question_id

ARTICLES = [str(n) for n in range(1000, 1040)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    write("musique/dev.jsonl", json.dumps({"id": "2hop__1_2", "question": "Who leads Norburg?"}))
    write("musique/train.jsonl", json.dumps({"id": "2hop__3_4", "question": "Who else?"}))
    write("2wikimultihopqa/dev.jsonl", json.dumps({"_id": "abc"}) + "\n\n")
    write("strategyqa/dev.jsonl", json.dumps({"qid": "fe12", "question": "Is it?"}))
    write("gsm8k/dev.jsonl", json.dumps({"question": "2 and 3?", "answer": "5"}))
    videos = [f"{1000000 + n},what,{n}" for n in range(202)]
    write("nextqa/val.csv", "\n".join(["video,question,qid", *videos]))
    write("reading/pubmedqa_labelled.json", json.dumps({key: {} for key in ARTICLES}))
    return tmp_path


@pytest.mark.parametrize(
    "id_",
    [
        "2hop__1_2", "musique:2hop__1_2", "2hop__1_2#1", "abc", "fe12", question_id("2 and 3?"),
        "1000200", "1000201_7", "nextqa/1000200",
    ],
)  # fmt: skip
def test_held_out_ids_are_refused_by_name(data: Path, id_: str) -> None:
    with pytest.raises(InputError, match="1 of 2 training records are test records") as error:
        check_no_test_ids(["2hop__3_4", id_], data)
    assert id_ in str(error.value)
    assert "--force" in str(error.value)


def test_other_ids_pass(data: Path) -> None:
    ids = ["2hop__3_4", "abcd", "1000199", "1000000_7", question_id("2 and 4?"), "worlds-1"]
    assert check_no_test_ids(ids, data, questions=["Who else?"]) == ()


def test_articles_are_held_out_by_the_hash_of_their_id(data: Path) -> None:
    held = {a for a in ARTICLES if int(hashlib.sha1(a.encode()).hexdigest()[0], 16) >= 8}
    assert 0 < len(held) < len(ARTICLES)
    assert set(check_no_test_ids(ARTICLES, data, force=True)) == held


def test_questions_are_recognised_by_their_words(data: Path) -> None:
    with pytest.raises(InputError, match="who leads norburg"):
        check_no_test_ids(["own-1"], data, questions=["  who leads norburg "])


def test_three_are_named_and_the_others_counted(data: Path) -> None:
    ids = ["2hop__1_2", "abc", "fe12", "1000200", "1000201"]
    with pytest.raises(InputError, match="and 2 more"):
        check_no_test_ids(ids, data)
    assert check_no_test_ids(ids, data, force=True) == tuple(ids)


def test_a_guard_that_cannot_look_refuses(data: Path) -> None:
    with pytest.raises(InputError, match="no data folder"):
        check_no_test_ids([], data / "none")
    (data / "strategyqa" / "dev.jsonl").write_text("{")
    with pytest.raises(InputError, match="line 1, is not JSON"):
        check_no_test_ids([], data)
