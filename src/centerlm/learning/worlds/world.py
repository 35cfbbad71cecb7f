"""Worlds: made from a seed, with documents, composed questions, gold plans and exact answers.

The same seed gives the same world, byte for byte. Worlds of the split "train" use no held-out
relation and no held-out wording; those of "test" use both, and say of each question what of it is
held out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal, TypeAlias

from centerlm.learning.records import Decision, Fold, Reading, Text
from centerlm.learning.worlds.chains import Maker, ask_form, phrase_chain, walk
from centerlm.learning.worlds.documents import FactKey, write_documents
from centerlm.learning.worlds.facts import Graph, make_graph
from centerlm.learning.worlds.nodes import (
    LevelOf,
    Node,
    flat_level,
    lookups,
    peel_levels,
    too_long,
)
from centerlm.learning.worlds.operations import OPERATIONS
from centerlm.plan import Plan
from centerlm.sources.base import Card

Split: TypeAlias = Literal["train", "test"]
FormName: TypeAlias = Literal["flat", "peel"]
ORIGIN = "worlds"


@dataclass(frozen=True, slots=True)
class WorldQuestion:
    """A question of a world.

    `hops` is the longest run of requests that wait for each other; calculations are not counted.
    `decisions` and `folds` are by form of guidance: the levels of a solve, the root's first. A fold
    with answer None is the root's where its last step found nothing. `held_out` says what of the
    question no training world has: "wording", "relation".
    """

    id: str
    text: str
    answer: str
    aliases: tuple[str, ...]
    hops: int
    kind: str
    decisions: Mapping[FormName, tuple[Decision, ...]]
    readings: tuple[Reading, ...]
    folds: Mapping[FormName, tuple[Fold, ...]]
    held_out: frozenset[str] = frozenset()

    def plan(self, form: FormName) -> Plan:
        """The root's plan."""
        return self.decisions[form][0].plan


@dataclass(frozen=True, slots=True)
class World:
    """A world: what a solver may read (`documents`), what it is asked (`questions`), and what it is
    not told (`graph`, and `where` each fact stands).
    """

    seed: int
    split: Split
    documents: tuple[Text, ...]
    questions: tuple[WorldQuestion, ...]
    graph: Graph = field(repr=False)
    where: Mapping[FactKey, tuple[str, ...]] = field(repr=False)
    cards: tuple[Card, ...] = ()

    @property
    def id(self) -> str:
        return f"world-{self.split}-{self.seed}"


def make_world(seed: int, *, split: Split = "train", max_hops: int = 2, people: int = 12) -> World:
    """Make the world of a seed, with 24 questions of up to `max_hops` (1-8) hops."""
    rng = Random(f"{split} {seed}")
    graph = make_graph(rng, people, held_out=split == "test")
    id_ = f"world-{split}-{seed}"
    documents = write_documents(graph, rng, prefix=id_, new=split == "test")
    world = World(seed, split, documents.texts, (), graph, documents.where)
    hops = range(1, max_hops + 1)
    questions = questions_of(world, hops=hops, count=24, seed=seed)
    return World(seed, split, documents.texts, questions, graph, documents.where)


KINDS = ("chain", *OPERATIONS)


def questions_of(
    world: World,
    *,
    hops: Collection[int] = (1, 2),
    kinds: Sequence[str] = KINDS,
    count: int = 24,
    seed: int = 0,
) -> tuple[WorldQuestion, ...]:
    """Up to `count` questions of a world, no two of the same text, kinds and hops in turn.

    Fewer come back where the world has no more: a long chain of a small world is not always there.
    """
    rng = Random(f"{world.id} questions {seed} {sorted(hops)} {list(kinds)}")
    made: dict[str, WorldQuestion] = {}
    turns = [(kind, h) for h in sorted(hops) for kind in kinds]
    for attempt in range(count * 12):
        if len(made) == count:
            break
        if attempt % len(turns) == 0:
            rng.shuffle(turns)
        kind, h = turns[attempt % len(turns)]
        maker = Maker(
            world.graph, world.where, rng, new=world.split == "test" and rng.random() < 0.5
        )
        node = _make(maker, kind, h)
        if node is None or node.hops != h or node.text in made or too_long(node):
            continue
        id_ = f"{world.id}-s{seed}-q{len(made)}"
        made[node.text] = _question(world, maker, node, kind, id_)
    return tuple(made.values())


def _make(maker: Maker, kind: str, hops: int) -> Node | None:
    if kind == "chain":
        chain = walk(maker, hops)
        if chain is None:
            return None
        return phrase_chain(maker, chain, ask_form(maker, chain.facts[-1])).node
    return OPERATIONS[kind](maker, hops)


def _question(world: World, maker: Maker, node: Node, kind: str, id_: str) -> WorldQuestion:
    peel, flat = peel_levels(node), (flat_level(node),)
    levels: dict[FormName, tuple[LevelOf, ...]] = {"flat": flat, "peel": peel}
    root = node.text
    decisions: dict[FormName, tuple[Decision, ...]] = {
        form: tuple(
            Decision(
                f"{id_}-{form}-{n}",
                ORIGIN,
                level.text,
                level.plan,
                None if n == 0 else root,
                world.cards,
                form == "peel",
            )
            for n, level in enumerate(of)
        )
        for form, of in levels.items()
    }
    folds: dict[FormName, tuple[Fold, ...]] = {
        form: tuple(
            Fold(
                f"{id_}-{form}-{n}-fold",
                ORIGIN,
                level.text,
                level.steps,
                level.answer,
                (len(level.steps),),
                None if n == 0 else root,
            )
            for n, level in enumerate(of)
            if level.steps
        )
        for form, of in levels.items()
    }
    readings: dict[str, Reading] = {}
    for look in lookups(node):
        for text in (look.question, *look.more):
            r = Reading(f"{id_}-r{len(readings)}", ORIGIN, text, look.answer, look.passages)
            readings.setdefault(text, r)
    return WorldQuestion(
        id_,
        root,
        node.answer,
        (),
        node.hops,
        kind,
        decisions,
        tuple(readings.values()),
        folds,
        frozenset(maker.used),
    )
