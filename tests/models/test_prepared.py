"""The faster copy of a model with 4-bit weights."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

import pytest
from gguf_file import entry, string, write_gguf

from centerlm.models.gguf import read_gguf
from centerlm.models.prepared import is_slow, prepared, requantised

numpy = pytest.importorskip("numpy")

ROWS, COLUMNS = 3, 64


def q4_1(values: list[list[int]], scale: float, least: float) -> bytes:
    """Blocks of 32 levels (0-15) each, as ggml packs them."""
    blocks = b""
    for levels in values:
        packed = bytes(low | high << 4 for low, high in zip(levels[:16], levels[16:], strict=True))
        blocks += struct.pack("<ee", scale, least) + packed
    return blocks


def slow_model(path: Path, weights: bytes) -> Path:
    """A file with a 4-bit matrix between two 32-bit tensors."""
    data = b"GGUF" + struct.pack("<IQQ", 3, 3, 2)
    data += string("general.architecture") + entry("llama") + string("x.y") + entry(2.5)
    floats = struct.pack("<8f", *range(8))
    at = 0
    for name, kind, shape, raw in (
        ("a", 0, (8,), floats),
        ("w", 3, (COLUMNS, ROWS), weights),
        ("b", 0, (8,), floats),
    ):
        data += string(name) + struct.pack("<I", len(shape))
        data += struct.pack(f"<{len(shape)}QIQ", *shape, kind, at)
        at += -(-len(raw) // 32) * 32
    data += bytes(-len(data) % 32)
    for raw in (floats, weights, floats):
        data += raw + bytes(-len(raw) % 32)
    path.write_bytes(data)
    return path


def dequantised(raw: bytes) -> list[float]:
    """Weights of Q8_0 blocks."""
    found: list[float] = []
    for at in range(0, len(raw), 34):
        scale, *levels = struct.unpack_from("<e32b", raw, at)
        found += [scale * level for level in levels]
    return found


def test_weights_are_kept_within_half_a_step() -> None:
    rng = Random(0)
    levels = [[rng.randrange(16) for _ in range(32)] for _ in range(40)]
    scale, least = 0.125, -0.75
    got = dequantised(requantised(q4_1(levels, scale, least)))
    for block, values in enumerate(levels):
        true = [scale * level + least for level in values]
        most = max(map(abs, true))
        for weight, kept in zip(true, got[32 * block :], strict=False):
            assert abs(weight - kept) <= most / 127 * 0.55


def test_a_block_of_zeros_stays_zero() -> None:
    assert dequantised(requantised(q4_1([[0] * 32], 1.0, 0.0))) == [0.0] * 32


def test_all_else_in_the_file_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path / "home"))
    rng = Random(1)
    weights = q4_1([[rng.randrange(16) for _ in range(32)] for _ in range(6)], 0.5, -2.0)
    header = read_gguf(slow_model(tmp_path / "m.gguf", weights))
    assert is_slow(header)
    copy = read_gguf(prepared(header))
    assert copy.path != header.path
    assert copy.metadata == header.metadata
    assert {n: t.shape for n, t in copy.layout.items()} == {
        n: t.shape for n, t in header.layout.items()
    }
    assert [t.kind for t in copy.layout.values()] == [0, 8, 0]
    data = copy.path.read_bytes()
    for name in ("a", "b"):
        assert struct.unpack_from("<8f", data, copy.layout[name].offset) == tuple(range(8))
    place = copy.layout["w"]
    assert data[place.offset : place.offset + place.length] == requantised(weights)


def test_it_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path / "home"))
    header = read_gguf(slow_model(tmp_path / "m.gguf", q4_1([[3] * 32] * 6, 1.0, 0.0)))
    first = prepared(header)
    before = first.stat().st_mtime_ns
    assert prepared(header) == first
    assert first.stat().st_mtime_ns == before


def test_a_model_without_such_weights_is_used_as_it_is(tmp_path: Path) -> None:
    header = read_gguf(write_gguf(tmp_path / "m.gguf", {"general.architecture": "llama"}, {}))
    assert prepared(header) == header.path


def test_where_no_copy_can_be_written_the_model_is_used_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "home"
    taken.write_text("a file stands where the data folder should be")
    monkeypatch.setenv("CENTERLM_HOME", str(taken))
    header = read_gguf(slow_model(tmp_path / "m.gguf", q4_1([[3] * 32] * 6, 1.0, 0.0)))
    assert prepared(header) == header.path
