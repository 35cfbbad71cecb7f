"""Importance ratios over rows: log-probabilities by the trainer, clipped loss, weights, their log.

The ratio of the clipped loss is always trainer to trainer: old log-probabilities are recomputed
with the weights before the first update, so it is 1 there whatever sampled the tokens. What the
sampler itself says (llama.cpp on 4-bit weights, before grammar and at temperature 1) enters only
through `importance_weights`, capped and logged. Tensors are (rows, longest): position i belongs to
token i of a row, predicted from those before it; padding and untrained positions are 0. Needs the
extra `train`; torch is imported when a function is called.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from centerlm.errors import InputError, MissingExtraError
from centerlm.learning.rows import Row, row_weights

if TYPE_CHECKING:
    from torch import Tensor

CAP = 2.0
CLIP = (0.2, 0.2)
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_CHUNK = 1 << 25
"""Logits turned into log-probabilities at a time: 128 MiB in fp32."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as tensors of shape (rows, longest), padded at the end with 0.

    `ids` and `attention` are int64; `mask` is float32, 1 where the loss is taken; `advantages`
    (rows, 1) and `weights` (rows, 1) are float32, weights those of `row_weights`. `sampler` are the
    sampler's log-probabilities and `sampled` (rows, 1) is 1 where a row has them.
    """

    ids: Tensor
    attention: Tensor
    mask: Tensor
    advantages: Tensor
    weights: Tensor
    sampler: Tensor
    sampled: Tensor


@dataclass(frozen=True, slots=True)
class PolicyLoss:
    """`loss` is a scalar tensor. `ratio_mean` is over trained tokens, `ratio_off` the largest
    distance of a ratio from 1, `clipped` the share (0..1) of tokens whose gradient the clip cut.
    """

    loss: Tensor
    ratio_mean: float
    ratio_off: float
    clipped: float


@dataclass(frozen=True, slots=True)
class ImportanceWeights:
    """`weights` (rows, longest) in 0..cap, without gradient; 1 where nothing is known.

    `quantiles` are of the ratios before the cap, at `QUANTILES` (least, 5, 25, 50, 75, 95 %,
    most); `capped` is the share (0..1) of the trained tokens that the cap cut; `tokens` how many
    trained tokens had a log-probability of their sampler.
    """

    weights: Tensor
    quantiles: tuple[float, ...]
    capped: float
    tokens: int

    def log(self) -> dict[str, float]:
        """The distribution as scalars for a training log."""
        named = {
            f"importance/q{100 * q:g}": value
            for q, value in zip(QUANTILES, self.quantiles, strict=True)
        }
        return {**named, "importance/capped": self.capped, "importance/tokens": float(self.tokens)}


def batch_of(rows: Sequence[Row], *, device: str = "cpu") -> Batch:
    """The rows as padded tensors. A row without advantage counts with its reward.

    Raises:
        InputError: there is no row.
        MissingExtraError: torch is not installed.
    """
    if not rows:
        raise InputError("there are no rows to train on; roll out more episodes")
    torch = _torch()
    longest = max(len(row.input_ids) for row in rows)

    def padded(values: Sequence[Sequence[float]], dtype: Any) -> Any:
        filled = [[*v, *[0] * (longest - len(v))] for v in values]
        return torch.tensor(filled, dtype=dtype, device=device)

    def column(values: Sequence[float]) -> Any:
        return torch.tensor(values, dtype=torch.float32, device=device)[:, None]

    gains = [row.reward if row.advantage is None else row.advantage for row in rows]
    return Batch(
        ids=padded([row.input_ids for row in rows], torch.long),
        attention=padded([[1] * len(row.input_ids) for row in rows], torch.long),
        mask=padded([row.mask for row in rows], torch.float32),
        advantages=column(gains),
        weights=column(row_weights(rows)),
        sampler=padded([row.logprobs or () for row in rows], torch.float32),
        sampled=column([float(row.logprobs is not None) for row in rows]),
    )


def token_logprobs(model: Any, rows: Sequence[Row] | Batch) -> Tensor:
    """Natural log-probability of each sampled token, (rows, longest); 0 where the mask is 0.

    `model` is a causal language model of transformers, also under PEFT. The head is computed only
    at positions that predict a trained token. Gradients flow unless they are switched off
    (`torch.no_grad`); dropout must be off, or the ratio on fresh samples is not 1.

    Raises:
        InputError: there is no row.
        MissingExtraError: torch is not installed.
    """
    torch = _torch()
    batch = rows if isinstance(rows, Batch) else batch_of(rows, device=str(model.device))
    # Rows end with what was sampled: aligned at their ends, the head is needed in few columns.
    ids, attention, mask = (_at_the_end(torch, t, batch) for t in _layout(batch))
    trained = mask[:, 1:].bool()
    keep = trained.any(0).nonzero()[:, 0]
    out = model(
        input_ids=ids,
        attention_mask=attention,
        position_ids=(attention.cumsum(-1) - 1).clamp(min=0),
        logits_to_keep=keep,
        use_cache=False,
    )
    where = trained[:, keep]
    logits: Any = out.logits[where]  # (trained tokens, vocabulary)
    targets: Any = ids[:, 1:][:, keep][where]
    result = torch.zeros(batch.ids.shape, dtype=torch.float32, device=logits.device)
    return result.masked_scatter(batch.mask.bool(), _in_chunks(torch, logits, targets))


def old_logprobs(model: Any, rows: Sequence[Row], *, at_once: int = 8) -> list[Tensor]:
    """What `token_logprobs` gives before the first update: one tensor (row length,) a row.

    Without gradient and with dropout off, `at_once` rows at a time; the model is left in the mode
    (training or not) it was in.
    """
    torch = _torch()
    training = bool(model.training)
    model.eval()
    try:
        with torch.no_grad():
            result: list[Any] = []
            for start in range(0, len(rows), max(at_once, 1)):
                part = rows[start : start + max(at_once, 1)]
                found = token_logprobs(model, part)
                result += [found[i, : len(row.input_ids)] for i, row in enumerate(part)]
    finally:
        model.train(training)
    return result


def stacked(parts: Sequence[Tensor], batch: Batch) -> Tensor:
    """Per-row tensors (row length,) as one padded (rows, longest) like the batch's own."""
    torch = _torch()
    result = torch.zeros(batch.ids.shape, dtype=torch.float32, device=batch.ids.device)
    for i, part in enumerate(parts):
        result[i, : len(part)] = part
    return result


