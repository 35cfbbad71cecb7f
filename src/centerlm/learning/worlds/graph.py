"""The things of a world and what holds of them: a graph of facts, before any words are chosen.

A fact is (subject, relation) -> answer. Relations are functions here: a question about a subject
and a relation has one answer, or none where the world does not say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from centerlm.learning.worlds.names import Names


@dataclass(frozen=True, slots=True)
class Thing:
    """Something with a name. `id` is its place in `Graph.things`; `woman` is of people alone."""

    id: int
    kind: str
    name: str
    woman: bool = False

    @property
    def short(self) -> str:
        """How a text calls it after its first mention."""
        return self.name.split()[-1] if self.kind == "person" else f"the {self.kind}"


@dataclass(frozen=True, slots=True)
class Fact:
    """`answer` is as documents write it; `targets` are the things it names, by id."""

    subject: int
    relation: str
    answer: str
    targets: tuple[int, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(slots=True)
class Graph:
    """All things and facts of a world. Those from `shadows` on are near-namesakes: distractors.

    `wide` graphs have more kinds of things; with `years`, dates are years.

    `ending` has the facts that may be asked for by relation, `into` those that name one thing by
    that thing and relation; neither has facts of distractors.
    """

    rng: Random
    names: Names
    things: list[Thing] = field(default_factory=list[Thing])
    facts: dict[tuple[int, str], Fact] = field(default_factory=dict[tuple[int, str], Fact])
    coin: str = "$"
    wide: bool = False
    years: bool = False
    shadows: int = 0
    ending: dict[str, list[Fact]] = field(default_factory=dict[str, list[Fact]])
    into: dict[int, dict[str, list[Fact]]] = field(default_factory=dict[int, dict[str, list[Fact]]])

    def of_kind(self, *kinds: str) -> list[Thing]:
        """The things of these kinds that are no distractors, in order."""
        return [t for t in self.things[: self.shadows or None] if t.kind in kinds]

    def get(self, subject: int, relation: str) -> Fact | None:
        return self.facts.get((subject, relation))

    def add(self, kind: str, name: str, *, woman: bool = False) -> Thing:
        thing = Thing(len(self.things), kind, name, woman)
        self.things.append(thing)
        return thing

    def link(self, subject: Thing, relation: str, *targets: Thing) -> None:
        """State a relation between things, unless the subject has it already."""
        names = [t.name for t in targets]
        answer = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        ids = tuple(t.id for t in targets)
        self.facts.setdefault((subject.id, relation), Fact(subject.id, relation, answer, ids))

    def forget(self, relation: str) -> None:
        """Take a relation out of the world."""
        self.facts = {key: fact for key, fact in self.facts.items() if key[1] != relation}

    def index(self) -> None:
        """Fill `ending` and `into` from the facts."""
        for fact in self.facts.values():
            if fact.subject < self.shadows:
                self.ending.setdefault(fact.relation, []).append(fact)
                if len(fact.targets) == 1:
                    found = self.into.setdefault(fact.targets[0], {})
                    found.setdefault(fact.relation, []).append(fact)

    def state(self, subject: Thing, relation: str, answer: str, *aliases: str) -> None:
        """State a relation to a value, unless the subject has it already."""
        fact = Fact(subject.id, relation, answer, (), aliases)
        self.facts.setdefault((subject.id, relation), fact)
