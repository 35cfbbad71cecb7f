"""Faster training is the same training: in 16 bits, and with compiled layers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from centerlm.errors import InputError
from centerlm.learning.train_settings import in_16_bits
from centerlm.learning.training import train
from learning.taught import SETTINGS, examples, loaded
from learning.tiny import tiny_model


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("base") / "tiny")


def curve(base: Path, out: Path, **changed: Any) -> list[float]:
    """The losses of a run's updates."""
    train(examples(), *loaded(base), out, replace(SETTINGS, **changed), base="tiny")
    lines = (out / "curves.jsonl").read_text().splitlines()
    return [json.loads(line)["loss"] for line in lines]


@pytest.fixture(scope="module")
def plain(base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    losses = curve(base, tmp_path_factory.mktemp("runs") / "plain")
    assert len(losses) > 4 and losses[-1] < losses[0]
    return losses


def test_sixteen_bits_learn_as_thirty_two(base: Path, plain: list[float], tmp_path: Path) -> None:
    from centerlm.learning.base import load_base
    from centerlm.models.transformers import PlainEncoder

    narrow = curve(base, tmp_path / "narrow", dtype="bfloat16")
    assert narrow == pytest.approx(plain, rel=0.02)
    model, tokenizer = load_base(str(base))
    done = train(
        examples(4), model, PlainEncoder(tokenizer), tmp_path / "one",
        replace(SETTINGS, dtype="bfloat16", max_updates=1), base="tiny",
    )  # fmt: skip
    kinds = {str(p.dtype) for p in done.model.parameters() if p.requires_grad}
    assert kinds == {"torch.float32"}
    ids = tokenizer("wells", return_tensors="pt").input_ids
    assert done.model(input_ids=ids).logits.isfinite().all()  # also outside of autocast


@pytest.mark.parametrize("name", ["amx_bf16", "avx512_bf16", "avx512_f"])
def test_sixteen_bits_are_taken_where_the_processor_multiplies_them(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {name: True})
    settings = replace(SETTINGS, dtype="auto")
    assert in_16_bits(settings) == name.endswith("bf16")


@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs a C++ compiler")
def test_compiled_layers_learn_the_same(base: Path, plain: list[float], tmp_path: Path) -> None:
    assert curve(base, tmp_path / "compiled", compile=True) == pytest.approx(plain, rel=1e-3)
    both = curve(base, tmp_path / "both", compile=True, dtype="bfloat16")
    assert both == pytest.approx(plain, rel=0.02)


def test_no_compiler_is_one_sentence(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(InputError, match="there is no no-such-compiler: install one"):
        curve(base, tmp_path / "none", compile=True)
    assert not (tmp_path / "none" / "adapter").exists()
