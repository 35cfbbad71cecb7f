"""The benchmark of all systems on all sets, on small made-up sets and a scripted model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluation_data import write_sets

ROOT = Path(__file__).parents[2]
SYSTEMS = "direct,flat,holistic,oracle-plan"


def benchmark(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    paths = [str(ROOT / "src"), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "CENTERLM_HOME": str(folder)}
    words = ["--data", "data", "--work", "work", "--out", "out", "--sets", "musique,game24"]
    words += ["--systems", SYSTEMS, "--model", "scripted:evaluation_data:puzzled_reader"]
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/evaluation.py"), *words, "--no-vectors", *more],
        cwd=folder, env=env, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip


def test_the_table_is_made_set_by_set_and_gone_on_with(tmp_path: Path) -> None:
    data = write_sets(tmp_path / "data")
    (data / "game24").mkdir()
    (data / "game24/puzzles.csv").write_text("Rank,Puzzles\n1,4 9 10 13\n2,1 1 1 1\n")
    done = benchmark(tmp_path, "--items", "2")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out/evaluation.md").read_text()
    assert page == done.stdout.removesuffix("\n")
    rows = {line.split(" | ")[0].strip("| "): line for line in page.splitlines() if "|" in line}
    assert "| MuSiQue | Game of 24 |" in page
    assert page.count("n=2") >= 8
    for system in (*SYSTEMS.split(","), "random"):
        assert system in rows, system
    assert "- MuSiQue: the center - direct: " in page
    assert "- Game of 24: the center 0.50 (" in page and "100 tries" in page
    assert "| MuSiQue | oracle-plan | 1.00" in page
    assert "| Game of 24 | stepwise-experienced | " in page
    assert "| Game of 24 | random-steps | " in page and " | 10 tries | " in page
    found = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert found["config"]["items_of_each_set"] == 2
    assert set(found["config"]["data_sha256"]) == {"musique/dev.jsonl", "game24/puzzles.csv"}
    assert found["sets"]["musique"]["systems"]["flat"]["metrics"]["f1"]["value"] == 1.0
    more = benchmark(tmp_path, "--items", "3", "--sets", "musique")
    assert more.returncode == 0, more.stderr
    # Two of the three items are there: of each system one episode is new.
    assert sum(" of 12: " in line for line in more.stderr.splitlines()) == len(SYSTEMS.split(","))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--systems", "holistc"), "did you mean 'holistic'?"),
        (("--sets", "squad"), "no set 'squad'"),
        (("--items", "0"), "numbers of items and candidates are 1 or more"),
        (("--sets", "hotpotqa"), "the evaluation of hotpotqa ended with 2; see above"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    write_sets(tmp_path / "data")
    done = benchmark(tmp_path, *options)
    assert done.returncode == 2
    assert told in done.stderr and "Traceback" not in done.stderr
