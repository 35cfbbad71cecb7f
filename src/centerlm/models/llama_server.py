"""llama.cpp's server inside this process: starting it, and running one request in a thread.

Everything that touches xllamacpp is here. The server opens a loopback port that it cannot do
without; a random key closes it to everyone.
"""

from __future__ import annotations

import importlib
import json
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.errors import ConfigError, MissingExtraError, MissingWeightsError, ModelError
from centerlm.finding import short_answer
from centerlm.models.base import Choice
from centerlm.models.gguf import GGUF
from centerlm.models.lora import check_base
from centerlm.models.prepared import prepared


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter: a GGUF file and how strongly it is applied."""

    path: Path
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Prefill:
    """Prompt tokens over the life of a model: `evaluated` by it, and `reused` from its cache."""

    evaluated: int = 0
    reused: int = 0

    def __add__(self, other: Prefill) -> Prefill:
        return Prefill(self.evaluated + other.evaluated, self.reused + other.reused)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one request gave."""

    choice: Choice
    completion_tokens: int
    prefill: Prefill


def start_server(
    header: GGUF,
    *,
    adapters: Sequence[Adapter],
    context: int,
    slots: int,
    threads: int,
    gpu_layers: int,
) -> Any:
    """An xllamacpp server with `slots` slots of `context` tokens each.

    Raises:
        ConfigError: the context is longer than the model was trained for.
        InputError: an adapter is of another base.
        MissingWeightsError: llama.cpp cannot load the model or an adapter.
        MissingExtraError: xllamacpp is not installed.
    """
    try:
        xllamacpp: Any = importlib.import_module("xllamacpp")
    except ModuleNotFoundError:
        raise MissingExtraError("xllamacpp", "local") from None
    architecture = header.metadata.get("general.architecture")
    trained = header.metadata.get(f"{architecture}.context_length")
    if isinstance(trained, int) and trained < context:
        raise ConfigError(
            f"{header.path.stem} was trained for {trained:,} tokens; set its context, now "
            f"{context:,}, to at most that"
        )
    settings = xllamacpp.CommonParams()
    settings.model.path = str(header.path if gpu_layers else prepared(header))
    settings.n_ctx = context * slots
    settings.n_parallel = slots
    settings.kv_unified = False
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    settings.n_gpu_layers = gpu_layers
    settings.fit_params = False
    settings.warmup = False
    settings.verbosity = -1
    # Prefixes stay in the slots; llama.cpp's further cache would copy them at every change.
    settings.cache_ram_mib = 0
    settings.api_keys = [secrets.token_urlsafe(32)]
    settings.endpoint_slots = False
    settings.ui = False
    settings.n_threads_http = 1
    for adapter in adapters:
        check_base(adapter.path, header)
    settings.lora_adapters = [
        xllamacpp.CommonAdapterLoraInfo(str(a.path), a.scale) for a in adapters
    ]
    try:
        return xllamacpp.Server(settings)
    except RuntimeError as error:
        files = " with ".join(str(path) for path in (header.path, *(a.path for a in adapters)))
        raise MissingWeightsError(
            f"llama.cpp cannot load {files} ({short_answer(str(error))}); if it is the default "
            "model, run: centerlm models get default"
        ) from None


def decode(
    server: Any,
    request: dict[str, Any],
    name: str,
    cancel: threading.Event,
    tell: Callable[[str], None] | None,
) -> Decoded:
    """Run one request; blocks. `tell` gets the pieces of text, `cancel` ends it at a token.

    Streamed events lose the log-probabilities of tokens after the last piece of text, so requests
    for these are not streamed: they cannot be ended early, and `tell` gets their text at once.

    Raises:
        ModelError: llama.cpp refused the request, failed, or was told to end.
    """
    whole = "logprobs" in request
    text: list[str] = []
    last: dict[str, Any] = {}

    def take(event: dict[str, Any]) -> bool:
        """Take in one event; true ends decoding."""
        last.update(event)
        if "choices" in event and (piece := event["choices"][0]["text"]):
            text.append(piece)
            if tell:
                tell(piece)
        return cancel.is_set()

    try:
        if whole:
            take(server.handle_completions(request))
        else:
            server.handle_completions({**request, "stream": True}, take)
    except RuntimeError as error:
        raise ModelError(f"{name} failed: {short_answer(str(error))}") from None
    if problem := last.get("error"):
        raise ModelError(f"{name} refused the request: {short_answer(str(problem['message']))}")
    if cancel.is_set() or "usage" not in last:
        raise ModelError(f"{name} was stopped before its answer was complete")
    choice = last["choices"][0]
    completion_tokens = int(last["usage"]["completion_tokens"])
    tokens: list[dict[str, Any]] = choice["logprobs"]["content"] if whole else []
    # llama.cpp leaves out the tokens inside one character; a part would be mistaken for the whole.
    told = whole and len(tokens) == completion_tokens
    timings = last["timings"]
    return Decoded(
        Choice(
            "".join(text),
            "length" if choice["finish_reason"] == "length" else "stop",
            tuple(token["id"] for token in tokens) if told else None,
            tuple(token["logprob"] for token in tokens) if told else None,
        ),
        completion_tokens,
        Prefill(int(timings["prompt_n"]), int(timings["cache_n"])),
    )


def grammar_of(schema: Mapping[str, Any]) -> str:
    """The grammar of JSON that follows a schema, as llama.cpp makes it.

    Raises:
        ModelError: it can make none.
    """
    xllamacpp: Any = importlib.import_module("xllamacpp")
    try:
        return str(xllamacpp.json_schema_to_grammar(json.dumps(schema)))
    except (ValueError, RuntimeError) as error:
        told = short_answer(str(error))
        raise ModelError(f"the JSON schema cannot be followed: {told}") from None
