"""The relations of worlds and their wordings, read from the text files in `wordings/`.

Names of relations follow Wikidata, as 2WikiMultihopQA (Ho et al., 2020) uses them. A relation has
wordings for questions (noun phrases that nest, and whole sentences) and for statements in
documents; a third of them is held out for test worlds, and so are whole relations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType

FILES = ("people.txt", "works.txt", "places.txt")
WIDE = "wide.txt"
"""Relations of the kinds of things that wide worlds alone have."""


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


@dataclass(frozen=True, slots=True)
class Relation:
    """`subjects` and `object` are kinds: "person", "city", "date", "money" and so on. Those that
    are `wide` only wide worlds have.
    """

    name: str
    subjects: tuple[str, ...]
    object: str
    train: Wordings
    new: Wordings
    held_out: bool
    wide: bool = False

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
    folder = files("centerlm.learning.worlds") / "wordings"
    read = (r for name in (*FILES, WIDE) for r in _read(folder / name))
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


def _read(path: Traversable) -> Iterable[Relation]:
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        lines = [line.strip() for line in block.splitlines() if not line.startswith("#")]
        if not any(lines):
            continue
        head, *rest = (line for line in lines if line)
        name, _, kinds = head.removesuffix(" ! held out").partition(": ")
        subjects, _, object_ = kinds.partition(" -> ")
        parts = {
            key: tuple(forms.split(" | ")) for key, _, forms in (s.partition(": ") for s in rest)
        }
        yield Relation(
            name,
            tuple(subjects.split(", ")),
            object_,
            Wordings(parts["noun"], parts["ask"], parts["say"]),
            Wordings(parts["new noun"], parts["new ask"], parts["new say"]),
            head.endswith(" ! held out"),
            path.name == WIDE,
        )
