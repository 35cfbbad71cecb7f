"""Seek acts from readings: a question whose passage a library did not find, and words that did.

Tried are the other wordings of the same reading, the question's own words without those that every
question has, its names alone, and a relation written as keywords. What counts is what the real
library ranks, so the center learns which words this kind of search follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
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
) -> Iterator[Reask]:
    """A re-ask for each question whose gold passage is not found first while other words find it
    first: those are the query. What comes second in a small library is far behind in a large one.
    """
    rng = Random(seed)
    made: set[tuple[str, str]] = set()

    @cache
    def best(query: str) -> Sequence[str]:
        return search(query, 1)

    for group in _groups(readings):
        gold = set(group[0].passages)
        for reading in group:
            if not gold.isdisjoint(best(reading.question)):
                continue
            others = [r.question for r in group if r.id != reading.id and ">>" not in r.question]
            said = normalise(reading.question)  # words the solver takes for the same
            tried = [
                query
                for query in dict.fromkeys(others + rewritings(group, reading))
                if _fits(query) and normalise(query) != said
            ]
            query = next((query for query in tried if not gold.isdisjoint(best(query))), None)
            if query is not None and (said, query) not in made:
                made.add((said, query))
                yield Reask(
                    f"{reading.id}:reask",
                    reading.origin,
                    reading.question,
                    rng.choice(cards),
                    (reading.question,),
                    query,
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