def clipped_policy_loss(
    logp: Tensor,
    old_logp: Tensor,
    batch: Batch,
    *,
    importance: Tensor | None = None,
    clip: tuple[float, float] = CLIP,
) -> PolicyLoss:
    """The clipped surrogate of PPO (Schulman et al. 2017, equation 7), as a loss.

    Over trained tokens: - sum w v min(r A, clamp(r, 1 - clip[0], 1 + clip[1]) A) / episodes, with
    r = exp(logp - old_logp), A the row's advantage, w its weight (1 / trained tokens of its
    episode) and v the importance weight of the token (1 where `importance` is None).
    All tensors are (rows, longest).
    """
    torch = _torch()
    mask = batch.mask
    ratio = torch.exp((logp - old_logp.detach()) * mask)
    held = ratio.clamp(1 - clip[0], 1 + clip[1])
    gain = torch.minimum(ratio * batch.advantages, held * batch.advantages)
    weights = batch.weights * mask
    if importance is not None:
        weights = weights * importance.detach()
    loss = -(gain * weights).sum() / (batch.weights * mask).sum()
    trained = mask.bool()
    ratios = ratio.detach()[trained]
    cut = (held * batch.advantages < ratio * batch.advantages).detach()[trained]
    return PolicyLoss(
        loss, float(ratios.mean()), float((ratios - 1).abs().max()), float(cut.float().mean())
    )


def importance_weights(
    trainer_logp: Tensor, sampler_logp: Tensor, mask: Tensor, *, cap: float = CAP
) -> ImportanceWeights:
    """min(exp(trainer - sampler), cap) for each trained token: truncated importance sampling.

    `mask` (rows, longest) is 1 where both are known: `batch.mask * batch.sampled`. Elsewhere the
    weight is 1. `trainer_logp` are the recomputed old log-probabilities, before any update.

    Raises:
        InputError: the cap is below 1, so that equal models would be weighted down.
    """
    if not cap >= 1:
        raise InputError(f"the cap of importance weights is {cap:g}; give 1 or more")
    torch = _torch()
    known = mask.bool()
    # A difference above 60 is capped in any case, and its exponential stays finite.
    difference = (trainer_logp.detach() - sampler_logp).clamp(-60, 60)
    ratio = torch.where(known, torch.exp(difference), torch.ones_like(trainer_logp))
    ratios = ratio[known]
    tokens = int(known.sum())
    if not tokens:
        return ImportanceWeights(ratio, (1.0,) * len(QUANTILES), 0.0, 0)
    ordered = ratios.sort().values
    # Not torch.quantile, which takes no more than 16 million values.
    places = [round(q * (tokens - 1)) for q in QUANTILES]
    return ImportanceWeights(
        ratio.clamp(max=cap),
        tuple(float(ordered[place]) for place in places),
        float((ratios > cap).float().mean()),
        tokens,
    )


def _layout(batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    return batch.ids, batch.attention, batch.mask


def _at_the_end(torch: Any, tensor: Any, batch: Batch) -> Any:
    """The rows of a padded tensor moved so that they end, rather than begin, together."""
    longest = tensor.shape[1]
    shift = longest - batch.attention.sum(-1, keepdim=True)
    places = torch.arange(longest, device=tensor.device)[None, :]
    return tensor.gather(1, (places - shift) % longest)


def _in_chunks(torch: Any, logits: Any, targets: Any) -> Any:
    """Log-probabilities of the targets, one chunk's softmax at a time: it is computed again for its
    gradient rather than held.
    """
    size = max(_CHUNK // logits.shape[-1], 1)
    keep: Any = importlib.import_module("torch.utils.checkpoint").checkpoint
    return torch.cat(
        [
            keep(_chosen, torch, part, target, use_reentrant=False)
            for part, target in zip(logits.split(size), targets.split(size), strict=True)
        ]
    )


def _chosen(torch: Any, logits: Any, targets: Any) -> Any:
    return torch.log_softmax(logits.float(), -1).gather(-1, targets[:, None])[:, 0]


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ModuleNotFoundError:
        raise MissingExtraError("torch", "train") from None
