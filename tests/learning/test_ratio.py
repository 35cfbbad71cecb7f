"""Ratios: 1 on fresh samples, masks in the gradient, the clip, capped importance weights."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from centerlm.center import CenterLM
from centerlm.errors import InputError
from centerlm.journal import MemoryJournal
from centerlm.learning.calls import read_calls
from centerlm.learning.credit import Gold, acts_of, credit
from centerlm.learning.ratio import (
    QUANTILES,
    batch_of,
    clipped_policy_loss,
    importance_weights,
    old_logprobs,
    stacked,
    token_logprobs,
)
from centerlm.learning.rows import Row, episode_rows
from centerlm.models.base import Prompt, Reply, Sampling
from centerlm.models.transformers import TransformersModel
from centerlm.objective import Budget, Objective
from centerlm.run import Options
from centerlm.solver import solve
from scripted_rollouts import adder, documents
from tiny_llama import tiny_llama

torch: Any = pytest.importorskip("torch", reason="the train extra is not installed")
pytest.importorskip("transformers", reason="the train extra is not installed")


class Sampled:
    """A model whose every call samples at temperature 1 and says its log-probabilities."""

    def __init__(self, model: TransformersModel) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    async def complete(self, prompt: Prompt, sampling: Sampling, **more: Any) -> Reply:
        limit = min(sampling.max_tokens, 12)
        sampling = replace(sampling, temperature=1.0, logprobs=True, max_tokens=limit)
        return await self._model.complete(prompt, sampling, **more)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> TransformersModel:
    return TransformersModel(tiny_llama(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def model(policy: TransformersModel) -> Any:
    return policy._load()[0]  # pyright: ignore[reportPrivateUsage]


@pytest.fixture(scope="module")
def rows(policy: TransformersModel) -> tuple[Row, ...]:
    """Rows of real episodes, sampled by the very weights that are trained."""
    made: list[Row] = []
    for number in range(2):
        journal = MemoryJournal()
        solution = asyncio.run(
            solve(
                Objective("Where was Ada born?", budget=Budget(depth=2)),
                center=CenterLM(Sampled(policy), examples=()),
                sources=[documents(), adder()],
                journal=journal,
                options=Options(seed=number, splits=False),
                episode=f"e{number}",
            )
        )
        events = journal.events(solution.episode)
        credits_ = credit(solution.tree, Gold(("Norwick",)), acts=acts_of(events))
        calls = read_calls(journal, solution.episode)
        found = episode_rows(calls, credits_, group_id="q", prompt_ids=policy.prompt_ids)
        assert not found.left_out
        made += [replace(row, advantage=(-1.0) ** i) for i, row in enumerate(found.rows)]
    assert len(made) >= 4 and {"decompose", "absorb"} <= {row.role for row in made}
    assert len({len(row.input_ids) for row in made}) > 1, "so that there is padding"
    return tuple(made)


def plain_logprobs(model: Any, row: Row) -> Any:
    """The definition, one row and one full softmax at a time."""
    with torch.no_grad():
        logits = model(torch.tensor([row.input_ids])).logits[0].float()
    logp = torch.log_softmax(logits[:-1], -1)
    chosen = logp.gather(-1, torch.tensor(row.input_ids[1:])[:, None])[:, 0]
    return torch.cat([torch.zeros(1), chosen]) * torch.tensor(row.mask)


def test_the_ratio_is_1_on_fresh_samples(model: Any, rows: tuple[Row, ...]) -> None:
    """Recomputed by the trainer, what the sampler said comes out again, and the ratio is 1."""
    batch = batch_of(rows)
    logp = token_logprobs(model, rows)
    assert (torch.exp((logp - batch.sampler) * batch.mask) - 1).abs().max() < 1e-4
    old = stacked(old_logprobs(model, rows, at_once=3), batch)
    loss = clipped_policy_loss(logp, old, batch)
    assert loss.ratio_off < 1e-4 and loss.clipped == 0
    assert loss.ratio_mean == pytest.approx(1, abs=1e-5)


def test_log_probabilities_are_those_of_each_row_alone(model: Any, rows: tuple[Row, ...]) -> None:
    together = token_logprobs(model, rows).detach()
    for found, row in zip(together, rows, strict=True):
        n = len(row.input_ids)
        assert torch.allclose(found[:n], plain_logprobs(model, row), atol=1e-4)
        assert found[n:].abs().sum() == 0


def test_the_head_is_computed_where_it_is_trained(model: Any, rows: tuple[Row, ...]) -> None:
    columns: list[int] = []
    hook = model.lm_head.register_forward_hook(
        lambda _module, _given, out: columns.append(out.shape[1])
    )
    token_logprobs(model, rows)
    hook.remove()
    most = max(len(row.input_ids) - row.mask.index(1) for row in rows)
    assert columns == [most] and most < max(len(row.input_ids) for row in rows) / 4


def test_what_was_not_sampled_has_no_gradient(model: Any, rows: tuple[Row, ...]) -> None:
    """The loss hangs on the trained tokens alone: other targets there change nothing."""
    batch = batch_of(rows)
    logits: list[Any] = []

    def keep(_module: Any, _given: Any, out: Any) -> None:
        out.retain_grad()
        logits.append(out)

    hook = model.lm_head.register_forward_hook(keep)
    logp = token_logprobs(model, rows)
    hook.remove()
    clipped_policy_loss(logp, logp.detach(), batch).loss.backward()
    model.zero_grad()
    touched = int((logits[0].grad.abs().sum(-1) > 0).sum())
    assert touched == sum(row.trained for row in rows)


def test_a_step_against_the_loss_makes_good_rows_likelier(
    model: Any, rows: tuple[Row, ...]
) -> None:
    trained = copy.deepcopy(model)
    batch = batch_of(rows)
    old = stacked(old_logprobs(trained, rows), batch)
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.05)
    loss = clipped_policy_loss(token_logprobs(trained, rows), old, batch)
    loss.loss.backward()
    optimizer.step()
    with torch.no_grad():
        change = (token_logprobs(trained, rows) - old).sum(-1)
    signs = change * batch.advantages[:, 0]
    assert signs.sum() > 0
    after = clipped_policy_loss(token_logprobs(trained, rows), old, batch)
    assert after.loss < loss.loss and after.ratio_off > 1e-3


def _batch(advantages: Sequence[float]) -> Any:
    rows = [
        Row((1, 2, 3), (0, 1, 1), None, a, 0.0, "q", f"e{i}", None, 0, "seek", "m")
        for i, a in enumerate(advantages)
    ]
    return batch_of(rows)


def test_the_clip_ends_the_gain_and_never_the_loss() -> None:
    batch = _batch([1.0, -1.0])
    old = torch.zeros(2, 3)

    def gradient(ratio: float) -> list[float]:
        logp = torch.full((2, 3), float(torch.tensor(ratio).log()), requires_grad=True)
        clipped_policy_loss(logp, old, batch).loss.backward()
        return [float(g) for g in logp.grad[:, 1]]

    good, bad = gradient(1.0)
    assert good == pytest.approx(-0.25) and bad == pytest.approx(0.25)
    assert gradient(1.5)[0] == 0 and gradient(1.5)[1] > 0, "better enough; worse is still undone"
    assert gradient(0.5)[0] < 0 and gradient(0.5)[1] == 0
    assert all(g == 0 for g in _masked_gradient(batch))


def _masked_gradient(batch: Any) -> list[float]:
    logp = torch.zeros(2, 3, requires_grad=True)
    clipped_policy_loss(logp, torch.zeros(2, 3), batch).loss.backward()
    return [float(g) for g in logp.grad[:, 0]]


def test_episodes_count_alike_whatever_their_length() -> None:
    short = Row((1, 2), (0, 1), None, 1.0, 0.0, "q", "a", None, 0, "seek", "m")
    long = Row((1, *[2] * 9), (0, *[1] * 9), None, 1.0, 0.0, "q", "b/1", "b", 1, "seek", "m")
    batch = batch_of([short, long])
    logp = torch.zeros(2, 10, requires_grad=True)
    clipped_policy_loss(logp, torch.zeros(2, 10), batch).loss.backward()
    per_row = logp.grad.sum(-1)
    assert per_row[0] == pytest.approx(float(per_row[1])) == pytest.approx(-0.5)


# --- importance weights --------------------------------------------------------------------------


def test_importance_weights_are_1_where_the_sampler_is_the_trainer(
    model: Any, rows: tuple[Row, ...]
) -> None:
    batch = batch_of(rows)
    old = stacked(old_logprobs(model, rows), batch)
    found = importance_weights(old, batch.sampler, batch.mask * batch.sampled)
    assert (found.weights - 1).abs().max() < 1e-4 and found.capped == 0
    assert found.tokens == sum(row.trained for row in rows)
    assert all(q == pytest.approx(1, abs=1e-4) for q in found.quantiles)


def test_importance_weights_are_capped_and_their_distribution_told() -> None:
    trainer = torch.log(torch.tensor([[1.0, 0.9, 0.9, 0.1, 0.5]]))
    sampler = torch.log(torch.tensor([[1.0, 0.1, 0.6, 0.2, 0.5]]))
    mask = torch.tensor([[0.0, 1.0, 1.0, 1.0, 1.0]])
    found = importance_weights(trainer, sampler, mask)
    assert found.weights[0].tolist() == pytest.approx([1, 2, 1.5, 0.5, 1])
    assert found.quantiles[0] == pytest.approx(0.5) and found.quantiles[-1] == pytest.approx(9)
    assert found.capped == 0.25 and found.tokens == 4
    log = found.log()
    assert len(log) == len(QUANTILES) + 2 and log["importance/capped"] == 0.25
    assert log["importance/q100"] == pytest.approx(9)
    assert list(found.quantiles) == sorted(found.quantiles)


def test_importance_weights_enter_the_loss_and_carry_no_gradient() -> None:
    batch = _batch([1.0, 1.0])
    logp = torch.zeros(2, 3, requires_grad=True)
    weights = importance_weights(logp, torch.full((2, 3), -9.0), batch.mask).weights
    assert not weights.requires_grad and weights.max() == 2
    clipped_policy_loss(logp, torch.zeros(2, 3), batch, importance=weights).loss.backward()
    assert float(logp.grad[0, 1]) == pytest.approx(-0.5), "twice that of weight 1"


def test_rows_without_sampler_log_probabilities_count_with_weight_1() -> None:
    batch = _batch([1.0])
    found = importance_weights(torch.full((1, 3), -5.0), batch.sampler, batch.mask * batch.sampled)
    assert found.weights.tolist() == [[1, 1, 1]] and found.tokens == 0
    assert found.log()["importance/q50"] == 1


def test_extreme_log_probabilities_stay_finite() -> None:
    mask = torch.ones(1, 2)
    far = torch.tensor([[0.0, -1e30]])
    found = importance_weights(far, far.flip(-1), mask)
    assert torch.isfinite(found.weights).all() and found.weights.max() == 2


def test_bad_input() -> None:
    with pytest.raises(InputError, match="no rows to train on"):
        batch_of([])
    with pytest.raises(InputError, match="give 1 or more"):
        importance_weights(torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1), cap=0.5)


def test_dropout_is_off_while_old_log_probabilities_are_computed(
    tmp_path: Path, rows: tuple[Row, ...]
) -> None:
    model = TransformersModel(tiny_llama(tmp_path))._load()[0]  # pyright: ignore[reportPrivateUsage]
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    model.train()
    first, second = old_logprobs(model, rows), old_logprobs(model, rows)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert model.training and not any(part.requires_grad for part in first)


def test_an_adapter_of_peft_is_trained_through(model: Any, rows: tuple[Row, ...]) -> None:
    peft: Any = pytest.importorskip("peft", reason="peft is not installed")
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    adapted = peft.get_peft_model(copy.deepcopy(model), config)
    logp = token_logprobs(adapted, rows)
    assert not torch.allclose(logp, token_logprobs(model, rows)), "the adapter is in the path"
    logp.sum().backward()
    grads = [p.grad for name, p in adapted.named_parameters() if "lora" in name]
    assert grads and all(g is not None and g.abs().sum() > 0 for g in grads)
