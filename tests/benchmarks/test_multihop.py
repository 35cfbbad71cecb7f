"""The multi-hop benchmark as it is run, on a made-up miniature of the sets' formats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from centerlm.errors import MissingExtraError, MissingWeightsError
from centerlm.library.embed import find_embedder

ROOT = Path(__file__).parents[2]
PLACES = ("Norhaven", "Tallowby", "Greyport", "Ostwick")
PEOPLE = ("Ada Brandt", "Bela Norr", "Cora Lindt", "Dov Ammer")


def benchmark(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "multihop.py", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )


def question(number: int) -> dict[str, Any]:
    person, place = PEOPLE[number], PLACES[number]
    paragraphs = [
        {"title": person, "paragraph_text": f"{person} is a painter who was born in {place}."},
        {"title": place, "paragraph_text": f"{place} is a town on the river {place[:3]}el."},
        {"title": "Rivers", "paragraph_text": "Rivers carry water to a sea or a lake."},
    ]
    steps = [
        {"question": f"{person} >> place of birth", "answer": place, "paragraph_support_idx": 0},
        {
            "question": "On which river is #1, town #9?",
            "answer": f"{place[:3]}el",
            "paragraph_support_idx": 1,
        },
    ]
    return {
        "id": f"2hop__{number}",
        "paragraphs": paragraphs,
        "question": f"On which river is the town where {person} was born?",
        "question_decomposition": steps,
        "answer": f"{place[:3]}el",
        "answer_aliases": [],
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    filler = {"context": [[f"Filler {n}", [f"The {n}th", f"word is {n}."]] for n in range(20)]}
    files: dict[str, list[dict[str, Any]]] = {
        "musique/train": [question(3)],
        "musique/dev": [question(n) for n in range(3)],
        "hotpotqa/train": [filler],
        "hotpotqa/dev": [filler],
        "2wikimultihopqa/train": [filler],
        "2wikimultihopqa/dev": [filler],
        "2wikimultihopqa/corpus": [{"title": "Lakes", "text": "A lake lies inland."}],
    }
    for name, records in files.items():
        path = tmp_path / "data" / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(map(json.dumps, records)) + "\n", encoding="utf-8")
    return tmp_path / "data"


def test_missing_data_is_named(tmp_path: Path) -> None:
    ended = benchmark("--data", tmp_path / "nowhere")
    assert ended.returncode != 0
    assert "train.jsonl is missing" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_broken_data_is_named(data: Path, tmp_path: Path) -> None:
    (data / "hotpotqa" / "dev.jsonl").write_text('{"question": "?"}\n', encoding="utf-8")
    ended = benchmark("--data", data, "--cache", tmp_path, "--out", tmp_path, "--read", "0")
    assert ended.returncode == 2
    assert "is not in the sets' own formats" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.local
def test_retrieval_rows_need_no_model(data: Path, tmp_path: Path) -> None:
    try:
        find_embedder()
    except (MissingExtraError, MissingWeightsError) as error:
        pytest.skip(str(error))
    folders = ("--cache", tmp_path / "cache", "--out", tmp_path / "out")
    ended = benchmark("--data", data, *folders, "--read", "0")
    assert ended.returncode == 0, ended.stderr
    report = json.loads((tmp_path / "out" / "multihop.json").read_text(encoding="utf-8"))
    assert report["n"] == 3
    assert report["config"]["library_passages"] == 4 * 2 + 1 + 20 + 1
    assert (report["config"]["human_steps"], report["config"]["relation_steps"]) == (6, 3)
    assert not report["config"]["plans_not_read"]
    systems = report["systems"]
    assert set(systems) == {
        f"{row}.{search}"
        for row in ("question", "iterated", "true.written", "true.sentences")
        for search in ("bm25", "hybrid")
    }
    # The question does not name the town; with the true answer filled in, its passage is found.
    assert systems["true.sentences.bm25"]["metrics"]["all_support"]["value"] == 1.0
    assert systems["true.sentences.bm25"]["usage"]["prompt_tokens"] == 0
    compared = {(p["first"], p["second"], p["metric"]) for p in report["paired"]}
    assert ("true.sentences.hybrid", "true.sentences.bm25", "mean_support") in compared
    page = (tmp_path / "out" / "multihop.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in page
    assert "human plan, true answers filled in" in page
