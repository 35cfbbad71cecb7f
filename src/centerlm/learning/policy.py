"""The center as trained so far, on llama.cpp: a base with one adapter, or one for each part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from centerlm.center import CenterLM, is_absorbing
from centerlm.models.base import LanguageModel
from centerlm.models.llama_cpp import LlamaCppModel
from centerlm.models.llama_server import Adapter
from centerlm.models.routed import RoutedModel


def policy(base: Path, adapters: Mapping[str, Path], *, slots: int = 4) -> CenterLM:
    """A center on the GGUF file `base`; `adapters` are GGUF LoRAs by part: "all", or "plan" and
    "absorb" (a part that is not there runs on the base alone). Close its model after use.
    """

    def model(part: str) -> LanguageModel:
        chosen = (Adapter(adapters[part]),) if part in adapters else ()
        return LlamaCppModel(base, adapters=chosen, slots=slots)

    if "all" in adapters:
        return CenterLM(model("all"), examples=())
    return CenterLM(RoutedModel(model("plan"), model("absorb"), is_absorbing), examples=())
