"""A round of experience on fresh worlds, through the real engine, and accuracy by hops."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from centerlm.errors import InputError
from centerlm.evaluation.worlds import accuracy_by_hops, by_hops, worlds_to_test
from centerlm.learning import experience_rounds
from centerlm.learning.example import TrainingExample
from centerlm.learning.experience_rounds import FIRST_SEED, gather
from centerlm.learning.recipe import Recipe, RoundsSection, WorldsSection
from centerlm.learning.run_folder import read_json
from centerlm.learning.running import Listener
from centerlm.learning.worlds import make_world
from centerlm.models.base import Message, Prompt
from centerlm.models.scripted import ScriptedModel
from learning.knowing import knowing

RECIPE = Recipe(
    worlds=WorldsSection(count=1, people=8),
    rounds=RoundsSection(count=1, questions=6, k=2, max_hops=2, dagger=1),
)


@pytest.fixture(autouse=True)
def words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries of this test search by words: what is tested needs no embeddings."""
    monkeypatch.setattr(experience_rounds, "embedder", lambda: None)
    monkeypatch.setattr("centerlm.evaluation.worlds.embedder", lambda: None)


def listener(lines: list[str]) -> Listener:
    return Listener(lambda *_: None, lambda _: None, lines.append)


def test_a_round_learns_from_what_worked_and_is_not_run_twice(tmp_path: Path) -> None:
    world = make_world(FIRST_SEED + 10_000, max_hops=2, people=8)
    center = knowing(world.questions)
    lines: list[str] = []
    made = gather(1, tmp_path, RECIPE, center, [], listener(lines))
    assert {e.act for e in made} >= {"decompose", "absorb"}
    assert len({(e.act, e.prompt) for e in made}) == len(made)
    seen = read_json(tmp_path / "experience.json")
    assert seen is not None
    assert seen["reward"] > 0.5
    assert seen["plan_validity"] == 1.0
    assert seen["false_answers"] == 0.0
    assert "groups" not in lines[0]
    assert "reward" in lines[0]
    model = center.model
    assert isinstance(model, ScriptedModel)
    asked = len(model.calls)
    again = gather(1, tmp_path, RECIPE, center, [], listener(lines))
    assert again == made
    assert len(model.calls) == asked  # every episode was in the journal


def test_worlds_that_were_trained_on_are_refused(tmp_path: Path) -> None:
    prompt = Prompt((Message("user", "x"),))
    used = TrainingExample(
        "absorb", prompt, "y", f"world-train-{FIRST_SEED + 10_000}-s0-q0-r0", "w"
    )
    with pytest.raises(InputError, match="were trained on"):
        gather(1, tmp_path, RECIPE, knowing([]), [used], listener([]))
    many = Recipe(worlds=WorldsSection(count=FIRST_SEED + 1))
    with pytest.raises(InputError, match="where fresh ones begin"):
        gather(1, tmp_path, many, knowing([]), [], listener([]))


def test_accuracy_by_hops_is_that_of_the_real_solver(tmp_path: Path) -> None:
    asked = worlds_to_test((1, 2), 3)
    assert sorted(question.hops for _, question in asked) == [1, 1, 1, 2, 2, 2]
    rows = asyncio.run(
        accuracy_by_hops(knowing([q for _, q in asked]), asked, tmp_path / "knowing")
    )
    assert [(row.hops, row.n) for row in rows] == [(1, 3), (2, 3)]
    assert sum(row.right for row in rows) >= 5
    none = asyncio.run(accuracy_by_hops(knowing([]), asked, tmp_path / "none"))
    assert sum(row.right for row in none) < sum(row.right for row in rows)


def test_right_answers_are_counted_by_hops() -> None:
    first, second = by_hops([2, 1, 2, 2], [True, False, True, False])
    assert (first.hops, first.n, first.right) == (1, 1, 0)
    assert (second.hops, second.n, second.right) == (2, 3, 2)
    assert 0 <= second.share.low < 2 / 3 < second.share.high <= 1
