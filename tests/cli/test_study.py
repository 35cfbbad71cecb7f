"""`centerlm study`, as a user sees it: what it prints, what it refuses, a kill in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cli_run import MODULE, TESTS, Run

MODEL = ("--model", "scripted:cli_parts:studies")


@pytest.fixture(autouse=True)
def _by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading MiniLM would take most of the time of these tests."""
    from centerlm.errors import MissingWeightsError
    from centerlm.memory import seeking

    def missing() -> None:
        raise MissingWeightsError("none")

    monkeypatch.setattr(seeking, "find_embedder", missing)


def test_a_library_is_studied_and_known_afterwards(run: Run, library: Path) -> None:
    done = run("study", str(library), *MODEL)
    assert (done.code, done.err.count("centerlm:")) == (0, 0)
    assert "2 findings kept, 2 passages read" in done.out and "nothing is left to learn" in done.out
    assert "How long is the Ister? 420 km" in done.err
    notes = json.loads(run("memory", "web", "--json").out)
    assert {note["claim"] for note in notes} == {"Ister", "420 km"}
    again = json.loads(run("study", str(library), *MODEL, "--json").out)
    assert again["notes"] == 2 and again["ended"] == "nothing is left to learn"
    listed = json.loads(run("episodes", "--json").out)
    assert all(row["name"].startswith(again["study"]) for row in listed)
    refused = run("resume", listed[0]["name"])
    assert refused.code == 2


def test_visits_that_are_removed_are_forgotten(run: Run, library: Path) -> None:
    run("study", str(library), *MODEL)
    assert len(json.loads(run("memory", "web", "--json").out)) == 2
    assert run("episodes", "rm", "--before", "2999-01-01").code == 0
    assert json.loads(run("memory", "web", "--json").out) == []
    assert "nothing is remembered" in run("memory", "list").out


def test_a_topic_needs_a_library(run: Run, library: Path, home: Path) -> None:
    assert "--library DIR" in run("study", "Norburg", *MODEL).complaint()
    assert run("study", " ", *MODEL).code == 2
    assert run("study", "Norburg", "--library", str(library), *MODEL).code == 0
    (home / "centerlm.toml").write_text("[memory]\nenabled = false\n")
    assert "turns it off" in run("study", str(library), *MODEL).complaint()


def test_nothing_found_is_exit_code_1(run: Run, library: Path) -> None:
    done = run("study", "Zanzibar", "--library", str(library), *MODEL)
    assert done.code == 1 and "0 findings kept" in done.out


def test_a_killed_study_goes_on_where_it_was(run: Run, library: Path, home: Path) -> None:
    log = home / "log"
    environment = {
        **os.environ,
        "CLI_PARTS_LOG": str(log),
        "CLI_PARTS_SECONDS": "0.3",
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
    }
    command = [*MODULE, "study", "Norburg", "--library", str(library), *MODEL]
    process = subprocess.Popen(command, env=environment, cwd=home, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if log.exists() and "Subject: Ister" in log.read_text():
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=60) == -signal.SIGKILL
    made = log.read_text().splitlines()
    done = run("study", "Norburg", "--library", str(library), *MODEL, "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert (found["notes"], found["ended"]) == (2, "nothing is left to learn")
    assert "call Question: Which river flows through Norburg?" in made
