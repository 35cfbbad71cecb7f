"""How well a model in torch gives the replies of held-out examples: the guard of every round.

Teacher-forced: an example is right if, shown the reply so far, the model's most likely next token
is the right one at every place of the reply. That is what greedy decoding would have written, so
the score is exact match of greedy replies, at the price of one forward pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from centerlm.learning.encoding import encode_all
from centerlm.learning.example import TrainingExample
from centerlm.learning.packing import Tokens, families, pack_row
from centerlm.learning.row_trainer import ScaledRow, collate, load, trained_logits
from centerlm.models.chat import Encoder


def exact_replies(
    model: Any, tokenizer: Encoder, examples: Sequence[TrainingExample], *, row_tokens: int = 1024
) -> dict[str, float]:
    """The share of right replies by act, 0 to 1. Examples longer than a row are left out.

    The model is left in evaluation mode.
    """
    tokens = list(encode_all(examples, tokenizer, max_tokens=row_tokens))
    right: dict[str, list[bool]] = {}
    for example, hit in zip(
        tokens, right_replies(model, tokens, row_tokens=row_tokens), strict=True
    ):
        right.setdefault(example.act, []).append(hit)
    return {act: sum(hits) / len(hits) for act, hits in sorted(right.items())}


def reply_losses(
    model: Any, tokenizer: Encoder, examples: Sequence[TrainingExample], *, row_tokens: int = 1024
) -> dict[str, float]:
    """The mean negative log-likelihood of a token of a reply (nats), by act. Examples longer than a
    row are left out.

    The model is left in evaluation mode.
    """
    torch, functional = load("torch"), load("torch.nn.functional")
    model.eval()
    device = next(model.parameters()).device
    sums: dict[str, tuple[float, int]] = {}
    tokens = encode_all(examples, tokenizer, max_tokens=row_tokens)
    with torch.no_grad():
        for group in families(list(tokens), row_tokens):
            inputs = collate([ScaledRow(pack_row(group), 1.0)])
            inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
            logits = trained_logits(model, inputs).float()
            loss = float(functional.cross_entropy(logits, inputs["targets"], reduction="sum"))
            total, count = sums.get(group[0].act, (0.0, 0))
            sums[group[0].act] = total + loss, count + len(inputs["targets"])
    return {act: total / count for act, (total, count) in sorted(sums.items())}


def right_replies(model: Any, tokens: Sequence[Tokens], *, row_tokens: int = 1024) -> list[bool]:
    """Of which examples greedy decoding would give the whole reply, in their order.

    The model is left in evaluation mode.
    """
    torch = load("torch")
    model.eval()
    found: dict[Tokens, bool] = {}
    with torch.no_grad():
        for group in families(tokens, row_tokens):
            found |= zip(_ordered(group), _right(model, group), strict=True)
    return [found[example] for example in tokens]


def _ordered(group: Sequence[Tokens]) -> list[Tokens]:
    """The examples in the order in which a packed row trains them."""
    return sorted(group, key=lambda example: example.ids)


def _right(model: Any, group: Sequence[Tokens]) -> list[bool]:
    """Whether each example's whole reply is what the model would have written."""
    inputs = collate([ScaledRow(pack_row(group), 1.0)])
    device = next(model.parameters()).device
    inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
    hits: list[bool] = (trained_logits(model, inputs).argmax(-1) == inputs["targets"]).tolist()
    found: list[bool] = []
    at = 0
    for example in _ordered(group):
        end = at + len(example.ids) - example.prompt
        found.append(all(hits[at:end]))
        at = end
    return found


def lost(before: Mapping[str, float], after: Mapping[str, float], tolerance: float) -> list[str]:
    """The acts that lost more than `tolerance`, in words: "absorb 0.61 -> 0.55"."""
    return [
        f"{act} {score:.3f} -> {after[act]:.3f}"
        for act, score in before.items()
        if act in after and after[act] < score - tolerance
    ]
