"""centerlm guide: the plans a person edited become guidance, and guidance is checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli_run import Run

EDITED = "1 [calculator] 20 + 3"
SOLVE = ("solve", "What is the sum?", "--model", "scripted:cli_parts:sums", "--review")


@pytest.fixture
def edited(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An episode whose plan was edited in an editor."""
    script = home / "editor.sh"
    script.write_text(f"#!/bin/sh\nprintf '{EDITED}\\n' > $1\n")
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))
    assert run(*SOLVE).code == 0


@pytest.mark.usefixtures("edited")
def test_an_edit_becomes_a_line_once(run: Run, home: Path) -> None:
    done = run("guide")
    assert (done.code, done.out) == (0, "guidance.jsonl: 1 new, 0 there already\n")
    text = (home / "guidance.jsonl").read_text()
    line = json.loads(text)
    assert (line["objective"], line["plan"], line["by"]) == ("What is the sum?", EDITED, "person")
    assert line["edited_from"] == "1 [calculator] 2 + 3\n2 [calculator] #1 * 2"
    again = run("guide", "--json")
    assert json.loads(again.out) == {"file": "guidance.jsonl", "new": 0, "there": 1}
    assert (home / "guidance.jsonl").read_text() == text
    checked = run("guide", "--check", "guidance.jsonl", "--json")
    assert (checked.code, json.loads(checked.out)["plans"]) == (0, 1)


def test_without_edits_it_says_how_to_make_one(run: Run, home: Path) -> None:
    done = run("guide")
    assert done.code == 0
    assert "--review" in done.out
    assert not (home / "guidance.jsonl").exists()


def test_a_journal_that_is_not_there_is_named(run: Run) -> None:
    done = run("guide", "--journal", "none.sqlite")
    assert (done.code, "none.sqlite" in done.complaint()) == (2, True)


def test_a_folder_without_next_qa_is_told_what_belongs_in_it(run: Run, home: Path) -> None:
    done = run("guide", "--nextqa", home)
    says = "val.csv cannot be read (No such file or directory); give the folder of NExT-QA"
    assert (done.code, says in done.complaint()) == (2, True)


def test_check_lists_bad_lines_and_counts_the_rest(run: Run, home: Path) -> None:
    good = {"objective": "Who?", "plan": "1 [documents] Who?", "by": "ada"}
    own = {"objective": "How?", "plan": "1 [stock] How?"}
    (home / "g.jsonl").write_text(f"{json.dumps(good)}\n{{\n{json.dumps(own)}\n")
    done = run("guide", "--check", "g.jsonl")
    assert done.code == 1
    assert [line.split(": ")[1] for line in done.err.splitlines()] == ["g.jsonl:2", "g.jsonl:3"]
    assert "ada" in done.out
    as_json = json.loads(run("guide", "--check", "g.jsonl", "--source", "stock", "--json").out)
    assert [one["kind"] for one in as_json["skipped"]] == ["not json"]
    assert as_json["sets"]["ada"]["steps"] == {"1": 1}


def test_check_of_nothing_usable_or_nothing_there(run: Run, home: Path) -> None:
    (home / "g.jsonl").write_text("{\n")
    assert run("guide", "--check", "g.jsonl").code == 2
    missing = run("guide", "--check", "none.jsonl")
    assert missing.code == 2
    assert "none.jsonl does not exist; check the path" in missing.complaint()


def test_check_of_a_data_folder_reads_its_sets(run: Run, home: Path) -> None:
    (home / "data").mkdir()
    done = run("guide", "--check", "data")
    assert (done.code, "strategyqa" in done.complaint()) == (2, True)
