"""A language model in this process: llama.cpp through xllamacpp, from a GGUF file.

Prompts go in as token ids, so no text can become a special token. The server inside opens a
loopback port that it cannot do without; a random key closes it to everyone. Decoding runs in
threads of the model's own, which let go of the interpreter lock; a cancelled call ends at its next
token. Equal prompts may answer differently between runs: the cache changes how sums are batched.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from centerlm.errors import ConfigError, MissingWeightsError, ModelError
from centerlm.finding import Usage
from centerlm.models.base import Constraint, Price, Prompt, Reply, Sampling
from centerlm.models.chat import FAMILY, render
from centerlm.models.gguf import read_gguf
from centerlm.models.llama_server import (
    Adapter,
    Decoded,
    Prefill,
    decode,
    grammar_of,
    start_server,
)
from centerlm.models.lora import present
from centerlm.models.prepared import PREPARATION
from centerlm.models.slots import Slots
from centerlm.models.tokenizer import Tokenizer, tokenizer_of
from centerlm.models.weights import file_sha256, find

_SEEDS = 0xFFFFFFFF
"""llama.cpp's seeds are below this; the number itself means a random one."""


class LlamaCppModel:
    """A GGUF model with a ChatML tokenizer, by default the pinned default model.

    `context` tokens are set aside for each of `slots` calls at once; a slot also keeps the prefix
    of an act's prompts, so have one an act. One thread is best where cores are shared: two on a
    busy two-core machine were several times slower. Nothing is read before the first use.

    Token ids and log-probabilities come with `Sampling(logprobs=True)`: of all tokens sampled, the
    one that ends the answer included, under the model's own distribution at temperature 1 before
    any grammar; both are None where a character took several tokens, which llama.cpp reports as
    one. Such a call is not streamed: `on_text` gets the whole text at the end.

    Raises:
        ConfigError: a setting is not positive.
    """

    def __init__(
        self,
        path: Path | str | None = None,
        *,
        adapters: Sequence[Adapter] = (),
        context: int = 4096,
        slots: int = 4,
        threads: int = 1,
        gpu_layers: int = 0,
        price: Price | None = None,
        name: str | None = None,
    ) -> None:
        if min(context, slots, threads) < 1 or gpu_layers < 0:
            raise ConfigError("context, slots and threads of a local model must be at least 1")
        self._path = Path(path).expanduser() if path is not None else None
        self._adapters = tuple(adapters)
        self._context = context
        self._slot_count = slots
        self._threads = threads
        self._gpu_layers = gpu_layers
        self._price = price or Price()
        self._name = name
        self._identity: str | None = None
        self._prefill = Prefill()
        self._slots = Slots(slots)
        self._server: Any = None
        self._workers: ThreadPoolExecutor | None = None
        self._cancels: set[threading.Event] = set()
        self._loading = threading.Lock()
        self._tokenizer: Tokenizer | None = None
        self._render = lru_cache(maxsize=64)(self._render_now)

    @property
    def name(self) -> str:
        return self._name or (self._path.stem if self._path else "smollm2-135m")

    @property
    def identity(self) -> str:
        """SHA-256 of weights and adapters, whole files; remembered by size and time of change.

        Raises:
            MissingWeightsError: a file is missing.
        """
        if self._identity is None:
            parts = [FAMILY, file_sha256(self._weights())]
            if not self._gpu_layers:
                parts.append(PREPARATION)
            for adapter in self._adapters:
                present(adapter.path)
                parts.append(f"{file_sha256(adapter.path)}*{adapter.scale:g}")
            self._identity = "gguf:" + hashlib.sha256(" ".join(parts).encode()).hexdigest()
        return self._identity

    @property
    def constraint(self) -> Constraint:
        return "gbnf"

    @property
    def context(self) -> int:
        return self._context

    @property
    def price(self) -> Price:
        return self._price

    @property
    def prefill(self) -> Prefill:
        """Prompt tokens evaluated and reused so far."""
        return self._prefill

    @property
    def tokenizer(self) -> Tokenizer:
        """The model's tokenizer; read from the file on first use (about 0.2 s)."""
        with self._loading:
            if self._tokenizer is None:
                self._tokenizer = tokenizer_of(self._weights())
            return self._tokenizer

    def prompt_ids(self, prompt: Prompt) -> tuple[int, ...]:
        """The token ids that `prompt` goes in as."""
        return self._render(prompt)

    def count(self, prompt: Prompt) -> int:
        """Exact."""
        return len(self._render(prompt))

    async def load(self) -> None:
        """Load the weights now rather than with the first call (about a second).

        Raises:
            InputError: an adapter is of another base.
            MissingWeightsError: a file is missing or truncated.
            MissingExtraError: xllamacpp is not installed.
        """
        await asyncio.get_running_loop().run_in_executor(self._executor(), self._load)

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        """See `LanguageModel.complete`; nothing is retried."""
        del before_retry
        return await self.complete_as(self, prompt, sampling, None, on_text=on_text)

    async def complete_as(
        self,
        model: LlamaCppModel,
        prompt: Prompt,
        sampling: Sampling,
        scales: Sequence[float] | None,
        *,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        """A call for `model`, whose name and price it is, with each adapter applied as strongly as
        `scales` say (None: as they were given).
        """
        if self._server is None:
            await self.load()
        ids = self._render(prompt)
        room = self._context - len(ids)
        if room < 1:
            raise ModelError(
                f"the prompt has {len(ids):,} tokens and {self.name} has room for "
                f"{self._context:,}; shorten it, or raise the model's context"
            )
        started = time.perf_counter()
        request: dict[str, Any] = {
            "prompt": ids,
            "max_tokens": max(1, min(sampling.max_tokens, room)),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            # llama.cpp's other filters are on by default and would change the distribution.
            "top_k": 0,
            "min_p": 0.0,
            "stop": list(sampling.stop),
            "cache_prompt": True,
        }
        if sampling.grammar is not None:
            request["grammar"] = sampling.grammar
        elif sampling.schema is not None:
            request["grammar"] = grammar_of(sampling.schema)
        if sampling.logprobs:
            request["logprobs"] = 1
        if scales is not None:
            request["lora"] = [{"id": n, "scale": scale} for n, scale in enumerate(scales)]
        cancel = threading.Event()
        self._cancels.add(cancel)
        try:
            decoded = await asyncio.gather(
                *(
                    self._one(
                        {**request, "seed": (sampling.seed + i) % _SEEDS},
                        cancel,
                        on_text if i == 0 else None,
                    )
                    for i in range(sampling.n)
                )
            )
        finally:
            # Also after success, when nothing is left to end: on every other way out it ends the
            # threads at their next token.
            cancel.set()
            self._cancels.discard(cancel)
        completion_tokens = sum(d.completion_tokens for d in decoded)
        usage = Usage(
            1,
            len(ids),
            completion_tokens,
            time.perf_counter() - started,
            model.price.cost(len(ids), completion_tokens),
        )
        return Reply(tuple(d.choice for d in decoded), usage, model.name)

    async def close(self) -> None:
        """End all calls and free the weights. The next call would load them again."""
        for cancel in self._cancels:
            cancel.set()
        workers, self._workers = self._workers, None
        if workers is not None:
            await asyncio.to_thread(workers.shutdown, cancel_futures=True)
        server, self._server = self._server, None
        if server is not None:
            # Its destructor joins threads; not on the event loop.
            holder = [server]
            del server
            await asyncio.to_thread(holder.clear)

    async def _one(
        self,
        request: dict[str, Any],
        cancel: threading.Event,
        on_text: Callable[[str], None] | None,
    ) -> Decoded:
        loop = asyncio.get_running_loop()
        if on_text is None:
            decoded = await loop.run_in_executor(self._executor(), self._decode, request, cancel)
        else:
            pieces: asyncio.Queue[str | None] = asyncio.Queue()

            def tell(piece: str | None) -> None:
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

            work = loop.run_in_executor(self._executor(), self._decode, request, cancel, tell)
            work.add_done_callback(lambda _: pieces.put_nowait(None))
            try:
                while (piece := await pieces.get()) is not None:
                    on_text(piece)
                decoded = await work
            finally:
                # Cancelled while waiting for text, nobody would ask the thread how it ended.
                work.cancel()
        self._prefill += decoded.prefill
        return decoded

    def _decode(
        self,
        request: dict[str, Any],
        cancel: threading.Event,
        tell: Callable[[str], None] | None = None,
    ) -> Decoded:
        """Run one request; in a worker thread."""
        server = self._server
        if cancel.is_set() or server is None:
            raise ModelError(f"{self.name} was closed before the call began")
        with self._loading:
            slot = self._slots.take(_cached_as(request))
        if slot is None:
            raise AssertionError("there are as many workers as slots")
        try:
            request["id_slot"] = slot.number
            return decode(server, request, self.name, cancel, tell)
        finally:
            with self._loading:
                self._slots.free(slot)

    def _executor(self) -> ThreadPoolExecutor:
        if self._workers is None:
            self._workers = ThreadPoolExecutor(self._slot_count, "centerlm-llama")
        return self._workers

    def _render_now(self, prompt: Prompt) -> tuple[int, ...]:
        return tuple(render(prompt, self.tokenizer))

    def _weights(self) -> Path:
        if self._path is None:
            self._path = find("default")
            self._name = self._name or "smollm2-135m"
        _present(self._path)
        return self._path

    def _load(self) -> None:
        """Start the server; in a worker thread."""
        _ = self.tokenizer
        with self._loading:
            if self._server is None:
                self._slots = Slots(self._slot_count)
                self._server = start_server(
                    read_gguf(self._weights()),
                    adapters=self._adapters,
                    context=self._context,
                    slots=self._slot_count,
                    threads=self._threads,
                    gpu_layers=self._gpu_layers,
                )


def _cached_as(request: Mapping[str, Any]) -> Sequence[int]:
    """What decides which cached prefixes a request shares: its tokens, and the adapters applied."""
    if "lora" not in request:
        return request["prompt"]
    applied = (-1 - lora["id"] for lora in request["lora"] if lora["scale"])
    return (*applied, 0, *request["prompt"])


def _present(path: Path) -> None:
    if not path.is_file():
        raise MissingWeightsError(
            f"there is no model file at {path}; give the path of a GGUF file, or for the default "
            "model run: centerlm models get default"
        )
