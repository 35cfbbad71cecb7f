"""LoRA adapters between PEFT, GGUF and merged weights, on a tiny random Llama."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from centerlm.errors import InputError, MissingWeightsError
from centerlm.learning import adapters
from centerlm.learning.adapters import check_base, merge, to_gguf, to_peft
from centerlm.models.base import Message, Prompt, Sampling
from centerlm.models.llama_cpp import LlamaCppModel
from centerlm.models.llama_server import Adapter
from centerlm.models.lora import read_lora
from learning.tiny import tiny_gguf, tiny_model

torch: Any = pytest.importorskip("torch", reason="the train extra is not installed")
library: Any = pytest.importorskip("transformers", reason="the train extra is not installed")
peft: Any = pytest.importorskip("peft", reason="the train extra is not installed")
pytest.importorskip("gguf", reason="the train extra is not installed")

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("home")
        patch.setenv("CENTERLM_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def model(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def base(model: Path) -> Path:
    return tiny_gguf(model, model.parent / "tiny.gguf")


def random_lora(model: Path, out: Path, *, size: float = 0.3, **options: Any) -> Path:
    """A LoRA with random B, saved by PEFT itself; big enough to change what the model says."""
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ALL, **options}
    adapted = peft.get_peft_model(
        library.AutoModelForCausalLM.from_pretrained(model), peft.LoraConfig(**settings)
    )
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape, generator=random) * size)
    adapted.save_pretrained(out)
    return out


@pytest.fixture(scope="module")
def lora(model: Path) -> Path:
    return random_lora(model, model.parent / "lora")
