"""Kinds of sub-objective: questions that ask alike, whomever and whatever they ask about.

Names, numbers and quotations are masked; what is left is embedded by meaning (MiniLM) or, where
that is not installed, compared by words. A question joins the nearest kind if it is near enough,
and begins one otherwise (leader clustering, Hartigan 1975), so a kind never moves.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from heapq import nlargest
from typing import TYPE_CHECKING, Any, Protocol

from centerlm.finding import clean_text

if TYPE_CHECKING:
    from centerlm.library.embed import Embedder

MAX_TEXT = 300
NAME, NUMBER = "NAME", "0"

_QUOTED = re.compile(r"\"[^\"]{1,200}\"|“[^”]{1,200}”|«[^»]{1,200}»")
_NAMES = re.compile(
    r"(?<=\s)(?:[A-Z][\w'’.-]*)(?:\s+(?:(?:of|the|de|la|van|von|and|der)\s+){0,2}[A-Z][\w'’.-]*)*"
)
_FIRST = re.compile(r"^[A-Z][\w'’.-]*(?:\s+NAME)+")
_NUMBERS = re.compile(r"\d[\d.,:/-]*")
_WORDS = re.compile(r"[^\W_]+")
_MINOR_TEXT = """
a an and are as at be been by did do does for from had has have he her his in into is it its of on
or she that the their them there these they this to was were with name
"""
_MINOR = frozenset(_MINOR_TEXT.split())
_ASKING_TEXT = "how many much what when where which who whom whose why"
_ASKING = frozenset(_ASKING_TEXT.split())
_MINOR_WEIGHT = 0.3


def is_minor(word: str) -> bool:
    """Whether a word says nothing of what a question is about."""
    return word.casefold() in _MINOR or word.casefold() in _ASKING


def mask(text: str) -> str:
    """The question with its names, numbers and quotations masked, on one line."""
    line = " ".join(clean_text(text).split())[:MAX_TEXT]
    line = _QUOTED.sub(NAME, line)
    line = _NAMES.sub(_masked, line)
    line = _FIRST.sub(NAME, line)
    return _NUMBERS.sub(NUMBER, line)


def _masked(match: re.Match[str]) -> str:
    """A name with what closes a sentence, or its genitive, left as it is."""
    end = re.search(r"(?:['’]s)?[.]*$", match[0])
    return NAME + (end[0] if end else "")


class Table(Protocol):
    """Vectors of kinds, searched by one."""

    def add(self, vector: Any) -> None: ...

    def nearest(self, vector: Any, count: int) -> list[tuple[int, float]]:
        """The rows of the nearest kinds (in the order in which they were added, from 0) and how
        near they are (1 is the same question), the nearest first.
        """
        ...

    def nearest_each(self, vectors: Sequence[Any]) -> list[tuple[int, float] | None]:
        """The nearest row of each of many vectors; None where there is none."""
        ...


class Space(Protocol):
    """A way to compare questions. At `joins` two are of one kind, from `resembles` on they help."""

    @property
    def joins(self) -> float: ...

    @property
    def resembles(self) -> float: ...

    def embed(self, texts: Sequence[str]) -> Sequence[Any]: ...

    def table(self) -> Table: ...

    def to_bytes(self, vector: Any) -> bytes | None:
        """The vector as it is stored; None where it is made from the text again."""
        ...

    def from_bytes(self, data: bytes) -> Any | None:
        """A stored vector; None where this way has no use for it, and makes one from the text."""
        ...


class WordSpace:
    """Cosine of word counts: needs nothing. Common words count for less."""

    joins = 0.85
    resembles = 0.4

    def embed(self, texts: Sequence[str]) -> list[dict[str, float]]:
        return [self._vector(text) for text in texts]

    @staticmethod
    def _vector(text: str) -> dict[str, float]:
        counted = Counter(_WORDS.findall(text.casefold()))
        weights = {w: n * (_MINOR_WEIGHT if w in _MINOR else 1.0) for w, n in counted.items()}
        length = math.sqrt(sum(x * x for x in weights.values())) or 1.0
        return {word: x / length for word, x in weights.items()}

    def table(self) -> Table:
        return _WordTable()

    def to_bytes(self, vector: Any) -> None:
        del vector

    def from_bytes(self, data: bytes) -> None:
        """None: what is stored was made by the other way of comparing."""
        del data


class _WordTable:
    def __init__(self) -> None:
        self._size = 0
        self._with: dict[str, list[tuple[int, float]]] = {}

    def add(self, vector: dict[str, float]) -> None:
        for word, weight in vector.items():
            self._with.setdefault(word, []).append((self._size, weight))
        self._size += 1

    def nearest(self, vector: dict[str, float], count: int) -> list[tuple[int, float]]:
        found: dict[int, float] = {}
        for word, weight in vector.items():
            for row, other in self._with.get(word, ()):
                found[row] = found.get(row, 0.0) + weight * other
        return nlargest(count, found.items(), key=lambda item: (item[1], -item[0]))

    def nearest_each(self, vectors: Sequence[dict[str, float]]) -> list[tuple[int, float] | None]:
        return [next(iter(self.nearest(vector, 1)), None) for vector in vectors]


class MeaningSpace:
    """Cosine of sentence vectors, stored as float16."""

    joins = 0.86
    resembles = 0.6

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder

    def embed(self, texts: Sequence[str]) -> Sequence[Any]:
        return list(self._embedder.embed(texts))

    def table(self) -> Table:
        return _MeaningTable()

    def to_bytes(self, vector: Any) -> bytes:
        return vector.astype("<f2").tobytes()

    def from_bytes(self, data: bytes) -> Any:
        import numpy as np

        return np.frombuffer(data, dtype="<f2").astype(np.float32)


class _MeaningTable:
    def __init__(self) -> None:
        self._size = 0
        self._rows: Any = None

    def add(self, vector: Any) -> None:
        import numpy as np

        if self._rows is None:
            self._rows = np.zeros((64, len(vector)), dtype=np.float32)
        elif self._size == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[self._size] = vector
        self._size += 1

    def nearest(self, vector: Any, count: int) -> list[tuple[int, float]]:
        if self._rows is None:
            return []
        near = self._rows[: self._size] @ vector
        if count == 1:
            row = int(near.argmax())
            return [(row, float(near[row]))]
        return [(int(row), float(near[row])) for row in (-near).argsort(kind="stable")[:count]]

    def nearest_each(self, vectors: Sequence[Any]) -> list[tuple[int, float] | None]:
        import numpy as np

        if self._rows is None:
            return [None] * len(vectors)
        near = np.stack(vectors) @ self._rows[: self._size].T
        rows = near.argmax(axis=1)
        return [(int(row), float(near[n, row])) for n, row in enumerate(rows)]
