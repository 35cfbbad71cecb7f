"""Stopping in the middle: signals, a full disk, readers that go away, two processes at once."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cli_run import MODULE, Run, environment, finish, process

STEPS = ("--source", "cli_parts:note", "--source", "cli_parts:slow")
SLOW = ("solve", "Slowly?", *STEPS, "--model", "scripted:cli_parts:steps")
STUCK = (
    "solve", "Slowly?", "--source", "cli_parts:note", "--source", "cli_parts:stubborn",
    "--model", "scripted:cli_parts:stuck",
)  # fmt: skip


def _started(home: Path, *command: str, until: str = "slow began") -> subprocess.Popen[str]:
    """A solve that has come to its slow step."""
    log = home / "log"
    env = {"CLI_PARTS_LOG": str(log), "CLI_PARTS_SECONDS": "60"}
    started = process(home, *command, env=env)
    _await(log, until, started)
    return started


def _await(log: Path, line: str, started: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 30
    while not (log.exists() and line in log.read_text()):
        assert started.poll() is None, started.communicate()
        assert time.monotonic() < limit, f"{line!r} did not come"
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def quick_log(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is run in this process writes to the same log, and its slow step is quick."""
    monkeypatch.setenv("CLI_PARTS_LOG", str(home / "log"))


def _resumed(run: Run, *name: str) -> dict[str, object]:
    done = run("resume", *name, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_stopped_solve_says_how_to_go_on_and_does(
    run: Run, home: Path, number: signal.Signals, code: int
) -> None:
    started = _started(home, *SLOW)
    started.send_signal(number)
    begun = time.monotonic()
    done = finish(started)
    assert time.monotonic() - begun < 5
    assert done.code == code
    sentence = done.complaint()
    assert sentence.startswith("interrupted; go on with: centerlm resume ")
    name = sentence.split()[-1]
    listed = run("episodes")
    assert name in listed.out and "cancelled" in listed.out
    data = _resumed(run, name)
    assert data["answer"] == "noted last of slowly done"
    log = (home / "log").read_text().splitlines()
    assert [line for line in log if line.startswith("note")] == [
        "note first",
        "note last of slowly done",
    ]


def test_the_sentence_names_a_journal_of_ones_own(run: Run, home: Path) -> None:
    started = _started(home, *SLOW, "--journal", "my episodes.sqlite")
    started.send_signal(signal.SIGINT)
    sentence = finish(started).complaint()
    name = sentence.split("resume ")[1].split()[0]
    option = " --journal 'my episodes.sqlite'"
    assert sentence.endswith(f"{name}{option}")
    unfinished = run("replay", "last", "--journal", "my episodes.sqlite").complaint()
    assert unfinished.endswith(f"finish it with: centerlm resume {name}{option}")
    assert _resumed(run, name, "--journal", "my episodes.sqlite")["status"] == "answered"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_does_not_wait(home: Path, number: signal.Signals) -> None:
    started = _started(home, *STUCK, until="stubborn began")
    started.send_signal(number)
    _await(home / "log", "stubborn goes on", started)
    started.send_signal(number)
    begun = time.monotonic()
    done = finish(started)
    assert time.monotonic() - begun < 5
    assert done.code == 128 + number
    assert "go on with: centerlm resume" in done.complaint()


def test_killed_at_once_the_episode_resumes(run: Run, home: Path) -> None:
    started = _started(home, *SLOW)
    started.kill()
    finish(started)
    shown = run("show", "last")
    assert shown.code == 1
    assert "go on with: centerlm resume" in shown.complaint()
    assert _resumed(run, "last")["status"] == "answered"
    assert (home / "log").read_text().count("note first") == 1


def test_two_processes_on_one_journal_and_on_one_episode(run: Run, home: Path) -> None:
    first = _started(home, *SLOW)
    second = run("solve", "What?", "--model", "scripted:cli_parts:sums")
    assert second.code == 0
    listed = run("episodes").out.splitlines()
    (name,) = [line.split()[0] for line in listed if "running" in line]
    for command in (["resume", name], ["episodes", "rm", name]):
        refused = run(*command)
        assert refused.code == 1
        assert f"episode {name} is being solved by another process" in refused.complaint()
    kept = run("episodes", "rm", "--before", "2999-01-01")
    assert (kept.code, kept.out) == (1, "removed 1 episode\n")
    first.send_signal(signal.SIGINT)
    assert finish(first).code == 130
    assert _resumed(run, name)["status"] == "answered"


def test_a_full_disk_loses_nothing_that_was_done(run: Run, home: Path) -> None:
    env = {"CLI_PARTS_LOG": str(home / "log")}
    many = ("solve", "Many?", "--source", "cli_parts:note", "--model", "scripted:cli_parts:many")
    many += ("--no-memory",)  # a new memory alone would fill it

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = finish(process(home, *many, env=env, preexec_fn=small_files))
    assert done.code == 1
    sentence = done.complaint()
    assert "cannot be written" in sentence and "centerlm resume " in sentence
    log = (home / "log").read_text().splitlines()
    assert 0 < len(log) <= 12
    data = _resumed(run, sentence.split()[-1])
    assert data["status"] == "answered"
    again = (home / "log").read_text().splitlines()
    assert len(set(again)) == 12
    assert len(again) - 12 <= len(log)  # only what could not be written was asked again


def test_a_reader_that_goes_away(run: Run, home: Path) -> None:
    command = " ".join([*MODULE, "solve", "What?", "--model", "scripted:cli_parts:sums", "--json"])
    for pipe in ("| head -1", "2>&1 | head -1", "> /dev/full", ">&-"):
        done = subprocess.run(
            ["sh", "-c", f"{command} {pipe}"],
            env=environment(home),
            cwd=home,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert "Traceback" not in done.stderr + done.stdout, pipe
        assert "Exception ignored" not in done.stderr, pipe
        if pipe == "> /dev/full":
            assert "the output cannot be written: No space left on device" in done.stderr
    listed = run("episodes").out.splitlines()
    assert len(listed) == 4
    assert all("answered" in line for line in listed)


def test_an_environment_without_home_or_terminal(home: Path) -> None:
    env = {**environment(home), "TERM": "dumb"}
    env.pop("HOME", None)
    done = subprocess.run(
        [*MODULE, "solve", "What?", "--model", "scripted:cli_parts:sums"],
        env=env, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0
    assert done.stdout.splitlines()[1] == "10"
