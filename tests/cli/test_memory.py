"""`centerlm memory`, and what solving does with it, as a user sees it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from cli_run import Run

QUESTION = "How long is twice the river of Norburg?"
SUMS = ("solve", "q", "--model", "scripted:cli_parts:sums")


@pytest.fixture
def solve(run: Run, library: Path) -> list[str]:
    """What solving the question of the small library takes."""
    return ["solve", QUESTION, "--library", str(library), "--model", "scripted:cli_parts:river"]


@pytest.fixture(autouse=True)
def _by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading MiniLM would take most of the time of these tests."""
    from centerlm.errors import MissingWeightsError
    from centerlm.memory import seeking

    def missing() -> None:
        raise MissingWeightsError("none")

    monkeypatch.setattr(seeking, "find_embedder", missing)


def test_solving_makes_experience_that_is_listed_and_shown(run: Run, solve: list[str]) -> None:
    assert "nothing is remembered yet" in run("memory", "list").out
    assert run(*solve).code == 0
    listed = run("memory", "list")
    assert (listed.code, listed.err) == (0, "")
    assert "Which river flows through Norburg?" in listed.out
    assert "documents" in listed.out and "1 of 1" in listed.out
    kinds = json.loads(run("memory", "list", "--json").out)
    assert {s["source"] for kind in kinds for s in kind["sources"]} == {"documents", "calculator"}
    shown = json.loads(run("memory", "show", "Which river flows through Ulm?", "--json").out)
    episode = json.loads(run("episodes", "--json").out)[0]["name"]
    assert shown["sources"][0]["episodes"] == [episode]
    assert shown["exemplars"][0]["text"] == "Which river flows through Norburg?"
    plain = run("memory", "show", str(shown["id"])).out
    assert f"from {episode}" in plain and "+ documents: Which river" in plain


def test_what_was_recalled_is_said_and_shown_to_the_plan(run: Run, solve: list[str]) -> None:
    for _ in range(3):
        assert "memory:" not in run(*solve).err
    assert "memory: 1 line recalled" in run(*solve).err
    assert run("plan", *solve[1:]).out == run("plan", *solve[1:], "--no-memory").out
    assert run("replay", "last").code == 0


def test_a_source_that_answered_best_and_is_gone_is_said_and_kept(
    run: Run, solve: list[str]
) -> None:
    for _ in range(3):
        assert "not among the sources" not in run(*solve).err
    without = run("solve", QUESTION, "--model", "scripted:cli_parts:river")
    assert without.err.count("documents, which answered 3 of 3 questions like these, is not") == 1
    assert "3 of 3" in run("memory", "list").out


def test_it_can_be_turned_off(run: Run, solve: list[str], home: Path) -> None:
    run(*solve, "--no-memory")
    assert "nothing is remembered yet" in run("memory", "list").out
    (home / "centerlm.toml").write_text("[memory]\nenabled = false\n")
    run(*solve)
    assert not (home / "memory.sqlite").exists()
    (home / "centerlm.toml").unlink()
    run(*solve)
    assert all(k["asked"] == 1 for k in json.loads(run("memory", "list", "--json").out))


