"""GGUF files made by hand: small, with any metadata, and every value of their tensors the same."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path

LORA = {
    "general.architecture": "llama",
    "general.type": "adapter",
    "adapter.type": "lora",
    "adapter.lora.alpha": 1.0,
}


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def entry(value: str | float) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + string(value)
    return struct.pack("<If", 6, value)


def write_gguf(
    path: Path,
    metadata: Mapping[str, str | float],
    shapes: Mapping[str, tuple[int, int]],
    value: float = 0.5,
) -> Path:
    """Write 32-bit tensors of the `shapes` (rows, columns)."""
    data = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(metadata))
    for key, each in metadata.items():
        data += string(key) + entry(each)
    at = 0
    for name, (rows, columns) in shapes.items():
        data += string(name) + struct.pack("<IQQIQ", 2, columns, rows, 0, at)
        at += -(-rows * columns * 4 // 32) * 32
    data += bytes(-len(data) % 32)
    for shape in shapes.values():
        count = math.prod(shape)
        values = struct.pack(f"<{count}f", *([value] * count))
        data += values + bytes(-len(values) % 32)
    path.write_bytes(data)
    return path


def write_lora(
    path: Path, target: tuple[int, int] = (576, 576), rank: int = 1, value: float = 0.5, **more: str
) -> Path:
    """A LoRA on the last layer's attention output of SmolLM2-135M, or of a `target` shape.

    `more` are centerlm's own entries, e.g. `prompts="chatml-1"`.
    """
    ours = {f"centerlm.adapter.{key}": each for key, each in more.items()}
    name = "blk.29.attn_output.weight"
    shapes = {f"{name}.lora_a": (rank, target[1]), f"{name}.lora_b": (target[0], rank)}
    return write_gguf(path, {**LORA, **ours}, shapes, value)


def write_base(
    path: Path, target: tuple[int, int] = (576, 576), architecture: str = "llama"
) -> Path:
    """A file with the one tensor that `write_lora` adapts."""
    shapes = {"blk.29.attn_output.weight": target}
    return write_gguf(path, {"general.architecture": architecture}, shapes)
