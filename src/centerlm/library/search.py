"""Passages for a question: by words (BM25), by meaning (vectors), or by both.

The question is data: its words are quoted, so nothing in it is syntax of the index. Both ways give
candidates, each gets both scores, and how much of the question it covers is added for the best.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from centerlm.library import coverage, vectors
from centerlm.library.terms import MAX_QUERY_CHARACTERS, affordable, count_terms, query_terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORDS_ROWS = 200_000  # passages looked at when words are all there is: about 0.3 s
HYBRID_ROWS = 5_000  # beside vectors the common words of a question add little

NEAREST = 400  # candidates of the sign bits: nearly all of the true best 10 at 1e6 passages


@dataclass(frozen=True, slots=True)
class Weights:
    """How scores are put together.

    `title` and `heading` weigh words there against words of the text (1.0) in BM25. A candidate's
    score is the mean of four numbers in 0..1 with the weights `words` (BM25 divided by the best of
    the question), `meaning` (cosine), `coverage` and `name` (see `coverage`). `candidates` are
    taken by words; `covered` is how many of the best by words and meaning are scored in full.
    """

    title: float = 4.0
    heading: float = 1.0
    words: float = 0.3
    meaning: float = 0.7
    coverage: float = 0.4
    name: float = 0.1
    candidates: int = 100
    covered: int = 60


@dataclass(frozen=True, slots=True)
class Words:
    """What a question's words gave: BM25 of passages, and how many passages have each word."""

    scores: Mapping[int, float]
    counts: Mapping[str, int]


def by_words(
    connection: sqlite3.Connection,
    query: str,
    count: int,
    weights: Weights,
    *,
    rows: int = WORDS_ROWS,
) -> Words:
    """The best `count` passages by BM25 with their scores (higher is better), best first.

    At most about `rows` passages are looked at: those with the rarest words of the question.
    """
    counts = count_terms(connection, query_terms(query))
    terms = affordable(counts, rows)
    if not terms:
        return Words({}, counts)
    expression = " OR ".join(f'"{term}"' for term in terms)
    found = connection.execute(
        "SELECT rowid, rank FROM words WHERE words MATCH ? AND rank MATCH ? ORDER BY rank LIMIT ?",
        (expression, f"bm25({weights.title}, {weights.heading}, 1.0)", count),
    )
    return Words({passage: -rank for passage, rank in found}, counts)


def fuse(
    words: Mapping[int, float], cosines: Mapping[int, float], weights: Weights
) -> list[tuple[int, float]]:
    """Passages with the weighted sum of BM25 (relative to the best) and cosine, best first."""
    best = max(words.values(), default=0.0) or 1.0
    scores = {
        passage: weights.words * max(words.get(passage, 0.0), 0.0) / best
        + weights.meaning * max(cosines.get(passage, 0.0), 0.0)
        for passage in {*words, *cosines}
    }
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def hybrid(
    connection: sqlite3.Connection,
    query: str,
    words: Words,
    near: Sequence[int],
    vector: NDArray[np.float32],
    weights: Weights,
) -> list[tuple[int, float]]:
    """Candidates by words and by meaning, the best of them scored in full, best first."""
    cosines = vectors.cosines(connection, [*{*words.scores, *near}], vector)
    fused = fuse(words.scores, cosines, weights)[: weights.covered]
    passages: int = connection.execute("SELECT max(id) FROM passages").fetchone()[0] or 0
    wanted = coverage.rarity(words.counts, passages)
    question = coverage.forms(query[:MAX_QUERY_CHARACTERS])
    whole = weights.words + weights.meaning + weights.coverage + weights.name
    scored: list[tuple[int, float]] = []
    for passage, score in fused:
        row = connection.execute(
            "SELECT d.title, p.text FROM passages p JOIN documents d ON d.id = p.document "
            "WHERE p.id = ?",
            (passage,),
        ).fetchone()
        if row is None:  # removed by another process since it was found
            continue
        score += weights.coverage * coverage.covered(wanted, *row)
        score += weights.name * coverage.names(question, row[0])
        scored.append((passage, score / whole))
    return sorted(scored, key=lambda item: (-item[1], item[0]))


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
