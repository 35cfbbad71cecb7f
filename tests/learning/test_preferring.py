"""Preferences after a round: trained from its adapter, guarded by its scores, done once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace as changed

from centerlm.acts import PlanView
from centerlm.center import plan_prompt
from centerlm.errors import StoppedError
from centerlm.learning.preferences import Preference
from centerlm.learning.preferring import chosen, prefer
from centerlm.learning.recipe import DPOSection, Recipe, TrainSection
from centerlm.learning.rounds import Result, Teacher, first_round
from centerlm.learning.run_folder import read_json
from centerlm.learning.watching import Progress
from centerlm.sources.base import Card
from learning.taught import equal, examples, loaded
from learning.tiny import tiny_model

pytest.importorskip("trl", reason="needs the extra `train`")

CARDS = (Card("documents", "passages about a town"),)
TRAIN = TrainSection(
    row_tokens=900, rows=2, rank=4, alpha=8, save_every=1, device="cpu", threads=1, max_updates=2
)


def pairs(count: int = 8) -> list[Preference]:
    return [
        Preference(
            plan_prompt(PlanView(f"When was the mother of child {n} born?", CARDS)),
            f"1 [documents] Who is the mother of child {n}?\n2 [documents] When was #1 born?",
            f"1 [documents] When was the mother of child {n} born?",
            f"p{n}",
            "tried",
            0.5,
        )
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base") / "tiny")


class Taught:
    """A teacher, and the updates it was told of; `stop_at` ends it after so many."""

    def __init__(self, base: Path, stop_at: int | None = None, **settings: object) -> None:
        self.updates: list[int] = []
        recipe = Recipe(base=str(base), train=TRAIN, dpo=DPOSection(learning_rate=5e-3))
        self.teacher = Teacher(
            lambda: loaded(base),
            "tiny",
            changed(recipe, **settings),
            self._update,
            lambda: stop_at is not None and len(self.updates) >= stop_at,
            lambda what: None,
        )

    def _update(self, now: Progress) -> None:
        self.updates.append(now.update)


@pytest.fixture(scope="module")
def first(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    out = tmp_path_factory.mktemp("first") / "0"
    return first_round(Taught(base).teacher, out, examples(), examples(8), {})


def scored(first: Result, score: float) -> Result:
    """As if its held-out replies had been right so often."""
    scores: Mapping[str, float] = dict.fromkeys(first.scores, score)
    return replace(first, scores=scores)


def test_preferences_go_on_from_the_rounds_adapter_and_are_not_trained_twice(
    base: Path, first: Result, tmp_path: Path
) -> None:
    before = scored(first, 0.0)
    taught = Taught(base)
    after = prefer(taught.teacher, tmp_path, pairs(), examples(8), before)
    assert taught.updates == [1, 2]
    assert after.preferred is not None
    assert (after.preferred.pairs, after.preferred.kept) == (8, True)
    assert after.adapters == {"all": tmp_path / "dpo" / "adapter"}
    assert not equal(after.adapters["all"], first.adapters["all"])
    record = read_json(tmp_path / "dpo" / "run.json")
    assert record is not None
    assert record["start"] == str(first.adapters["all"])
    assert record["margins"][-1] > record["margins"][0]
    assert after.tokens == before.tokens + record["tokens"]
    assert after.updates == before.updates + 2
    again = prefer(taught.teacher, tmp_path, pairs(), examples(8), before)
    assert again == after
    assert taught.updates == [1, 2]


def test_what_costs_an_act_is_not_kept(base: Path, first: Result, tmp_path: Path) -> None:
    before = scored(first, 1.0)
    after = prefer(Taught(base).teacher, tmp_path, pairs(), examples(8), before)
    assert after.preferred is not None
    assert after.preferred.lost
    assert after.adapters == before.adapters
    assert after.scores == before.scores
    assert after.tokens > before.tokens  # it was computed all the same


def test_a_stopped_one_goes_on_to_the_same_adapter(
    base: Path, first: Result, tmp_path: Path
) -> None:
    before = scored(first, 0.0)
    whole = prefer(Taught(base).teacher, tmp_path / "whole", pairs(), [], before)
    with pytest.raises(StoppedError, match="after update 1 of 2 on preferences"):
        prefer(Taught(base, stop_at=1).teacher, tmp_path / "cut", pairs(), [], before)
    taught = Taught(base)
    cut = prefer(taught.teacher, tmp_path / "cut", pairs(), [], before)
    assert taught.updates == [2]
    assert equal(cut.adapters["all"], whole.adapters["all"])


def test_there_is_nothing_to_do_without_pairs_a_lora_or_room(
    base: Path, first: Result, tmp_path: Path
) -> None:
    off = Taught(base, dpo=DPOSection(pairs=0)).teacher
    assert prefer(off, tmp_path, pairs(), [], first) is first
    assert prefer(Taught(base).teacher, tmp_path, [], [], first) is first
    full = Taught(base, train=changed(TRAIN, rank=0)).teacher
    assert prefer(full, tmp_path, pairs(), [], first) is first
    narrow = Taught(base, train=changed(TRAIN, row_tokens=60)).teacher
    assert prefer(narrow, tmp_path, pairs(), [], first) is first
    only_absorb = replace(first, adapters={"absorb": first.adapters["all"]})
    assert prefer(Taught(base).teacher, tmp_path, pairs(), [], only_absorb) is only_absorb
    assert not (tmp_path / "dpo").exists()


def test_of_two_adapters_the_one_that_plans_is_trained(
    base: Path, first: Result, tmp_path: Path
) -> None:
    place = first.adapters["all"]
    two = replace(scored(first, 0.0), adapters={"plan": place, "absorb": place})
    after = prefer(Taught(base).teacher, tmp_path, pairs(), examples(8), two)
    assert after.adapters == {"plan": tmp_path / "dpo" / "adapter", "absorb": place}
    assert after.preferred is not None
    assert set(after.preferred.scores) == {"decompose", "seek"}


def test_too_many_pairs_are_cut_to_edits_and_the_clearest() -> None:
    tried = [replace(pair, margin=n / 10) for n, pair in enumerate(pairs(), start=1)]
    edits = [
        replace(pair, margin=0.0, origin="edit", id=f"e{n}") for n, pair in enumerate(pairs(2))
    ]
    mixed = [*tried, *edits]
    Random(0).shuffle(mixed)
    kept = chosen(mixed, 4, 0)
    assert {pair.id for pair in kept[:2]} == {"e0", "e1"}
    assert [pair.margin for pair in kept[2:]] == [0.8, 0.7]
    assert kept == chosen(mixed, 4, 0)
    assert len(chosen(mixed, 99, 0)) == 10
