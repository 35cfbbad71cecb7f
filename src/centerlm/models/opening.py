"""Opening a model by a short name, `provider:model`, as configuration and commands write it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from centerlm.errors import ConfigError
from centerlm.models.base import LanguageModel
from centerlm.models.provider import Provider

FORMS = "local, local:PATH.gguf, openai:MODEL, transformers:NAME, scripted:MODULE:OBJECT"


def open_model(
    spec: str,
    *,
    base_url: str | None = None,
    provider: Provider | None = None,
    **settings: Any,
) -> LanguageModel:
    """The model that `spec` names; nothing is loaded or sent yet.

    `local` is the pinned default model, `local:PATH.gguf` another GGUF file; `openai:MODEL` a model
    of `base_url` (by default OpenAI's own) or of a `provider` that several models share;
    `transformers:NAME` a hub name or folder; `scripted:MODULE:OBJECT` a `ScriptedModel`, or a
    script for one, in an importable module. `settings` go to the model's constructor.

    Raises:
        ConfigError: `spec` is none of these, or a setting does not exist.
        MissingExtraError: an optional part of the package is missing.
    """
    kind, _, rest = spec.strip().partition(":")
    if kind != "openai" and (base_url is not None or provider is not None):
        raise ConfigError(f"base_url is for openai:MODEL, not for {spec!r}")
    try:
        match kind:
            case "local":
                from centerlm.models.llama_cpp import LlamaCppModel

                return LlamaCppModel(Path(rest) if rest else None, **settings)
            case "openai" if rest:
                from centerlm.models.openai import OpenAIModel

                provider = provider or Provider(base_url or "https://api.openai.com/v1")
                return OpenAIModel(rest, provider, **settings)
            case "transformers" if rest:
                from centerlm.models.transformers import TransformersModel

                return TransformersModel(rest, **settings)
            case "scripted" if ":" in rest:
                return _scripted(*rest.split(":", 1), **settings)
            case _:
                raise ConfigError(f"{spec!r} names no model; write one of: {FORMS}")
    except TypeError as error:
        raise ConfigError(f"the model {spec!r} cannot take these settings: {error}") from None


def _scripted(module: str, name: str, **settings: Any) -> LanguageModel:
    from centerlm.models.scripted import ScriptedModel

    try:
        script: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"scripted:{module}:{name} cannot be imported ({error}); name a module that Python "
            "finds and an object in it"
        ) from None
    return script if isinstance(script, ScriptedModel) else ScriptedModel(script, **settings)
