"""Open threads: sentences that promise, ask, hide or await something, and whether it came.

Told by words ("promised", "to-morrow", "secret", "who can it be"), so it finds what is said in so
many words and misses what is only implied. A thread is closed by a later passage that has most of
its rare words or people again together with a word of settling ("told", "found", "married").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from centerlm.books.prose import Span, words_of

Sort = Literal["promise", "plan", "secret", "question", "danger"]

_WORDS: dict[Sort, str] = {
    "promise": r"""promis(e|ed|es) | sw(ear|ore|orn) | vow(ed)? | oath | pledged?
        | gave\ (my|his|her)\ word | never\ forgive | revenge | avenge""",
    "secret": r"""secrets? | conceal(ed|s)? | disguise | mystery | mysterious | hidden
        | must\ not\ know | never\ told | nobody\ knows | unknown\ to""",
    "danger": r"""in\ danger | threaten(ed|s|ing)? | warn(ed|ing) | beware | suspect(ed|s)?
        | escaped | pursu(ed|ers?) | missing | lost\ (her|his|the)\ (will|ring|child|letter)""",
    "plan": r"""to-?morrow | next\ (day|week|month|morning) | intend(s|ed)?\ to
        | (will|shall)\ (return|come\ back|marry|find|meet|write|send|tell\ you)
        | (determined|resolved|engaged)\ to | wait(ing)?\ for
        | until\ (he|she|I|you|they)\ (come|return|came|returned)""",
    "question": r"""who\ (can|could|is|was)\ (it|he|she|that) | what\ had\ become
        | what\ (can|could)\ it\ mean | why\ (had|did|should)\ (he|she|they)
        | where\ (is|was|had)\ (he|she) | I\ wonder(ed)?
        | wondered\ (what|who|why|where|whether)""",
}
_CUES: dict[Sort, re.Pattern[str]] = {
    sort: re.compile(rf"\b(?:{words})\b", re.IGNORECASE | re.VERBOSE)
    for sort, words in _WORDS.items()
}
_SETTLED = re.compile(
    r"""\b(?: told | confess\w* | explain\w* | reveal\w* | discover\w* | found | fulfil\w*
        | kept\ (his|her|my)\ (word|promise) | returned | married | answered | paid | forg[ai]v\w+
        | was\ dead | died | met | arriv\w+ | at\ last )\b""",
    re.IGNORECASE | re.VERBOSE,
)
MAX_THREADS = 400
_MIN_WORDS, _MAX_WORDS = 6, 60
_RARE = 30
_KEYS = 8


@dataclass(frozen=True, slots=True)
class Thread:
    """A sentence that leaves something open; `closed` is where it was settled, -1 while open.

    `weight` grows with the people it names and the rarity of its words.
    """

    sort: Sort
    start: int
    end: int
    people: tuple[str, ...]
    weight: float
    closed: int

    @property
    def open(self) -> bool:
        return self.closed < 0


def find_threads(
    text: str, spans: Sequence[Span], people: Mapping[int, tuple[str, ...]]
) -> tuple[Thread, ...]:
    """The weightiest threads in order; `people` are those named in each sentence, by its index."""
    bags = [frozenset(words_of(text[s.start : s.end])) for s in spans]
    frequency = Counter(word for bag in bags for word in bag)
    found: list[tuple[float, int, Sort, frozenset[str]]] = []
    for index, span in enumerate(spans):
        sentence = text[span.start : span.end]
        if not _MIN_WORDS <= len(bags[index]) <= _MAX_WORDS:
            continue
        sort = _sort_of(sentence)
        if sort is None:
            continue
        rare = sorted((w for w in bags[index] if len(w) > 3), key=lambda w: (frequency[w], w))
        keys = frozenset(w for w in rare[:_KEYS] if frequency[w] <= max(_RARE, len(spans) // 200))
        named = people.get(index, ())
        if not named and sort in ("plan", "question"):
            continue
        weight = len(named) + sum(1 / (1 + frequency[w]) for w in keys) + (sort == "promise")
        found.append((weight, index, sort, keys))
    kept = sorted(sorted(found, key=lambda f: -f[0])[:MAX_THREADS], key=lambda f: f[1])
    where: dict[str, list[int]] = {}
    wanted = frozenset(word for _, _, _, keys in kept for word in keys)
    for index, bag in enumerate(bags):
        for word in bag & wanted:
            where.setdefault(word, []).append(index)
    return tuple(
        Thread(
            sort,
            spans[index].start,
            spans[index].end,
            people.get(index, ()),
            weight,
            _settled(text, spans, index, keys, where, people),
        )
        for weight, index, sort, keys in kept
    )


def _sort_of(sentence: str) -> Sort | None:
    for sort, cue in _CUES.items():
        if cue.search(sentence):
            return sort
    return None


def _settled(
    text: str,
    spans: Sequence[Span],
    index: int,
    keys: frozenset[str],
    where: Mapping[str, list[int]],
    people: Mapping[int, tuple[str, ...]],
) -> int:
    """Where a thread is settled: half of its rare words again within five sentences, and a cue."""
    hits: Counter[int] = Counter()
    for word in keys:
        for at in {later // 5 for later in where.get(word, ()) if later > index + 5}:
            hits[at] += 1
    needed = max(2, (len(keys) + 1) // 2)
    named = set(people.get(index, ()))
    for window in sorted(at for at, count in hits.items() if count >= needed):
        first, last = window * 5, min(window * 5 + 4, len(spans) - 1)
        present = {name for i in range(first, last + 1) for name in people.get(i, ())}
        if named and not named & present:
            continue
        if _SETTLED.search(text, spans[first].start, spans[last].end):
            return spans[first].start
    return -1
