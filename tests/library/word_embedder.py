"""An embedder that needs no weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from centerlm.library.embed import DIMENSIONS


class WordEmbedder:
    """A bag of hashed words: texts that share words are near. Counts what it embeds."""

    name = "words"

    def __init__(self) -> None:
        self.embedded = 0

    def embed(self, texts: Sequence[str]) -> Any:
        import numpy as np

        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().replace(".", " ").replace("?", " ").split():
                seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8])
                vectors[row] += np.random.default_rng(seed).standard_normal(DIMENSIONS)
        self.embedded += len(texts)
        lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return (vectors / lengths).astype(np.float32)
