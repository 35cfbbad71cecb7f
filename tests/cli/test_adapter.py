"""`centerlm adapter`: what it writes, what it prints, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli_run import Run
from learning.tiny import tiny_gguf, tiny_model

peft: Any = pytest.importorskip("peft", reason="the train extra is not installed")
library: Any = pytest.importorskip("transformers", reason="the train extra is not installed")
pytest.importorskip("gguf", reason="the train extra is not installed")


@pytest.fixture
def lora(home: Path) -> Path:
    """A PEFT adapter beside its base, `model` and `base.gguf`, in the current folder."""
    tiny_gguf(tiny_model(home / "model"), home / "base.gguf")
    model = library.AutoModelForCausalLM.from_pretrained(home / "model")
    options = peft.LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False)
    peft.get_peft_model(model, options).save_pretrained(home / "lora")
    return home / "lora"


def test_there_and_back(run: Run, lora: Path, home: Path) -> None:
    done = run("adapter", "export", "lora", "--gguf", "a.gguf", "--base", "base.gguf")
    assert (done.code, done.out) == (0, "a.gguf: LoRA of rank 4 on 2 matrices, 0.0 MB\n")
    done = run("adapter", "import", "a.gguf", "--out", "back")
    assert (done.code, done.out) == (0, "back: PEFT adapter\n")
    done = run("adapter", "export", "back", "--merged", "whole", "--base", "model")
    assert done.code == 0 and done.out.startswith("whole: merged weights, float32, 0.")
    assert {"model.safetensors", "tokenizer.json"} <= {p.name for p in Path("whole").iterdir()}


def test_the_mean_is_exported_as_any_other(run: Run, lora: Path, home: Path) -> None:
    done = run("adapter", "mean", "lora", "lora", "--out", "both")
    assert (done.code, done.out) == (0, "both: the mean of 2 adapters\n")
    for folder in ("lora", "both"):
        run("adapter", "export", folder, "--gguf", f"{folder}.gguf", "--base", "base.gguf")
    assert (home / "both.gguf").read_bytes() == (home / "lora.gguf").read_bytes()


def test_merging_with_a_gguf_base(run: Run, lora: Path) -> None:
    done = run("adapter", "export", "lora", "--merged", "whole", "--base", "base.gguf")
    assert done.code == 0 and (Path("whole") / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["export", "lora"], "either --gguf FILE or --merged DIR"),
        (["export", "lora", "--gguf", "a.gguf", "--merged", "b"], "either --gguf"),
        (["export", "lora", "--gguf", "a.gguf", "--base", "model"], "'model' is none"),
        (["export", "nowhere", "--gguf", "a.gguf", "--base", "base.gguf"], "not a PEFT adapter"),
        (["export", "lora", "--gguf", "a.gguf", "--base", "none.gguf"], "no model file at"),
        (["export", "lora", "--merged", "model", "--base", "model"], "is already there"),
        (["import", "none.gguf", "--out", "b"], "there is no adapter at none.gguf"),
        (["import", "base.gguf", "--out", "b"], "not a LoRA adapter"),
        (["mean", "lora", "--out", "b"], "of two adapters or more"),
        (["mean", "lora", "model", "--out", "b"], "not a PEFT adapter"),
        (["mean", "lora", "lora", "--out", "model"], "is already there"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, lora: Path, arguments: list[str], words: str) -> None:
    done = run("adapter", *arguments)
    assert done.code == 2 and words in done.complaint()
