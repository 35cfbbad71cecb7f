"""What a reader knows at a position of a book: observations up to there, put together.

Takes observations and a way to get text; knows nothing of libraries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from centerlm.books.checking import MAX_COPIED, Known, uses
from centerlm.books.lately import Clause, lately
from centerlm.books.noting import observe, take_notes
from centerlm.books.observations import Observation
from centerlm.books.prose import Voice, words_of
from centerlm.books.structure import read_structure
from centerlm.books.style import grams

THREADS = 6
EXPECTED = 12
_HALVED, _LEAST = 22_000, 1.5
"""Of novels to train on: a mention counts half as much each so many characters (some 4,000 words)
further back, and who comes up in the next chapter has mentions of so much together.
"""
_NEAR = 0.15
"""The share of a book within which a thread counts as recent: its weight halves with each."""


@dataclass(frozen=True, slots=True)
class BookView:
    """A book up to `end`; `text(start, end)` gives its words."""

    observations: Sequence[Observation]
    text: Callable[[int, int], str]
    end: int
    title: str = ""

    def of(self, kind: str) -> list[Observation]:
        return [seen for seen in self.observations if seen.kind == kind]

    def names(self, *kinds: str) -> dict[str, tuple[str, ...]]:
        """Entities of these kinds with all their names."""
        return {o.subject: (o.subject, *o.data["aliases"]) for k in kinds for o in self.of(k)}

    def entity(self, name: str) -> Observation | None:
        """The person or place that goes by a name; the most mentioned where several do."""
        found = [
            o
            for o in self.observations
            if o.kind in ("person", "place") and name in (o.subject, *o.data["aliases"])
        ]
        return max(found, key=lambda o: o.data["mentions"], default=None)

    def present(self) -> list[Observation]:
        """People named in the last scene that names any, the most named first."""
        seen = self.of("present")
        if not seen:
            return []
        last = max(seen, key=lambda o: (o.data["chapter"], o.data["scene"]))
        here = [
            o
            for o in seen
            if (o.data["chapter"], o.data["scene"]) == (last.data["chapter"], last.data["scene"])
        ]
        return sorted(here, key=lambda o: (-o.data["mentions"], o.start))

    def expected(self, count: int = EXPECTED) -> list[Observation]:
        """People and places that may well come up next: named often and lately, these first."""
        entities = {o.subject: o for kind in ("person", "place") for o in self.of(kind)}
        start = max(0, self.end - 6 * _HALVED)
        near = self.text(start, self.end)
        weights: dict[str, float] = {}
        for at, name in uses(near, self.names("person", "place")):
            weights[name] = weights.get(name, 0.0) + 0.5 ** ((len(near) - at) / _HALVED)
        likely = sorted(weights, key=lambda name: -weights[name])
        return [entities[name] for name in likely if weights[name] >= _LEAST][:count]

    def where(self, name: str) -> Observation | None:
        """Where a person was last said to be."""
        found = [o for o in self.of("whereabouts") if o.subject == name]
        return found[-1] if found else None

    def dead(self) -> list[Observation]:
        return self.of("death")

    def threads(self, count: int = THREADS) -> list[Observation]:
        """Open threads that weigh most, later ones more, in order."""

        def worth(o: Observation) -> float:
            age = (self.end - o.end) / max(self.end, 1)
            return float(o.data["weight"]) * 0.5 ** (age / _NEAR)

        opened = [o for o in self.of("thread") if o.data["closed"] < 0]
        return sorted(sorted(opened, key=worth)[-count:], key=lambda o: o.start)

    def lately(self, characters: int) -> list[Clause]:
        """What was lately told, in clauses of at most so many characters together."""
        return lately(self.text(0, self.end), characters)

    def voice(self) -> Voice:
        """The narrator's usual person and tense."""
        people, tenses = Counter[str](), Counter[str]()
        for seen in self.of("voice"):
            people[seen.data["person"]] += seen.data["person"] != "unclear"
            tenses[seen.data["tense"]] += seen.data["tense"] != "unclear"
        best = [next(iter(c.most_common(1)), ("unclear", 0)) for c in (people, tenses)]
        person, tense = (name if count else "unclear" for name, count in best)
        return Voice(person, tense)  # pyright: ignore[reportArgumentType]

    def tail(self, words: int) -> str:
        """The last words before the end, on single spaces."""
        return " ".join(self.text(max(0, self.end - 12 * words), self.end).split()[-words:])

    def known(self) -> Known:
        """What a continuation has to agree with."""
        runs = grams(words_of(self.text(0, self.end)), MAX_COPIED + 1)
        dead = {o.subject for o in self.dead()}
        return Known(self.names("person"), self.names("place"), dead, self.voice(), runs)


def view_of_text(text: str, title: str = "") -> BookView:
    """What a reader knows at the end of a text, which may be as short as it likes.

    Raises:
        MissingExtraError: sentencex is not installed.
    """
    structure = read_structure(text)
    seen = list(observe(text, structure, take_notes(text, structure)))
    return BookView(seen, lambda start, end: text[start:end], len(text), title)
