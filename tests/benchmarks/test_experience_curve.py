"""The experience curve on a few tasks with a scripted center: rows, plot, going on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from centerlm.center import CenterLM
from centerlm.models.scripted import ScriptedModel

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Benchmarks are programs, not a package: their folder is on the path while they run."""
    from centerlm.errors import MissingWeightsError
    from centerlm.memory import seeking

    def missing() -> None:
        raise MissingWeightsError("none")

    monkeypatch.setattr(seeking, "find_embedder", missing)
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def test_rows_are_measured_on_the_same_tasks_and_a_second_run_solves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import experience_curve as benchmark
    from centers import CenterSpec

    asked: list[Any] = []

    def opened(spec: CenterSpec, cache: Path, *, slots: int) -> CenterLM:
        del spec, cache, slots

        def say(prompt: Any, sampling: Any) -> str:
            asked.append(prompt)
            del sampling
            question = prompt.messages[-1].text.rpartition("Question: ")[2]
            if prompt.messages[0].text.startswith("Break"):
                return f"1 [documents] {question[:150]}\n"
            return "nothing"

        return CenterLM(ScriptedModel(say), examples=())

    monkeypatch.setattr(benchmark, "open_center", opened)
    size = ("--tasks", "4", "--block", "2", "--words", "--center", "untrained")
    command = ["x.py", "--work", str(tmp_path / "work"), "--out", str(tmp_path), *size]
    monkeypatch.setattr(sys, "argv", command)
    assert benchmark.main() == 0
    report = json.loads((tmp_path / "experience_curve.json").read_text())
    assert list(report["systems"]) == benchmark.SYSTEMS.split(",")
    for system in report["systems"].values():
        assert system["tasks"] == 4 and len(system["blocks"]) == 2
    assert len(report["pairs"]) == 3
    assert (tmp_path / "experience_curve.svg").read_text().startswith("<?xml")
    before = len(asked)
    assert benchmark.main() == 0
    assert len(asked) == before > 0
