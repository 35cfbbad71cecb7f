"""Questions that choose between things or tell how they differ: which has more, and how much."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from centerlm.learning.worlds.calculating import CALCULATOR, best, filled, measured
from centerlm.learning.worlds.chains import (
    DOCUMENTS,
    Chain,
    Maker,
    Said,
    ask_form,
    chain_form,
    lookup,
    phrase_chain,
    walk,
)
from centerlm.learning.worlds.forms import comparisons, differences
from centerlm.learning.worlds.graph import Fact
from centerlm.learning.worlds.measures import measure, written
from centerlm.learning.worlds.nodes import Ask, Compute, Follow, Node
from centerlm.learning.worlds.relations import relations


def comparison(maker: Maker, hops: int, *, things: int = 2) -> Node | None:
    """Which of two (or three) things has more of something, itself or by way of a chain."""
    forms = [f for f in comparisons(wide=maker.graph.wide) if hops == 1 or f.gaps]
    form = maker.rng.choice(forms)
    first = walk(maker, hops, last=[form.about])
    if first is None:
        return None
    path = [fact.relation for fact in first.facts]
    chains = _alike(maker, path, first, things)
    if chains is None:
        return None
    maker.rng.shuffle(chains)
    values = [measured(chain) for chain in chains]
    if len({value.number for value in values}) < len(values):
        return None
    chosen = best(form.call, values)
    names = [chain.start for chain in chains]
    if hops == 1:
        ask = maker.pick(form.asks, form.new_asks)
    else:
        gap = " of ".join(relations()[name].gap for name in reversed(path[:-1]))
        ask = maker.pick(form.gaps, form.new_gaps).replace("{g}", gap)
    shown = f"{', '.join(names[:-1])} or {names[-1]}"
    # Over a gap, the inner questions are the words of the question with its end put back.
    parts = [phrase_chain(maker, c, chain_form(maker, c), plain=hops > 1) for c in chains]
    labelled = ", ".join(f"{name}: #{k}" for k, name in enumerate(names, start=1))
    return Compute(
        ask.replace("{a}", shown),
        names[chosen],
        tuple(part.node for part in parts),
        (Follow(CALCULATOR, f"{form.call}({labelled})"),),
    )


def described(maker: Maker, hops: int) -> Node | None:
    """Which of two things has more of something, one or both of them told by a description ("the
    country whose capital is X"): they are found out first.
    """
    if hops < 2:
        return None
    form = maker.rng.choice(comparisons(wide=maker.graph.wide))
    pair = _described_pair(maker, hops - 1, form.about)
    if pair is None:
        return None
    values = [measure(one.fact.answer) for one in pair]
    if values[0] is None or values[1] is None or values[0].number == values[1].number:
        return None
    chosen = best(form.call, [values[0], values[1]])
    asked = ask_form(maker, pair[0].fact, bare=False)
    parts: list[Node] = []
    follow: list[Follow] = []
    labels: list[str] = []
    for number, one in enumerate(pair, start=1):
        look = lookup(maker, one.fact, asked, one.name)
        if one.said:  # what is asked of a described thing comes after all parts
            parts.append(one.said.node)
            follow.append(
                Follow(DOCUMENTS, asked.replace("{}", f"#{number}"), lookups=(look,)),
            )
            labels.append(f"#{number}: #{len(pair) + len(follow)}")
        else:
            parts.append(Ask(look.question, one.fact.answer, DOCUMENTS, look.question, look))
            labels.append(f"{one.name}: #{number}")
    shown = " or ".join(one.said.phrase if one.said else one.name for one in pair)
    return Compute(
        maker.pick(form.asks, form.new_asks).replace("{a}", shown),
        pair[chosen].name,
        tuple(parts),
        (*follow, Follow(CALCULATOR, f"{form.call}({', '.join(labels)})")),
    )


def superlative(maker: Maker, hops: int) -> Node | None:
    return comparison(maker, hops, things=3)


def more(maker: Maker, hops: int) -> Node | None:
    """How much more of something one of two things has; in wide worlds, also how much both have."""
    if hops != 1:
        return None
    form = maker.rng.choice(differences(wide=maker.graph.wide))
    first = walk(maker, 1, last=[form.about])
    chains = _alike(maker, [form.about], first, 2) if first else None
    if chains is None:
        return None
    older = form.call == "#2 - #1"
    chains.sort(key=lambda chain: measured(chain).number, reverse=not older)
    one, two = (measured(chain) for chain in chains)
    if one.number == two.number:
        return None
    number = one.number + two.number if "+" in form.call else abs(one.number - two.number)
    parts = [phrase_chain(maker, chain, chain_form(maker, chain)) for chain in chains]
    names = {"{x}": chains[0].start, "{y}": chains[1].start}
    return Compute(
        filled(maker.pick(form.asks, form.new_asks), names),
        written(number, one.unit),
        tuple(part.node for part in parts),
        (Follow(CALCULATOR, form.call),),
    )


def _alike(maker: Maker, path: Sequence[str], first: Chain, things: int) -> list[Chain] | None:
    """Chains over the same relations from things of the same kind, `first` among them."""
    graph = maker.graph
    kind = graph.things[first.facts[0].subject].kind
    starts = graph.of_kind(kind)
    maker.rng.shuffle(starts)
    chains = [first]
    for thing in starts:
        if len(chains) == things:
            break
        facts: list[Fact] = []
        at: int | None = thing.id
        for name in path:
            fact = graph.get(at, name) if at is not None else None
            if fact is None:
                break
            facts.append(fact)
            at = fact.targets[0] if fact.targets else None
        if len(facts) == len(path) and thing.name != first.start:
            chains.append(Chain(tuple(facts), thing.name))
    return chains if len(chains) == things else None


@dataclass(frozen=True, slots=True)
class _Compared:
    """One side of a comparison: what is compared of a thing, and the thing's description where it
    is not called by its name.
    """

    fact: Fact
    name: str
    said: Said | None = None


def _described_pair(maker: Maker, hops: int, relation: str) -> tuple[_Compared, _Compared] | None:
    """Two things of a kind that have the relation; one or both told by a chain of `hops`."""
    rng, graph = maker.rng, maker.graph
    having = {fact.subject: fact for fact in graph.ending.get(relation, ())}
    into = sorted({name for id_ in having for name in graph.into.get(id_, ())})

    def told(among: Collection[Fact]) -> _Compared | None:
        chain = walk(maker, hops, last=into) if into else None
        fact = having.get(chain.facts[-1].targets[0]) if chain else None
        if chain is None or fact is None or fact not in among:
            return None
        return _Compared(fact, graph.things[fact.subject].name, phrase_chain(maker, chain))

    if (first := told(having.values())) is None:
        return None
    kind = graph.things[first.fact.subject].kind
    same = [f for id_, f in having.items() if graph.things[id_].kind == kind and f != first.fact]
    if not same:
        return None
    other = rng.choice(same)
    second: _Compared | None = _Compared(other, graph.things[other.subject].name)
    if rng.random() < 0.5:
        second = told(same)
        if second is None:
            return None
    return (first, second) if rng.random() < 0.5 else (second, first)
