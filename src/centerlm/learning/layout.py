"""How a Llama's weights are named and laid out in torch (transformers) and in GGUF (llama.cpp).

transformers rotates the two halves of a head against each other, llama.cpp neighbouring rows, so
GGUF holds the rows of the query and key projections reordered: `to_pairs`, undone by `to_halves`.
What is added to those rows (a LoRA's B matrix) is reordered in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import ndarray

    Array = ndarray[Any, Any]

_WHOLE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_PARTS = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_PARTS_BACK = {theirs: ours for ours, theirs in _PARTS.items()}
_WHOLE_BACK = {theirs: ours for ours, theirs in _WHOLE.items()}


def torch_name(name: str) -> str | None:
    """`blk.3.attn_q.weight` -> `model.layers.3.self_attn.q_proj.weight`; None where unknown."""
    if name in _WHOLE:
        return _WHOLE[name]
    match name.split("."):
        case ["blk", layer, part, "weight"] if part in _PARTS and layer.isdecimal():
            return f"model.layers.{layer}.{_PARTS[part]}.weight"
        case _:
            return None


def gguf_name(name: str) -> str | None:
    """`torch_name` backwards."""
    if name in _WHOLE_BACK:
        return _WHOLE_BACK[name]
    match name.split(".", 3):
        case ["model", "layers", layer, part] if layer.isdecimal():
            ours = _PARTS_BACK.get(part.removesuffix(".weight"))
            return f"blk.{layer}.{ours}.weight" if ours and part.endswith(".weight") else None
        case _:
            return None


def reordered_heads(name: str, heads: int, kv_heads: int) -> int:
    """Heads of the GGUF tensor `name` if its rows are reordered in GGUF, else 0."""
    match name.split("."):
        case ["blk", _, "attn_q", *_]:
            return heads
        case ["blk", _, "attn_k", *_]:
            return kv_heads
        case _:
            return 0


def to_pairs(rows: Array, heads: int) -> Array:
    """(heads * d, n) of torch as GGUF has it: row i and row i + d/2 of a head become neighbours."""
    return _swap(rows, heads, 2, rows.shape[0] // heads // 2)


def to_halves(rows: Array, heads: int) -> Array:
    """(heads * d, n) of GGUF as torch has it."""
    return _swap(rows, heads, rows.shape[0] // heads // 2, 2)


def _swap(rows: Array, heads: int, outer: int, inner: int) -> Array:
    import numpy

    split = rows.reshape(heads, outer, inner, *rows.shape[1:])
    return numpy.ascontiguousarray(split.swapaxes(1, 2).reshape(rows.shape))
