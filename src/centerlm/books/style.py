"""How a text is written: copying, repetition, variety of words, distance to an author's style.

Pure functions over texts; words are lower-case and without punctuation (`prose.words_of`).
"""

from __future__ import annotations

import random
import re
import statistics
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from centerlm.books.prose import words_of

Grams = frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Range:
    """The middle 90 % of a measure over an author's own passages."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def grams(words: Sequence[str], n: int) -> Grams:
    """All runs of n words."""
    return frozenset(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def copied_runs(text: str, known: Grams, most: int) -> list[int]:
    """Lengths of the runs of more than `most` words that a text shares with another.

    `known` are the other's runs of `most` + 1 words; k + 1 overlapping ones are one run
    of `most` + 1 + k words.
    """
    words = words_of(text)
    size = most + 1
    runs: list[int] = []
    length = 0
    for i in range(len(words) - size + 1):
        if tuple(words[i : i + size]) in known:
            length = length + 1 if length else size
        elif length:
            runs.append(length)
            length = 0
    return [*runs, length] if length else runs


_TOKEN = re.compile(r"\S+")


def without_quotes(text: str, known: Grams, most: int) -> str:
    """The text with "…" in every run of more than `most` words that stands in another text.

    `known` are the other's runs of `most` + 1 words: each is broken by leaving out its last word.
    """
    out: list[str] = []
    run: list[str] = []
    for token in _TOKEN.findall(text):
        run += words_of(token)
        if any(tuple(run[i : i + most + 1]) in known for i in range(len(run) - most)):
            if not out or out[-1] != "…":
                out.append("…")
            run = []
            continue
        run = run[-most:]
        out.append(token)
    return " ".join(out)


def distinct_n(text: str, n: int) -> float:
    """Different runs of n words over all of them (Li et al., 2016); 1.0 for shorter texts."""
    words = words_of(text)
    total = len(words) - n + 1
    return len(grams(words, n)) / total if total > 0 else 1.0


def repetition(text: str, n: int = 4) -> float:
    """The share of runs of n words that stood in the text before."""
    return 1.0 - distinct_n(text, n)


def range_of(values: Sequence[float]) -> Range:
    """The 5th to 95th percentile.

    Raises:
        ValueError: there are fewer than two values.
    """
    if len(values) < 2:
        raise ValueError("a range needs two values or more")
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    return Range(cuts[0], cuts[-1])


def quantile_of(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies, in steps of 5 %.

    Raises:
        ValueError: there are fewer than two values.
    """
    return statistics.quantiles(values, n=20, method="inclusive")[round(20 * share) - 1]


def windows(text: str, words: int) -> list[str]:
    """The text in pieces of so many words, the last shorter one left out."""
    tokens = text.split()
    return [
        " ".join(tokens[i : i + words]) for i in range(0, len(tokens) - words + 1, max(words, 1))
    ]


def length_error(text: str, wanted: int) -> float:
    """How far the number of words is from what was wanted, relative to that; 0 is exact.

    Raises:
        ValueError: `wanted` is not positive.
    """
    if wanted < 1:
        raise ValueError("the wanted length has to be one word or more")
    return abs(len(text.split()) - wanted) / wanted


def burrows_delta(
    text: str, authors: Mapping[str, Sequence[str]], words: int = 150
) -> dict[str, float]:
    """The distance of a text to each author (Burrows, 2002): less is closer.

    Shares of the most frequent `words` of all samples are made z-scores over the samples; the
    distance is the mean absolute difference between the text's and the author's mean. A word that
    all samples use alike says nothing and is left out.

    Raises:
        ValueError: there are fewer than two samples in all.
    """
    samples = [(author, words_of(sample)) for author, many in authors.items() for sample in many]
    if len(samples) < 2:
        raise ValueError("Burrows' Delta needs two samples or more")
    total = Counter(word for _, sample in samples for word in sample)
    frequent = [word for word, _ in total.most_common(words)]
    shares = [(author, _shares(sample, frequent)) for author, sample in samples]
    spread = {w: statistics.pstdev(s[w] for _, s in shares) for w in frequent}
    telling = [word for word in frequent if spread[word] > 0]
    if not telling:
        return dict.fromkeys(authors, 0.0)
    mine = _shares(words_of(text), telling)
    means: dict[str, dict[str, float]] = {
        author: {w: statistics.fmean(s[w] for a, s in shares if a == author) for w in telling}
        for author in authors
        if authors[author]
    }
    return {
        author: statistics.fmean(abs(mine[w] - mean[w]) / spread[w] for w in telling)
        for author, mean in means.items()
    }


def _shares(words: Sequence[str], wanted: Iterable[str]) -> dict[str, float]:
    counts = Counter(words)
    return {word: counts[word] / max(len(words), 1) for word in wanted}


_CONSONANTS, _VOWELS, _ENDS = "bdfgklmnprstv", "aeiou", ("n", "r", "l", "s", "d", "")


def renaming(words: Collection[str], seed: int) -> dict[str, str]:
    """A made-up word for each word of names, the same every time for the same words and seed."""
    draw = random.Random(seed)
    taken = {word.lower() for word in words}
    found: dict[str, str] = {}
    for word in sorted(words):
        while True:
            made = "".join(draw.choice(_CONSONANTS) + draw.choice(_VOWELS) for _ in range(2))
            made = (made + draw.choice(_ENDS)).capitalize()
            if made.lower() not in taken:
                break
        taken.add(made.lower())
        found[word] = made
    return found


def renamed(text: str, names: Mapping[str, str]) -> str:
    """The text with each whole word that has another name replaced by it; possessives stay."""
    if not names:
        return text
    each = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w])(?:{each})(?![\w])", lambda match: names[match[0]], text)
