"""Rows of the multi-hop benchmark whose plan is the center's own: never more than 8 passages."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from centerlm.center import CenterLM
from centerlm.library import Library
from centerlm.models import ScriptedModel
from centerlm.plan import parse_plan

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
QUESTION = "On which river is the town where Ada Brandt was born?"
TEXTS = {"Ada Brandt": "Ada Brandt is a painter, born in Norhaven.", "Norhaven": "Norhaven: Norel."}


@pytest.fixture(scope="module", autouse=True)
def path() -> Iterator[None]:
    """Benchmarks are programs, not a package: their folder is on the path while they run."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    folder = tmp_path_factory.mktemp("hops")
    texts = TEXTS | {
        f"Town {n}": f"Town {n} is on a river where no painter lives." for n in range(30)
    }
    lines = [json.dumps({"title": title, "text": text}) for title, text in texts.items()]
    (folder / "pool.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with Library.open(folder / "library", create=True, embedder=None) as library:
        library.ingest([folder / "pool.jsonl"])
        yield library


def human() -> Any:
    from human_plans import HumanPlan
    from pool_library import passage_key

    return HumanPlan(
        id="made",
        question=QUESTION,
        accepted=("Norel",),
        plan=parse_plan("1 [documents] Where was Ada Brandt born?\n2 [documents] River of #1?"),
        answers=("Norhaven", "Norel"),
        support=frozenset(passage_key(title, text) for title, text in TEXTS.items()),
    )


def run(row: Any, library: Library, script: dict[str, str]) -> Any:
    from hop_runs import run_row

    model = ScriptedModel(script)
    return asyncio.run(run_row(row, human(), library, CenterLM(model, examples=())))


PLAN = "1 [documents] In which town was the painter Ada Brandt born?\n2 [documents] River of #1?"


def test_the_centers_own_plan_shares_the_passages(library: Library) -> None:
    script = {
        "Break the question": PLAN,
        "Question: In which town": "Norhaven [1]",
        "Question: River": "Norel [1]",
        "": "Norel [2]",
    }
    outcome = run("plan", library, script)
    assert (outcome.all_support, outcome.em) == (1.0, 1.0)
    assert 4 < outcome.passages <= 8
    assert not outcome.failed


@pytest.mark.parametrize("row", ["plan", "recursive"])
def test_no_plan_sees_more_than_eight_passages(library: Library, row: str) -> None:
    lines = [f"{n} [documents] Which river is Town {n} on?" for n in range(1, 11)]
    outcome = run(row, library, {"Break the question": "\n".join(lines), "": "a river [1]"})
    assert outcome.passages == 8


def test_iterated_retrieval_reads_on_from_what_it_found(library: Library) -> None:
    """The question does not name the town; the passage found first does."""
    from hop_runs import run_row

    outcome = asyncio.run(run_row("iterated", human(), library, None))
    assert (outcome.all_support, outcome.em) == (1.0, None)
    assert outcome.passages == 8


def test_a_row_of_the_centers_own_needs_a_center(library: Library) -> None:
    from hop_runs import run_row

    with pytest.raises(ValueError, match="needs a center"):
        asyncio.run(run_row("recursive", human(), library, None))
