"""The tokenizer that a GGUF model carries in its own metadata.

Byte-level BPE (Sennrich et al. 2016; GPT-2) over the `tokenizers` library. Text is tokenised with
special tokens off: `<|im_end|>` in a passage becomes the pieces of eight characters, never the
token that ends a turn. Special tokens are only reachable by name, through `special`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerlm.errors import MissingExtraError, MissingWeightsError
from centerlm.models.gguf import GGUF, read_gguf

if TYPE_CHECKING:
    import tokenizers

_NORMAL = 1
_SPLITS_DIGITS = {"smollm": True, "gpt-2": False}
"""Pre-tokenisers known here: whether they split numbers into digits before GPT-2's pattern."""


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Text to token ids and back; ids are those of the model, 0 <= id < `size`."""

    bpe: tokenizers.Tokenizer
    special: dict[str, int]
    size: int

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`, in which nothing is special. Lone surrogates become "?"."""
        try:
            return self.bpe.encode(text, add_special_tokens=False).ids
        except (TypeError, UnicodeEncodeError):
            return self.encode(text.encode("utf-8", "replace").decode())

    def decode(self, ids: list[int] | tuple[int, ...]) -> str:
        """Text of token ids; special tokens by their names, broken characters as U+FFFD."""
        names = {token: name for name, token in self.special.items()}
        pieces: list[str] = []
        run: list[int] = []
        for token in ids:
            if token in names:
                pieces += [self.bpe.decode(run, skip_special_tokens=False), names[token]]
                run = []
            else:
                run.append(token)
        pieces.append(self.bpe.decode(run, skip_special_tokens=False))
        return "".join(pieces)


def tokenizer_of(model: GGUF | Path) -> Tokenizer:
    """The tokenizer of a GGUF model.

    Raises:
        MissingWeightsError: the file is missing, truncated, or has another kind of tokenizer.
        MissingExtraError: the `tokenizers` package is not installed.
    """
    gguf = read_gguf(model) if isinstance(model, Path) else model
    try:
        from tokenizers import Regex, decoders, models, pre_tokenizers
        from tokenizers import Tokenizer as Backend
    except ModuleNotFoundError:
        raise MissingExtraError("tokenizers", "local") from None
    data: dict[str, Any] = gguf.metadata
    kind, split = data.get("tokenizer.ggml.model"), data.get("tokenizer.ggml.pre")
    if data.get("general.type") == "adapter":
        raise MissingWeightsError(
            f"{gguf.path} is an adapter and no model; name it as adapter in the settings ([center] "
            "or an expert), and as model the file that it was trained on"
        )
    if kind != "gpt2" or split not in _SPLITS_DIGITS:
        raise MissingWeightsError(
            f"{gguf.path} has a tokenizer that is not known here ({kind}, {split}); serve the "
            "model with llama.cpp or vLLM and use it as an OpenAI-compatible endpoint"
        )
    tokens: list[str] = data["tokenizer.ggml.tokens"]
    types: list[int] = data["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ", 1)) for merge in data["tokenizer.ggml.merges"]]
    kinds = zip(tokens, types, strict=True)
    special = {token: i for i, (token, kind) in enumerate(kinds) if kind != _NORMAL}
    backend = Backend(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    digits = pre_tokenizers.Split(Regex(r"\p{N}"), "isolated")
    backend.pre_tokenizer = (
        pre_tokenizers.Sequence([digits, words]) if _SPLITS_DIGITS[split] else words
    )
    backend.decoder = decoders.ByteLevel()
    return Tokenizer(backend, special, len(tokens))
