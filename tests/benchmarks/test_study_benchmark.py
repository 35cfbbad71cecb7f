"""The benchmark of study, as small as it gets: all arms read as much, and it goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def path() -> Iterator[None]:
    """Benchmarks are programs, not a package: their folder is on the path while they run."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def test_all_arms_learn_and_are_asked_and_a_second_run_reads_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import study as benchmark
    import study_runs

    size = ("--worlds", "1", "--people", "8", "--questions", "2", "--read", "4", "--words")
    command = ["study.py", "--work", str(tmp_path / "work"), "--out", str(tmp_path), *size]
    monkeypatch.setattr(sys, "argv", command)
    assert benchmark.main() == 0
    report = json.loads((tmp_path / "study.json").read_text())
    assert list(report["arms"]) == list(study_runs.ARMS)
    read = {arm["passages"] for arm in report["arms"].values()}
    assert len(read) == 1 and read.pop() >= 4
    assert all(arm["notes"] > 0 for arm in report["arms"].values())

    async def never(*given: object, **more: object) -> None:
        raise AssertionError("it was kept")

    monkeypatch.setattr(benchmark, "learn", never)
    assert benchmark.main() == 0
    again = json.loads((tmp_path / "study.json").read_text())
    assert again["arms"] == report["arms"]
