"""Logs for Inspect AI: its own reader opens them, and finds every item, call, score and figure."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import evaluation_data
from cli_run import Run, runner
from evaluation_data import write_sets

MODEL = ("--model", "scripted:evaluation_data:reads", "--no-vectors")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return runner(monkeypatch, capsys)


def evaluate(run: Run, folder: Path, *more: object) -> Any:
    data = write_sets(folder / "data")
    return run("evaluate", "ood_qa", "--data", data, *MODEL, "--out", "run", "--inspect", *more)


def test_inspects_own_reader_opens_the_logs(run: Run, tmp_path: Path) -> None:
    log_reader = pytest.importorskip("inspect_ai.log", reason="needs the extra eval")
    before, called = len(evaluation_data.reads.calls), 0
    done = evaluate(run, tmp_path, "--system", "flat,direct", "--json")
    assert done.code == 0, done.err
    results = json.loads(done.out)
    logs = {system: tmp_path / f"run/inspect/{system}.eval" for system in ("flat", "direct")}
    assert sorted(path.name for path in (tmp_path / "run/inspect").iterdir()) == [
        "direct.eval", "flat.eval",
    ]  # fmt: skip
    for system, path in logs.items():
        log = log_reader.read_eval_log(str(path))
        assert (log.status, log.eval.task, log.eval.solver) == (
            "success", "centerlm/ood_qa", system,
        )  # fmt: skip
        figures = {score.name: score.metrics for score in log.results.scores}
        for metric, cell in results["systems"][system]["metrics"].items():
            assert figures[metric]["mean"].value == cell["value"]
            assert figures[metric]["low"].value == cell["low"]
        assert len(log.samples) == log.results.total_samples == results["n"] == 5
        called += sum(event.event == "model" for sample in log.samples for event in sample.events)
    assert called == len(evaluation_data.reads.calls) - before
    flat = log_reader.read_eval_log(str(logs["flat"]))
    sample = next(sample for sample in flat.samples if sample.id == "2hop__1")
    assert sample.target == ["Ister", "River Ister"]
    assert (sample.output.completion, sample.scores["centerlm"].value["f1"]) == ("Ister", 1.0)
    assert sample.metadata["hops"] == "2"
    steps = sample.metadata["episodes"][0]["steps"]
    assert [step["answer"] for step in steps] == ["Norburg", "Ister"]
    first = sample.events[0]
    assert first.input[0].role == "system" and "painter number 1" in first.input[-1].text
    assert first.output.completion.startswith("1 [documents]")
    assert log_reader.read_eval_log(str(logs["flat"]), header_only=True).samples is None


def test_without_inspect_it_says_how_to_get_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("inspect_ai", "inspect_ai.log"):
        monkeypatch.setitem(sys.modules, module, None)
    done = evaluate(run, tmp_path)
    assert (done.code, "pip install 'centerlm[eval]'" in done.complaint()) == (2, True)
    assert not (tmp_path / "run").exists()
