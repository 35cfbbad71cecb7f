"""The benchmark of questions written by hand: its data are whole, and its page is made of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from centerlm.evaluation.sets import read_items, read_records

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "handwritten.py"


@pytest.mark.parametrize(
    ("name", "domains", "count"),
    [
        ("handwritten", {"first half": 40, "second half": 40}, 48),
        ("handwritten_others", {"other kinds": 40}, 33),
    ],
)
def test_the_questions_are_whole(name: str, domains: dict[str, int], count: int) -> None:
    items = read_items(read_records(SCRIPT.with_name(f"{name}.jsonl")), name)
    assert Counter(item.splits["domain"] for item in items) == domains
    assert len({item.objective.text for item in items}) == sum(domains.values())
    articles = {(p.title, p.text) for item in items for p in item.paragraphs}
    assert len(articles) == len({title for title, _ in articles}) == count
    told = " ".join(text for _, text in articles).casefold()
    words = [item for item in items if item.accepted[0][0].isalpha()]
    left = [i.id for i in words if i.accepted[0].casefold() not in {"yes", "no"}]
    answers = {item.id: item.accepted[0].casefold() for item in items}
    assert all(answers[id_] in told for id_ in left)


@pytest.mark.parametrize(
    ("about", "name", "columns", "cells"),
    [
        ("first", "handwritten", "F1, first half | F1, second half | F1, all", (4, 7, "80")),
        ("others", "handwritten_others", "F1, all", (4, 7, "40")),
    ],
)
def test_the_page_has_a_row_a_system_and_a_column_a_half(
    tmp_path: Path, about: str, name: str, columns: str, cells: tuple[int, int, str]
) -> None:
    (tmp_path / "centerlm.toml").write_text(
        '[center]\nmodel = "scripted:evaluation_data:puzzled_reader"\n'
    )
    paths = [str(ROOT / "src"), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "CENTERLM_HOME": str(tmp_path)}
    words = ["--work", "work", "--out", "out", "--system", "direct,holistic", "--about", about]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words, "--config", "centerlm.toml"],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / f"out/{name}.md").read_text()
    assert f"| system | {columns} | exact, all | model calls |" in page
    of_halves, of_all, items = cells
    assert page.count(", n=40 | ") == of_halves
    assert page.count(f"n={items}") == of_all
    kept = json.loads((tmp_path / f"out/{name}.json").read_text())
    assert len(kept["config"]["data_sha256"]) == 1
