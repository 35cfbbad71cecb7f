"""The whole comparison on a tiny model: every cell, the page, and going on where it stopped."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from centerlm.comparison.running import compare
from centerlm.comparison.settings import Comparison
from centerlm.errors import InputError
from centerlm.learning.job import Listener
from centerlm.models.weights import file_sha256
from evaluation_data import write_sets

pytestmark = pytest.mark.local


@pytest.fixture
def whole(tiny: Comparison) -> Comparison:
    return replace(tiny, seeds=2, tokens=3_000, hops=(1, 3), calls=2)


def run(comparison: Comparison, place: Path, lines: list[str]) -> dict[str, Any]:
    told = Listener(lambda *_: None, lambda _: None, lines.append)
    page = compare(
        comparison, place / "work", place / "out", "page", "command", told=told, stop=lambda: False
    )
    text = page.read_text(encoding="utf-8")
    assert str(place) not in text + page.with_suffix(".json").read_text(encoding="utf-8")
    assert "<svg" in page.with_suffix(".svg").read_text(encoding="utf-8")
    return json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))


def test_the_primary_endpoint_comes_first_and_is_not_done_again(
    whole: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = replace(whole, weights=("cot", "holistic", "few-shot"), ways=("solver", "retrieve"))
    lines: list[str] = []
    report = run(few, tmp_path, lines)
    assert "for the primary endpoint, which comes first" in lines[0]
    done = [line.partition(": ")[2] for line in lines if "exactly right" in line]
    assert [line.rpartition(":")[0] for line in done[:4]] == [
        f"worlds: {arm}, solver, seed {seed}" for seed in (0, 1) for arm in ("holistic", "cot")
    ]
    slope = report["primary"]["solver"]["slope"]
    assert (slope["n"], slope["seeds"]) == (2, 2) and slope["low"] <= slope["value"]
    assert report["primary"]["plan"]["slope"] is None
    assert report["not_run"] == []
    assert set(report["worlds"]["more hops"]) == {"few-shot", "cot", "holistic"}
    trained = report["training"]
    assert list(trained["0"]) == list(trained["1"]) == ["holistic", "cot"]
    assert all(len(arm["checkpoints"]) == 2 for arm in trained["0"].values())
    tokens = {arm["tokens"] for seed in trained.values() for arm in seed.values()}
    assert min(tokens) >= 3_000 and max(tokens) < 5_000

    def never(*_: object, **__: object) -> None:
        raise AssertionError("what is done is not done again")

    monkeypatch.setattr("centerlm.learning.rounds.train", never)
    monkeypatch.setattr("centerlm.models.llama_cpp.start_server", never)
    again = run(few, tmp_path, [])
    same = ("primary", "hops", "worlds", "paired", "training")
    assert {name: again[name] for name in same} == {name: report[name] for name in same}
    with pytest.raises(InputError, match="begun with other tokens"):
        run(replace(few, tokens=6_000), tmp_path, [])


def test_all_arms_go_on_from_an_adapter_that_is_given(tiny: Comparison, tmp_path: Path) -> None:
    plain = replace(tiny, weights=("holistic",), ways=("solver",))
    (tmp_path / "first").mkdir()
    run(plain, tmp_path / "first", [])
    (adapter,) = (tmp_path / "first/work/seed-0/holistic").glob("*/adapter.gguf")
    same = replace(plain, start=adapter, weights=("holistic", "untrained"))
    report = run(same, tmp_path, [])
    assert report["config"]["adapter_that_every_arm_goes_on_from"] == file_sha256(adapter)
    cells = {w: json.loads((tmp_path / f"work/seed-0/{w}/worlds-solver.json").read_text())
             for w in ("holistic", "untrained")}  # fmt: skip
    used = {weights: cell["made_of"]["adapters"] for weights, cell in cells.items()}
    assert used["untrained"] == {"all": file_sha256(adapter)} != used["holistic"]
    assert (tmp_path / "work/seed-0/holistic/rate-0.001/start/adapter_config.json").is_file()
    with pytest.raises(InputError, match="begun with other start"):
        run(plain, tmp_path, [])


def test_sets_and_spending_have_their_cells_and_floors(whole: Comparison, tmp_path: Path) -> None:
    data = write_sets(tmp_path / "data")
    wiki = data / "2wikimultihopqa"
    wiki.mkdir()
    row = {
        "_id": "w1",
        "type": "comparison",
        "question": "Who was born first, Ann Lee or Bo Ray?",
        "answer": "Ann Lee",
        "context": [["Ann Lee", ["Ann Lee was born in 1901."]], ["Bo Ray", ["Born in 1950."]]],
        "supporting_facts": [["Ann Lee", 0], ["Bo Ray", 0]],
        "evidences": [["Ann Lee", "date of birth", "1901"], ["Bo Ray", "date of birth", "1950"]],
    }
    (wiki / "dev.jsonl").write_text(json.dumps(row) + "\n")
    several = replace(
        whole,
        seeds=1,
        data=data,
        weights=("untrained",),
        ways=("retrieve", "iterate", "plan"),
        parts=("sets", "tokens"),
    )
    report = run(several, tmp_path, [])
    assert report["not_run"] == [] and report["primary"]["solver"]["slope"] is None
    sets = {name: entry["untrained"] for name, entry in report["sets"].items() if entry}
    assert set(sets["pooled"]) == {*several.ways}
    assert sets["pooled"]["retrieve"]["n"] == 3  # comparisons are not pooled
    assert sets["near"]["retrieve"]["n"] == 3  # they share a sub-question
    assert report["floors"]["comparison"] == {"value": 0.5, "n": 1}
    assert report["support"]["untrained"]["retrieve"]["value"] > 0
    assert not report["worlds"]["more hops"]
    ways = {(line["weights"], line["way"]) for line in report["tokens"]}
    assert {("untrained", "majority of 5"), ("untrained", "retrieve 16")} <= ways
    assert "musique/dev.jsonl" in report["config"]["dev_sha256"]


def test_what_is_not_run_is_marked(whole: Comparison, tmp_path: Path) -> None:
    report = run(replace(whole, minutes=1e-9), tmp_path, [])
    assert "worlds: holistic, solver, seed 0" in report["not_run"]
    assert "not run" in (tmp_path / "out" / "page.md").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="give --data"):
        run(replace(whole, parts=("sets",)), tmp_path, [])
