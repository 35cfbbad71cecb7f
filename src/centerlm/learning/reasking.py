"""Seek acts from readings: a question whose passage a library did not find, and words that did.

Tried are the other wordings of the same reading, the question's own words without those that every
question has, its names alone, and a relation written as keywords. What counts is what the real
library ranks, so the center learns which words this kind of search follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from random import Random

from centerlm.learning.noting import Search
from centerlm.learning.records import Reading, Reask
from centerlm.plan import normalise
from centerlm.sources.base import Card

MAX_QUERY = 120

_COMMON = frozenset(
    (
        "a", "an", "the", "of", "in", "on", "at", "to", "for", "from", "by", "with", "as",
        "is", "are", "was", "were", "be", "been", "did", "do", "does", "has", "have", "had",
        "who", "whom", "whose", "what", "which", "when", "where", "why", "how", "that",
        "this", "it", "its", "he", "she", "they", "his", "her", "their", "and", "or",
        "many", "much", "there", "one", "name", "called", "known",
    )
)  # fmt: skip
_WORD = re.compile(r"[^\W_][\w'’.-]*[^\W_]|[^\W_]")
_NAME = re.compile(r"(?<!^)(?:[A-Z0-9][\w'’.-]*)(?: (?:of|the|de|van|and|[A-Z0-9][\w'’.-]*))*")


def reasks(
    readings: Iterable[Reading],
    search: Search,
    cards: Sequence[Card],
    *,
    seed: int,
    k: int = 1,
    clear: int = 1,
) -> Iterator[Reask]:
    """A re-ask for each question whose gold passage is not among the best `k` while other words
    put it among the best `clear` (1 to k). The best of those words is the query. What is hidden at
    a small `k` in a small library is hidden at a larger one in a large library.
    """
    rng = Random(seed)
    ranks: dict[str, dict[str, int]] = {}
    made: set[tuple[str, str]] = set()
    for group in _groups(readings):
        gold = set(group[0].passages)
        for reading in group:
            if _rank(search, reading.question, gold, k, ranks) <= k:
                continue
            others = [r.question for r in group if r.id != reading.id and ">>" not in r.question]
            said = normalise(reading.question)  # words the solver takes for the same
            tried = [
                query
                for query in dict.fromkeys(others + rewritings(group, reading))
                if _fits(query) and normalise(query) != said
            ]
            ranked = [(_rank(search, q, gold, k, ranks), n, q) for n, q in enumerate(tried)]
            best = min(ranked, default=None)
            if best is not None and best[0] <= clear and (said, best[2]) not in made:
                made.add((said, best[2]))
                yield Reask(
                    f"{reading.id}:reask",
                    reading.origin,
                    reading.question,
                    rng.choice(cards),
                    (reading.question,),
                    best[2],
                )


def rewritings(group: Sequence[Reading], reading: Reading) -> list[str]:
    """Other words for a question: keywords of its relation, its own content words, its names."""
    relations = [" ".join(r.question.split(" >> ")) for r in group if " >> " in r.question]
    words = [w for w in _WORD.findall(reading.question) if w.lower() not in _COMMON]
    names = [match[0] for match in _NAME.finditer(reading.question)]
    return [*relations, " ".join(words), " ".join(names)]


def _fits(query: str) -> bool:
    return 3 <= len(query) <= MAX_QUERY and not query.startswith("#")


def _groups(readings: Iterable[Reading]) -> list[list[Reading]]:
    """The wordings of one question: ids that differ after the last colon, with one passage and
    answer.
    """
    groups: dict[tuple[str, tuple[str, ...], str], list[Reading]] = {}
    for reading in readings:
        if reading.answer is not None and reading.passages:
            key = (reading.id.rpartition(":")[0], reading.passages, reading.answer)
            groups.setdefault(key, []).append(reading)
    return list(groups.values())


def _rank(
    search: Search, query: str, gold: set[str], k: int, ranks: dict[str, dict[str, int]]
) -> int:
    """The rank (from 1) of the best gold passage; k + 1 where it is not among the best k."""
    if query not in ranks:
        ranks[query] = {id_: n for n, id_ in reversed(list(enumerate(search(query, k), start=1)))}
    return min((ranks[query].get(id_, k + 1) for id_ in gold), default=k + 1)
