"""`centerlm evaluate strategy`: proposals that are checked, beside a random proposer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cli_run import Run
from evaluation_data import write_lines
from planbench_data import planbench

MODEL = ("--model", "scripted:evaluation_data:puzzled", "--no-vectors", "--json")


def strategy(run: Run, data: Path, *more: object) -> Any:
    return run("evaluate", "strategy", "--data", data, *MODEL, *more)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "game24").mkdir(parents=True)
    (tmp_path / "data/game24/puzzles.csv").write_text("Rank,Puzzles\n1,4 9 10 13\n400,1 1 1 1\n")
    rows = [
        {"qid": f"q{n}", "question": f"Is painter number {n} alive?", "answer": bool(n % 2),
         "facts": [f"Painter {n} lives."], "decomposition": ["Is there one?"], "term": "Painter"}
        for n in range(4)
    ]  # fmt: skip
    write_lines(tmp_path / "data/strategyqa/dev.jsonl", rows)
    train = [
        {**row, "qid": f"t{row['qid']}", "question": f"Was it {n}?"} for n, row in enumerate(rows)
    ]
    write_lines(tmp_path / "data/strategyqa/train.jsonl", train)
    return tmp_path / "data"


def test_success_is_counted_by_proposals_beside_a_random_proposer(
    run: Run, data: Path, tmp_path: Path
) -> None:
    done = strategy(
        run, data, "--set", "game24", "--system", "flat,direct", "--out", tmp_path / "r"
    )
    assert done.code == 0, done.err
    found = json.loads(done.out)["systems"]
    flat = {name: cell["value"] for name, cell in found["flat"]["metrics"].items()}
    # The first proposal is greedy and wrong, the second is sampled and right where it can be.
    assert (flat["success@1"], flat["success@5"], flat["success"]) == (0.0, 0.5, 0.5)
    assert flat["valid_first"] == 0.5
    assert flat["proposals"] == (2 + 5) / 2
    assert found["direct"]["metrics"]["success"]["value"] == 0
    random = {name: cell["value"] for name, cell in found["random"]["metrics"].items()}
    assert random["success@1"] <= random["success@20"] <= random["success@100"] <= 0.5
    assert "success@100" not in flat
    assert "Success by candidates" in (tmp_path / "r/report/index.html").read_text()


def test_proposals_are_made_of_steps_that_the_model_chooses(
    run: Run, data: Path, tmp_path: Path
) -> None:
    (data / "game24/puzzles.csv").write_text("Rank,Puzzles\n1,3 4 9\n2,2 2 10\n")
    options = ("--set", "game24", "--limit", 1, "--system", "stepwise,stepwise-experienced")
    done = strategy(run, data, *options, "--out", tmp_path / "r")
    assert done.code == 0, done.err
    found = json.loads(done.out)["systems"]
    stepwise = {name: cell["value"] for name, cell in found["stepwise"]["metrics"].items()}
    # One choice of the model for each step, and the whole proposal to the source that checks.
    assert (stepwise["success@1"], stepwise["proposals"], stepwise["calls"]) == (1.0, 1.0, 3.0)
    assert stepwise["valid_first"] == 1.0
    # Of one puzzle there is little experience: its proposals are counted, right or not.
    assert 1 <= found["stepwise-experienced"]["metrics"]["proposals"]["value"] <= 5
    for row in ("random-steps", "experience-alone"):
        assert set(found[row]["metrics"]) == {"success", "success@1", "success@5", "success@20"}
    again = strategy(run, data, *options, "--out", tmp_path / "again", "--replay", tmp_path / "r")
    assert json.loads(again.out)["systems"]["stepwise"]["metrics"]["calls"]["value"] == 3.0
    # A puzzle that experience was had from is not asked of a system that has it.
    done = strategy(run, data, "--set", "game24", "--system", "stepwise-experienced", "--out",
                    tmp_path / "all")  # fmt: skip
    results = json.loads((tmp_path / "all/results.json").read_text())
    assert (results["n"], results["systems"]["stepwise-experienced"]["n"]) == (2, 1)


def test_questions_are_set_beside_a_classifier_that_sees_them_alone(
    run: Run, data: Path, tmp_path: Path
) -> None:
    systems = "direct,gold-facts,shuffled-facts"
    done = strategy(run, data, "--set", "strategyqa", "--system", systems, "--out", tmp_path / "r")
    assert done.code == 0, done.err
    found = json.loads(done.out)["systems"]
    assert set(found) == {*systems.split(","), "question-only"}
    assert found["gold-facts"]["metrics"]["success"]["value"] == 0.5
    assert found["gold-facts"]["usage"]["calls"] == found["shuffled-facts"]["usage"]["calls"] == 8


@pytest.mark.parametrize("answer", [{}, {"answer": "false"}])
def test_training_questions_without_yes_or_no_are_one_sentence(
    run: Run, data: Path, tmp_path: Path, answer: dict[str, str]
) -> None:
    row = {"qid": "t", "question": "Was it?", "term": "Painter", **answer}
    write_lines(data / "strategyqa/train.jsonl", [row])
    done = strategy(run, data, "--set", "strategyqa", "--system", "direct", "--out", tmp_path / "r")
    assert done.code == 2
    assert "train.jsonl:1 is not a record of strategyqa" in done.complaint()


def test_families_of_reasoning_gym(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("reasoning_gym")
    done = strategy(run, tmp_path, "--set", "gym:countdown", "--limit", 2, "--candidates", 1,
                    "--system", "direct", "--out", tmp_path / "r")  # fmt: skip
    assert done.code == 0, done.err
    assert json.loads(done.out)["systems"]["direct"]["metrics"]["success"]["value"] == 0.0
    done = strategy(run, tmp_path, "--set", "gym:chain_sum,gym:basic_arithmetic", "--limit", 12,
                    "--candidates", 1, "--system", "oracle-plan",
                    "--out", tmp_path / "o")  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "o/results.json").read_text())
    assert found["systems"]["oracle-plan"]["metrics"]["success"]["value"] == 1.0
    assert set(found["splits"]["family"]) == {"guided", "never guided"}
    assert set(found["splits"]["terms"]) == {"up to 4, as guided", "more"}
    done = strategy(run, tmp_path, "--set", "gym:no_such", "--out", tmp_path / "s")
    assert (done.code, "no family 'no_such'" in done.complaint()) == (2, True)


def test_blocksworld_and_the_same_under_other_names(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("unified_planning")
    planbench(tmp_path, "blocksworld")
    done = strategy(run, tmp_path, "--set", "blocksworld,renamed", "--candidates", 1,
                    "--system", "flat", "--out", tmp_path / "r")  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "r/results.json").read_text())
    assert found["n"] == 2
    assert set(found["splits"]["set"]) == {"blocksworld", "renamed"}
    assert set(found["splits"]["length"]) == {"up to 6, as guided"}
    random = found["splits"]["set"]["renamed"]["random"]
    assert random["n"] == 1
    # The proposal is one of neither, and counts as such.
    assert found["systems"]["flat"]["metrics"]["valid_first"]["value"] == 0
    pages = [page.read_text() for page in (tmp_path / "r/report/items").iterdir()]
    assert sum("take blue" in page for page in pages) == 1


BAD = {
    "a set": (["--set", "chess"], "there is no set 'chess'"),
    "files": (["--set", "blocksworld"], "does not exist"),
    "nothing": (["--set", "game24", "--limit", "0"], "leaves no item"),
}


@pytest.mark.parametrize("what", list(BAD))
def test_a_wrong_option_is_one_sentence(what: str, run: Run, data: Path, tmp_path: Path) -> None:
    options, told = BAD[what]
    done = strategy(run, data, "--out", tmp_path / "r", *options)
    assert done.code == 2
    assert told in done.complaint()


def test_a_folder_without_any_set_is_one_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = strategy(run, tmp_path / "empty", "--out", tmp_path / "r")
    assert (done.code, "holds no item" in done.complaint()) == (2, True)
