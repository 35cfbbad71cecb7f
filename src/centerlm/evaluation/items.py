"""What is evaluated: items with an objective, what is known of them, and how they are grouped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from centerlm.errors import InputError
from centerlm.finding import short_answer
from centerlm.library.document import safe_text
from centerlm.objective import Objective
from centerlm.plan import Plan

TITLE, BEGINNING = 100, 1000


class PassageKey(NamedTuple):
    """What tells one paragraph of a set from the others."""

    title: str
    beginning: str


def passage_key(title: str, text: str) -> PassageKey:
    """The key of a paragraph, however it was stored and cut."""
    return PassageKey(short_answer(title)[:TITLE], " ".join(safe_text(text).split())[:BEGINNING])


class Paragraph(NamedTuple):
    """A paragraph that sources may find."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """One question of an evaluation.

    `data_set` is the set it comes from, `accepted` all right answers. `plans` are right plans by
    objective (the root's and those of [center] steps), `answers` right answers of the root plan's
    steps but the last by what they ask (see `oracle.filled_answers`), `support` the paragraphs that
    an answer needs (None: not known), `paragraphs` those that come with the item, `facts` true
    sentences that people wrote for it, `foreign_facts` those of another item. `splits` says to
    which part of each split it belongs, by the split's name.
    """

    id: str
    data_set: str
    objective: Objective
    accepted: tuple[str, ...]
    plans: Mapping[str, Plan] = field(default_factory=dict[str, Plan])
    answers: Mapping[str, str] = field(default_factory=dict[str, str])
    support: frozenset[PassageKey] | None = None
    paragraphs: tuple[Paragraph, ...] = ()
    facts: tuple[str, ...] = ()
    foreign_facts: tuple[str, ...] = ()
    splits: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def plan(self) -> Plan | None:
        """The right plan of the root, where one is known."""
        return self.plans.get(self.objective.text)


def check_items(items: Sequence[Item], where: str) -> None:
    """Refuse items that cannot be evaluated.

    Raises:
        InputError: there is none, or two have the same id.
    """
    if not items:
        raise InputError(f"{where} holds no item to evaluate; check --data, --set and --limit")
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise InputError(f"{where} has two items with the id {item.id!r}; give each its own")
        seen.add(item.id)
