"""A LoRA on the default model's 4-bit weights: llama.cpp against torch on the dequantised base."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from centerlm.errors import MissingWeightsError
from centerlm.learning import adapters
from centerlm.learning.adapters import to_gguf
from centerlm.learning.base import dequantised
from centerlm.models.weights import find
from learning.lora import adapted, differences, load, random_lora, told

pytestmark = pytest.mark.local
for module in ("torch", "transformers", "peft", "gguf"):
    pytest.importorskip(module, reason="the train extra is not installed")


@pytest.fixture
def gguf() -> Path:
    pytest.importorskip("xllamacpp", reason="the local extra is not installed")
    try:
        return find("default")
    except MissingWeightsError as error:
        pytest.skip(str(error))


@pytest.fixture
def model(gguf: Path, tmp_path: Path) -> Iterator[Path]:
    yield dequantised(gguf, tmp_path / "model")
    shutil.rmtree(tmp_path / "model")  # half a gigabyte


def test_llama_cpp_and_torch_agree_within_quantisation_error(
    gguf: Path,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """The base itself is .05-.1 nats apart, as llama.cpp also rounds activations to 8 bits."""
    lora = random_lora(model, tmp_path / "lora", size=0.3, target_modules=["q_proj", "k_proj"])
    right = told(gguf, to_gguf(lora, tmp_path / "a.gguf", base=gguf))
    monkeypatch.setattr(adapters, "to_pairs", lambda rows, heads: rows)
    wrong = told(gguf, to_gguf(lora, tmp_path / "b.gguf", base=gguf))
    torch_base: Any = load(model)
    without, noise = differences(torch_base, right), differences(torch_base, told(gguf, None))
    del torch_base
    both = adapted(model, lora)
    found, unordered = differences(both, right), differences(both, wrong)
    figures = {"base": noise, "adapter": found, "left out": without, "not reordered": unordered}
    for name, values in figures.items():
        record_property(name, f"mean {mean(values):.3f}, largest {max(values):.3f}")
    assert mean(noise) < 0.15 and mean(found) < 0.25
    assert mean(without) > 4 * mean(found) and mean(unordered) > 4 * mean(found)
