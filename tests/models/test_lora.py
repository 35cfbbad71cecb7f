"""GGUF LoRA headers: what is read, what is refused, and the adapter that ships."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from gguf_file import LORA, write_base, write_gguf, write_lora

from centerlm.errors import InputError, MissingWeightsError
from centerlm.models import lora
from centerlm.models.chat import FAMILY
from centerlm.models.gguf import read_gguf
from centerlm.models.lora import check_base, read_lora, shipped_adapter
from centerlm.models.weights import REGISTRY


def test_what_an_adapter_says_is_read(tmp_path: Path) -> None:
    path = write_lora(tmp_path / "a.gguf", (6, 4), rank=2, notes="Worlds.", prompts="chatml-1")
    found = read_lora(path)
    assert found.shapes == {"blk.29.attn_output.weight": (6, 2, 4)}
    assert (found.alpha, found.notes, found.prompts, found.base_sha256) == (
        1.0, "Worlds.", "chatml-1", None,
    )  # fmt: skip
    assert found.path == path


def test_the_layout_says_where_tensors_are(tmp_path: Path) -> None:
    shapes = {"a": (3, 5), "b": (2, 4)}
    layout = read_gguf(write_gguf(tmp_path / "x", {}, shapes)).layout
    assert {name: tensor.shape for name, tensor in layout.items()} == shapes
    data = (tmp_path / "x").read_bytes()
    for tensor in layout.values():
        assert data[tensor.offset : tensor.offset + 4] == b"\0\0\0?"  # 0.5
    assert layout["b"].offset - layout["a"].offset == 64


def test_its_own_base_is_taken(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base.gguf")
    sha256 = hashlib.sha256(base.read_bytes()).hexdigest()
    check_base(write_lora(tmp_path / "a.gguf", base_sha256=sha256, prompts=FAMILY), base)
    check_base(write_lora(tmp_path / "of_another_tool.gguf"), read_gguf(base))


def test_another_base_is_refused(tmp_path: Path) -> None:
    base = write_base(tmp_path / "base.gguf")

    def fails(adapter: Path, base: Path, words: str) -> None:
        with pytest.raises(InputError, match=words) as caught:
            check_base(adapter, base)
        assert not isinstance(caught.value, MissingWeightsError)

    a = write_lora(tmp_path / "a.gguf")
    fails(a, write_base(tmp_path / "1", (576, 577)), r"576 x 577 there, 576 x 576 in the adapter")
    fails(a, write_base(tmp_path / "2", architecture="gemma3"), "it is for llama, this is gemma3")
    fails(a, write_gguf(tmp_path / "3", {"general.architecture": "llama"}, {"x": (1, 1)}), "no blk")
    fails(write_lora(tmp_path / "b", base_sha256="ab" * 32), base, "SHA-256 abababababab")
    old = write_lora(tmp_path / "c", prompts="chatml-0")
    fails(old, base, rf"prompts of the form chatml-0, and this version writes {FAMILY}; train")


def test_files_that_are_no_adapter(tmp_path: Path) -> None:
    whole = write_lora(tmp_path / "a.gguf", (8, 4), rank=2)

    def fails(path: Path, words: str) -> None:
        with pytest.raises(MissingWeightsError, match=words):
            check_base(path, write_base(tmp_path / "base.gguf", (8, 4)))

    fails(tmp_path / "none.gguf", "there is no adapter at")
    fails(tmp_path, "there is no adapter at")
    data, cut = whole.read_bytes(), tmp_path / "cut.gguf"
    for size in range(0, len(data) - 1, 7):
        cut.write_bytes(data[:size])
        fails(cut, r"the adapter .*cut.gguf is truncated or not a GGUF file; .*adapter export")
    fails(write_base(tmp_path / "b.gguf"), "not a LoRA adapter in GGUF form")
    a, b = "blk.0.attn_q.weight.lora_a", "blk.0.attn_q.weight.lora_b"
    fails(write_gguf(tmp_path / "c", LORA, {a: (2, 4)}), "has no second half")
    fails(write_gguf(tmp_path / "d", LORA, {b: (4, 2)}), "has no second half")
    fails(write_gguf(tmp_path / "e", LORA, {"x": (4, 2)}), "has no second half")
    fails(write_gguf(tmp_path / "f", LORA, {a: (2, 4), b: (6, 3)}), "6 x 3 and 2 x 4")
    fails(write_gguf(tmp_path / "g", LORA, {}), "not a LoRA adapter")


def test_the_adapter_that_ships_fits_the_default_model() -> None:
    path = shipped_adapter()
    if path is None:
        pytest.skip("this package ships no adapter")
    assert path.stat().st_size <= 12_000_000
    assert path.with_suffix(".md").is_file()
    found = read_lora(path)
    assert found.base_sha256 == REGISTRY["default"].files[0].sha256
    assert found.prompts == FAMILY


def test_it_is_only_found_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora, "ADAPTERS", tmp_path)
    assert shipped_adapter() is None
    write_lora(tmp_path / "default.gguf")
    assert shipped_adapter() == tmp_path / "default.gguf"
