"""From scores to figures: the primary endpoint, pooled sets, the coin; and the cells' order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from centerlm.comparison import teaching
from centerlm.comparison.asking import Scored
from centerlm.comparison.figures import Results, coin, figures_of, grid, groups, primary
from centerlm.comparison.items import majority
from centerlm.comparison.material import HELD, shaped, split_seed, with_passages
from centerlm.comparison.settings import Comparison, cells_of
from centerlm.comparison.teaching import Lesson, recipe_of, taught
from centerlm.evaluation.items import Item, passage_key
from centerlm.learning.job import Listener
from centerlm.learning.material import Composed, Records, is_held
from centerlm.learning.records import Text
from centerlm.learning.run_material import Lessons
from centerlm.objective import Objective


def scored(id_: str, hops: int, em: float, splits: Mapping[str, str] | None = None) -> Scored:
    return Scored(id_, hops, em, em, None, 1, 100, splits or {})


def world(by_hops: Mapping[int, float]) -> dict[int, list[Scored]]:
    rows = [scored(f"q{h}-{n}", h, value) for h, value in by_hops.items() for n in range(4)]
    return {0: rows, 1: rows}


def test_the_primary_endpoint_is_the_slope_of_the_difference() -> None:
    found = Results(
        {
            ("worlds", "holistic", "solver"): world({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0}),
            ("worlds", "cot", "solver"): world({1: 1.0, 2: 0.9, 4: 0.7, 8: 0.3}),
        }
    )
    figures = primary(found, "solver")
    slope, difference = figures["slope"], figures["difference"]
    assert slope is not None and difference is not None
    assert slope["value"] == pytest.approx(0.1) and slope["low"] > 0
    assert (slope["n"], slope["seeds"]) == (16, 2)
    assert difference["value"] == pytest.approx(0.5) and difference["n"] == 8
    assert primary(found, "plan") == {"slope": None, "difference": None}
    page = figures_of(found)
    assert page["paired"] == [
        {**line, "items": "worlds", "way": "solver", "other": "cot"} for line in page["paired"]
    ]
    assert not page["tokens"] and not page["solver"]


def test_a_seed_that_only_one_arm_has_is_not_compared() -> None:
    one, other = world({1: 1.0, 4: 1.0}), world({1: 0.0, 4: 0.0})
    for ours, theirs in ((one, {0: other[0]}), ({0: one[0]}, other)):
        found = Results(
            {("worlds", "holistic", "solver"): ours, ("worlds", "cot", "solver"): theirs}
        )
        slope = primary(found, "solver")["slope"]
        assert slope is not None and slope["seeds"] == 1


def test_comparisons_of_2wiki_are_not_pooled() -> None:
    rows = [
        scored("m1", 2, 1.0, {"set": "musique", "hops": "2", "seen": "near"}),
        scored("w1", 2, 0.0, {"set": "2wiki", "type": "compositional", "seen": "far"}),
        scored("w2", 2, 1.0, {"set": "2wiki", "type": "comparison", "seen": "far"}),
    ]
    found = Results({("sets", "cot", "retrieve"): {0: rows}})
    keeps = groups(found)
    assert list(keeps) == [
        "pooled", "near", "far", "2wiki, comparison", "2wiki, compositional", "musique, 2 hops",
    ]  # fmt: skip
    shown = {name: grid(found, "sets", "f1", keep) for name, keep in keeps.items()}
    means = {name: entry["cot"]["retrieve"]["value"] for name, entry in shown.items()}
    assert means == {"pooled": 0.5, "near": 1, "far": 0, "2wiki, comparison": 1,
                     "2wiki, compositional": 0, "musique, 2 hops": 1}  # fmt: skip


def test_the_coin_picks_one_of_two_by_the_form_of_the_question() -> None:
    def item(question: str, answer: str, *titles: str) -> Item:
        support = frozenset(passage_key(title, "text") for title in titles)
        return Item("1", "2wiki", Objective(question), (answer,), support=support)

    films = ("The Owl (1991 Film)", "Day Of Ash")
    assert coin(item("Which film is older, The Owl or Day Of Ash?", "The Owl", *films)) == 0.5
    assert coin(item("Are Ann and Bo of one country?", "no", "Ann", "Bo")) == 0.5
    assert coin(item("Where was the maker of The Owl born?", "Oslo", *films)) is None


def test_the_majority_of_samples() -> None:
    assert majority(["Oslo", "the Oslo", None, "Bergen"]) == "Oslo"
    assert majority(["Bergen", "Oslo"]) == "Bergen" and majority([None]) is None


def test_cells_are_in_the_order_of_their_worth() -> None:
    cells = cells_of(Comparison(seeds=2, parts=("worlds", "sets", "tokens")))
    assert len(set(cells)) == len(cells)
    first = [(c.seed, c.way.name, c.weights) for c in cells[:8]]
    assert first == [
        (seed, way, arm)
        for seed in (0, 1) for way in ("solver", "plan") for arm in ("holistic", "cot")
    ]  # fmt: skip
    worlds = [c for c in cells if c.part == "worlds"]
    assert len(worlds) == 5 * (4 * 2 + 1)  # untrained weights have one seed
    assert cells.index(worlds[-1]) < min(i for i, c in enumerate(cells) if c.part == "sets")
    assert {c.way.samples for c in cells if c.part == "tokens"} == {1, 5}


def test_the_best_learning_rate_of_the_check_split_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is done is not done again; the trials are told."""
    losses = {1e-3: 0.7, 5e-4: 0.5, 2e-3: 0.9}
    runs: list[float] = []

    def trained(lesson: Lesson, rate: float, run: Path, *_: object) -> dict[str, Any]:
        runs.append(rate)
        return {"rate": rate, "loss": losses[rate], "gguf": {"all": "adapter.gguf"}}

    monkeypatch.setattr(teaching, "_trained", trained)
    comparison = Comparison()
    lesson = Lesson(comparison, shaped(comparison), "cot", 0, Lessons([], [], []), tmp_path)
    told = Listener(lambda *_: None, lambda _: None, lambda _: None)
    for _ in range(2):
        made = taught(lesson, tuple(losses), told, lambda: False)
        assert made.record["rate"] == 5e-4
        assert made.gguf == {"all": tmp_path / "rate-0.0005" / "adapter.gguf"}
    assert runs == list(losses)
    assert made.record["trials"] == {"0.001": 0.7, "0.0005": 0.5, "0.002": 0.9}
    recipe = recipe_of(lesson, 5e-4)
    assert (recipe.train.max_tokens, recipe.train.learning_rate) == (50_000, 5e-4)
    assert recipe_of(replace(lesson, weights="holistic"), 5e-4).train == recipe.train


def test_worlds_are_split_so_that_some_choose_and_most_train() -> None:
    for first in (0, 1000, 2000):
        for count in (2, 5, 12):
            numbers = range(first, first + count)
            seed = split_seed(numbers)
            held = sum(is_held(f"world-train-{n}", HELD, seed) for n in numbers)
            assert 1 <= held <= count / 2


def test_arms_see_the_passages_of_data_sets_too() -> None:
    composed = Composed("m1", "musique", "Who?", "Ann", "1 [documents] Who?", ())
    other = replace(composed, id="s1", origin="strategyqa")
    notes = [Text("m1:0", "A", "Ann is."), Text("m1:1", "B", "Bo is.")]
    made = with_passages(Records(composed=(composed, other)), {"m1": notes})
    assert [c.notes for c in made.composed] == [tuple(notes), ()]
