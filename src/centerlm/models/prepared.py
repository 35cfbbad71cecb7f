"""A copy of a model that llama.cpp computes faster on a CPU: 4-bit Q4_1 weights as 8-bit Q8_0.

llama.cpp has no matrix kernel for Q4_1, so that a prompt is read hardly faster than text is
written; for Q8_0 it has one. A block of Q4_1 has 16 evenly spaced values, which Q8_0 keeps within
half of 1/127 of its largest.
Block formats: https://github.com/ggml-org/llama.cpp/blob/master/ggml/src/ggml-common.h
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerlm.models.gguf import BLOCKS, GGUF
from centerlm.models.weights import file_sha256, home, write_atomically

if TYPE_CHECKING:
    from numpy import ndarray

    Array = ndarray[Any, Any]

PREPARATION = "q8_0"
"""Part of the identity of models that run on a CPU: changes whenever their copies do."""

SLOW, FAST = 3, 8
"""The ggml types Q4_1 and Q8_0."""
BLOCK = 32
"""Weights of a block of either."""
_SLOW_BYTES, _FAST_BYTES = 20, 34
_ALIGNMENT = 32


def is_slow(header: GGUF) -> bool:
    """Whether a model has weights of the slow type, and none whose length is not known here."""
    kinds = {tensor.kind for tensor in header.layout.values()}
    return SLOW in kinds and kinds <= BLOCKS.keys()


def prepared(header: GGUF) -> Path:
    """The faster copy of a model, made the first time (about two seconds; 145 MB for the default
    model) and kept in the data folder; the model's own file where it has none, or where the data
    folder cannot be written: only speed depends on it.
    """
    if not is_slow(header):
        return header.path
    name = f"{header.path.stem}-{file_sha256(header.path)[:16]}-q8_0.gguf"
    target = home() / "models" / "prepared" / name
    if not target.is_file():
        try:
            write_atomically(target, b"".join(_rewritten(header)))
        except OSError:
            return header.path
    return target


def _rewritten(header: GGUF) -> Iterator[bytes]:
    """The file with its entries as they are, and the slow tensors in the other type."""
    data = header.path.read_bytes()
    yield data[: header.table]
    at = 0
    infos: list[bytes] = []
    for name, tensor in header.layout.items():
        slow = tensor.kind == SLOW
        written = name.encode()
        infos.append(struct.pack("<Q", len(written)) + written)
        shape = tensor.shape[::-1]
        infos.append(struct.pack(f"<I{len(shape)}Q", len(shape), *shape))
        infos.append(struct.pack("<IQ", FAST if slow else tensor.kind, at))
        size = _size(tensor.shape) if slow else tensor.length
        at += -(-size // _ALIGNMENT) * _ALIGNMENT
    table = b"".join(infos)
    yield table
    yield bytes(-(header.table + len(table)) % _ALIGNMENT)
    for tensor in header.layout.values():
        raw = data[tensor.offset : tensor.offset + tensor.length]
        if tensor.kind == SLOW:
            raw = requantised(raw)
        yield raw
        yield bytes(-len(raw) % _ALIGNMENT)


def _size(shape: tuple[int, ...]) -> int:
    return math.prod(shape) // BLOCK * _FAST_BYTES


def requantised(raw: bytes) -> bytes:
    """Blocks of Q4_1 as blocks of Q8_0."""
    import numpy

    blocks = numpy.frombuffer(raw, numpy.uint8).reshape(-1, _SLOW_BYTES)
    scale, least = (blocks[:, i : i + 2].copy().view(numpy.float16) for i in (0, 2))
    packed = blocks[:, 4:]
    levels = numpy.concatenate([packed & 15, packed >> 4], axis=1)
    weights: Array = levels * scale.astype(numpy.float32) + least.astype(numpy.float32)
    step = (numpy.abs(weights).max(axis=1, keepdims=True) / 127).astype(numpy.float16)
    divisor = numpy.where(step == 0, 1, step).astype(numpy.float32)
    rounded = numpy.clip(numpy.rint(weights / divisor), -127, 127).astype(numpy.int8)
    return numpy.concatenate([step.view(numpy.uint8), rounded.view(numpy.uint8)], axis=1).tobytes()
