"""A language model over torch and transformers: hub names, local folders, dequantised GGUF files.

For training and for models that llama.cpp does not run; slower than it on a CPU. The default
family is rendered as everywhere else (`models.chat`). Other chat templates are rendered by the
tokenizer around marks that stand for the messages' text, which is tokenised apart with special
tokens off, so that no text can change a role. Needs the extra `train`.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from centerlm.errors import InputError, MissingExtraError, MissingWeightsError, ModelError
from centerlm.finding import Usage, short_answer
from centerlm.models.base import Choice, Constraint, Price, Prompt, Reply, Sampling
from centerlm.models.chat import END, FAMILY, START, render

_MARK = "\ue000{}\ue001"
"""Stands for a message's text in a chat template: characters for private use, in no template."""


class TransformersModel:
    """A causal language model.

    `source` is a hub name or a folder, `gguf_file` the name of a GGUF file in it. `device` and
    `dtype` are torch's ("cpu", "cuda"; "float32", "bfloat16"). Calls run one after the other in a
    thread; decoding is not constrained. Nothing is loaded before the first use.
    """

    def __init__(
        self,
        source: str | Path,
        *,
        gguf_file: str | None = None,
        device: str = "cpu",
        dtype: str = "float32",
        context: int | None = None,
        price: Price | None = None,
        revision: str | None = None,
    ) -> None:
        self._source = str(source)
        self._options: dict[str, Any] = {}
        if gguf_file:
            self._options["gguf_file"] = gguf_file
        if revision:
            self._options["revision"] = revision
        self._device = device
        self._dtype = dtype
        self._context = context
        self._price = price or Price()
        self._loading = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None
        self._worker = ThreadPoolExecutor(1, "centerlm-torch")

    @property
    def name(self) -> str:
        return Path(self._source).name

    @property
    def identity(self) -> str:
        """Of the source's name, revision and settings; of a folder also its files' stamps."""
        parts = [FAMILY, self._source, self._dtype, str(sorted(self._options.items()))]
        folder = Path(self._source)
        if folder.is_dir():
            for path in sorted(p for p in folder.iterdir() if p.is_file()):
                status = path.stat()
                parts.append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
        return "transformers:" + hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def constraint(self) -> Constraint:
        return "none"

    @property
    def context(self) -> int:
        """As given, else what the model was trained for; loads it."""
        if self._context is None:
            model, _ = self._load()
            self._context = int(getattr(model.config, "max_position_embeddings", 2048))
        return self._context

    @property
    def price(self) -> Price:
        return self._price

    def prompt_ids(self, prompt: Prompt) -> tuple[int, ...]:
        """The token ids that `prompt` goes in as; loads the model."""
        _, tokenizer = self._load()
        encoder = PlainEncoder(tokenizer)
        if {START, END} <= encoder.special.keys():
            return tuple(render(prompt, encoder))
        return tuple(_from_template(prompt, tokenizer, encoder))

    def count(self, prompt: Prompt) -> int:
        """Exact; loads the model."""
        return len(self.prompt_ids(prompt))

    async def complete(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        on_text: Callable[[str], None] | None = None,
        before_retry: Callable[[], None] | None = None,
    ) -> Reply:
        """See `LanguageModel.complete`; never streams, and a cancelled call ends at a token."""
        del on_text, before_retry
        if sampling.grammar is not None or sampling.schema is not None:
            raise ModelError(f"{self.name} runs in transformers and cannot be constrained")
        cancel = threading.Event()
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(
                self._worker, self._complete, prompt, sampling, cancel
            )
        finally:
            cancel.set()

    async def close(self) -> None:
        self._loaded = None

    def _complete(self, prompt: Prompt, sampling: Sampling, cancel: threading.Event) -> Reply:
        started = time.perf_counter()
        ids = self.prompt_ids(prompt)
        room = self.context - len(ids)
        if room < 1:
            raise ModelError(
                f"the prompt has {len(ids):,} tokens and {self.name} has room for "
                f"{self.context:,}; shorten it"
            )
        tokens = min(sampling.max_tokens, room)
        choices: list[Choice] = []
        spent = 0
        for index in range(sampling.n):
            choice = self._generate(ids, sampling, tokens, sampling.seed + index, cancel)
            spent += len(choice.token_ids or ())
            choices.append(choice)
        usage = Usage(
            1, len(ids), spent, time.perf_counter() - started, self._price.cost(len(ids), spent)
        )
        return Reply(tuple(choices), usage, self.name)

    def _generate(
        self,
        ids: tuple[int, ...],
        sampling: Sampling,
        tokens: int,
        seed: int,
        cancel: threading.Event,
    ) -> Choice:
        """One answer, token by token, with its own random generator: no global seed is touched."""
        torch: Any = importlib.import_module("torch")
        model, tokenizer = self._load()
        ends = _end_tokens(model, tokenizer)
        random = torch.Generator(device=self._device).manual_seed(seed % (1 << 63))
        chosen: list[int] = []
        logprobs: list[float] = []
        finish, cache = "length", None
        step = torch.tensor([ids], device=self._device)
        with torch.inference_mode():
            while len(chosen) < tokens:
                if cancel.is_set():
                    raise ModelError(f"{self.name} was stopped before its answer was complete")
                out = model(input_ids=step, past_key_values=cache, use_cache=True)
                cache = out.past_key_values
                logits = out.logits[0, -1].float()
                token = _sample(torch, logits, sampling, random)
                chosen.append(token)
                logprobs.append(float(torch.log_softmax(logits, -1)[token]))
                if token in ends:
                    finish = "stop"
                    break
                if sampling.stop:
                    text = _text(tokenizer, chosen)
                    if at := [p for stop in sampling.stop if stop and (p := text.find(stop)) >= 0]:
                        return _choice(text[: min(at)], "stop", chosen, logprobs, sampling)
                step = torch.tensor([[token]], device=self._device)
        return _choice(_text(tokenizer, chosen), finish, chosen, logprobs, sampling)

    def _load(self) -> tuple[Any, Any]:
        with self._loading:
            if self._loaded is None:
                try:
                    torch: Any = importlib.import_module("torch")
                    library: Any = importlib.import_module("transformers")
                except ModuleNotFoundError as error:
                    raise MissingExtraError(error.name or "transformers", "train") from None
                try:
                    tokenizer = library.AutoTokenizer.from_pretrained(self._source, **self._options)
                    model = library.AutoModelForCausalLM.from_pretrained(
                        self._source, dtype=getattr(torch, self._dtype), **self._options
                    )
                    self._loaded = model.to(self._device).eval(), tokenizer
                except (OSError, ValueError, KeyError, RuntimeError) as error:
                    raise MissingWeightsError(
                        f"transformers cannot load {self._source} "
                        f"({short_answer(str(error))}); check the name, the folder or the network"
                    ) from None
            return self._loaded


