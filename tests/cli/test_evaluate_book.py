"""`centerlm evaluate book`: notes at places of novels, scored by a base model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from books_data import long_novel
from cli_run import Run

pytest.importorskip("torch", reason="scoring needs torch, from the train extra")
pytest.importorskip("sentencex", reason="books need sentencex, from the books extra")

SYSTEMS = "direct,retrieve,holistic"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_llama import tiny_llama

    folder = tmp_path_factory.mktemp("novels")
    (folder / "novels").mkdir()
    (folder / "novels" / "salt.txt").write_text(long_novel())
    scorer = tiny_llama(folder / "tiny")
    (folder / "centerlm.toml").write_text(f'[evaluate]\nscorer = "{scorer}"\n')
    return folder


def evaluate(run: Run, data: Path, out: Path, *more: object) -> Any:
    return run("evaluate", "book", "--data", data / "novels", "--config", data / "centerlm.toml",
               "--model", "scripted:books_script:center", "--no-vectors", "--limit", 1, "--json",
               "--out", out, *more)  # fmt: skip


def test_systems_are_scored_by_what_their_notes_are_worth(
    run: Run, data: Path, tmp_path: Path
) -> None:
    done = evaluate(run, data, tmp_path / "r", "--system", SYSTEMS)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    metrics = {
        name: {metric: cell["value"] for metric, cell in system["metrics"].items()}
        for name, system in found["systems"].items()
    }
    assert set(metrics) == set(SYSTEMS.split(","))
    holistic = metrics["holistic"]
    assert {"notes_gain", "over_random", "over_similar", "over_longer", "choice"} <= set(holistic)
    assert holistic["notes_tokens"] > 0 and holistic["notes_gain"] != 0
    # Who is present comes from the notes of the book; "nothing" is no note.
    assert holistic["forecast_f1"] > 0
    assert metrics["direct"]["notes_tokens"] == 0 and metrics["direct"]["notes_gain"] == 0
    assert metrics["direct"]["choice"] == metrics["direct"]["choice_bare"]
    kept = (tmp_path / "r" / "likelihood.jsonl").read_text()
    again = evaluate(run, data, tmp_path / "r", "--system", SYSTEMS)
    assert json.loads(again.out)["systems"] == found["systems"]
    assert (tmp_path / "r" / "likelihood.jsonl").read_text() == kept


def test_data_that_cannot_be_used_is_told(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "short").mkdir()
    (tmp_path / "short" / "a.txt").write_text("Two lines.\nNo book.")
    done = run("evaluate", "book", "--data", tmp_path / "short", "--out", tmp_path / "a")
    assert done.code == 2 and "no item to evaluate" in done.complaint()
    done = run("evaluate", "book", "--out", tmp_path / "b")
    assert done.code == 2 and "folder of novels" in done.complaint()
    done = evaluate(run, data, tmp_path / "c", "--set", "sugar")
    assert done.code == 2 and "no novel 'sugar'" in done.complaint()
