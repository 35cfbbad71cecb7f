"""What a question is: its text, exact answer, and the records to learn its levels from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

from centerlm.learning.records import Decision, Fold, Reading
from centerlm.learning.worlds.cards import offered
from centerlm.learning.worlds.chains import Maker
from centerlm.learning.worlds.graph import Graph
from centerlm.learning.worlds.nodes import (
    LevelOf,
    Node,
    Peel,
    flat_level,
    lookups,
    part_levels,
    peel_levels,
    sources,
)
from centerlm.learning.worlds.relations import of_subject, who_or_what
from centerlm.learning.worlds.surroundings import surrounded
from centerlm.plan import Plan
from centerlm.sources.base import Card

FormName: TypeAlias = Literal["flat", "peel"]
ORIGIN = "worlds"
PARTS = 3
"""Longer questions that a nested one is shown in: about as many of the parts shown are nested then
as are not."""

_BEYOND = ("expert", "person", "experiment")
_IMPLIED = frozenset(
    {"father", "mother", "spouse", "child", "sibling", "children", "books", "occupation"}
    | {"country", "capital", "capital of"}
)
"""Relations that other facts or real passages may imply: worlds never surely lack an answer."""


@dataclass(frozen=True, slots=True)
class WorldQuestion:
    """A question of a world.

    `hops` is the longest run of requests that wait for each other; calculations are not counted.
    `decisions` and `folds` are by form of guidance: the levels of a solve, the root's first, and of
    their absorbs those that the engine asks a model for. A fold with answer None is the root's
    where its last step found nothing. `readings` are of documents (some unanswerable), `hearings`
    of what experts say (`World.replies`). `held_out` says what of the question no training world
    has: "wording", "relation", "source". `parts` show the nested questions in it as inner parts of
    longer ones, in worlds to train on.
    """

    id: str
    text: str
    answer: str
    aliases: tuple[str, ...]
    hops: int
    kind: str
    decisions: Mapping[FormName, tuple[Decision, ...]]
    readings: tuple[Reading, ...]
    hearings: tuple[Reading, ...]
    folds: Mapping[FormName, tuple[Fold, ...]]
    held_out: frozenset[str] = frozenset()
    parts: tuple[Decision, ...] = ()

    def plan(self, form: FormName) -> Plan:
        """The root's plan."""
        return self.decisions[form][0].plan

    @property
    def cards(self) -> tuple[Card, ...]:
        """The sources offered."""
        return self.decisions["peel"][0].cards


def make_question(
    maker: Maker,
    cards: Mapping[str, Card],
    node: Node,
    kind: str,
    id_: str,
    *,
    alone: bool = False,
    around: bool = False,
) -> WorldQuestion:
    """The records of a tree of questions. Unless `alone`, its sources are offered with up to three
    that it does not need beside them; with `around`, half of the decisions that may be inner
    parts are shown as parts of another, longer question, and those of nested questions more often
    (`parts`), so that being a part says nothing of how many steps are needed.
    """
    needed = sources(node)
    least = 1 if any(name.partition(":")[0] in _BEYOND for name in needed) else 0
    shown = offered(cards, needed, maker.rng, least=least, alone=alone)
    levels: dict[FormName, tuple[LevelOf, ...]] = {
        "flat": (flat_level(node),),
        "peel": peel_levels(node),
    }
    readings, hearings = _readings(maker, node, id_)
    lacking = isinstance(node, Peel) and maker.rng.random() < 0.2
    return WorldQuestion(
        id_,
        node.text,
        node.answer,
        _aliases(maker.graph, node.answer),
        node.hops,
        kind,
        {
            form: tuple(_decisions(of, form, id_, shown, around=around and form == "peel"))
            for form, of in levels.items()
        },
        readings,
        hearings,
        {form: tuple(_folds(of, form, id_, lacking=lacking)) for form, of in levels.items()},
        frozenset(maker.used),
        tuple(_parts(node, id_, shown)) if around else (),
    )


