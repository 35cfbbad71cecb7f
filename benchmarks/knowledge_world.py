"""What knowledge.py asks: the facts of one fictional world, three fields of them, and compositions.

A fact is (subject, relation) -> a name, a word or a year; what is a long number, a date or a list
is left out. Every relation has two wordings that compositions use, one more that is trained, and
one that is held out. No two facts that a tested question joins are joined in a trained one.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from centerlm.learning.worlds import make_world
from centerlm.learning.worlds.chains import Chain, Maker, walk
from centerlm.learning.worlds.graph import Fact
from centerlm.learning.worlds.nodes import Ask, Node, Peel, peel_levels, too_long
from centerlm.learning.worlds.relations import Relation, relations, who_or_what
from centerlm.plan import Plan
from centerlm.sources.base import Card

LEFT_OUT = frozenset(
    {"date of birth", "date of death", "publication date", "population", "area", "height"}
    | {"price", "employees", "children", "books", "cities"}
    | {"producer", "leading actor", "film editor", "distributor", "illustrator", "translator"}
    | {"dedicated to", "lyricist", "record label", "godparent", "biographer", "instrument"}
    | {"twin town", "prime minister"}
)
FIELDS: Mapping[str, str] = {
    "people": "families: parents, children, siblings, spouses; teachers, awards, causes of death",
    "places": "where people were born, lived, died and are buried, and their countries; cities "
    "and countries: mayors, presidents, rivers, minerals, flowers, money",
    "trade": "work: professions, employers, schools; companies and schools: founders, chiefs, "
    "years, headquarters; books, films and songs: who made and published them",
}
"""The experts' fields, and what their cards say."""

_PEOPLE = frozenset(
    {"father", "mother", "spouse", "child", "sibling", "student of", "award received"}
    | {"cause of death"}
)
_PLACES = frozenset(
    {"place of birth", "place of death", "place of burial", "residence", "mayor", "country"}
    | {"country of citizenship", "capital", "head of state", "mineral", "located on river"}
    | {"currency", "national flower"}
)
CARDS = tuple(Card(f"expert:{field}", knows) for field, knows in FIELDS.items())


@dataclass(frozen=True, slots=True)
class SingleFact:
    """A fact to be known: `asked` are its trained wordings, the first two used by compositions."""

    id: str
    field: str
    asked: tuple[str, ...]
    held_out: str
    answer: str


