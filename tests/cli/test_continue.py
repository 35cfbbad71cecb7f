"""`centerlm solve "Continue this book ..."`: beats are written, checked, mended and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from books_data import GERMAN, novel
from books_script import BEATS
from cli_run import MODULE, Run, environment

pytest.importorskip("sentencex", reason="books need sentencex, from the books extra")

ASKED = "Continue this book by one chapter"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "salt.txt"
    path.write_text(novel())
    return path


def solve(run: Run, book: Path, *more: object, model: str = "writer") -> Any:
    return run("solve", ASKED, "--attach", book, "--model", f"scripted:books_script:{model}",
               "--journal", book.parent / "journal.sqlite", *more)  # fmt: skip


def test_a_chapter_is_planned_written_and_only_the_failing_beat_is_mended(
    run: Run, book: Path
) -> None:
    done = solve(run, book, "--length", 500, "--json")
    assert done.code == 0, done.err
    data = json.loads(done.out)
    made = data["continuation"]
    assert made["text"] == "\n\n".join(BEATS)
    assert made["planned_by"].startswith("given questions: the center made no plan")
    assert made["outline"][0] == "Brandt keeps Edith from going out at night."
    assert [beat["drafts"] for beat in made["beats"]] == [1, 2]
    assert made["beats"][1]["goal"] == "Brandt looks for the boat in the morning."
    notes = {note["question"]: note for note in made["notes"]}
    assert "Captain Brandt" in notes["Who is present at the end?"]["answer"]
    text = novel()
    for note in notes.values():
        for cite in note["citations"]:
            stands = text[int(cite["start"]) : int(cite["end"])]
            assert " ".join(stands.split()) == cite["quote"]
    report = made["report"]
    assert report["consistency"] == 1.0 and report["unknown"] == []
    assert "dead" not in report["counts"] and report["longest_copy"] == 0
    assert [step["source"] for step in data["steps"]][-4:] == [
        *("outline", "writer", "writer", "chapter")
    ]


def test_the_center_plans_what_is_found_out(
    run: Run, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = "1 [book] Who is dead?\n2 [book] How high is the tower?\n3 [book] Where was Edith last?"
    monkeypatch.setenv("CENTER_PLAN", plan)
    made = json.loads(solve(run, book, "--length", 100, "--json").out)["continuation"]
    # What the notes do not answer is not asked.
    asked = ["Who is dead?", "Where was Edith last?"]
    assert [note["question"] for note in made["notes"]] == asked
    assert made["planned_by"] == "the center's questions"
    monkeypatch.setenv("CENTER_PLAN", "1 [book] How high is the tower?")
    done = solve(run, book, "--length", 100)
    assert "outline, after given questions: the notes answer none of the center's" in done.out
    assert "note: Who is dead? Tobias Crane is dead" in done.out


def test_people_see_the_text_and_what_it_rests_on(run: Run, book: Path) -> None:
    done = solve(run, book, "--length", 500)
    assert done.code == 0, done.err
    assert BEATS[0] in done.out
    assert "beat 2: The boat is looked for in vain." in done.out
    assert "note: Who is dead? Tobias Crane is dead" in done.out
    assert "report: " in done.out


def test_killed_in_a_beat_it_goes_on_there(run: Run, book: Path, tmp_path: Path) -> None:
    mark = tmp_path / "waits"
    journal = tmp_path / "journal.sqlite"
    command = [*MODULE, "solve", ASKED, "--attach", str(book), "--length", "500", "--model",
               "scripted:books_script:writer", "--journal", str(journal)]  # fmt: skip
    home = Path(os.environ["CENTERLM_HOME"]) if "CENTERLM_HOME" in os.environ else tmp_path
    process = subprocess.Popen(
        command, env=environment(home, WAIT_AT_BEAT_2=str(mark)), stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert process.poll() is None and time.monotonic() < deadline, process.stderr
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = run("resume", "last", "--journal", journal, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["continuation"]["text"] == "\n\n".join(BEATS)
    shown = json.loads(run("show", "last", "--journal", journal, "--json").out)
    assert shown["status"] == "answered"
    again = run("replay", "last", "--journal", journal)
    assert again.code == 0, again.err


def test_a_model_that_writes_nothing_is_told(run: Run, book: Path) -> None:
    done = solve(run, book, "--length", 100, "--json", model="lazy")
    made = json.loads(done.out)["continuation"]
    assert made["report"] is None or made["report"]["counts"]
    assert len(made["outline"]) == 1


def test_what_cannot_be_continued_is_refused(run: Run, book: Path, tmp_path: Path) -> None:
    def refused(*more: object) -> str:
        done = run("solve", *more, "--model", "scripted:books_script:writer")
        assert done.code == 2, done.out
        return done.complaint()

    assert "no book to continue" in refused(ASKED)
    for words in (3, 0):
        assert "--length 50 to" in refused(ASKED, "--attach", book, "--length", words)
    assert "for continuing a book" in refused("Who is dead?", "--attach", book, "--length", 300)
    for name, text, words in (
        ("two.txt", "Two lines.\nNo more.", "holds no book"),
        (
            "german.txt",
            f"Kapitel 1\n\n{GERMAN * 60}\n\nKapitel 2\n\n{GERMAN * 60}",
            "not in English",
        ),
        ("empty.txt", "", "is empty"),
        (
            "long.txt",
            "the old man and the sea " * 334_000,
            "2,004,000 words and has to have at most",
        ),
    ):
        (tmp_path / name).write_text(text)
        said = refused(ASKED, "--attach", tmp_path / name)
        assert words in said and name in said


@pytest.mark.parametrize("words", [60, 700, 3_000])
def test_the_beginning_of_a_book_may_be_of_any_length(run: Run, tmp_path: Path, words: int) -> None:
    text = novel()[novel().index("\n\n") :].replace("CHAPTER", "Then")
    begun = tmp_path / "begun.txt"
    begun.write_text(" ".join((text * 5).split()[:words]) + ".")
    done = solve(run, begun, "--length", 500, "--json")
    made = json.loads(done.out)["continuation"]
    assert done.code == 0
    assert made["text"].startswith(BEATS[0])
    assert made["report"]["words"] > 100
