"""The relations of worlds and their wordings, read from the text files in `wordings/`.

Names of relations follow Wikidata, as 2WikiMultihopQA (Ho et al., 2020) uses them. A relation has
wordings for questions (noun phrases that nest, and whole sentences) and for statements in
documents; a third of them is held out for test worlds, and so are whole relations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from centerlm.learning.worlds.forms import read_blocks

FILES = ("people.txt", "works.txt", "places.txt")
WIDE, MORE = "wide.txt", "more.txt"
"""What wide worlds alone have: relations of more kinds of things, and more wordings of others."""


PEOPLE = frozenset({"person", "persons"})
LISTS = frozenset({"persons", "books", "cities"})
"""Object kinds that are lists of entities."""

ENTITIES = frozenset(
    (
        *("person", "film", "book", "song", "company", "school", "city", "country"),
        *("painting", "museum", "ship", "bridge", "lake", "mountain", "band", "team", "stadium"),
        "newspaper",
    )
)
"""Kinds of things that have documents of their own."""


@dataclass(frozen=True, slots=True)
class Wordings:
    """Ways to say one relation. `nouns` and `asks` hold one `{}`, the subject; `says` hold `{s}`
    or `{p}` (the subject, its possessive) and `{o}` (the object).
    """

    nouns: tuple[str, ...]
    asks: tuple[str, ...]
    says: tuple[str, ...]

    def beside(self, more: Wordings) -> Wordings:
        """These and more."""
        pairs = ((self.nouns, more.nouns), (self.asks, more.asks), (self.says, more.says))
        return Wordings(*(tuple(dict.fromkeys(one + other)) for one, other in pairs))


@dataclass(frozen=True, slots=True)
class Relation:
    """`subjects` and `object` are kinds: "person", "city", "date", "money" and so on. Those that
    are `wide` only wide worlds have, and such worlds have `more` wordings to train with.
    """

    name: str
    subjects: tuple[str, ...]
    object: str
    train: Wordings
    new: Wordings
    more: Wordings
    held_out: bool
    wide: bool = False

    def wordings(self, *, new: bool, wide: bool) -> Wordings:
        """Those held out from training (`new`), or those to train with, of `wide` worlds or not."""
        if new:
            return self.new
        return self.more if wide else self.train

    @property
    def gap(self) -> str:
        """The first noun phrase without its subject: "the mother" of "the mother of {}"."""
        return self.train.nouns[0].removesuffix(" of {}")

    @property
    def nesting(self) -> tuple[str, ...]:
        """The noun phrases for training that end with their subject, so that they nest."""
        return tuple(noun for noun in self.train.nouns if noun.endswith(" {}"))


@cache
def relations() -> Mapping[str, Relation]:
    """All relations by name, in the order of the files."""
    more = {head: _wordings(parts) for head, parts in read_blocks(MORE)}
    read = (r for name in (*FILES, WIDE) for r in _read(name, more))
    return MappingProxyType({relation.name: relation for relation in read})


@cache
def of_subject(kind: str) -> tuple[Relation, ...]:
    """The relations that things of a kind have."""
    return tuple(r for r in relations().values() if kind in r.subjects)


def who_or_what(kind: str) -> str:
    """How a question for a thing of this kind begins, before a noun phrase."""
    if kind in LISTS:
        return "Who are" if kind in PEOPLE else "What are"
    return "Who is" if kind in PEOPLE else "What is"


def _read(file: str, more: Mapping[str, Wordings]) -> Iterator[Relation]:
    for head, parts in read_blocks(file):
        name, _, kinds = head.removesuffix(" ! held out").partition(": ")
        subjects, _, object_ = kinds.partition(" -> ")
        train = _wordings(parts)
        yield Relation(
            name,
            tuple(subjects.split(", ")),
            object_,
            train,
            _wordings(parts, "new "),
            train.beside(more[name]) if name in more else train,
            head.endswith(" ! held out"),
            file == WIDE,
        )


def _wordings(parts: Mapping[str, tuple[str, ...]], mark: str = "") -> Wordings:
    return Wordings(*(parts[mark + key] for key in ("noun", "ask", "say")))