def _decisions(
    levels: Iterable[LevelOf], form: FormName, id_: str, cards: tuple[Card, ...], *, around: bool
) -> Iterable[Decision]:
    root: str | None = None
    rng = Random(f"{id_} {form} surroundings")
    for n, level in enumerate(levels):
        name, part_of = f"{id_}-{form}-{n}", root
        if around and rng.random() < 0.5:
            part_of = surrounded(level.text, rng) or root
        yield Decision(name, ORIGIN, level.text, level.plan, part_of, cards, form == "peel")
        root = root or level.text


def _parts(node: Node, id_: str, cards: tuple[Card, ...]) -> Iterable[Decision]:
    rng = Random(f"{id_} parts")
    for n, level in enumerate(part_levels(node)):
        for k in range(PARTS):
            if part_of := surrounded(level.text, rng):
                name = f"{id_}-part-{n}-{k}"
                yield Decision(name, ORIGIN, level.text, level.plan, part_of, cards, recursion=True)


def _folds(levels: Iterable[LevelOf], form: FormName, id_: str, *, lacking: bool) -> Iterable[Fold]:
    root: str | None = None
    for n, level in enumerate(levels):
        name, steps = f"{id_}-{form}-{n}-fold", level.steps
        if steps:
            yield Fold(name, ORIGIN, level.text, steps, level.answer, (len(steps),), root)
            if lacking and root is None:
                yield Fold(f"{name}-lacking", ORIGIN, level.text, steps[:-1], None, (), None)
        root = root or level.text


def _readings(
    maker: Maker, node: Node, id_: str
) -> tuple[tuple[Reading, ...], tuple[Reading, ...]]:
    """Readings of documents and of experts' replies, each question once."""
    replies = {reply.id for reply in maker.secrets.replies}
    readings: dict[str, Reading] = {}
    hearings: dict[str, Reading] = {}
    for look in lookups(node):
        into = hearings if replies.intersection(look.passages) else readings
        for text in (look.question, *look.more):
            name = f"{id_}-r{len(readings) + len(hearings)}"
            into.setdefault(text, Reading(name, ORIGIN, text, look.answer, look.passages))
    if maker.rng.random() < 0.35:
        lacks = _unanswerable(maker)
        readings.setdefault(lacks, Reading(f"{id_}-none", ORIGIN, lacks, None, ()))
    return tuple(readings.values()), tuple(hearings.values())


def _unanswerable(maker: Maker) -> str:
    """A question about a thing of the world that no document of it answers."""
    graph, rng = maker.graph, maker.rng
    while True:  # every world leaves out a fifth of what could be said of its things
        thing = rng.choice(graph.things)
        relation = rng.choice(of_subject(thing.kind))
        known = (thing.id, relation.name) in graph.facts
        if known or relation.held_out or relation.name in _IMPLIED:
            continue
        words = relation.wordings(new=maker.new, wide=maker.graph.wide)
        forms = (*words.asks, *(f"{who_or_what(relation.object)} {n}?" for n in words.nouns))
        return rng.choice(forms).replace("{}", thing.name)


def _aliases(graph: Graph, answer: str) -> tuple[str, ...]:
    """Other ways to write an answer: dates, numbers with commas, coins."""
    found = [f.aliases for f in graph.facts.values() if f.answer == answer and f.aliases]
    aliases = list(found[0]) if found else []
    if re.fullmatch(r"\d{4,}(?:\.\d+)?", answer):
        aliases.append(f"{float(answer):,.10g}" if "." in answer else f"{int(answer):,}")
    if re.fullmatch(r"\d[\d,]+", answer) and "," in answer:
        aliases.append(answer.replace(",", ""))
    if match := re.fullmatch(r"(\d+(?:\.\d+)?) (USD|EUR|GBP)", answer):
        aliases.append(f"{graph.coin}{match[1]}")
    return tuple(aliases)
