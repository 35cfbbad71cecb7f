"""What a book lately told, in short clauses: those with the words most likely to come again.

A word comes again the sooner the more often and the later it was used (a cache with decay, as
Clarkson and Robinson, 1997), and says the more the rarer it is in the book. What whoever writes on
sees anyway, the last few hundred words, is left out. Pure functions over text.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MIN_CLAUSE, MAX_CLAUSE = 5, 8
"""Words of a clause: shorter ones are left out, longer ones cut to their best part."""
WINDOW, SEEN = 2_000, 380
"""How many of the last words are looked at, and how many of them are left out as seen anyway."""
_HALF = 800
_AHEAD = 250
_COMMON = 9.0
_SHORT = 12
_WORD = re.compile(r"[^\W\d_](?:[\w’'-]*\w)?")
_BREAK = re.compile(
    r"[.,;:!?\"“”()—]+|--+|\s-\s|\n\s*\n"
    r"|\b(?:and|but|that|which|who|when|as|if|for|than|because|while|where|though)\b"
)


@dataclass(frozen=True, slots=True)
class Clause:
    """Words of the book on single spaces, and where they stand."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Words:
    """Words in lower case with their places."""

    words: tuple[str, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]


def lately(text: str, characters: int) -> list[Clause]:
    """The clauses of the last pages of a text that are worth most, in order; together of at most so
    many characters. [] where the text is too short.
    """
    words = _words_of(text)
    last = len(words.words) - SEEN
    if last <= 0:
        return []
    first = max(0, last - WINDOW)
    worth = _worths(words.words, first, last)
    found = _clauses(text, words, first, last, worth)
    return _best(found, worth, characters)


def _words_of(text: str) -> _Words:
    found = list(_WORD.finditer(text))
    return _Words(
        tuple(match[0].lower() for match in found),
        tuple(match.start() for match in found),
        tuple(match.end() for match in found),
    )


def _worths(words: Sequence[str], first: int, last: int) -> dict[str, float]:
    """Of each word used from `first` to `last` and not after: the chance that it comes in the next
    pages, times the bits it is rarer than common words; those worth nothing are left out.
    """
    counts, total = Counter(words), len(words)
    seen = frozenset(words[last:])
    used: dict[str, float] = {}
    for index in range(first, last):
        word = words[index]
        used[word] = used.get(word, 0.0) + 0.5 ** ((last - index) / _HALF)
    pages = _HALF / math.log(2)
    found: dict[str, float] = {}
    for word, weight in used.items():
        share = counts[word] / total
        bits = -math.log2(share) - _COMMON
        if bits > 0 and word not in seen and len(word) > 2:
            rate = (weight + 1000 * share) / (pages + 1000)
            found[word] = (1 - math.exp(-_AHEAD * rate)) * bits
    return found


def _clauses(
    text: str, words: _Words, first: int, last: int, worth: Mapping[str, float]
) -> list[tuple[Clause, frozenset[str]]]:
    """The clauses between two words, with those of their words that are worth something."""
    found: list[tuple[Clause, frozenset[str]]] = []
    at, end = words.starts[first], words.ends[last - 1]
    breaks = [(m.start(), m.end()) for m in _BREAK.finditer(text, at, end)]
    for stop, after in [*breaks, (end, end)]:
        low = bisect_right(words.starts, at - 1)
        high = bisect_right(words.starts, stop - 1)
        at = after
        if high - low < MIN_CLAUSE:
            continue
        if high - low > MAX_CLAUSE:
            sums = [
                sum(worth.get(word, 0.0) for word in words.words[i : i + MAX_CLAUSE])
                for i in range(low, high - MAX_CLAUSE + 1)
            ]
            low += sums.index(max(sums))
            high = low + MAX_CLAUSE
        telling = frozenset(word for word in words.words[low:high] if word in worth)
        if telling:
            start, stop = words.starts[low], words.ends[high - 1]
            found.append((Clause(start, stop, " ".join(text[start:stop].split())), telling))
    return found


def _best(
    found: Sequence[tuple[Clause, frozenset[str]]], worth: Mapping[str, float], characters: int
) -> list[Clause]:
    """Greedy: the clause that adds most for its length, again and again."""
    told: set[str] = set()
    kept: list[int] = []
    left = dict(enumerate(found))
    size = 0

    def gain(index: int) -> float:
        clause, telling = left[index]
        # In order of the text: a set's order of words would change the last digits of the sum.
        return sum(worth[word] for word in sorted(telling - told)) / (len(clause.text) + 4)

    while left and size < characters - _SHORT:
        best = max(left, key=gain)
        if gain(best) <= 0:
            break
        clause, telling = left.pop(best)
        if size + len(clause.text) + 2 > characters:
            continue
        kept.append(best)
        told |= telling
        size += len(clause.text) + 2
    return [found[index][0] for index in sorted(kept)]
