"""Language models: llama.cpp, any OpenAI-compatible endpoint, transformers, scripted, replayed.

All stand behind the `LanguageModel` protocol. Names are loaded when they are first used, so that
importing this package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from centerlm.models.base import (
        Choice,
        LanguageModel,
        Message,
        Price,
        Prompt,
        Reply,
        Sampling,
    )
    from centerlm.models.fake_server import FakeServer, Fault
    from centerlm.models.llama_cpp import LlamaCppModel
    from centerlm.models.llama_server import Adapter
    from centerlm.models.openai import OpenAIModel
    from centerlm.models.opening import open_model
    from centerlm.models.provider import Provider, Retry
    from centerlm.models.recording import RecordingModel, ReplayModel
    from centerlm.models.scripted import ScriptedModel
    from centerlm.models.transformers import TransformersModel

__all__ = [
    "Adapter",
    "Choice",
    "FakeServer",
    "Fault",
    "LanguageModel",
    "LlamaCppModel",
    "Message",
    "OpenAIModel",
    "Price",
    "Prompt",
    "Provider",
    "RecordingModel",
    "ReplayModel",
    "Reply",
    "Retry",
    "Sampling",
    "ScriptedModel",
    "TransformersModel",
    "open_model",
]

_HOMES = {
    "Adapter": "llama_server",
    "FakeServer": "fake_server",
    "Fault": "fake_server",
    "LlamaCppModel": "llama_cpp",
    "OpenAIModel": "openai",
    "Provider": "provider",
    "RecordingModel": "recording",
    "ReplayModel": "recording",
    "Retry": "provider",
    "ScriptedModel": "scripted",
    "TransformersModel": "transformers",
    "open_model": "opening",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES.get(name, 'base')}")
    return getattr(module, name)
