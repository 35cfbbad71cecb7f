"""A round of experience on fresh worlds, through the real engine, and accuracy by hops."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from centerlm.center import DECOMPOSE, CenterLM
from centerlm.errors import InputError
from centerlm.evaluation.worlds import accuracy_by_hops, by_hops, worlds_to_test
from centerlm.learning import experience_rounds
from centerlm.learning.example import TrainingExample
from centerlm.learning.experience_rounds import FIRST_SEED, gather, left_after
from centerlm.learning.job import Listener
from centerlm.learning.recipe import Recipe, RoundsSection, WorldsSection
from centerlm.learning.run_folder import read_json
from centerlm.learning.worlds import make_world
from centerlm.models.base import Message, Prompt, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.plan import format_plan
from learning.knowing import knowing

RECIPE = Recipe(
    worlds=WorldsSection(count=1, people=8),
    rounds=RoundsSection(count=1, questions=6, k=2, max_hops=2, dagger=1),
)
WHOLE = replace(RECIPE, rounds=replace(RECIPE.rounds, curriculum=0.0, dagger=0))


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
    examples = made.examples
    assert {e.act for e in examples} >= {"decompose", "absorb"}
    assert len({(e.act, e.prompt) for e in examples}) == len(examples)
    assert made.pairs == ()  # it always plans alike
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


def test_half_of_the_questions_are_begun_near_their_end(tmp_path: Path) -> None:
    world = make_world(FIRST_SEED + 10_000, max_hops=2, people=8)
    lines: list[str] = []
    gather(1, tmp_path, RECIPE, knowing(world.questions), [], listener(lines))
    seen = read_json(tmp_path / "experience.json")
    assert seen is not None
    assert {name: tally["questions"] for name, tally in seen["by_left"].items()} == {
        "1": 3,
        "whole": 3,
    }
    assert seen["by_left"]["1"]["success"] == 1.0
    assert seen["left"] == left_after(tmp_path) == 2
    assert "  1 of their findings left to find: 6 of 6 episodes right" in lines
    later = tmp_path / "later"
    gather(2, later, RECIPE, knowing([]), [], listener(lines), left=left_after(tmp_path))
    seen = read_json(later / "experience.json")
    assert seen is not None
    assert set(seen["by_left"]) == {"2", "whole"}
    assert left_after(tmp_path / "none") == 1


def test_plans_of_different_success_are_preferences(tmp_path: Path) -> None:
    """The first episode of a question is greedy: that one asks about someone else."""
    world = make_world(FIRST_SEED + 10_000, max_hops=2, people=8)
    right = knowing(world.questions).model
    assert isinstance(right, ScriptedModel)
    script = right.script
    assert callable(script)

    def reply(prompt: Prompt, sampling: Sampling) -> str:
        plans = prompt.messages[0].text.startswith(DECOMPOSE[:20])
        if plans and not sampling.temperature:
            return "1 [documents] Who is Zed?"
        return str(script(prompt, sampling))

    made = gather(1, tmp_path, WHOLE, CenterLM(ScriptedModel(reply), ()), [], listener([]))
    assert made.pairs
    assert {pair.rejected for pair in made.pairs} == {"1 [documents] Who is Zed?"}
    plans = {format_plan(d.plan) for q in world.questions for d in q.decisions["peel"]}
    assert {pair.chosen for pair in made.pairs} <= plans


def test_a_step_that_found_nothing_is_not_split(tmp_path: Path) -> None:
    """A center that reads nothing is asked for the root's plan alone."""
    center = knowing([])
    gather(1, tmp_path, WHOLE, center, [], listener([]))
    assert isinstance(center.model, ScriptedModel)
    heads = [call.prompt.messages[0].text for call in center.model.calls]
    assert sum(head.startswith(DECOMPOSE[:20]) for head in heads) == 6 * 2


def test_worlds_that_were_trained_on_are_passed_over(tmp_path: Path) -> None:
    prompt = Prompt((Message("user", "x"),))
    first = f"world-train-{FIRST_SEED + 10_000}"
    used = TrainingExample("absorb", prompt, "y", f"{first}-s0-q0-r0", "w")
    gather(1, tmp_path, RECIPE, knowing([]), [used], listener([]))
    asked = [path.name for path in (tmp_path / "worlds").iterdir()]
    assert asked == [f"world-train-{FIRST_SEED + 10_001}"]
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
