"""What tests of training share: small examples of all acts, a tiny base, quick settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from centerlm.acts import AbsorbView, Note
from centerlm.center import absorb_prompt
from centerlm.learning.example import Act, TrainingExample
from centerlm.learning.train_settings import TrainSettings

pytest.importorskip("torch", reason="training needs the extra train")
pytest.importorskip("peft", reason="training needs the extra train")

SETTINGS = TrainSettings(
    row_tokens=400, rows=2, epochs=2, rank=2, alpha=4, save_every=2, device="cpu", threads=1, seed=3
)


def examples(count: int = 24) -> list[TrainingExample]:
    """Examples of three acts that share notes in fours, as in use."""
    acts: tuple[Act, ...] = ("decompose", "seek", "absorb", "absorb")
    made: list[TrainingExample] = []
    for n in range(count):
        note = Note(f"Town {n // 4}", f"Town {n // 4} has {n // 4 * 7} wells.")
        view = AbsorbView(f"How many wells, {n}?", (note,))
        made.append(
            TrainingExample(acts[n % 4], absorb_prompt(view), f"{n // 4 * 7} [1]", f"t:{n}", "made")
        )
    return made


def loaded(folder: Path) -> tuple[Any, Any]:
    """(model, encoder) of a tiny model's folder."""
    from centerlm.learning.base import load_base
    from centerlm.models.transformers import PlainEncoder

    model, tokenizer = load_base(str(folder))
    return model, PlainEncoder(tokenizer)


def weights(folder: Path) -> dict[str, Any]:
    """The tensors of a PEFT folder."""
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def equal(one: Path, other: Path) -> bool:
    """Whether two PEFT folders hold the same weights, bit for bit."""
    import torch

    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
