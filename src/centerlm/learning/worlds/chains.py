"""Chains: one relation of another of another, 1-8 hops, as nested noun phrases in one question."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from centerlm.learning.worlds.documents import FactKey
from centerlm.learning.worlds.graph import Fact, Graph
from centerlm.learning.worlds.nodes import Ask, Lookup, Node, Peel
from centerlm.learning.worlds.relations import (
    LISTS,
    Relation,
    Wordings,
    of_subject,
    relations,
    who_or_what,
)
from centerlm.learning.worlds.secrets import Secrets

DOCUMENTS = "documents"


@dataclass(slots=True)
class Maker:
    """What questions are made from. `new` words a question as no training world does.

    `used` collects what of the question at hand is held out from training.
    """

    graph: Graph
    where: Mapping[FactKey, tuple[str, ...]]
    rng: Random
    secrets: Secrets
    new: bool = False
    used: set[str] = field(default_factory=set[str])

    def words(self, relation: Relation) -> Wordings:
        """The wordings to draw from, for one use of a relation."""
        if relation.held_out:
            self.used.add("relation")
        if self.new:
            self.used.add("wording")
        return relation.wordings(new=self.new, wide=self.graph.wide)

    def pick(self, train: Sequence[str], new: Sequence[str]) -> str:
        """One of the wordings of a form of question."""
        if self.new:
            self.used.add("wording")
            return self.rng.choice(new)
        return self.rng.choice(train)


@dataclass(frozen=True, slots=True)
class Chain:
    """Facts, each about what the one before it names. `start` is how the first subject is called.

    `opening` is the question that finds the start where no name is given ("my favourite book").
    """

    facts: tuple[Fact, ...]
    start: str
    opening: Ask | None = None

    @property
    def last(self) -> Relation:
        return relations()[self.facts[-1].relation]

    @property
    def answer(self) -> str:
        return self.facts[-1].answer


def walk(
    maker: Maker, hops: int, *, last: Collection[str] = (), start: Collection[str] = ()
) -> Chain | None:
    """A random chain that meets no thing twice, or None where none is found.

    It ends in a relation of `last` (without them, any whose answer is no list) and begins with a
    thing of a kind of `start`. It is made from its end, relations before things, so that rare ones
    come up as often as common ones.
    """
    rng, graph = maker.rng, maker.graph
    ends = [name for name in last or graph.ending if name in graph.ending]
    if not last:
        ends = [name for name in ends if relations()[name].object not in LISTS]
    for _ in range(20 if ends else 0):
        fact = rng.choice(graph.ending[rng.choice(ends)])
        facts, seen = [fact], {*fact.targets, fact.subject}
        while len(facts) < hops:
            into = graph.into.get(facts[0].subject)
            fact = rng.choice(into[rng.choice(list(into))]) if into else None
            if fact is None or fact.subject in seen:
                break
            facts.insert(0, fact)
            seen.add(fact.subject)
        first = graph.things[facts[0].subject]
        if len(facts) == hops and (not start or first.kind in start):
            return Chain(tuple(facts), first.name)
    return None


def walk_from(maker: Maker, thing: int, hops: int) -> tuple[Fact, ...] | None:
    """Facts that lead on from a thing, as in `walk`; None where none are found."""
    rng, graph = maker.rng, maker.graph
    for _ in range(20):
        facts, seen, at = list[Fact](), {thing}, thing
        while len(facts) < hops:
            ending = len(facts) == hops - 1
            found = (graph.get(at, r.name) for r in of_subject(graph.things[at].kind))
            options = [
                fact
                for fact in found
                if fact and (ending or len(fact.targets) == 1) and not seen & {*fact.targets}
                if relations()[fact.relation].object not in LISTS
            ]
            if not options:
                break
            facts.append(rng.choice(options))
            at = facts[-1].targets[0] if facts[-1].targets else at
            seen.add(at)
        if len(facts) == hops:
            return tuple(facts)
    return None


@dataclass(frozen=True, slots=True)
class Said:
    """A chain in words: its question, and noun phrases for its answer and its last subject."""

    node: Node
    phrase: str
    subject: str


def ask_form(maker: Maker, fact: Fact, *, bare: bool = True) -> str:
    """A wording of the question for a fact: a sentence, or "What is" and a noun phrase.

    Without `bare`, it suits a subject that is a phrase: "the mayor of X's mother" has two readings.
    """
    relation = relations()[fact.relation]
    words = maker.words(relation)
    asks = [ask for ask in words.asks if bare or "{}'s" not in ask]
    if maker.rng.random() < 0.65 and asks:
        return maker.rng.choice(asks)
    return f"{who_or_what(relation.object)} {maker.rng.choice(_nesting(words.nouns))}?"


def chain_form(maker: Maker, chain: Chain) -> str:
    """A wording of the question for the last fact of a chain."""
    bare = len(chain.facts) == 1 and chain.opening is None
    return ask_form(maker, chain.facts[-1], bare=bare)


def phrase_chain(
    maker: Maker, chain: Chain, form: str | None = None, *, plain: bool = False
) -> Said:
    """The chain as a question, and as noun phrases for a larger question.

    `form` words the last relation; without it, the question is "Who is" or "What is" and the
    phrase. All inner questions are that: the same words, so that peeling is pure cutting. With
    `plain`, every noun phrase is the first of its relation.
    """
    node: Node | None = chain.opening
    phrase = subject = called = chain.start
    if chain.opening is not None:
        called = chain.opening.answer
    for number, fact in enumerate(chain.facts):
        relation = relations()[fact.relation]
        ends = number == len(chain.facts) - 1
        if plain:
            noun = relation.train.nouns[0]
        else:
            nouns = maker.words(relation).nouns
            noun = maker.rng.choice(nouns if node is None else _nesting(nouns))
        inner = f"{who_or_what(relation.object)} {noun}?"
        asked = form if ends and form else inner
        look = lookup(maker, fact, asked, called)
        question = asked.replace("{}", phrase)
        if node is None:
            node = Ask(question, fact.answer, DOCUMENTS, question, look)
        else:
            part = inner.replace("{}", phrase)
            node = Peel(question, fact.answer, node, DOCUMENTS, asked, look, part, inner)
        subject, phrase, called = phrase, noun.replace("{}", phrase), fact.answer
    assert node is not None, "a chain has at least one fact"
    return Said(node, phrase, subject)


def _nesting(nouns: Sequence[str]) -> tuple[str, ...]:
    return tuple(noun for noun in nouns if noun.endswith(" {}"))


def lookup(maker: Maker, fact: Fact, form: str, subject: str) -> Lookup:
    """The request for a fact, and one other wording of it."""
    relation = relations()[fact.relation]
    words = relation.wordings(new=maker.new, wide=maker.graph.wide)
    forms = (*words.asks, *(f"{who_or_what(relation.object)} {noun}?" for noun in words.nouns))
    other = maker.rng.choice([f for f in forms if f != form])
    return Lookup(
        form.replace("{}", subject),
        fact.answer,
        maker.where[fact.subject, fact.relation],
        (other.replace("{}", subject),),
    )
