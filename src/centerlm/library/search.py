"""Passages for a question: by words (BM25), by meaning (vectors), or by both.

The question is data: its words are quoted, so nothing in it is syntax of the index. Both ways give
candidates; each candidate then gets both scores, and the weighted sum of the two decides.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from centerlm.library import vectors
from centerlm.library.terms import affordable, query_terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORDS_ROWS = 200_000  # passages looked at when words are all there is: about 0.3 s
HYBRID_ROWS = 5_000  # beside vectors the common words of a question add little

NEAREST = 400  # candidates of the sign bits: nearly all of the true best 10 at 1e6 passages


@dataclass(frozen=True, slots=True)
class Weights:
    """How scores are put together.

    `title` and `heading` weigh words there against words of the text (1.0) in BM25; `meaning` is
    the share of the cosine, 0..1, the rest being BM25 divided by the best of the question;
    `candidates` are taken from each way.
    """

    title: float = 2.0
    heading: float = 1.0
    meaning: float = 0.7
    candidates: int = 100


def by_words(
    connection: sqlite3.Connection,
    query: str,
    count: int,
    weights: Weights,
    *,
    rows: int = WORDS_ROWS,
) -> dict[int, float]:
    """The best `count` passages by BM25 with their scores (higher is better), best first.

    At most about `rows` passages are looked at: those with the rarest words of the question.
    """
    terms = affordable(connection, query_terms(query), rows)
    if not terms:
        return {}
    expression = " OR ".join(f'"{term}"' for term in terms)
    found = connection.execute(
        "SELECT rowid, rank FROM words WHERE words MATCH ? AND rank MATCH ? ORDER BY rank LIMIT ?",
        (expression, f"bm25({weights.title}, {weights.heading}, 1.0)", count),
    )
    return {passage: -rank for passage, rank in found}


def fuse(
    words: Mapping[int, float], cosines: Mapping[int, float], weights: Weights
) -> list[tuple[int, float]]:
    """Passages and scores in 0..1, best first; a candidate without words of the question has 0."""
    best = max(words.values(), default=0.0) or 1.0
    share = weights.meaning
    scores = {
        passage: (1 - share) * max(words.get(passage, 0.0), 0.0) / best
        + share * max(cosines.get(passage, 0.0), 0.0)
        for passage in {*words, *cosines}
    }
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def hybrid(
    connection: sqlite3.Connection,
    words: Mapping[int, float],
    near: Sequence[int],
    vector: NDArray[np.float32],
    weights: Weights,
) -> list[tuple[int, float]]:
    """Candidates by words (with their BM25) and by meaning, scored by both, best first."""
    cosines = vectors.cosines(connection, [*{*words, *near}], vector)
    return fuse(words, cosines, weights)


def by_meaning(
    connection: sqlite3.Connection,
    vector: NDArray[np.float32],
    index: vectors.SignIndex,
    count: int,
) -> list[tuple[int, float]]:
    """The best passages by cosine, best first."""
    near: Sequence[int] = index.nearest(vector, max(NEAREST, 4 * count))
    scores = vectors.cosines(connection, near, vector)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:count]
