"""`centerlm memory web` and `solve --web`, as a user sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from centerlm.library import Library
from cli_run import Run

QUESTION = "How long is twice the river of Norburg?"
STEP = "Which river flows through Norburg?"


@pytest.fixture
def solve(run: Run, library: Path) -> list[str]:
    return ["solve", QUESTION, "--library", str(library), "--model", "scripted:cli_parts:river"]


@pytest.fixture(autouse=True)
def _by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading MiniLM would take most of the time of these tests."""
    from centerlm.errors import MissingWeightsError
    from centerlm.memory import seeking

    def missing() -> None:
        raise MissingWeightsError("none")

    monkeypatch.setattr(seeking, "find_embedder", missing)


def _steps(out: str) -> list[str]:
    return [step["source"] for step in json.loads(out)["steps"]]


def test_findings_are_kept_browsed_asked_and_forgotten(
    run: Run, solve: list[str], library: Path, tmp_path: Path
) -> None:
    assert "no findings are kept yet" in run("memory", "web").out
    assert run(*solve).code == 0
    listed = run("memory", "web")
    assert (listed.code, listed.err) == (0, "")
    assert STEP in listed.out and "ister.md" in listed.out and "current" in listed.out
    notes = json.loads(run("memory", "web", "Norburg", "--json").out)
    number = next(str(note["id"]) for note in notes if note["trust"] == "cited")
    plain = run("memory", "web", number, "--library", str(library)).out
    assert "cited, holds" in plain and "found by" in plain and f"for: {QUESTION}" in plain
    derived = next(str(note["id"]) for note in notes if note["trust"] == "derived")
    assert "rests on" in run("memory", "web", derived).out

    assert "known" not in _steps(run(*solve, "--json").out)
    again = run(*solve, "--web", "--json")
    assert again.code == 0 and "known" in _steps(again.out)
    assert run("replay", "last").code == 0

    folder = tmp_path / "articles"
    (folder / "ister.md").unlink()
    with Library.open(library, embedder=None) as opened:
        opened.ingest([folder])
    states = {
        n["state"]
        for n in json.loads(run("memory", "web", "--library", str(library), "--json").out)
    }
    assert "not there" in states

    assert run("memory", "forget", "--note", number).out == "forgot 1 note\n"
    gone = run("memory", "web", number)
    assert gone.code == 2 and f"there is no note {number}" in gone.complaint()


def test_the_settings_say_what_the_web_is_for(run: Run, solve: list[str], home: Path) -> None:
    (home / "centerlm.toml").write_text('[memory]\nweb = "off"\n')
    run(*solve)
    assert json.loads(run("memory", "web", "--json").out) == []
    (home / "centerlm.toml").write_text('[memory]\nweb = "use"\n')
    run(*solve)
    assert "known" in _steps(run(*solve, "--json").out)
    (home / "centerlm.toml").write_text("[memory]\nenabled = false\n")
    refused = run(*solve, "--web")
    assert refused.code == 2 and "turns it off" in refused.complaint()


def test_a_plan_is_shown_what_is_known(run: Run, solve: list[str]) -> None:
    run(*solve)
    assert run("plan", *solve[1:], "--web").code == 0


def test_a_text_that_names_nothing_known(run: Run, solve: list[str]) -> None:
    run(*solve)
    assert "nothing of what this names is known" in run("memory", "web", "Zanzibar").out
