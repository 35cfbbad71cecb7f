"""Worlds: made from a seed, with documents, composed questions, gold plans and exact answers.

The same seed gives the same world, byte for byte. Worlds of the split "train" use no held-out
relation, wording or source; those of "test" use both old and new, and say of each question what of
it is held out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal, TypeAlias

from centerlm.errors import InputError
from centerlm.learning.records import Text
from centerlm.learning.worlds.beyond import experiment, expert, person
from centerlm.learning.worlds.cards import Offered, make_cards
from centerlm.learning.worlds.chains import Maker, chain_form, phrase_chain, walk
from centerlm.learning.worlds.documents import FactKey, write_documents
from centerlm.learning.worlds.events import EVENTS
from centerlm.learning.worlds.facts import make_graph
from centerlm.learning.worlds.graph import Graph
from centerlm.learning.worlds.nodes import Node, too_long
from centerlm.learning.worlds.operations import OPERATIONS
from centerlm.learning.worlds.questions import WorldQuestion, make_question
from centerlm.learning.worlds.realistic import Template
from centerlm.learning.worlds.secrets import Secrets, make_secrets
from centerlm.sources.base import Card

Split: TypeAlias = Literal["train", "test"]
MAX_HOPS = 8
_TRIES = 30


@dataclass(frozen=True, slots=True)
class World:
    """A world: what a solver may read (`documents`), what it is asked (`questions`), and what it is
    not told (`graph`, `where` each fact stands, and the `secrets` of other sources). `cards` are
    those of all its sources by name, distractors among them; `alone`: a question is offered those
    that it needs and none beside them.
    """

    seed: int
    split: Split
    documents: tuple[Text, ...]
    questions: tuple[WorldQuestion, ...]
    graph: Graph = field(repr=False, compare=False)
    where: Mapping[FactKey, tuple[str, ...]] = field(repr=False)
    secrets: Secrets = field(repr=False)
    cards: Mapping[str, Card] = field(repr=False)
    alone: bool = False

    @property
    def replies(self) -> tuple[Text, ...]:
        """What experts say when asked: the texts that `hearings` are of."""
        return self.secrets.replies

    @property
    def id(self) -> str:
        return f"world-{self.split}-{self.seed}"


BEYOND = ("expert", "person", "experiment")
"""Kinds of sources that know what no document says; kinds of questions that need one are called so
too.
"""

KINDS = (
    *BEYOND * 8,
    *("chain",) * 10,
    *("described", "density", "more") * 2,
    *OPERATIONS,
)
"""Kinds of questions, as often as a world has them: a sixth each need an expert, the user or an
experiment, and a fifth are chains.
"""

TAUGHT = (*KINDS, *BEYOND * 2, *EVENTS)
"""Kinds to train on: also ages, years between happenings, and what yes or no is the answer to."""


def make_world(
    seed: int,
    *,
    split: Split = "train",
    max_hops: int = 2,
    people: int = 12,
    passages: Sequence[Template] = (),
    without: Collection[str] = (),
    kinds: Sequence[str] = (),
    cards: Offered = "varied",
    joined: float = 0.0,
    wide: bool = False,
) -> World:
    """Make the world of a seed, with 24 questions of up to `max_hops` (1-8) hops, of these kinds
    (none named: those of `TAUGHT`).

    `passages` are templates of real passages (`realistic.templates`) to write documents from. Kinds
    of sources in `without` (of `BEYOND`) are not there: no card names one, no question needs one.
    `cards` says how sources are shown; `joined` is how often (0 to 1) a sentence of a document
    states several facts. A `wide` world has more kinds of things and more
    wordings, and dates may be years.

    Raises:
        InputError: `max_hops` is not 1..8, `people` not 6..200, or `joined` not 0..1; there is no
            such kind, of sources or of questions.
    """
    if unknown := sorted({*without} - {*BEYOND}):
        raise InputError(f"no world has sources of kind {unknown[0]!r}; known: {', '.join(BEYOND)}")
    if not 1 <= max_hops <= MAX_HOPS:
        raise InputError(f"max_hops is {max_hops}; give 1 to {MAX_HOPS}")
    if not 6 <= people <= 200:
        raise InputError(f"a world of {people} people cannot be made; give 6 to 200")
    if not 0 <= joined <= 1:
        raise InputError(f"joined is {joined}; give a share of sentences, 0 to 1")
    new = split == "test"
    id_ = f"world-{split}-{seed}"
    rng = Random(id_)
    graph = make_graph(rng, people, held_out=new, wide=wide)
    if passages:
        graph.forget("occupation")  # passages name professions as they please
    graph.index()
    documents = write_documents(graph, rng, prefix=id_, new=new, passages=passages, joined=joined)
    secrets = make_secrets(graph, rng, prefix=id_, new=new)
    shown = {
        name: card
        for name, card in make_cards(secrets, rng, new=new, cards=cards).items()
        if name.partition(":")[0] not in without
    }
    kinds = [kind for kind in kinds or TAUGHT if kind not in without]
    world = World(
        seed,
        split,
        documents.texts,
        (),
        graph,
        documents.where,
        secrets,
        shown,
        alone=cards == "plain",
    )
    asked = questions_of(world, hops=range(1, max_hops + 1), kinds=kinds)
    return replace(world, questions=asked)


def questions_of(
    world: World,
    *,
    hops: Collection[int] = (1, 2),
    kinds: Sequence[str] = KINDS,
    count: int = 24,
    seed: int = 0,
) -> tuple[WorldQuestion, ...]:
    """Up to `count` questions of a world, no two of the same text; kinds and hops come in turn.

    A kind that stands in `kinds` twice comes twice as often. Fewer come back where the world has no
    more: a small world has few chains of 8 hops, and some kinds have no questions of one hop.

    Raises:
        InputError: an unknown kind, or hops that are not 1..8.
    """
    if unknown := sorted({*kinds} - {*_KINDS}):
        raise InputError(f"there is no kind of question {unknown[0]!r}; known: {', '.join(_KINDS)}")
    if not hops or not all(1 <= h <= MAX_HOPS for h in hops):
        raise InputError(f"hops are {sorted(hops)}; give numbers of 1 to {MAX_HOPS}")
    rng = Random(f"{world.id} {seed} {sorted(hops)} {list(kinds)} {count}")
    made: dict[str, WorldQuestion] = {}
    turns: dict[str, list[int]] = {}
    order: list[str] = []
    for _ in range(count + 8 * len(kinds)):
        if len(made) >= count:
            break
        if not order:
            order = _in_turn(kinds, rng)
        kind = order.pop()
        for _ in range(_TRIES):
            if not turns.get(kind):
                turns[kind] = rng.sample(sorted(hops), len(hops))
            h = turns[kind].pop()
            new = world.split == "test" and rng.random() < 0.5
            maker = Maker(world.graph, world.where, rng, world.secrets, new=new)
            node = _KINDS[kind](maker, h)
            if node and node.hops == h and node.text not in made and not too_long(node):
                id_ = f"{world.id}-s{seed}-q{len(made)}"
                around = world.split == "train"
                made[node.text] = make_question(
                    maker, world.cards, node, kind, id_, alone=world.alone, around=around
                )
                break
    return tuple(made.values())


def _in_turn(kinds: Sequence[str], rng: Random) -> list[str]:
    """The kinds in a random order in which those that come often come evenly."""
    counts = Counter(kinds)
    placed = [((i + rng.random()) / n, kind) for kind, n in counts.items() for i in range(n)]
    return [kind for _, kind in sorted(placed)]


def _chain(maker: Maker, hops: int) -> Node | None:
    chain = walk(maker, hops)
    if chain is None:
        return None
    return phrase_chain(maker, chain, chain_form(maker, chain)).node


_KINDS: Mapping[str, Callable[[Maker, int], Node | None]] = {
    "chain": _chain,
    "expert": expert,
    "person": person,
    "experiment": experiment,
    **OPERATIONS,
    **EVENTS,
}
