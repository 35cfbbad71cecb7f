"""Examples as conversations: rows, JSONL and a Hugging Face data set."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from centerlm.errors import InputError, MissingExtraError
from centerlm.learning.example import TrainingExample
from centerlm.learning.export import to_conversations, to_dataset, write_jsonl
from centerlm.models.base import Message, Prompt

EXAMPLE = TrainingExample(
    act="decompose",
    prompt=Prompt((Message("system", "Plan."), Message("user", "Wer führt „Norburg“?\n"))),
    target="1 [documents] Who leads Norburg?",
    id="2hop__1_2",
    origin="musique",
    weight=0.5,
)
ROW = {
    "prompt": [
        {"role": "system", "content": "Plan."},
        {"role": "user", "content": "Wer führt „Norburg“?\n"},
    ],
    "completion": [{"role": "assistant", "content": "1 [documents] Who leads Norburg?"}],
    "act": "decompose",
    "id": "2hop__1_2",
    "origin": "musique",
    "weight": 0.5,
}


def test_a_row_is_prompt_and_completion() -> None:
    assert list(to_conversations([EXAMPLE])) == [ROW]


def test_jsonl_holds_a_row_a_line_and_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("old")
    assert write_jsonl([EXAMPLE, EXAMPLE], path) == 2
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [ROW, ROW]
    assert list(tmp_path.iterdir()) == [path]


def test_where_it_cannot_write_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_jsonl([EXAMPLE], tmp_path / "none" / "rows.jsonl")


def test_a_data_set_has_the_same_rows() -> None:
    pytest.importorskip("datasets", reason="needs the package datasets")
    assert to_dataset([EXAMPLE]).to_list() == [ROW]


def test_without_datasets_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"centerlm\[train\]"):
        to_dataset([EXAMPLE])
