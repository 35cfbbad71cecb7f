"""A round of policy gradient: rows and figures of real rollouts; in words where none is heard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as changed

from centerlm.center import CenterLM
from centerlm.errors import InputError
from centerlm.learning import policy_rounds
from centerlm.learning.advantage import Signal
from centerlm.learning.experience_rounds import FIRST_SEED, fresh_worlds
from centerlm.learning.job import Job, Listener
from centerlm.learning.policy_rounds import (
    PolicyBatch,
    batch_in,
    entropy,
    gather_rows,
    policy_round,
    take_rows,
    told,
)
from centerlm.learning.recipe import Recipe, RoundsSection, TrainSection, WorldsSection
from centerlm.learning.rounds import Result, Teacher
from centerlm.learning.rows import Row
from centerlm.learning.stored import read_examples
from centerlm.learning.world_questions import trained_ids
from centerlm.learning.worlds import make_world
from centerlm.models.base import Prompt, Reply, Sampling
from learning.knowing import knowing
from scripted_rollouts import TokenModel, prompt_ids

RECIPE = Recipe(
    worlds=WorldsSection(count=1, people=8),
    rounds=RoundsSection(count=1, method="policy", questions=4, k=2, max_hops=2, temperature=1.0),
    train=TrainSection(rank=4, alpha=8, device="cpu", threads=1),
)


@pytest.fixture(autouse=True)
def words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_rounds, "embedder", lambda: None)


def listener(lines: list[str]) -> Listener:
    return Listener(lambda *_: None, lambda _: None, lines.append)


class Local(TokenModel):
    """A model with token ids that in a third of its calls has forgotten how to read."""

    forgetful: bool = False

    def prompt_ids(self, prompt: Prompt) -> list[int]:
        return prompt_ids(prompt)

    async def complete(self, prompt: Prompt, sampling: Sampling, **more: Any) -> Reply:
        assert sampling.logprobs
        reply = await super().complete(prompt, sampling, **more)
        if self.forgetful and not sampling.seed % 3 and reply.text.endswith("]"):
            wrong = replace(reply.choices[0], text="no idea [1]", token_ids=(110, 111, 257))
            return replace(reply, choices=(replace(wrong, logprobs=(-0.5,) * 3),))
        return reply


def center(*, forgetful: bool) -> CenterLM:
    world = make_world(FIRST_SEED + 10_000, max_hops=2, people=8)
    model = Local(knowing(world.questions).model)  # pyright: ignore[reportArgumentType]
    model.forgetful = forgetful
    return CenterLM(model, examples=())  # pyright: ignore[reportArgumentType]


def test_a_round_gathers_rows_with_advantages_once(tmp_path: Path) -> None:
    asked = center(forgetful=True)
    batch = gather_rows(1, tmp_path, RECIPE, asked, [], listener([]))
    assert {row.role for row in batch.rows} >= {"decompose", "absorb"}
    assert any(row.advantage for row in batch.rows) and batch.left_out == 0
    assert all(row.logprobs is not None for row in batch.rows)
    assert batch.signal.groups == 4 and batch.signal.without < 4
    assert 0 < batch.figures["success"] < 1
    assert batch.figures["routing_entropy"] > 0
    assert batch_in(tmp_path) == batch
    assert {e.act for e in batch.examples} >= {"decompose", "absorb"}
    assert any(e.weight > 0 for e in batch.examples) and any(e.weight == 0 for e in batch.examples)
    used = trained_ids(read_examples(tmp_path / "examples.jsonl"))
    assert {world.id for world in fresh_worlds(1, RECIPE, ())} <= used  # and none is asked again
    assert not {world.id for world in fresh_worlds(1, RECIPE, used)} & used
    other = tmp_path / "other"
    assert batch_in(other) is None
    take_rows(tmp_path, other)
    assert batch_in(other) == batch


def test_a_center_that_is_always_right_gives_no_signal_and_the_round_says_so(
    tmp_path: Path,
) -> None:
    batch = gather_rows(1, tmp_path, RECIPE, center(forgetful=False), [], listener([]))
    assert batch.signal == Signal(4, 4) and batch.figures["no_signal"] == 1
    before = Result({"all": Path("before")}, {"absorb": 0.5}, True, (), 1, 1, 1, 1, 1)
    lines: list[str] = []

    def never() -> Any:
        raise AssertionError("nothing is loaded where nothing is trained")

    teacher = Teacher(never, "tiny", RECIPE, lambda _: None, lambda: False, lambda _: None)
    done = policy_round(teacher, tmp_path, 1, batch, [], before, listener(lines))
    assert (done.adapters, done.scores, done.updates) == (before.adapters, before.scores, 0)
    assert "no signal 100.0%" in lines[0]
    assert "in every group all episodes are worth the same" in lines[1]


def test_a_policy_of_two_adapters_is_refused(tmp_path: Path) -> None:
    world = make_world(1, max_hops=1, people=8)
    with pytest.raises(InputError, match="set \\[train\\] split = false"):
        gather_rows(1, tmp_path, RECIPE, knowing(world.questions), [], listener([]))


def test_rows_beyond_what_a_round_may_compute_keep_no_advantage_and_stay_in_the_batch() -> None:
    rows = [_row(number, 0.0 if number == 3 else 1.0) for number in range(8)]
    some = policy_rounds.bounded(rows, 25, seed=0)
    assert [replace(row, advantage=0.0) for row in some] == [
        replace(row, advantage=0.0) for row in rows
    ]
    assert sum(bool(row.advantage) for row in some) == 2
    assert some == policy_rounds.bounded(rows, 25, seed=0)
    assert len({policy_rounds.bounded(rows, 25, seed=seed) for seed in range(9)}) > 1
    assert sum(bool(row.advantage) for row in policy_rounds.bounded(rows, 1, seed=0)) == 1
    assert policy_rounds.bounded(rows, 70, seed=0) == tuple(rows)


def _row(number: int, advantage: float) -> Row:
    return Row(
        input_ids=tuple(range(10)),
        mask=(0,) * 9 + (1,),
        logprobs=None,
        advantage=advantage,
        reward=1.0,
        group_id="q",
        rollout_id=f"e{number}",
        parent_rollout_id=None,
        depth=0,
        role="absorb",
        model_version="",
    )


def test_figures_in_a_line() -> None:
    assert entropy({"a": 2, "b": 2}) == 1 and entropy({"a": 3}) == 0 == entropy({})
    shown = told({"success": 0.25, "routing_entropy": 1.5, "importance/q5": 0.1,
                  "importance/q50": 0.9, "policy/clipped": 0.01})  # fmt: skip
    assert shown == "success 25.0%, routing entropy 1.5, q50 0.9, clipped 1.0%"


def test_a_round_trains_scores_and_is_not_done_twice(tmp_path: Path) -> None:
    pytest.importorskip("peft", reason="training needs the extra train")
    from learning.taught import examples, loaded
    from learning.tiny import tiny_model

    base = tiny_model(tmp_path / "tiny", context=4096)
    held = examples(4)
    from centerlm.learning.training import train

    settings = changed(RECIPE.train.settings(), row_tokens=2000, max_updates=1)
    start = train(held, *loaded(base), tmp_path / "start", settings, base="tiny").folder
    before = Result({"all": start}, {}, True, (), 1, 1, 1, 1, 1)
    batch = gather_rows(1, tmp_path, RECIPE, center(forgetful=True), [], listener([]))
    heard = [row for row in batch.rows if row.advantage]
    few = sorted(heard, key=lambda row: len(row.input_ids))[:4]
    small = PolicyBatch(tuple(few), batch.signal, 0, batch.figures)
    loads: list[int] = []

    def load() -> Any:
        loads.append(1)
        return loaded(base)

    teacher = Teacher(load, "tiny", RECIPE, lambda _: None, lambda: False, lambda _: None)
    lines: list[str] = []
    done = policy_round(teacher, tmp_path, 1, small, held, before, listener(lines))
    assert done.adapters == {"all": tmp_path / "all" / "adapter"} and done.updates > 0, lines
    assert set(done.scores) == {"decompose", "seek", "absorb"}
    assert "ratio mean" in lines[0] and "capped" in lines[0]
    assert policy_round(teacher, tmp_path, 1, small, held, before, listener(lines)) == done
    assert len(loads) == 1


def test_learn_does_a_round_of_this_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`centerlm learn seek` with method = "policy": the center so far is rolled out, and a batch
    without signal leaves it as it was.
    """
    pytest.importorskip("peft", reason="training needs the extra train")
    from centerlm.learning.recipe import DataSection
    from centerlm.learning.running import learn
    from learning.tiny import tiny_gguf, tiny_model

    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path / "home"))
    base = tiny_gguf(tiny_model(tmp_path / "tiny", context=4096), tmp_path / "tiny.gguf")
    seen: list[Any] = []

    def gathered(
        number: int, folder: Path, recipe: Recipe, policy: CenterLM, *_: Any, **__: Any
    ) -> Any:
        seen.append((number, folder, policy.model.identity))
        figures = {"reward": 0.5, "success": 0.0, "no_signal": 1.0, "routing_entropy": 0.0}
        return PolicyBatch((), Signal(1, 1), 0, figures)

    monkeypatch.setattr(policy_rounds, "gather_rows", gathered)
    recipe = Recipe(
        base=str(base),
        data=DataSection(sets=(), guard=4),
        worlds=WorldsSection(count=1, people=8, max_hops=1, templates=False, forms=("flat",)),
        rounds=RoundsSection(count=1, method="policy"),
        train=TrainSection(
            rank=2, alpha=4, device="cpu", threads=1, max_updates=1, row_tokens=1500, rows=1
        ),
    )
    lines: list[str] = []
    out = tmp_path / "run"
    done = learn(Job("seek", recipe, out), listener=listener(lines), stop=lambda: False)
    assert [(number, folder) for number, folder, _ in seen] == [(1, out / "rounds" / "1")]
    assert len(done.rounds) == 2 and done.rounds[1].adapters == done.rounds[0].adapters
    assert any("there are no rows to train on" in line for line in lines)
    assert any(line.startswith("round 1: reward 0.5") for line in lines)


def test_two_adapters_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    from centerlm.learning.running import learn

    recipe = changed(RECIPE, train=changed(RECIPE.train, split=True))
    with pytest.raises(InputError, match="policy gradient trains one adapter"):
        learn(Job("seek", recipe, tmp_path / "run"), listener=listener([]), stop=lambda: False)
    assert not (tmp_path / "run").exists()
