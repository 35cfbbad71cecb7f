"""How likely a text is after a context: the scorer protocol, and measures made of it.

A scorer is a language model that gives the probability of given text. llama.cpp's server gives
those of sampled tokens only, so the scorer here runs the base model in torch (`TorchScorer`).
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from centerlm.errors import InputError

Ids = tuple[int, ...]
_CHARACTERS = 12
"""More than a token of prose has."""


@dataclass(frozen=True, slots=True)
class Query:
    """A text after a context, both as token ids."""

    context: Ids
    target: Ids


class Scorer(Protocol):
    """A language model that scores given text."""

    @property
    def name(self) -> str:
        """Changes whenever scores may."""
        ...

    def encode(self, text: str) -> Ids: ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def nats(self, queries: Sequence[Query]) -> list[float]:
        """-ln P(target | context) of each query; 0 or more.

        Raises:
            InputError: a query is longer than the model takes, or has an empty context or target.
        """
        ...


def bits_per_byte(nats: float, text: str) -> float:
    """Bits per byte of UTF-8, so that models with other tokenizers can be compared.

    Raises:
        ValueError: the text is empty.
    """
    size = len(text.encode())
    if not size:
        raise ValueError("an empty text has no bits per byte")
    return nats / math.log(2) / size


@dataclass(frozen=True, slots=True)
class Gains:
    """Bits per byte of a true next passage after each context; less is better."""

    bits: dict[str, float]

    def gain(self, name: str, over: str) -> float:
        """How many bits per byte `name` saves over another context; more is better."""
        return self.bits[over] - self.bits[name]


def context_of(scorer: Scorer, notes: str, before: str, last: int, notes_tokens: int) -> Ids:
    """Notes, then the `last` tokens of what stands before the passage.

    Of longer notes the last `notes_tokens` are kept: what matters most stands nearest to the text.
    """
    tail = _last_tokens(scorer, before, last)
    if not notes.strip() or notes_tokens < 1:
        return tail
    return (*scorer.encode(f"{notes.strip()}\n\n")[-notes_tokens:], *tail)


def _last_tokens(scorer: Scorer, text: str, last: int) -> Ids:
    """Only the end of a long text is encoded, unless that proves to have too few tokens."""
    near = text[-_CHARACTERS * last :]
    ids = scorer.encode(near)
    if len(ids) <= last and len(near) < len(text):
        ids = scorer.encode(text)
    return ids[-last:]


def gains(scorer: Scorer, contexts: Mapping[str, Ids], passage: str) -> Gains:
    """Bits per byte of the passage after each of the contexts."""
    return Gains(bits_of(scorer, contexts, passage))


def bits_of(scorer: Scorer, contexts: Mapping[str, Ids], text: str) -> dict[str, float]:
    """Bits per byte of a text after each context, by the context's name."""
    target = scorer.encode(text)
    scores = scorer.nats([Query(context, target) for context in contexts.values()])
    return {name: bits_per_byte(score, text) for name, score in zip(contexts, scores, strict=True)}


