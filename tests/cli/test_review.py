"""--review: a person edits the plan in an editor before it runs, and the edit is kept."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from centerlm.events import PlanFinished
from centerlm.journal import SqliteJournal
from cli_run import Run

GIVEN = ("solve", "What is the sum?", "--model", "scripted:cli_parts:sums", "--review")
EDITED = "1 [calculator] 20 + 3\n"


@pytest.fixture
def editor(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An editor that logs what it is given and runs the shell lines of the returned file."""
    script = home / "editor.sh"
    script.write_text(
        f'#!/bin/sh\ncat "$1" >> {home}/seen\necho ==== >> {home}/seen\n. {home}/do\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))
    return home / "do"


def _plans(home: Path) -> list[PlanFinished]:
    journal = SqliteJournal(home / "journal.sqlite")
    events = journal.events(journal.find("last"))
    journal.close()
    return [event for event in events if isinstance(event, PlanFinished)]


def test_the_edited_plan_runs_and_is_kept_with_the_original(
    run: Run, home: Path, editor: Path
) -> None:
    editor.write_text(f"printf '{EDITED}' > $1")
    done = run(*GIVEN, "--json")
    data = json.loads(done.out)
    assert (done.code, data["answer"], data["plan"]) == (0, "23", EDITED.strip())
    (plan,) = _plans(home)
    assert plan.by == "person"
    journal = SqliteJournal(home / "journal.sqlite")
    assert journal.blob(plan.edited).decode() == "1 [calculator] 2 + 3\n2 [calculator] #1 * 2"
    assert journal.blob(plan.plan).decode() == EDITED.strip()
    journal.close()
    seen = (home / "seen").read_text()
    assert "1 [calculator] 2 + 3\n2 [calculator] #1 * 2\n" in seen
    assert "! Sources: calculator, center" in seen
    replayed = run("replay", "last", "--json")
    assert (replayed.code, json.loads(replayed.out)["answer"]) == (0, "23")


@pytest.mark.parametrize("what", ["true", "sed -i 's/^1 /1 /' $1"])
def test_a_plan_left_as_it_is_is_the_centers(run: Run, home: Path, editor: Path, what: str) -> None:
    editor.write_text(what)
    assert run(*GIVEN).out.splitlines()[1] == "10"
    assert [plan.by for plan in _plans(home)] == ["center"]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("1 [calculator] #2 + 1\\n2 [calculator] #1 + 1\\n", "refers to a later step"),
        ("1 [calculator] #1 + 1\\n", "refers to itself"),
        ("1 [wikipedia] What?\\n", "unknown source"),
        ("1 [calculator]\\n", "has no text"),
        ("hello\\n", "a step starts with its number"),
    ],
)
def test_an_invalid_edit_is_shown_again_with_what_is_wrong(
    run: Run, home: Path, editor: Path, wrong: str, says: str
) -> None:
    editor.write_text(
        f"if [ -e {home}/once ]; then printf '{EDITED}' > $1; "
        f"else touch {home}/once; printf '{wrong}' > $1; fi"
    )
    assert run(*GIVEN).out.splitlines()[1] == "23"
    assert "! Not a plan yet: line 1, column" in (home / "seen").read_text()
    assert says in (home / "seen").read_text()


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("printf '1 [calculator] #9\\n' > $1", "the edited plan was left invalid (line 1"),
        (": > $1", "the plan was emptied, so nothing was run"),
        ("exit 3", "the plan cannot be edited"),
    ],
)
def test_a_review_that_is_given_up_runs_nothing_and_can_be_taken_up_again(
    run: Run, home: Path, editor: Path, what: str, says: str
) -> None:
    editor.write_text(what)
    done = run(*GIVEN)
    assert done.code == 2
    assert says in done.complaint()
    name = done.complaint().split("resume ")[1]
    assert _plans(home) == []
    editor.write_text(f"printf '{EDITED}' > $1")
    again = run("resume", name, "--json")
    assert (again.code, json.loads(again.out)["answer"]) == (0, "23")


def test_an_editor_that_is_not_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "/nowhere/editor")
    done = run(*GIVEN)
    assert done.code == 2
    assert "set EDITOR to an editor" in done.complaint()


def test_the_setup_of_a_review_is_kept(run: Run, home: Path, editor: Path) -> None:
    editor.write_text("true")
    run(*GIVEN)
    journal = SqliteJournal(home / "journal.sqlite")
    from centerlm.episode import fold

    settings = msgspec.json.decode(
        journal.blob(fold(journal.events(journal.find("last"))).settings)
    )
    journal.close()
    assert settings["setup"]["review"] is True


def test_the_edit_is_listed_and_recalled_until_its_episode_is_forgotten(
    run: Run, editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from centerlm.errors import MissingWeightsError
    from centerlm.memory import seeking

    def missing() -> None:
        raise MissingWeightsError("none")

    monkeypatch.setattr(seeking, "find_embedder", missing)  # loading it would take most of the time
    assert "no edited plans yet" in run("memory", "plans").out
    editor.write_text(f"printf '{EDITED}' > $1")
    assert run(*GIVEN).code == 0
    assert f"What is the sum?  ({_episode(run)}" in run("memory", "plans").out
    (told,) = json.loads(run("memory", "plans", "--json").out)
    assert (told["objective"], told["plan"]) == ("What is the sum?", EDITED.strip())
    assert "memory: 1 line recalled" in run(*GIVEN[:-1]).err
    assert run("replay", "last").code == 0
    assert run("memory", "forget", "--episode", told["episode"]).code == 0
    assert json.loads(run("memory", "plans", "--json").out) == []


def _episode(run: Run) -> str:
    return json.loads(run("episodes", "--json").out)[0]["name"]
