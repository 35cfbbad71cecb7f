"""Several sets read from one data folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from centerlm.errors import InputError
from centerlm.learning.readers import read_guidance


@pytest.fixture
def data(tmp_path: Path) -> Path:
    part = {"question": "Norburg >> author", "answer": "Ada"}
    record = {"id": "2hop__1_2", "question": "Who?", "question_decomposition": [part]}
    sum_ = {"question": "2 and 3?", "answer": "<<2+3=5>>\n#### 5"}
    for folder, row in (("musique", record), ("gsm8k", sum_)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.jsonl").write_text(json.dumps(row) + "\n{")
    (tmp_path / "break_qdmr").mkdir()
    table = "question_id,question_text,decomposition,operators\n"
    for name, id_ in (("QDMR_dev", "CWQ_dev_1"), ("QDMR-high-level_dev", "CWQ_dev_1")):
        text = f"{table}{id_},Who?,return author of Norburg,\"['select']\"\n"
        (tmp_path / "break_qdmr" / f"{name}.csv").write_text(text)
    return tmp_path


def test_sets_come_in_order_with_what_was_skipped(data: Path) -> None:
    read = read_guidance(data, ["gsm8k", "qdmr", "musique"])
    assert [g.by for g in read.guidance] == ["gsm8k", "qdmr:cwq", "qdmr:cwq", "musique"]
    assert [Path(s.where).parent.name for s in read.skipped] == ["gsm8k", "musique"]
    assert read.counts == {"musique: relation rewritten as a question": 1}


def test_break_has_no_other_split(data: Path) -> None:
    assert read_guidance(data, ["qdmr"], split="dev").guidance == ()


@pytest.mark.parametrize(
    ("sets", "says"),
    [(["musiq"], "no set 'musiq'"), (["2wiki"], "2wikimultihopqa.train.jsonl does not exist")],
)
def test_what_is_missing_is_named(data: Path, sets: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_guidance(data, sets)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data folder"):
        read_guidance(tmp_path / "none")
