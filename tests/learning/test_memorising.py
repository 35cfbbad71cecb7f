"""Knowing by heart: rounds go on until enough is known, and what is done is not done again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed

from centerlm.learning.example import TrainingExample
from centerlm.learning.memorising import Memorised, memorise
from centerlm.models.base import Message, Prompt
from learning.taught import SETTINGS, loaded
from learning.tiny import tiny_model

FEW = changed(SETTINGS, learning_rate=1e-6, epochs=1, rows=1)
"""So small a rate that the model says afterwards what it said before."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base") / "tiny")


def example(n: int, target: str = "Ur") -> TrainingExample:
    return TrainingExample(
        "answer", Prompt((Message("user", f"Home of {n * 37}?"),)), target, f"{n}", "facts"
    )


def run(base: Path, out: Path, goal: float, loads: list[int]) -> Memorised:
    def load() -> tuple[Any, Any]:
        loads.append(1)
        return loaded(base)

    examples = [example(n) for n in range(4)]
    return memorise(examples, load, out, FEW, base="tiny", goal=goal, reviews=2)


def test_rounds_end_when_enough_is_known_and_else_after_the_reviews(
    base: Path, tmp_path: Path
) -> None:
    enough = run(base, tmp_path / "enough", 0.0, [])
    assert enough.known == (0.0,)
    assert enough.adapter == tmp_path / "enough" / "round-0" / "adapter"
    loads: list[int] = []
    never = run(base, tmp_path / "never", 0.5, loads)
    assert never.known == (0.0, 0.0, 0.0)
    assert never.adapter == tmp_path / "never" / "round-2" / "adapter"
    assert never.tokens > 2 * enough.tokens  # a review goes twice over what is not known
    assert len(loads) == 3
    assert run(base, tmp_path / "never", 0.5, loads) == never
    assert len(loads) == 3  # nothing was done again
    (never.adapter.parent / "recall.json").unlink()  # killed before it was written
    assert run(base, tmp_path / "never", 0.5, loads) == never
    assert len(loads) == 4


def test_a_review_that_forgets_does_not_count(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = iter(
        [[True, True, False, False], [True, False, False, False], [True, True, True, False]]
    )
    monkeypatch.setattr("centerlm.learning.memorising.right_replies", lambda *_, **__: next(said))
    done = run(base, tmp_path, 1.0, [])
    assert done.known == (0.5, 0.25, 0.75)
    assert done.adapter == tmp_path / "round-2" / "adapter"
    starts = [json.loads((tmp_path / f"round-{n}" / "run.json").read_text()) for n in range(3)]
    best = str(tmp_path / "round-0" / "adapter")
    assert [start["start"] for start in starts] == [None, best, best]
    assert [start["examples"] for start in starts] == [4, 6, 6]  # the missed ones twice
    rates = [start["settings"]["learning_rate"] for start in starts]
    assert rates == pytest.approx([FEW.learning_rate / n for n in (1, 2, 2)])
