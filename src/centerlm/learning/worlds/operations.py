"""Questions that calculate over chains: comparisons, arithmetic, counts, and walks through lists.

Each function gives a node, or None where this world has no such question. Gold results are computed
here, exactly; tests recompute every one of them with the real calculator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

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
from centerlm.learning.worlds.forms import Form, comparisons, differences, operations, through_lists
from centerlm.learning.worlds.graph import Fact
from centerlm.learning.worlds.measures import Measure, measure, written
from centerlm.learning.worlds.nodes import Ask, Compute, Follow, Node
from centerlm.learning.worlds.relations import relations

CALCULATOR = "calculator"
_LEAST = ("earlier", "argmin", "min")


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
    best = _best(form.call, values)
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
        names[best],
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
    best = _best(form.call, [values[0], values[1]])
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
        pair[best].name,
        tuple(parts),
        (*follow, Follow(CALCULATOR, f"{form.call}({', '.join(labels)})")),
    )


def superlative(maker: Maker, hops: int) -> Node | None:
    return comparison(maker, hops, things=3)


def arithmetic(maker: Maker, hops: int) -> Node | None:
    """Sum, difference or average of two numbers."""
    name = maker.rng.choice(("sum", "difference", "average"))
    kind = maker.rng.choice(("population", "area", "height", "employees"))
    if maker.graph.wide and maker.rng.random() < 0.5:
        kind = maker.rng.choice(("length", "passengers", "visitors", "seats", "surface", "depth"))
    pair = _pair(maker, hops, kind)
    if pair is None:
        return None
    one, two = pair
    a, b = measured(one), measured(two)
    if name == "difference":
        if a.number < b.number:
            one, two, a, b = two, one, b, a
        number = a.number - b.number
    else:
        number = (a.number + b.number) / (2 if name == "average" else 1)
    return _two_part(maker, operations()[name], one, two, written(number, a.unit))


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


def density(maker: Maker, hops: int) -> Node | None:
    """People per square kilometre of a place, itself or told by a description."""
    graph = maker.graph
    relation = maker.rng.choice(("population", "area"))
    chain = walk(maker, hops, last=[relation])
    if chain is None:
        return None
    place = chain.facts[-1].subject
    people, land = graph.get(place, "population"), graph.get(place, "area")
    if people is None or land is None:
        return None
    number, area = measure(people.answer), measure(land.answer)
    if number is None or area is None:
        return None
    form = operations()["density"]
    ask = maker.pick(form.asks, form.new_asks)
    answer = written(number.number / area.number, f"per {area.unit}")
    return of_one(maker, chain, (people, land), ask, form.call, answer)


def of_one(
    maker: Maker, chain: Chain, facts: tuple[Fact, Fact], ask: str, call: str, answer: str
) -> Node:
    """A question about two facts of the thing that a chain's last fact is of, `{a}` in `ask`: it is
    found out first where it is told by a description. `call` has the facts as #1 and #2.
    """
    name = maker.graph.things[facts[0].subject].name
    bare = len(chain.facts) == 1
    forms = [ask_form(maker, fact, bare=bare) for fact in facts]
    looks = [lookup(maker, f, form, name) for f, form in zip(facts, forms, strict=True)]
    if bare:
        parts = tuple(
            Ask(look.question, fact.answer, DOCUMENTS, look.question, look)
            for look, fact in zip(looks, facts, strict=True)
        )
        return Compute(ask.replace("{a}", name), answer, parts, (Follow(CALCULATOR, call),))
    said = phrase_chain(maker, Chain(chain.facts[:-1], chain.start))
    follow = tuple(
        Follow(DOCUMENTS, form.replace("{}", "#1"), lookups=(look,))
        for form, look in zip(forms, looks, strict=True)
    )
    last = Follow(CALCULATOR, call.replace("#2", "#3").replace("#1", "#2"))
    return Compute(ask.replace("{a}", said.phrase), answer, (said.node,), (*follow, last))


def same(maker: Maker, hops: int) -> Node | None:
    """Whether two things have the same city, country, school, employer or profession."""
    kind = maker.rng.choice(
        ("place of birth", "country of citizenship", "educated at", "employer", "occupation")
    )
    wanted = maker.rng.random() < 0.5
    for _ in range(20):
        pair = _pair(maker, hops, kind)
        if pair and (pair[0].answer == pair[1].answer) == wanted:
            form = operations()["same"]
            return _two_part(maker, form, *pair, "yes" if wanted else "no")
    return None


def dates(maker: Maker, hops: int) -> Node | None:
    """Days between two dates, years between two years, a year after a year, or an age in a year."""
    name = maker.rng.choice(("days", "years", "anniversary", "age"))
    if name == "days":
        kinds = ("date of birth", "date of death", "publication date")
        one = walk(maker, hops, last=kinds)
        two = walk(maker, maker.rng.randint(1, hops), last=kinds)
        if one is None or two is None or one.facts[-1] == two.facts[-1]:
            return None
        if {measured(one).unit, measured(two).unit} != {"day"}:
            return None
        between = abs(measured(one).number - measured(two).number)
        return _two_part(maker, operations()[name], one, two, written(between, ""))
    if name == "years":
        pair = _pair(maker, hops, "inception")
        if pair is None:
            return None
        one, two = sorted(pair, key=lambda chain: measured(chain).number)
        years = measured(two).number - measured(one).number
        return _two_part(maker, operations()[name], one, two, written(years, "")) if years else None
    if name == "age":
        return _age(maker, hops)
    chain = walk(maker, hops, last=["inception"])
    if chain is None:
        return None
    count = maker.rng.choice((10, 25, 40, 50, 75, 100, 120, 150))
    form = operations()[name]
    part = phrase_chain(maker, chain)
    ask = maker.pick(form.asks, form.new_asks)
    ask = filled(ask, {"{n}": str(count), "{a}": part.phrase})
    answer = written(measured(chain).number + count, "")
    follow = Follow(CALCULATOR, form.call.replace("{n}", str(count)))
    return Compute(ask, answer, (part.node,), (follow,))


def _age(maker: Maker, hops: int) -> Node | None:
    """How many years a thing had existed in a given year."""
    chain = walk(maker, hops, last=["inception", "date of birth", "publication date"])
    year = re.search(r"\d{4}", chain.answer) if chain else None
    if chain is None or year is None:
        return None
    then = int(year[0]) + maker.rng.randint(3, 60)
    form = operations()["age"]
    part = phrase_chain(maker, chain, chain_form(maker, chain))
    ask = maker.pick(form.asks, form.new_asks)
    ask = filled(ask, {"{n}": str(then), "{a}": part.subject})
    answer = written(Fraction(then - int(year[0])), "")
    follow = Follow(CALCULATOR, form.call.replace("{n}", str(then)))
    return Compute(ask, answer, (part.node,), (follow,))


def money(maker: Maker, hops: int) -> Node | None:
    """Prices times numbers, sums of them, or what is left of an amount."""
    if hops != 1:
        return None
    name = maker.rng.choice(("copies", "basket", "change"))
    chains = [walk(maker, 1, last=["price"]) for _ in range(2)]
    one, two = chains
    if one is None or two is None or one.facts == two.facts:
        return None
    form, rng = operations()[name], maker.rng
    n, m = rng.randint(2, 12), rng.randint(2, 12)
    price, other = measured(one), measured(two)
    cash = rng.choice((70, 80, 100, 120, 200))
    number = {
        "copies": n * price.number,
        "basket": n * price.number + m * other.number,
        "change": cash - price.number,
    }[name]
    asked = (one, two) if name == "basket" else (one,)
    parts = [phrase_chain(maker, c, chain_form(maker, c)) for c in asked]
    slots = {
        "{n}": str(n),
        "{m}": str(m),
        "{c}": f"{maker.graph.coin}{cash}",
        "{x}": one.start,
        "{y}": two.start,
    }
    return Compute(
        filled(maker.pick(form.asks, form.new_asks), slots),
        written(number, price.unit),
        tuple(part.node for part in parts),
        (Follow(CALCULATOR, filled(form.call, slots)),),
    )


def count(maker: Maker, hops: int) -> Node | None:
    """How many things a list of a document has."""
    name = maker.rng.choice(("books", "children", "cities"))
    chain = walk(maker, hops, last=[name])
    if chain is None:
        return None
    form = operations()[f"count {name}"]
    part = phrase_chain(maker, chain, chain_form(maker, chain))
    ask = maker.pick(form.asks, form.new_asks).replace("{a}", part.subject)
    follow = Follow(CALCULATOR, form.call)
    return Compute(ask, str(len(chain.facts[-1].targets)), (part.node,), (follow,))


def each(maker: Maker, hops: int) -> Node | None:
    """Something asked of every item of a list, and the most, the least or the sum of it."""
    if hops < 2:
        return None
    form = maker.rng.choice(through_lists())
    name, _, relation = form.about.partition(" > ")
    chain = walk(maker, hops - 1, last=[name])
    if chain is None:
        return None
    items = chain.facts[-1].targets
    facts = [f for f in (maker.graph.get(id_, relation) for id_ in items) if f is not None]
    values = [m for m in (measure(f.answer) for f in facts) if m is not None]
    if len(values) < len(items) or len({v.number for v in values}) < len(items):
        return None
    part = phrase_chain(maker, chain, chain_form(maker, chain))
    asked = ask_form(maker, facts[0])
    looks = tuple(lookup(maker, f, asked, maker.graph.things[f.subject].name) for f in facts)
    if form.call == "sum":
        total = sum((v.number for v in values), Fraction(0))
        answer, call = written(total, values[0].unit), "sum(#2)"
    else:
        answer = maker.graph.things[items[_best(form.call, values)]].name
        call = f"{form.call}(#1, #2)"
    follow = (
        Follow(DOCUMENTS, asked.replace("{}", "#1"), each=1, lookups=looks),
        Follow(CALCULATOR, call),
    )
    ask = maker.pick(form.asks, form.new_asks).replace("{a}", part.subject)
    return Compute(ask, answer, (part.node,), follow)


OPERATIONS: dict[str, Callable[[Maker, int], Node | None]] = {
    "comparison": comparison,
    "superlative": superlative,
    "described": described,
    "density": density,
    "more": more,
    "arithmetic": arithmetic,
    "same": same,
    "dates": dates,
    "money": money,
    "count": count,
    "each": each,
}


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


def _pair(maker: Maker, hops: int, relation: str) -> tuple[Chain, Chain] | None:
    """Two chains that end in the same relation, of different facts; the second may be shorter."""
    one = walk(maker, hops, last=[relation])
    two = walk(maker, maker.rng.randint(1, hops), last=[relation])
    if one is None or two is None or one.facts[-1] == two.facts[-1]:
        return None
    if maker.rng.random() < 0.5:
        one, two = two, one
    return one, two


def _two_part(maker: Maker, form: Form, one: Chain, two: Chain, answer: str) -> Node:
    a, b = phrase_chain(maker, one), phrase_chain(maker, two)
    ask = filled(maker.pick(form.asks, form.new_asks), {"{a}": a.phrase, "{b}": b.phrase})
    return Compute(ask, answer, (a.node, b.node), (Follow(CALCULATOR, form.call),))


def filled(form: str, slots: Mapping[str, str]) -> str:
    """A form with its slots filled in."""
    for slot, text in slots.items():
        form = form.replace(slot, text)
    return form


def measured(chain: Chain) -> Measure:
    """What the answer of a chain measures.

    Raises:
        ValueError: it is no number, amount or date; the relation asked for has none.
    """
    value = measure(chain.answer)
    if value is None:
        raise ValueError(f"{chain.answer!r} measures nothing")
    return value


def _best(call: str, values: Sequence[Measure]) -> int:
    """The place of the value that the call picks."""
    numbers = [value.number for value in values]
    return numbers.index(min(numbers) if call in _LEAST else max(numbers))
