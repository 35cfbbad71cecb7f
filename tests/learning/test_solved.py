"""Solved short puzzles as records of the acts, in the prompts that are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from centerlm.errors import InputError
from centerlm.evaluation.game24 import Game24
from centerlm.evaluation.gym import gym_puzzles
from centerlm.learning.material import collect, examples_of, statistics
from centerlm.learning.recipe import DataSection, Recipe, WorldsSection
from centerlm.learning.solved import solved_puzzles
from planbench_data import PLAN, planbench


@pytest.fixture
def games(tmp_path: Path) -> Path:
    (tmp_path / "game24").mkdir()
    table = "Rank,Puzzles\n1,1 1 4 6\n2,1 3 4 6\n3,1 1 1 1\n4,2 3 4 6\n"
    (tmp_path / "game24/puzzles.csv").write_text(table)
    return tmp_path


def test_games_that_are_not_asked_are_solved_and_each_step_is_a_choice(games: Path) -> None:
    made = solved_puzzles(games, "game24")
    # Half of four, of which one may have no solution.
    assert len(made.reasks) + len(made.skipped) == 2
    assert [one.kind for one in made.skipped] in ([], ["no solution"])
    for reask in made.reasks:
        numbers = tuple(map(int, reask.id.partition(":")[0].split("-")[1:]))
        right, wrong = reask.query, reask.asked[0]
        assert Game24(numbers).right(right.removeprefix("make24(").removesuffix(")"))
        assert not Game24(numbers).right(wrong.removeprefix("make24(").removesuffix(")"))
        mine = [one for one in made.decisions if one.id.startswith(reask.id.partition(":")[0])]
        whole, *steps = (one.plan.steps[0].text for one in mine)
        assert whole == right and 1 <= len(steps) <= 3
        for decision, text in zip(mine[1:], steps, strict=True):
            assert decision.objective.startswith("Needed: 24. Now: ")
            assert f" {text} (leaves " in decision.objective
            assert decision.objective.endswith("Which step is next?")


def test_short_plans_are_told_under_other_names_too(tmp_path: Path) -> None:
    pytest.importorskip("unified_planning")
    planbench(tmp_path, "blocksworld_3")
    made = solved_puzzles(tmp_path, "planbench")
    whole = [one for one in made.decisions if ":step-" not in one.id]
    assert [one.id for one in whole] == [
        "blocksworld_3-7", "blocksworld_3-7:renamed-1", "blocksworld_3-7:renamed-2",
    ]  # fmt: skip
    assert whole[0].plan.steps[0].text == f"simulate({PLAN})"
    assert "take" not in whole[1].plan.steps[0].text + whole[1].objective
    steps = [one for one in made.decisions if one.id.startswith("blocksworld_3-7:step-")]
    # The last step is the only one possible: no choice.
    assert [one.plan.steps[0].text for one in steps] == PLAN.split("; ")[:-1]
    assert "makes held blue; ends free blue, hand" in steps[0].objective
    assert all(one.cards[0].name == "experiment" for one in made.decisions)


def test_puzzles_are_learned_from_where_they_are_named(games: Path) -> None:
    recipe = Recipe(data=DataSection(sets=("game24",), held=0), worlds=WorldsSection(count=0))
    made = collect(recipe, games, say=lambda what, done, of: None)
    examples = examples_of(made.train, seed=0)
    counted = statistics(examples)["game24"]
    assert counted["decompose"] == len(made.train.decisions) > counted["seek"] >= 1
    assert all(one.startswith("game24-") for one in made.ids)
    with pytest.raises(InputError, match="has no CSV of puzzles"):
        collect(recipe, games / "game24", say=lambda what, done, of: None)


def test_short_puzzles_of_some_families_are_plans_for_the_calculator(tmp_path: Path) -> None:
    pytest.importorskip("reasoning_gym")
    made = solved_puzzles(tmp_path, "gym").decisions
    assert {one.id.rsplit("-", 1)[0] for one in made} == {"gym-chain_sum", "gym-products"}
    for decision in made:
        (step,) = decision.plan.steps
        assert step.sources == ("calculator",) and step.text in decision.objective
        assert len(step.text.split()) <= 7  # four terms, three signs
    asked = {puzzle.question for puzzle in gym_puzzles("chain_sum", 50, seed=0)}
    assert not asked & {decision.objective for decision in made}
