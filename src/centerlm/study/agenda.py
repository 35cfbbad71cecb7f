"""What to learn next: the subjects of a study, weighed by what they hang together with.

Numbers and names only. A subject is what a text names; it is worth a visit for what leads to it
(how near the topic, how often it was found as an answer), and less as visits find less. So a study
goes from its topic outward along what it found; of a whole library it begins with the titles, and
what many of them lead to comes first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from centerlm.memory.noting import entities
from centerlm.plan import normalise

MAX_SUBJECTS = 4096
BARREN = 2
"""Visits that teach nothing after which a subject is done with."""
NEAR = 0.5
"""How much of a subject's worth is left one step further out."""
LEAST_LEFT = 0.1
ASKED = 0.5
"""What a lead from a question weighs beside one from an answer."""
_DIGIT = re.compile(r"\d")


@dataclass(slots=True)
class Subject:
    """`weight` is how often it was led to, `steps` how far it is from where the study began, `left`
    how much there may be left to ask: the share of its last visit's questions that found something.
    """

    name: str
    weight: float
    steps: int
    visits: int = 0
    barren: int = 0
    left: float = 1.0

    @property
    def worth(self) -> float:
        return math.log2(1 + self.weight) * NEAR**self.steps * self.left

    @property
    def done(self) -> bool:
        return self.barren >= BARREN


@dataclass(slots=True)
class Agenda:
    """The subjects of a study, in the order in which they came up."""

    subjects: dict[str, Subject] = field(default_factory=dict[str, Subject])

    def begin(self, names: Iterable[str]) -> None:
        """Where the study begins: subjects with their weight by how often they are given."""
        for name in names:
            self._add(name, 1.0, 0)

    def next(self) -> Subject | None:
        """The subject that is worth most; of equals the first. None: nothing is left to learn."""
        left = [subject for subject in self.subjects.values() if not subject.done]
        return max(left, key=lambda subject: subject.worth, default=None)

    def visited(
        self, name: str, claims: Iterable[str], most: int = 1, questions: Iterable[str] = ()
    ) -> None:
        """A subject was visited, and these claims, of `most` that one visit may find, are new: what
        they name leads on, but for dates and amounts; so, half as much, does what `questions` name
        that were not answered.
        """
        subject = self._add(name, 0.0, 0)
        found = list(claims)
        subject.visits += 1
        subject.barren = 0 if found else subject.barren + 1
        subject.left = min(max(len(found) / most, LEAST_LEFT), 1.0)
        for claim in found:
            for lead in () if _DIGIT.search(claim) else entities(claim):
                self._add(lead, 1.0, subject.steps + 1)
        for question in questions:
            for lead in entities(question):
                if not _DIGIT.search(lead):
                    self._add(lead, ASKED, subject.steps + 1)

    @property
    def open(self) -> int:
        """Subjects that were never visited."""
        return sum(not subject.visits for subject in self.subjects.values())

    def _add(self, name: str, weight: float, steps: int) -> Subject:
        key = normalise(name)
        known = self.subjects.get(key)
        if known is None:
            known = Subject(name, 0.0, steps)
            if key and len(self.subjects) < MAX_SUBJECTS:
                self.subjects[key] = known
        known.weight += weight
        known.steps = min(known.steps, steps)
        return known