@dataclass(slots=True)
class TorchScorer:
    """A causal language model in torch: "default" (the base, without adapter), a folder, a hub name
    or a GGUF file. Loaded with the first use. `batch_tokens` bounds memory: tokens of one pass.
    On processors that multiply bfloat16 that dtype is several times faster.

    Raises:
        MissingExtraError: the extra `train` is not installed.
        MissingWeightsError: the weights cannot be had.
    """

    source: str = "default"
    dtype: str = "float32"
    batch_tokens: int = 4096
    _loaded: tuple[Any, Any] | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        from centerlm.learning.base import base_name

        plain = base_name(self.source)
        return plain if self.dtype == "float32" else f"{plain} {self.dtype}"

    def encode(self, text: str) -> Ids:
        """Token ids; nothing in the text becomes a special token."""
        from centerlm.models.transformers import PlainEncoder

        return tuple(PlainEncoder(self._load()[1]).encode(text))

    def decode(self, ids: Sequence[int]) -> str:
        return self._load()[1].decode(list(ids), clean_up_tokenization_spaces=False)

    def nats(self, queries: Sequence[Query]) -> list[float]:
        limit = int(self._load()[0].config.max_position_embeddings)
        for query in queries:
            if not query.context or not query.target:
                raise InputError("a text is scored after a context; both need one token or more")
            if len(query.context) + len(query.target) > limit:
                raise InputError(
                    f"a passage and its context have {len(query.context) + len(query.target):,} "
                    f"tokens, more than the {limit:,} of {self.name}; give less context"
                )
        by_context: dict[Ids, list[int]] = {}
        for index, query in enumerate(queries):
            by_context.setdefault(query.context, []).append(index)
        scores: dict[int, float] = {}
        for context, indices in by_context.items():
            for some in self._batches(context, [(i, queries[i].target) for i in indices]):
                found = self._pass(context, [target for _, target in some])
                scores |= zip((index for index, _ in some), found, strict=True)
        return [scores[index] for index in range(len(queries))]

    def _batches(
        self, context: Ids, targets: Sequence[tuple[int, Ids]]
    ) -> Iterator[list[tuple[int, Ids]]]:
        """Targets that are scored in one pass after their context."""
        batch: list[tuple[int, Ids]] = []
        size = len(context)
        for index, target in targets:
            if batch and size + len(target) > self.batch_tokens:
                yield batch
                batch, size = [], len(context)
            batch.append((index, target))
            size += len(target)
        yield batch

    def _pass(self, context: Ids, targets: Sequence[Ids]) -> list[float]:
        """One row of the context and then all targets, none of which sees another.

        So the context is read once; logits (a vocabulary each) are made only where targets stand.
        """
        torch: Any = importlib.import_module("torch")
        model, _ = self._load()
        size = len(context) + sum(map(len, targets))
        seen = torch.ones((size, size), dtype=torch.bool).tril()
        places = torch.arange(size)
        at = len(context)
        for target in targets:
            end = at + len(target)
            seen[at:end, len(context) : at] = False
            places[at:end] = torch.arange(len(context), len(context) + len(target))
            at = end
        kind = model.dtype
        mask = torch.zeros((1, 1, size, size), dtype=kind)
        mask.masked_fill_(~seen, torch.finfo(kind).min)
        ids = torch.tensor([[*context, *(token for target in targets for token in target)]])
        found: list[float] = []
        with torch.inference_mode():
            hidden = model.model(
                input_ids=ids, attention_mask=mask, position_ids=places[None], use_cache=False
            ).last_hidden_state[0]
            at = len(context)
            for target in targets:
                # The first token of each target follows the last of the context.
                rows = [len(context) - 1, *range(at, at + len(target) - 1)]
                logits = model.lm_head(hidden[rows]).float()
                loss = torch.nn.functional.cross_entropy(
                    logits, torch.tensor(target), reduction="sum"
                )
                found.append(float(loss))
                at += len(target)
        return found

    def _load(self) -> tuple[Any, Any]:
        if self._loaded is None:
            from centerlm.learning.base import load_base

            model, tokenizer = load_base(self.source, dtype=self.dtype)
            self._loaded = (model.eval(), tokenizer)
        return self._loaded


@dataclass(slots=True)
class KeptScorer:
    """A scorer whose scores are kept in a file (JSON Lines), so that a run can be taken up again.

    A line that was cut off by a kill is scored again.
    """

    scorer: Scorer
    path: Path
    _scores: dict[str, float] | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return self.scorer.name

    def encode(self, text: str) -> Ids:
        return self.scorer.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        return self.scorer.decode(ids)

    def nats(self, queries: Sequence[Query]) -> list[float]:
        kept = self._read()
        keys = [self._key(query) for query in queries]
        missing = {k: q for k, q in zip(keys, queries, strict=True) if k not in kept}
        if missing:
            scores = self.scorer.nats(list(missing.values()))
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                for key, score in zip(missing, scores, strict=True):
                    file.write(json.dumps([key, score]) + "\n")
                    kept[key] = score
        return [kept[key] for key in keys]

    def _read(self) -> dict[str, float]:
        if self._scores is None:
            self._scores = {}
            if self.path.is_file():
                for line in self.path.read_text(encoding="utf-8").splitlines():
                    try:
                        key, score = json.loads(line)
                        self._scores[str(key)] = float(score)
                    except (ValueError, TypeError):
                        continue
        return self._scores

    def _key(self, query: Query) -> str:
        text = json.dumps([self.name, query.context, query.target])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
