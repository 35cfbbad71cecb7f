"""As many passages as wanted from the sentences of a pool, and vectors for them; seeded.

Sentences are recombined, so word frequencies stay those of the pool. Only rare words (in at most 5
passages of the pool) would become too common that way: each of their uses is the word itself or one
of many made-up variants, so the vocabulary grows with the corpus as it does in real text.
Vectors are those of pool passages with noise (cosine to the original about 0.8).
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

RARE = 5
WORDS = 75
NOISE = 0.038  # a coordinate; 384 of them make a length of 0.75, so the cosine is 1 / 1.25 = 0.8

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
_WORD = re.compile(r"[^\W\d_]{3,}")
_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "is")]


def passages(pool: list[tuple[str, str]], count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """Titles and texts of about 75 words; with a variant of rare words according to the size."""
    draw = random.Random(seed)
    frequency: Counter[str] = Counter()
    sentences: list[str] = []
    for title, text in pool:
        frequency.update(set(_WORD.findall(f"{title} {text}")))
        sentences += [s for s in _SENTENCE.split(text) if s]
    variants = max(1, round((count / len(pool)) ** 0.5 * 4))

    def vary(match: re.Match[str]) -> str:
        word = match[0]
        if frequency[word] > RARE:
            return word
        number = int(variants * draw.random() ** 2)
        if not number:
            return word
        return word[:4] + "".join(random.Random(f"{word}{number}").choices(_SYLLABLES, k=2))

    titles = [title for title, _ in pool]
    for _ in range(count):
        text: list[str] = []
        words = 0
        while words < WORDS:
            sentence = draw.choice(sentences)
            text.append(sentence)
            words += sentence.count(" ") + 1
        yield _WORD.sub(vary, draw.choice(titles)), _WORD.sub(vary, " ".join(text))


def vectors(real: Any, start: int, count: int, seed: int = 0) -> Any:
    """Rows `start` to `start + count` of an endless matrix (n, 384), float32, rows of length 1."""
    import numpy as np

    draw = np.random.default_rng([seed, start])
    rows = real[draw.integers(0, len(real), count)]
    rows = rows + NOISE * draw.standard_normal(rows.shape, dtype=np.float32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
