"""Questions that calculate over chains: arithmetic, dates, money, counts, and walks through lists.

Each function gives a node, or None where this world has no such question. Gold results are computed
here, exactly; tests recompute every one of them with the real calculator.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from centerlm.learning.worlds.calculating import CALCULATOR, best, filled, measured, of_one
from centerlm.learning.worlds.chains import (
    DOCUMENTS,
    Chain,
    Maker,
    ask_form,
    chain_form,
    lookup,
    phrase_chain,
    walk,
)
from centerlm.learning.worlds.choices import comparison, described, more, superlative
from centerlm.learning.worlds.forms import Form, operations, through_lists
from centerlm.learning.worlds.measures import measure, written
from centerlm.learning.worlds.nodes import Compute, Follow, Node


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
        answer = maker.graph.things[items[best(form.call, values)]].name
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