def test_projects_are_folders_unless_named(
    run: Run, solve: list[str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*solve)
    (home / "other").mkdir()
    monkeypatch.chdir(home / "other")
    said = run("memory", "list").out
    assert "nothing is remembered for the project" in said and "--project NAME" in said
    assert "Norburg" in run("memory", "list", "--project", str(home)).out
    (home / "other" / "centerlm.toml").write_text(f"[memory]\nproject = '{home}'\n")
    assert "Norburg" in run("memory", "list").out


def test_removing_an_episode_forgets_what_it_taught(run: Run, solve: list[str]) -> None:
    run(*solve)
    run(*SUMS)
    assert run("episodes", "rm", json.loads(run("episodes", "--json").out)[1]["name"]).code == 0
    kinds = json.loads(run("memory", "list", "--json").out)
    assert {s["source"] for kind in kinds for s in kind["sources"]} == {"calculator"}
    assert run("episodes", "rm", "--before", "2100-01-01").code == 0
    assert json.loads(run("memory", "list", "--json").out) == []


def test_a_memory_of_another_place_is_forgotten_too(run: Run, solve: list[str], home: Path) -> None:
    (home / "own.toml").write_text("[memory]\npath = 'own.sqlite'\n")
    run(*solve, "--config", "own.toml")
    assert not (home / "memory.sqlite").exists()
    assert "Norburg" in run("memory", "list", "--config", "own.toml").out
    assert run("episodes", "rm", "last").code == 0
    assert json.loads(run("memory", "list", "--config", "own.toml", "--json").out) == []
    run(*solve, "--config", "own.toml")
    (home / "own.sqlite").write_text("no database" * 999)
    done = run("episodes", "rm", "last")
    assert done.code == 1
    assert "what they taught is not forgotten" in done.complaint()


def test_forgetting(run: Run, solve: list[str]) -> None:
    run(*solve)
    assert "say what to forget" in run("memory", "forget").complaint()
    assert run("memory", "forget", "--source", "calculator").out == "forgot the source calculator\n"
    episode = json.loads(run("episodes", "--json").out)[0]["name"]
    assert run("memory", "forget", "--episode", episode).code == 0
    assert json.loads(run("memory", "list", "--json").out) == []
    assert (
        "nothing is remembered of an episode"
        in run("memory", "forget", "--episode", episode).complaint()
    )
    run(*SUMS)  # looks for episodes that were not learned: a forgotten one is none
    kinds = json.loads(run("memory", "list", "--json").out)
    assert {s["source"] for kind in kinds for s in kind["sources"]} == {"calculator"}
    assert run("memory", "forget", "--all").code == 0
    assert json.loads(run("memory", "list", "--json").out) == []
    assert run("memory", "forget", "7").complaint().startswith("there is no kind 7")


HUGE = "9" * 20


def test_a_number_that_nothing_can_have_is_a_sentence(run: Run, solve: list[str]) -> None:
    run(*solve)
    assert "there is no kind 9" in run("memory", "show", HUGE).complaint()
    assert "there is no note 9" in run("memory", "web", HUGE).complaint()
    assert "nothing like this" in run("memory", "show", "\N{SUPERSCRIPT TWO}").complaint()
    assert "nothing of what this names" in run("memory", "web", "\N{SUPERSCRIPT TWO}").out


@pytest.mark.parametrize("name", ["#issue", "#", "#²", f"#{HUGE}"])
def test_an_episode_whose_name_begins_like_a_number_is_one_that_told_nothing(
    run: Run, solve: list[str], name: str
) -> None:
    run(*solve)
    done = run("memory", "forget", "--episode", name)
    assert (done.code, "nothing is remembered of an episode" in done.complaint()) == (2, True)


def test_what_has_too_large_a_number_cannot_be_forgotten(run: Run, solve: list[str]) -> None:
    run(*solve)
    assert f"there is no kind {HUGE}" in run("memory", "forget", HUGE).complaint()
    assert f"there is no note {HUGE}" in run("memory", "forget", "--note", HUGE).complaint()


def test_experience_travels_as_a_file(run: Run, solve: list[str], home: Path) -> None:
    run(*solve)
    assert run("memory", "export", "x.jsonl").out == "x.jsonl: 3 outcomes\n"
    run("memory", "forget", "--all")
    done = run("memory", "import", "x.jsonl")
    assert "0 new, 0 there already, 3 forgotten here" in done.out
    refused = run("memory", "import", "x.jsonl", "--project", "mine")
    assert refused.code == 2
    assert "--any-project" in refused.complaint()
    done = run("memory", "import", "x.jsonl", "--project", "mine", "--any-project")
    assert (done.code, done.out) == (0, "x.jsonl: 3 new, 0 there already\n")
    lines = (home / "x.jsonl").read_text().replace('"success":1.0', '"success":0.0', 1)
    (home / "x.jsonl").write_text(lines)
    done = run("memory", "import", "x.jsonl", "--project", "mine", "--any-project")
    assert done.code == 1
    assert "1 outcome left out: line 2" in done.complaint()
    (home / "x.jsonl").write_text(lines[: len(lines) // 2])
    done = run("memory", "import", "x.jsonl", "--project", "mine", "--any-project")
    assert done.code == 2 and "is not whole" in done.complaint()


def test_a_memory_that_cannot_be_used_stops_before_anything_is_asked(run: Run, home: Path) -> None:
    file = home / "memory.sqlite"
    run(*SUMS)
    database = sqlite3.connect(file)
    database.execute("PRAGMA user_version=99")
    database.close()
    for command in (SUMS, ("memory", "list"), ("memory", "forget", "--all")):
        done = run(*command)
        assert done.code == 2
        assert "made by a newer centerlm" in done.complaint()
    assert run(*SUMS, "--no-memory").code == 0
    file.write_text("no database" * 999)
    done = run(*SUMS)
    assert done.code == 2
    assert "move the file away" in done.complaint()
    assert file.read_text() == "no database" * 999
    assert (
        "there is no memory none.sqlite"
        in run("memory", "list", "--file", "none.sqlite").complaint()
    )


def test_what_a_kill_kept_from_being_learned_is_learned_next_time(
    run: Run, solve: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from centerlm.memory import SeekingMemory

    async def killed(self: object, episode: str, events: object, blob: object) -> None:
        del self, episode, events, blob

    with monkeypatch.context() as patch:
        patch.setattr(SeekingMemory, "learn", killed)
        run(*solve)
    run(*solve, "--no-memory")
    assert "nothing is remembered" in run("memory", "list").out
    run(*SUMS)
    run(*SUMS)
    kinds = json.loads(run("memory", "list", "--json").out)
    asked = {k["like"]: k["asked"] for k in kinds if k["sources"][0]["source"] == "documents"}
    assert set(asked.values()) == {1}
    assert len(asked) == 2
