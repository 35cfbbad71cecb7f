"""Edits of plans, from the journal into a file of guidance."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from centerlm.errors import InputError
from centerlm.events import EpisodeStarted, PlanFinished, digest
from centerlm.journal import SqliteJournal
from centerlm.learning.guide import Added, Edit, add_edits, edits_of
from centerlm.learning.readers import read_own

EDIT = Edit("Who leads?", "1 [documents] Who leads Norburg?", "2026-05-01T12:00:00+00:00",
            "1 [center] Who leads?")  # fmt: skip
LATER = Edit("Who else?", "1 [documents] Who?", "2026-05-02T12:00:00+00:00", "1 [center] Who?")


@pytest.fixture
def journal(tmp_path: Path) -> SqliteJournal:
    return SqliteJournal(tmp_path / "journal.sqlite")


def record(
    journal: SqliteJournal, episode: str, edit: Edit, *, path: str = "", by: str = "person"
) -> None:
    """An episode whose plan was finished as `edit` says."""
    objective = {"text": edit.objective, "answer_type": "any", "attachments": [], "budget": {}}
    blobs = [
        msgspec.json.encode({"objective": objective}),
        edit.plan.encode(),
        edit.edited_from.encode(),
    ]
    settings, plan, edited = (digest(blob) for blob in blobs)
    stored = dict(zip((settings, plan, edited), blobs, strict=True))
    at = datetime.fromisoformat(edit.when).timestamp()
    journal.append(episode, EpisodeStarted(question="cut…", settings=settings, at=at), stored)
    edited = edited if by == "person" else ""
    journal.append(
        episode, PlanFinished(plan=plan, steps=1, by=by, edited=edited, path=path, at=at)
    )
    journal.write()


def test_edits_of_root_plans_come_oldest_first_and_whole(journal: SqliteJournal) -> None:
    record(journal, "one", EDIT)
    record(journal, "two", LATER)
    record(journal, "three", LATER, by="center")
    record(journal, "four", LATER, path="2")
    assert list(edits_of(journal)) == [EDIT, LATER]


def test_adding_is_idempotent_and_leaves_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "guidance.jsonl"
    before = b'{"objective": "mine"}\nnot json \xff'
    path.write_bytes(before)
    assert add_edits([EDIT, EDIT], path) == Added(new=1, there=1)
    assert add_edits([EDIT, LATER], path) == Added(new=1, there=1)
    once = path.read_bytes()
    assert once.startswith(before + b"\n")
    assert add_edits([EDIT, LATER], path) == Added(new=0, there=2)
    assert path.read_bytes() == once
    lines = once.splitlines()
    assert [json.loads(line)["objective"] for line in lines[2:]] == ["Who leads?", "Who else?"]


def test_what_another_process_adds_meanwhile_is_kept_and_not_added_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "guidance.jsonl"
    read, overtaken = Path.read_bytes, list[Added]()

    def overtake(file: Path) -> bytes:
        data = read(file)
        if not overtaken:
            overtaken.append(Added(0, 0))
            overtaken.append(add_edits([EDIT], path))
        return data

    path.touch()
    monkeypatch.setattr(Path, "read_bytes", overtake)
    assert add_edits([EDIT, LATER], path) == Added(new=1, there=1)
    lines = path.read_text().splitlines()
    assert [json.loads(line)["objective"] for line in lines] == ["Who leads?", "Who else?"]


def test_what_is_added_is_read_as_guidance(tmp_path: Path) -> None:
    path = tmp_path / "guidance.jsonl"
    add_edits([EDIT, LATER], path)
    read = read_own(path)
    assert not read.skipped
    first = read.guidance[0]
    assert (first.objective, str(first.plan), first.edited_from) == (
        EDIT.objective, EDIT.plan, EDIT.edited_from,
    )  # fmt: skip
    assert (first.by, first.when) == ("person", EDIT.when)


def test_without_edits_no_file_is_made(tmp_path: Path) -> None:
    assert add_edits([], tmp_path / "guidance.jsonl") == Added(0, 0)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "guidance.jsonl"
    add_edits([EDIT], path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="cannot be written: No space left"):
        add_edits([LATER], path)
    assert path.read_bytes() == before


def test_a_folder_is_no_file_of_guidance(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        add_edits([EDIT], tmp_path)
