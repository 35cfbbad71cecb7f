"""The benchmark of questions written by hand: its data are whole, and its page is made of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from centerlm.evaluation.sets import read_items, read_records

ROOT = Path(__file__).parents[2]
QUESTIONS = ROOT / "benchmarks" / "handwritten.jsonl"


def test_the_questions_are_whole() -> None:
    items = read_items(read_records(QUESTIONS), "handwritten")
    assert Counter(item.splits["domain"] for item in items) == {"first half": 40, "second half": 40}
    assert len({item.objective.text for item in items}) == 80
    articles = {(p.title, p.text) for item in items for p in item.paragraphs}
    assert len(articles) == len({title for title, _ in articles}) == 48
    told = " ".join(text for _, text in articles).casefold()
    words = [item for item in items if item.accepted[0][0].isalpha()]
    left = [i.id for i in words if i.accepted[0].casefold() not in {"yes", "no"}]
    answers = {item.id: item.accepted[0].casefold() for item in items}
    assert all(answers[id_] in told for id_ in left)


def test_the_page_has_a_row_a_system_and_a_column_a_half(tmp_path: Path) -> None:
    (tmp_path / "centerlm.toml").write_text(
        '[center]\nmodel = "scripted:evaluation_data:puzzled_reader"\n'
    )
    paths = [str(ROOT / "src"), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "CENTERLM_HOME": str(tmp_path)}
    words = ["--work", "work", "--out", "out", "--system", "direct,holistic"]
    done = subprocess.run(
        [sys.executable, str(QUESTIONS.with_suffix(".py")), *words, "--config", "centerlm.toml"],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out/handwritten.md").read_text()
    assert "| system | F1, first half | F1, second half | F1, all | exact, all |" in page
    assert page.count(", n=40 | ") == 4
    assert page.count("n=80") == 7
    kept = json.loads((tmp_path / "out/handwritten.json").read_text())
    assert len(kept["config"]["data_sha256"]) == 1
