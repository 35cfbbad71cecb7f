"""What to learn next: the subjects of a study, weighed by what they hang together with.

Numbers and names only. A subject is what a text names; it is worth a visit for what leads to it
(how near the topic, how often a finding joined the two), and less as visits find less about it. So
a study goes from its topic outward along what it found; of a whole library it begins with the
titles, and what many of them lead to comes first. What a passage says by the way, of something
else, neither holds a study at a subject nor leads it on.
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
UNREAD = 0.8
"""What is left, by each visit, of a subject on which there are passages that were not read."""
ASKED = 0.5
"""What a lead from a question weighs beside one from an answer."""
_DIGIT = re.compile(r"\d")


@dataclass(slots=True)
class Subject:
    """`weight` is how often it was led to, `steps` how far it is from where the study began, `left`
    how much there may be left to ask: what the last visit found about it, of what one can find.
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
        self,
        name: str,
        found: Iterable[tuple[str, str]],
        most: int = 1,
        unanswered: Iterable[str] = (),
        *,
        more: bool = False,
    ) -> None:
        """A subject was visited, and these answers to questions, of `most` that one visit may find,
        are new. Those about the subject lead on to what else they name, but for dates and amounts;
        so, half as much, do questions that were not answered. `more` says that the library has
        more on the subject, unread: then there is much left, less with each visit.
        """
        subject = self._add(name, 0.0, 0)
        every = list(found)
        mine = [pair for pair in every if _is_about(name, *pair)]
        subject.visits += 1
        subject.barren = 0 if every else subject.barren + 1
        unread = UNREAD**subject.visits if more else LEAST_LEFT
        subject.left = min(max(len(mine) / most, unread), 1.0)
        for question, claim in mine:
            self._lead(subject, 1.0, () if _DIGIT.search(claim) else entities(claim))
            self._lead(subject, 1.0, entities(question))
        for question in unanswered:
            self._lead(subject, ASKED, entities(question))

    def _lead(self, subject: Subject, weight: float, names: Iterable[str]) -> None:
        for name in names:
            if not _DIGIT.search(name) and not _is_same(name, subject.name):
                self._add(name, weight, subject.steps + 1)

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


def _is_about(subject: str, question: str, claim: str) -> bool:
    """Whether an answer says something of a subject, and not of another thing that a passage on it
    names too. A question without a name is on what was read.
    """
    asked = entities(question)
    if not asked or not entities(subject):
        return True
    return any(_is_same(name, subject) for name in (*asked, *entities(claim)))


def _is_same(name: str, subject: str) -> bool:
    """Whether one name is the other or a part of it: a family name, a title with its article."""
    one, other = set(normalise(name).split()), set(normalise(subject).split())
    return one <= other or other <= one
