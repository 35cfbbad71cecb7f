"""Adapters swapped on one base: each answers as it does alone, and one base is in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from gguf_file import write_lora

from centerlm.errors import ConfigError
from centerlm.models.base import LanguageModel, Message, Price, Prompt, Sampling
from centerlm.models.llama_cpp import LlamaCppModel
from centerlm.models.llama_server import Adapter
from centerlm.models.swapping import SharedBase

pytestmark = pytest.mark.local

QUESTION = Prompt((Message("system", "Answer."), Message("user", "What colour is the sky?")))
SAMPLING = Sampling(2, logprobs=True)


async def _logprobs(model: LanguageModel) -> tuple[float, ...]:
    reply = await model.complete(QUESTION, SAMPLING)
    return reply.choices[0].logprobs or ()


def test_each_answers_as_it_does_alone(tmp_path: Path, default_gguf: Path) -> None:
    adapters = [
        write_lora(tmp_path / "a.gguf", value=0.5),
        write_lora(tmp_path / "b.gguf", value=0.2),
        None,
    ]

    async def alone(adapter: Path | None) -> tuple[str, tuple[float, ...]]:
        given = () if adapter is None else (Adapter(adapter),)
        model = LlamaCppModel(default_gguf, adapters=given, context=256, slots=1)
        said = await _logprobs(model)
        await model.close()
        return model.identity, said

    async def run() -> None:
        expected = [await alone(adapter) for adapter in adapters]
        shared = SharedBase(default_gguf, context=256, slots=2)
        swapped = [shared.adapted(adapter) for adapter in adapters]
        for _ in range(2):  # the second time from the cache
            for model, (identity, said) in zip(swapped, expected, strict=True):
                assert model.identity == identity
                assert await _logprobs(model) == pytest.approx(said, abs=2e-2)
        at_once = await asyncio.gather(*map(_logprobs, swapped))
        for one, (_, said) in zip(at_once, expected, strict=True):
            assert one == pytest.approx(said, abs=2e-2)
        assert len({said for _, said in expected}) == 3
        loaded = shared.opened()
        assert all(model.shared.opened() is loaded for model in swapped)
        with pytest.raises(ConfigError, match="name all adapters before the first call"):
            shared.adapted(tmp_path / "late.gguf")
        await swapped[0].close()

    asyncio.run(run())


def test_name_and_price_are_the_experts_own(tmp_path: Path, default_gguf: Path) -> None:
    shared = SharedBase(default_gguf, context=256, slots=1)
    law = shared.adapted(write_lora(tmp_path / "a.gguf"), name="law", price=Price(1.0, 2.0))
    again = shared.adapted(tmp_path / "a.gguf")
    assert (law.number, again.number, shared.scales(0)) == (0, 0, (1.0,))

    async def run() -> None:
        reply = await law.complete(QUESTION, Sampling(1))
        assert reply.model == "law" and reply.usage.cost > 0
        await law.close()

    asyncio.run(run())
