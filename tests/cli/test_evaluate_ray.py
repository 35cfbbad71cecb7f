"""`centerlm evaluate --ray`: episodes on workers of a real local cluster, in the same journal."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest

from cli_run import Result, Run, finish, process
from evaluation_data import write_sets

pytest.importorskip("ray", reason="needs the extra ray")

SYSTEMS = "flat,direct"
SCRIPTED = ("--model", "scripted:evaluation_data:reads", "--no-vectors")
MODEL = ("--model", "scripted:ray_parts:noted", "--no-vectors")


def on_ray(home: Path, *more: object, **env: str) -> Result:
    """A cluster of two workers, one episode each at a time, started for this alone."""
    (home / "centerlm.toml").write_text("[evaluate]\nconcurrency = 1\n")
    log = {"RAY_PARTS_LOG": str(home / "calls.txt")}
    asked = ("evaluate", "ood_qa", "--data", "data", "--system", SYSTEMS, *MODEL, "--out", "run")
    return finish(process(home, *asked, *more, env={**log, **env}), timeout=400)


def figures(folder: Path) -> dict[str, object]:
    """The results without times, and what says how they were made."""
    results = json.loads((folder / "results.json").read_text())
    for system in results["systems"].values():
        system["usage"].pop("seconds")
        system["metrics"].pop("seconds")
    results["config"].pop("command")
    return results


def test_workers_solve_into_the_same_journal_and_a_killed_one_loses_nothing(
    run: Run, home: Path
) -> None:
    write_sets(home / "data")
    killed = home / "killed"
    # Begun without Ray, and stopped in the middle of an episode: workers go on with it.
    begun = on_ray(home, RAY_PARTS_MOST="6")
    assert (begun.code, "go on" in begun.complaint()) == (1, True)
    done = on_ray(home, "--ray", "local", "--json", RAY_PARTS_KILLED=str(killed))
    assert done.code == 0, done.err
    assert killed.is_file()  # a worker really was
    found = json.loads(done.out)
    assert (found["n"], found["systems"]["flat"]["metrics"]["f1"]["value"]) == (5, 1.0)
    calls = [line.partition(" ") for line in (home / "calls.txt").read_text().splitlines()]
    assert len({pid for pid, _, _ in calls}) >= 3
    # What had been finished was not asked again: only calls of the episode under way are there
    # twice, on the killed worker and on the one that took its place.
    asked = [text for _, _, text in calls]
    again = {text for text in asked if asked.count(text) > 1}
    assert again <= {text for text in asked if "number 2" in text or "Elmstad" in text}
    # The journal and the calls are those of a run without Ray: the same command runs nothing more,
    # and the calls can be replayed.
    before = (home / "calls.txt").read_text()
    on_cluster = figures(home / "run")
    assert on_ray(home).code == 0
    assert (home / "calls.txt").read_text() == before
    assert figures(home / "run") == on_cluster
    asked_for = ("evaluate", "ood_qa", "--data", "data", "--system", SYSTEMS, *MODEL)
    replayed = run(*asked_for, "--out", "replayed", "--replay", "run", "--json")
    assert replayed.code == 0, replayed.err
    for system, row in json.loads(replayed.out)["systems"].items():
        for metric in ("em", "f1"):
            assert row["metrics"][metric] == found["systems"][system]["metrics"][metric]


def _unused() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (f"127.0.0.1:{_unused()}", "nothing answers at 127.0.0.1"),
        ("nowhere", "is no address of Ray"),
        ("127.0.0.1:999999", "nothing answers at 127.0.0.1:999999"),
    ],
)
def test_no_cluster_is_one_sentence(run: Run, home: Path, address: str, told: str) -> None:
    write_sets(home / "data")
    asked = ("evaluate", "ood_qa", "--data", "data", "--system", "direct", "--out", "run")
    done = run(
        *asked, "--model", "scripted:evaluation_data:reads", "--no-vectors", "--ray", address
    )
    assert (done.code, told in done.complaint()) == (2, True), done.err


def test_without_ray_it_says_how_to_get_it(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sets(home / "data")
    monkeypatch.setitem(sys.modules, "ray", None)
    asked = (
        "evaluate",
        "ood_qa",
        "--data",
        "data",
        "--out",
        "run",
        "--no-vectors",
        "--ray",
        "auto",
    )
    done = run(*asked, *SCRIPTED)
    assert (done.code, "pip install 'centerlm[ray]'" in done.complaint()) == (2, True)
    done = run(*asked, "--replay", "run")
    assert (done.code, "--replay asks no model" in done.complaint()) == (2, True)
