"""Attention by whole products gives what torch's own gives, forward and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from centerlm.learning.attention import TOKENS, register, whole_products
from centerlm.learning.base import load_base
from learning.tiny import tiny_model

torch: Any = pytest.importorskip("torch", reason="training needs the extra train")
pytest.importorskip("transformers", reason="training needs the extra train")

BATCH, HEADS, GROUPS, LENGTH, SIZE = 2, 6, 2, TOKENS + 70, 16


def tensors(seed: int) -> list[Any]:
    """Query, key, value, and a gradient of what comes of them, in 16 bits."""
    made = torch.Generator().manual_seed(seed)
    heads = (HEADS, GROUPS, GROUPS, HEADS)
    return [torch.randn(BATCH, n, LENGTH, SIZE, generator=made).bfloat16() for n in heads]


def masks(rows: int) -> Any:
    """Every token sees itself; beside that, rows differ, and one may look ahead."""
    seen = torch.ones(rows, 1, LENGTH, LENGTH, dtype=torch.bool).tril()
    seen[0, 0, 90:, 20:80] = False
    seen[-1, 0, 5, LENGTH - 3] = True
    return seen | torch.eye(LENGTH, dtype=torch.bool)


def exact(query: Any, key: Any, value: Any, grad: Any, seen: Any) -> list[Any]:
    """What torch gives in 32 bits, and its gradients."""
    given = [t.float().requires_grad_() for t in (query, key, value)]
    wide = [given[0], *(t.repeat_interleave(HEADS // GROUPS, 1) for t in given[1:])]
    out = torch.nn.functional.scaled_dot_product_attention(*wide, attn_mask=seen)
    out.backward(grad.float())
    return [out.detach(), *(t.grad for t in given)]


@pytest.mark.parametrize("rows", [1, BATCH])
def test_values_and_gradients_are_those_of_torch(rows: int) -> None:
    register()
    query, key, value, grad = tensors(rows)
    seen = masks(rows)
    given = [t.clone().requires_grad_() for t in (query, key, value)]
    out = torch.ops.centerlm.attend(*given, seen, SIZE**-0.5)
    out.backward(grad)
    found = [out.detach(), *(t.grad for t in given)]
    for ours, theirs in zip(found, exact(query, key, value, grad, seen), strict=True):
        assert ours.dtype == torch.bfloat16
        assert float((ours.float() - theirs).norm() / theirs.norm()) < 0.01


def test_the_operators_keep_the_rules_of_compiling() -> None:
    register()
    query, key, value, _ = tensors(0)
    given = [t.requires_grad_() for t in (query, key, value)]
    checks = ("test_schema", "test_faketensor", "test_autograd_registration")
    operator = torch.ops.centerlm.attend.default
    torch.library.opcheck(operator, (*given, masks(1), 0.25), test_utils=checks)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_attends_so_only_within_the_block(tmp_path: Path, dtype: str) -> None:
    model, _ = load_base(tiny_model(tmp_path / "tiny"), dtype=dtype)
    ids = torch.arange(3, 3 + 40)[None]
    mask = torch.ones(1, 1, 40, 40, dtype=torch.bool).tril()
    with torch.no_grad():
        before = model(input_ids=ids, attention_mask=mask).logits
        with whole_products(model):
            within = model(input_ids=ids, attention_mask=mask).logits
            alone = model(input_ids=ids).logits  # no mask: torch's own
    assert model.config._attn_implementation == "sdpa"
    assert torch.equal(model(input_ids=ids, attention_mask=mask).logits, before)
    if dtype == "float32":
        assert torch.equal(within, before)
    assert not torch.isnan(within).any()
    assert float((within - before).float().norm() / before.float().norm()) < 0.03
    assert float((alone - before).float().norm() / before.float().norm()) < 0.03
