"""Files of data sets that are not as they were published end in a sentence, not a traceback."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from centerlm.errors import InputError
from centerlm.evaluation.nextqa import read_nextqa, read_videos
from centerlm.evaluation.scenarios.base import Opening
from centerlm.evaluation.scenarios.ood_qa import SETS, read_sets

MUSIQUE: dict[str, Any] = {
    "id": "2hop__1_2",
    "question": "Who leads Norburg?",
    "answer": "Ada",
    "paragraphs": [{"title": "Norburg", "paragraph_text": "Ada leads it.", "is_supporting": True}],
    "question_decomposition": [{"id": 1}, {"id": 2, "question": "#1 >> leader"}],
}
STRATEGYQA: dict[str, Any] = {
    "qid": "s1",
    "question": "Is it?",
    "answer": True,
    "decomposition": ["Is it?"],
    "facts": [],
    "evidence": [[1, 2]],
}
WIKI: dict[str, Any] = {
    "_id": "w1",
    "question": "Who leads Norburg?",
    "answer": "Ada",
    "context": [["Norburg", ["Ada leads it."]]],
    "supporting_facts": [["Norburg", 0]],
    "evidences": [["Norburg", "leader", "Ada", "more"]],
}


COLUMNS: dict[str, Any] = {**WIKI, "context": {"title": ["Norburg"]}, "evidences": []}


@pytest.mark.parametrize(
    "row",
    [MUSIQUE, STRATEGYQA, WIKI, COLUMNS],
    ids=["musique", "strategyqa", "2wiki", "a column missing"],
)
def test_a_part_of_a_record_in_another_form_is_told(tmp_path: Path, row: dict[str, Any]) -> None:
    file = tmp_path / "dev.jsonl"
    file.write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(InputError, match=r"dev\.jsonl:1 is not a record of"):
        read_sets(Opening(str(file), tmp_path), SETS)


@pytest.mark.parametrize("name", ["worlds", "musique"])
def test_a_file_beside_a_named_set_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"id": "1", "question": "Who?", "answer": "Ada"}', encoding="utf-8")
    assert list(read_sets(Opening(str(file), tmp_path), SETS).sets) == ["mine"]
    with pytest.raises(InputError, match=f"is one set, and --set {name} asks for another"):
        read_sets(Opening(str(file), tmp_path, (name,)), SETS)
    with pytest.raises(InputError, match="there is no data at"):
        read_sets(Opening(str(tmp_path / "none.jsonl"), tmp_path, (name,)), SETS)


def test_a_table_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f'question,answer\n"{"x" * 200_000}",b\n', encoding="utf-8")
    with pytest.raises(InputError, match="is no table"):
        read_sets(Opening(str(file), tmp_path), SETS)


@pytest.mark.parametrize(
    ("answer", "spans"), [("7", "{}"), ("-1", "{}"), ("1", "[1]"), ("1", '{"1204": 3}')]
)
def test_other_files_than_those_of_nextqa_are_told(tmp_path: Path, answer: str, spans: str) -> None:
    rows = [f"{1000 + n},what,{answer},{n},CW,a,b,c,d,e" for n in range(205)]
    head = "video,question,answer,qid,type,a0,a1,a2,a3,a4"
    (tmp_path / "val.csv").write_text("\n".join([head, *rows]), encoding="utf-8")
    (tmp_path / "evidence_spans.json").write_text(spans, encoding="utf-8")
    file = "evidence_spans.json" if answer == "1" else "val.csv"
    with pytest.raises(InputError, match=f"{file} is not as NExT-QA is published"):
        read_nextqa(tmp_path)


def test_a_table_of_nextqa_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text(f'video,question\n1,"{"x" * 200_000}"\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"val\.csv is not as NExT-QA is published"):
        read_nextqa(tmp_path)


def test_a_damaged_archive_of_nextqa_is_told(tmp_path: Path) -> None:
    path = tmp_path / "captions_1fps.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("0.json", json.dumps({str(n): f"Dog {n} stands." for n in range(300)}))
    data = bytearray(path.read_bytes())
    data[60:90] = bytes(255 - byte for byte in data[60:90])
    path.write_bytes(data)
    with pytest.raises(InputError, match="does not hold the captions of NExT-QA"):
        read_videos(tmp_path, ["0"])
