"""Attention in 16 bits on a CPU: large matrix products, which the processor's own kernels do fast.

torch's attention goes over small blocks there, and takes a row of 768 tokens of the default base
two to three times as long. Here the scores of many tokens of all heads of a group are made at once,
in 16 bits as the products are (torch's are kept in 32), and made again for the backward pass, so
that no more is kept from one to the other than torch keeps (Dao et al. 2022, "FlashAttention").
Every token has to see one at least.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from centerlm.learning.row_trainer import load

NAME = "centerlm"
"""What transformers calls this attention."""
TOKENS = 192
"""Of a block: its scores stay in the processor's cache."""
_SCHEMA = "(Tensor query, Tensor key, Tensor value, Tensor seen, float scale) -> Tensor"
_BACK = (
    "(Tensor grad, Tensor query, Tensor key, Tensor value, Tensor seen, float scale)"
    " -> (Tensor, Tensor, Tensor)"
)


@contextmanager
def whole_products(model: Any) -> Generator[None]:
    """Have a transformers model attend so within the block, and as before after it."""
    before: str = model.config._attn_implementation  # its public setter takes no other way back
    register()
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


@lru_cache(maxsize=1)
def register() -> None:
    """Make the attention known to torch and transformers, once a process."""
    torch, transformers = load("torch"), load("transformers")
    library: Any = torch.library
    forward = library.custom_op("centerlm::attend", _attend, mutates_args=(), schema=_SCHEMA)
    backward = library.custom_op("centerlm::attend_back", _back, mutates_args=(), schema=_BACK)

    def like_query(query: Any, *others: Any) -> Any:
        del others
        return torch.empty_like(query)

    def like_all(grad: Any, *others: Any) -> Any:
        del grad
        return tuple(torch.empty_like(of) for of in others[:3])

    forward.register_fake(like_query)
    backward.register_fake(like_all)

    def keep(ctx: Any, inputs: Any, output: Any) -> None:
        del output
        *tensors, ctx.scale = inputs
        ctx.save_for_backward(*tensors)

    def gradients(ctx: Any, grad: Any) -> Any:
        return (*backward(grad.contiguous(), *ctx.saved_tensors, ctx.scale), None, None)

    forward.register_autograd(gradients, setup_context=keep)
    sdpa = transformers.AttentionInterface()["sdpa"]

    def attention(
        module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **options: Any
    ) -> Any:
        """`query` [B, H, L, d], `key` and `value` [B, G, L, d]; [B, L, H, d]."""
        narrow = query.dtype == torch.bfloat16 and query.device.type == "cpu"
        if not narrow or attention_mask is None or attention_mask.dtype != torch.bool:
            return sdpa(module, query, key, value, attention_mask, **options)
        scale: Any = options.get("scaling")
        out = forward(
            query.contiguous(),
            key.contiguous(),
            value.contiguous(),
            attention_mask,
            float(query.shape[-1] ** -0.5 if scale is None else scale),
        )
        return out.transpose(1, 2).contiguous(), None

    transformers.AttentionInterface.register(NAME, attention)
    masks: Any = transformers.AttentionMaskInterface
    masks.register(NAME, masks()["sdpa"])


def _attend(query: Any, key: Any, value: Any, seen: Any, scale: float) -> Any:
    torch = load("torch")
    out = torch.empty_like(query)
    with torch.autocast("cpu", enabled=False):
        for block in _blocks(query, key, value, seen, scale):
            block.of(out).copy_(block.heads(torch.mm(block.shares(), block.value)))
    return out


def _back(grad: Any, query: Any, key: Any, value: Any, seen: Any, scale: float) -> Any:
    """Gradients of keys and values are added up in 32 bits."""
    torch = load("torch")
    of_query = torch.empty_like(query)
    of_key, of_value = (torch.zeros(of.shape, dtype=torch.float32) for of in (key, value))
    with torch.autocast("cpu", enabled=False):
        for block in _blocks(query, key, value, seen, scale):
            shares, out = block.shares(), block.rows_of(grad)
            block.seen_of(of_value).add_(torch.mm(shares.t(), out))
            of_shares = torch.mm(out, block.value.t())
            of_scores: Any = torch._softmax_backward_data(of_shares, shares, -1, query.dtype)
            block.of(of_query).copy_(block.heads(torch.mm(of_scores, block.key)))
            block.seen_of(of_key).add_(torch.mm(of_scores.t(), block.query))
    return of_query.mul_(scale), of_key.to(key.dtype), of_value.to(value.dtype)


@dataclass(frozen=True, slots=True)
class _Block:
    """Some tokens' queries of all heads of a group, below each other, so that the group's key is
    multiplied with once; `key` and `value` end with the last token that any of them sees.
    """

    query: Any  # [heads * tokens, d], times the scale
    key: Any  # [seen, d]
    value: Any
    hidden: Any  # [tokens, seen]: 0 or minus infinity
    row: int
    group: int
    start: int
    end: int

    def shares(self) -> Any:
        """How much of each token every token takes: rows add up to 1."""
        torch = load("torch")
        scores = torch.mm(self.query, self.key.t())
        scores.view(-1, *self.hidden.shape).add_(self.hidden)
        return torch.softmax(scores, -1)

    def of(self, tensor: Any) -> Any:
        """This block of a [B, H, L, d]: [heads, tokens, d]."""
        heads = self.query.shape[0] // (self.end - self.start)
        first = self.group * heads
        return tensor[self.row, first : first + heads, self.start : self.end]

    def rows_of(self, tensor: Any) -> Any:
        return self.of(tensor).reshape(self.query.shape)

    def heads(self, rows: Any) -> Any:
        return rows.view(-1, self.end - self.start, rows.shape[-1])

    def seen_of(self, tensor: Any) -> Any:
        """What this block sees of a [B, G, L, d]: [seen, d]."""
        return tensor[self.row, self.group, : self.key.shape[0]]


def _blocks(query: Any, key: Any, value: Any, seen: Any, scale: float) -> Iterator[_Block]:
    torch = load("torch")
    groups, heads = key.shape[1], query.shape[1] // key.shape[1]
    for row in range(query.shape[0]):
        mask = seen[row if seen.shape[0] > 1 else 0, 0]
        for start in range(0, query.shape[2], TOKENS):
            part = mask[start : start + TOKENS]
            end, until = start + part.shape[0], int(part.any(0).nonzero()[-1]) + 1
            hidden = torch.zeros((end - start, until), dtype=query.dtype)
            hidden.masked_fill_(~part[:, :until], float("-inf"))
            for group in range(groups):
                queries = query[row, group * heads : (group + 1) * heads, start:end]
                yield _Block(
                    (queries * scale).reshape(-1, query.shape[-1]),
                    key[row, group, :until],
                    value[row, group, :until],
                    hidden,
                    row,
                    group,
                    start,
                    end,
                )