class PlainEncoder:
    """A transformers tokenizer as `models.chat` wants it: text with special tokens off."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        added: dict[int, Any] = tokenizer.added_tokens_decoder
        self._special = {str(token): i for i, token in added.items()}

    @property
    def special(self) -> dict[str, int]:
        return self._special

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`; what looks like a special token is split so that it is none."""
        ids: list[int] = self.tokenizer.encode(
            text, add_special_tokens=False, split_special_tokens=True
        )
        if not set(ids).isdisjoint(self._special.values()):
            raise ModelError(
                "the tokenizer of this model turns text into special tokens and cannot be used "
                "safely; serve the model with llama.cpp or vLLM"
            )
        return ids


def _from_template(prompt: Prompt, tokenizer: Any, encoder: PlainEncoder) -> list[int]:
    """Any chat template: rendered around marks, whose places take the messages' own tokens."""
    marks = [_MARK.format(i) for i in range(len(prompt.messages))]
    if any(ord(c) in (0xE000, 0xE001) for m in prompt.messages for c in m.text):
        raise InputError("the prompt holds U+E000 or U+E001, which mark messages here; remove them")
    chat = [
        {"role": m.role, "content": mark} for m, mark in zip(prompt.messages, marks, strict=True)
    ]
    try:
        rest: str = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # noqa: BLE001 - boundary: templates are programs and raise anything
        raise ModelError(
            f"the model's chat template does not take this prompt ({short_answer(str(error))})"
        ) from None
    ids: list[int] = []
    for mark, message in zip(marks, prompt.messages, strict=True):
        before, found, rest = rest.partition(mark)
        if not found:
            raise ModelError(
                "the model's chat template leaves out or moves a message of the prompt"
            )
        ids += tokenizer.encode(before, add_special_tokens=False)
        ids += encoder.encode(message.text)
    return [*ids, *tokenizer.encode(rest, add_special_tokens=False)]


def _text(tokenizer: Any, tokens: list[int]) -> str:
    return tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _choice(
    text: str, finish: str, tokens: list[int], logprobs: list[float], sampling: Sampling
) -> Choice:
    return Choice(
        text,
        "length" if finish == "length" else "stop",
        tuple(tokens),
        tuple(logprobs) if sampling.logprobs else None,
    )


def _end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """The tokens that end an answer, after the model, its generation settings and the tokenizer."""
    ends: set[int] = set()
    for holder in (model.config, model.generation_config, tokenizer):
        value: Any = getattr(holder, "eos_token_id", None)
        if value is not None:
            ends.update([value] if isinstance(value, int) else value)
    return ends


def _sample(torch: Any, logits: Any, sampling: Sampling, random: Any) -> int:
    """Greedy at temperature 0; else nucleus sampling (Holtzman et al. 2020) over `logits` (V,)."""
    if sampling.temperature <= 0:
        return int(logits.argmax())
    probabilities = torch.softmax(logits / sampling.temperature, -1)
    if sampling.top_p < 1:
        ordered, order = probabilities.sort(descending=True)
        ordered[ordered.cumsum(-1) - ordered > sampling.top_p] = 0
        probabilities = torch.zeros_like(probabilities).scatter(-1, order, ordered)
    return int(torch.multinomial(probabilities, 1, generator=random))
