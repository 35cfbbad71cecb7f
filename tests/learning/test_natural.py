"""A data folder as a whole: what is there is used, what is missing is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from centerlm.errors import InputError
from centerlm.learning.natural import FILES, atomic_decisions, read_natural
from centerlm.learning.records import Reading
from centerlm.plan import format_plan, parse_plan


def test_a_folder_with_some_of_the_files_gives_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "hotpotqa").mkdir()
    record = {"context": [["Dawn", ["Dawn is a film."]]]}
    (tmp_path / "hotpotqa/train.jsonl").write_text(json.dumps(record))
    (tmp_path / "hotpotqa/dev.jsonl").write_text(json.dumps({"context": [["Dusk", ["A film."]]]}))
    read = read_natural(tmp_path)
    assert [text.title for text in read.texts] == ["Dawn"]
    missing = [skip.where for skip in read.skipped if skip.kind == "missing file"]
    assert len(missing) == len(FILES) - 1
    assert str(tmp_path / "musique/train.jsonl") in missing


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no reading material; put at least one of reading/"):
        read_natural(tmp_path)


def test_single_hops_are_plans_of_one_step() -> None:
    readings = [
        Reading("a:0", "made", "What is #1 on the list?", "x", ("t",)),
        Reading("b:0", "made", "Dawn >> director", "x", ("t",)),
        Reading("c:0", "made", "Why " * 60, "x", ("t",)),
    ]
    (made,) = atomic_decisions(readings, n=9, seed=1)
    assert made.objective == "What is #1 on the list?"
    assert format_plan(made.plan) == "1 [documents] What is ##1 on the list?"
    assert parse_plan(format_plan(made.plan)) == made.plan