@dataclass(frozen=True, slots=True)
class Composition:
    """A question of `hops` facts. `steps` are its single questions with their answers, in order;
    `levels` are (objective, plan) of its recursive solve, the root's first.
    """

    id: str
    text: str
    answer: str
    hops: int
    steps: tuple[tuple[str, str], ...]
    levels: tuple[tuple[str, Plan], ...]


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that is learned and asked."""

    facts: tuple[SingleFact, ...]
    trained: tuple[Composition, ...]
    tested: tuple[Composition, ...]


def field_of(relation: str) -> str:
    """The field of the experts that a relation belongs to."""
    if relation in _PEOPLE:
        return "people"
    return "places" if relation in _PLACES else "trade"


def make_knowledge(
    seed: int, *, people: int, tested: Mapping[int, int], trained: Mapping[int, int]
) -> Knowledge:
    """The world of a seed; `tested` and `trained` are numbers of questions by hops.

    A world too small for so many questions gives fewer.
    """
    world = make_world(seed, split="test", people=people)
    graph = world.graph
    for relation in LEFT_OUT:
        graph.forget(relation)
    graph.ending.clear()
    graph.into.clear()
    graph.index()
    facts = [fact for found in graph.ending.values() for fact in found]
    names = [thing.name for thing in graph.things]
    maker = Maker(graph, world.where, Random(f"knowledge {seed}"), world.secrets)
    tests = list(_compositions(maker, tested, "test", unlike=frozenset()))
    joined = frozenset(pair for chain, _ in tests for pair in _joins(chain))
    trains = list(_compositions(maker, trained, "train", unlike=joined))
    return Knowledge(
        tuple(_single(fact, names[fact.subject]) for fact in facts),
        tuple(question for _, question in trains),
        tuple(question for _, question in tests),
    )


def _single(fact: Fact, subject: str) -> SingleFact:
    relation = relations()[fact.relation]
    trained = (*_forms(relation), relation.train.asks[1])
    return SingleFact(
        f"{fact.subject}:{fact.relation}",
        field_of(fact.relation),
        tuple(form.replace("{}", subject) for form in trained),
        relation.train.asks[2].replace("{}", subject),
        fact.answer,
    )


def _forms(relation: Relation) -> tuple[str, str]:
    """The two wordings of compositions: the noun phrase that nests, and a sentence."""
    return f"{who_or_what(relation.object)} {relation.train.nouns[0]}?", relation.train.asks[0]


def _compositions(
    maker: Maker,
    wanted: Mapping[int, int],
    prefix: str,
    *,
    unlike: Collection[tuple[Fact, Fact]],
) -> Iterator[tuple[Chain, Composition]]:
    for hops, count in sorted(wanted.items()):
        seen: set[tuple[Fact, ...]] = set()
        for _ in range(200 * count):
            if len(seen) == count:
                break
            chain = walk(maker, hops)
            if chain is None or chain.facts in seen or unlike & _joins(chain):
                continue
            node = _node(chain, maker.rng)
            if too_long(node):
                continue
            seen.add(chain.facts)
            yield chain, _composition(node, chain, f"{prefix}-{hops}-{len(seen)}")


def _joins(chain: Chain) -> frozenset[tuple[Fact, Fact]]:
    """The pairs of facts of which one leads to the other."""
    return frozenset(zip(chain.facts, chain.facts[1:], strict=False))


def _node(chain: Chain, rng: Random) -> Node:
    """The nested question: noun phrases inside, one of the two wordings outside."""
    node: Node | None = None
    phrase = chain.start
    for number, fact in enumerate(chain.facts):
        relation = relations()[fact.relation]
        form, sentence = _forms(relation)
        last = number == len(chain.facts) - 1
        # "the mother of X's father" has two readings where X is a phrase.
        if last and rng.random() < 0.5 and (number == 0 or "{}'s" not in sentence):
            form = sentence
        text, source = form.replace("{}", phrase), f"expert:{field_of(fact.relation)}"
        if node is None:
            node = Ask(text, fact.answer, source, text)
        else:
            node = Peel(text, fact.answer, node, source, form)
        phrase = relation.train.nouns[0].replace("{}", phrase)
    assert node is not None, "a chain has at least one fact"
    return node


def _composition(node: Node, chain: Chain, id_: str) -> Composition:
    steps: list[tuple[str, str]] = []
    inner: Node = node
    while isinstance(inner, Peel):
        steps.append((inner.form.replace("{}", inner.inner.answer), inner.answer))
        inner = inner.inner
    steps.append((inner.text, inner.answer))
    levels = tuple((level.text, level.plan) for level in peel_levels(node))
    return Composition(
        id_, node.text, chain.answer, len(chain.facts), tuple(reversed(steps)), levels
    )


ANSWER = "Answer:"
"""Begins the last line of a chain of thought."""
_LAST = re.compile(rf"^{ANSWER}\s*(.*)$", re.MULTILINE)


def chain_of_thought(steps: Sequence[tuple[str, str]]) -> str:
    """Each single question with its answer, and the answer."""
    lines = [f"{question} {answer}" for question, answer in steps]
    return "\n".join([*lines, f"{ANSWER} {steps[-1][1]}"])


def concluded(reply: str) -> str:
    """The answer of a chain of thought; "" if it has none."""
    found = _LAST.findall(reply)
    return found[-1].strip() if found else ""
