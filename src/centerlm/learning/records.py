"""What is known of a composed question, act by act: the records that examples are made from.

Worlds and data sets give these; `learning.acting` turns them into training examples by the
center's own rendering. Data only.
"""

from __future__ import annotations

from dataclasses import dataclass

from centerlm.plan import Plan
from centerlm.sources.base import Card


@dataclass(frozen=True, slots=True)
class Decision:
    """A right plan of one level. `cards` are the sources offered ((): the caller chooses).

    `root` is the root objective where this one is a part of it. `recursion` says whether [center]
    was offered.
    """

    id: str
    origin: str
    objective: str
    plan: Plan
    root: str | None = None
    cards: tuple[Card, ...] = ()
    recursion: bool = True


@dataclass(frozen=True, slots=True)
class Text:
    """A passage: notes are shown as `title: text`."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A single-hop question and its answer; `answer` None where no passage holds it.

    `passages` are ids of the `Text`s that hold the answer, each of them alone.
    """

    id: str
    origin: str
    question: str
    answer: str | None
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """A level's absorb: the answered steps (question, answer) and the level's right answer.

    `cited` are the numbers (from 1) of the steps it rests on.
    """

    id: str
    origin: str
    objective: str
    steps: tuple[tuple[str, str], ...]
    answer: str | None
    cited: tuple[int, ...]
    root: str | None = None


@dataclass(frozen=True, slots=True)
class Studied:
    """What people asked of passages on a subject: `questions` to ask, and (question, answer) of
    what is `known` already.
    """

    id: str
    origin: str
    subject: str
    notes: tuple[Text, ...]
    known: tuple[tuple[str, str], ...]
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reask:
    """A seek act: a question the source did not answer as asked, and words that found it."""

    id: str
    origin: str
    objective: str
    card: Card
    asked: tuple[str, ...]
    query: str
    root: str = ""
