"""Random LoRAs that change what a model says, and how far llama.cpp and torch are apart on them."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any

from centerlm.models.base import Message, Prompt, Sampling
from centerlm.models.llama_cpp import LlamaCppModel
from centerlm.models.llama_server import Adapter

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
PROMPTS = (
    "Who is the other in there?",
    "The river Ister is 420 km long. How long is the Ister?",
    "Break the question into steps: Who was older, Ada Brandt or Jon Vale?",
)
LETTERS = "root ::= [a-z ]{15}"
"""Only plain letters: llama.cpp gives no token ids where a character took several tokens."""

Row = tuple[tuple[int, ...], tuple[int, ...], tuple[float, ...]]
"""Token ids of a prompt, those chosen, and their log-probabilities."""


def load(folder: Path) -> Any:
    library: Any = importlib.import_module("transformers")
    return library.AutoModelForCausalLM.from_pretrained(folder)


def adapted(model: Path, lora: Path) -> Any:
    peft: Any = importlib.import_module("peft")
    return peft.PeftModel.from_pretrained(load(model), str(lora))


def random_lora(model: Path, out: Path, *, size: float = 0.3, **options: Any) -> Path:
    """A LoRA with random B, saved by PEFT itself; `size` is the deviation of B's values."""
    torch: Any = importlib.import_module("torch")
    peft: Any = importlib.import_module("peft")
    settings = {"r": 4, "lora_alpha": 8, "target_modules": ALL, **options}
    adapted = peft.get_peft_model(load(model), peft.LoraConfig(**settings))
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape, generator=random) * size)
    adapted.save_pretrained(out)
    return out


def told(base: Path, adapter: Path | None, *, grammar: str | None = None) -> list[Row]:
    """What llama.cpp says to each of the prompts, sampled; at least two whose token ids it told."""

    async def run() -> list[Row]:
        adapters = [Adapter(adapter)] if adapter else []
        llama = LlamaCppModel(base, adapters=adapters, context=256, slots=1)
        sampling = Sampling(16, temperature=1.0, seed=3, grammar=grammar, logprobs=True)
        rows: list[Row] = []
        for text in PROMPTS:
            prompt = Prompt((Message("system", "Answer."), Message("user", text)))
            choice = (await llama.complete(prompt, sampling)).choices[0]
            if choice.token_ids and choice.logprobs:
                rows.append((llama.prompt_ids(prompt), choice.token_ids, choice.logprobs))
        await llama.close()
        assert len(rows) > 1
        return rows

    return asyncio.run(run())


def differences(model: Any, rows: list[Row]) -> list[float]:
    """|log p of llama.cpp - log p of torch| of each chosen token, in nats."""
    torch: Any = importlib.import_module("torch")
    found: list[float] = []
    for prompt, chosen, logprobs in rows:
        with torch.inference_mode():
            scores = model(torch.tensor([[*prompt, *chosen]])).logits[0].float().log_softmax(-1)
        for at, (token, value) in enumerate(zip(chosen, logprobs, strict=True), len(prompt) - 1):
            found.append(abs(float(scores[at, token]) - value))
    return found
