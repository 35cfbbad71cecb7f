"""Questions about when things happened, and whether one thing has more than another.

Ages, years between happenings of two things, what came before what: the two dates are found one by
one and put together by the calculator. Yes or no comes of how one value stands to another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from types import MappingProxyType

from centerlm.learning.worlds.calculating import CALCULATOR, filled, measured, of_one
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
from centerlm.learning.worlds.forms import Form, read_blocks, read_forms
from centerlm.learning.worlds.graph import Fact
from centerlm.learning.worlds.measures import measure
from centerlm.learning.worlds.nodes import Ask, Compute, Follow, Node

_YEARS = 110
"""The greatest age asked for, and the most years between two happenings are three times that."""


_WORKS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "publication date": {"director": "directed", "author": "wrote", "performer": "sang"},
        "year of painting": {"painter": "painted"},
    }
)
"""By what happened to a work, what those who made it did."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Wordings of what happened to `{}`: as a clause, turned round, and as a noun."""

    clauses: tuple[str, ...]
    asked: tuple[str, ...]
    nouns: tuple[str, ...]


@cache
def _happenings(*, new: bool) -> Mapping[str, Happening]:
    """By relation."""
    mark = "new " if new else ""
    return MappingProxyType(
        {
            name: Happening(*(parts[mark + key] for key in ("clause", "asked", "noun")))
            for name, parts in read_blocks("happenings.txt")
        }
    )


@cache
def _times() -> Mapping[str, Form]:
    return MappingProxyType({form.about: form for form in read_forms("times.txt")})


def lifespan(maker: Maker, hops: int) -> Node | None:
    """How old a person became, called by name or told by a description."""
    chain = walk(maker, hops, last=["date of birth"])
    person = chain.facts[-1].subject if chain else -1
    born, died = (maker.graph.get(person, f"date of {end}") for end in ("birth", "death"))
    if chain is None or born is None or died is None:
        return None
    years = years_between(born.answer, died.answer)
    form = _times()["lifespan"]
    ask = maker.pick(form.asks, form.new_asks).replace("{h}", _pronoun(maker, person))
    return of_one(maker, chain, (born, died), ask, form.call, str(years))


def age(maker: Maker, hops: int) -> Node | None:
    """How old a person was when something happened to something else: to what the description of
    the person begins with, where it can be.
    """
    chain = walk(maker, hops, last=["date of birth"])
    if chain is None:
        return None
    own = _own(maker, chain)
    other = own if own and maker.rng.random() < 0.6 else _other(maker, chain.facts[-1])
    if other is None or _earlier(other.answer, chain.answer):
        return None
    years = years_between(chain.answer, other.answer)
    if years is None or years > _YEARS:
        return None
    form = _times()["age"]
    person, thing = _side(maker, chain), _named(maker, other)
    clause = _done_by(maker, chain, other) or maker.rng.choice(_happened(maker, other).clauses)
    called = "it" if other == own and person.said and _may_be_it(maker, other) else thing.called
    words = {"{a}": person.called, "{d}": clause.replace("{}", called)}
    text = filled(maker.pick(form.asks, form.new_asks), words)
    return _dated(maker, text, (person, thing), (Follow(CALCULATOR, form.call),), str(years))


def apart(maker: Maker, hops: int) -> Node | None:
    """How many years lie between what happened to two things."""
    pair = _two_happenings(maker, hops)
    years = years_between(pair[0].fact.answer, pair[1].fact.answer) if pair else None
    if pair is None or not years or years > 3 * _YEARS:
        return None
    form = _times()[maker.rng.choice(("apart", "apart", "ahead"))]
    text = _worded(maker, form, pair)
    return _dated(maker, text, pair, (Follow(CALCULATOR, form.call),), str(years))


def before(maker: Maker, hops: int) -> Node | None:
    """Whether one thing happened before (or after) another."""
    pair = _two_happenings(maker, hops)
    if pair is None or not years_between(pair[0].fact.answer, pair[1].fact.answer):
        return None
    one, two = pair if maker.rng.random() < 0.5 else pair[::-1]
    alike = one.fact.relation == two.fact.relation and maker.rng.random() < 0.7
    form = _times()[maker.rng.choice(("before", "after")) + (" alike" if alike else "")]
    stands = "less" if _earlier(one.fact.answer, two.fact.answer) else "greater"
    follow, answer = _verdict("#2", 3, stands, form.call)
    return _dated(maker, _worded(maker, form, (one, two)), (one, two), follow, answer)


def exceeds(maker: Maker, hops: int) -> Node | None:
    """Whether a thing has more (or less) of something than another, or than an amount."""
    form = maker.rng.choice(read_forms("excess.txt"))
    one = walk(maker, hops, last=[form.about])
    if one is None:
        return None
    if maker.rng.random() < 0.5:
        return _limited(maker, form, one)
    two = walk(maker, maker.rng.randint(1, hops), last=[form.about])
    if two is None or two.facts[-1] == one.facts[-1] or _kind(maker, one) != _kind(maker, two):
        return None
    a, b = (measured(chain) for chain in (one, two))
    if a.number == b.number:
        return None
    parts = [phrase_chain(maker, chain, chain_form(maker, chain)) for chain in (one, two)]
    stands = "less" if a.number < b.number else "greater"
    ask = maker.pick(form.asks, form.new_asks)
    follow, answer = _verdict("#2", 3, stands, form.call)
    text = filled(ask, {"{x}": parts[0].subject, "{y}": parts[1].subject})
    return Compute(text, answer, tuple(part.node for part in parts), follow)


def _limited(maker: Maker, form: Form, chain: Chain) -> Node | None:
    """The same against a round amount, written as documents write it."""
    value, written = measured(chain), chain.answer
    number = re.search(r"\d[\d,]*(?:\.\d+)?", written)
    if number is None or value.number < 1:
        return None
    most = int(value.number)
    step = 1 if most < 20 else 5 if most < 1000 else 10 ** (len(str(most)) - 1) // 2
    limit = maker.rng.randint(most * 6 // 10, most * 14 // 10 + 1) // step * step
    if limit in (0, value.number):
        return None
    shown = f"{limit:,}" if "," in number[0] or limit >= 10_000 else str(limit)
    amount = written[: number.start()] + shown + written[number.end() :]
    part = phrase_chain(maker, chain, chain_form(maker, chain))
    stands = "less" if value.number < limit else "greater"
    follow, answer = _verdict(amount, 2, stands, form.call)
    text = filled(maker.pick(form.gaps, form.new_gaps), {"{x}": part.subject, "{n}": amount})
    return Compute(text, answer, (part.node,), follow)


def _verdict(other: str, step: int, stands: str, way: str) -> tuple[tuple[Follow, ...], str]:
    """The steps, the first of this number, that say yes if #1 stands to another value in this way
    ("less", "greater"), and what they say where it `stands` so.
    """
    follow = (
        Follow(CALCULATOR, f"compare(#1, {other})"),
        Follow(CALCULATOR, f"same(#{step}, {way})"),
    )
    return follow, "yes" if stands == way else "no"


EVENTS: Mapping[str, Callable[[Maker, int], Node | None]] = MappingProxyType(
    {"lifespan": lifespan, "age": age, "apart": apart, "before": before, "exceeds": exceeds}
)


def years_between(one: str, other: str) -> int | None:
    """Whole years between two dates as documents write them, as the calculator counts them: a year
    alone has no day that it begins on. None where one is no date.
    """
    days = sorted(day for day in (_day(one), _day(other)) if day is not None)
    years = sorted(year for year in (_year(one), _year(other)) if year is not None)
    if len(days) == 2:
        early, late = days
        return late.year - early.year - ((late.month, late.day) < (early.month, early.day))
    return years[1] - years[0] if len(years) == 2 else None


@dataclass(frozen=True, slots=True)
class _Side:
    """What happened to a thing, how the question calls it, and the chain that finds it out where
    it is not called by its name.
    """

    fact: Fact
    called: str
    said: Said | None = None


def _named(maker: Maker, fact: Fact) -> _Side:
    return _Side(fact, maker.graph.things[fact.subject].name)


def _side(maker: Maker, chain: Chain) -> _Side:
    """The last fact of a chain, its thing called by the rest of it."""
    if len(chain.facts) == 1:
        return _named(maker, chain.facts[0])
    said = phrase_chain(maker, Chain(chain.facts[:-1], chain.start))
    return _Side(chain.facts[-1], said.phrase, said)


def _dated(
    maker: Maker, text: str, sides: tuple[_Side, _Side], last: tuple[Follow, ...], answer: str
) -> Node:
    """A question of two dates: each asked for by name, or after its thing was found out. `last`
    calls them #1 and #2, and its own steps from #3 on.
    """
    parts: list[Node] = []
    follow: list[Follow] = []
    dates: list[int] = []
    for number, side in enumerate(sides, start=1):
        form = ask_form(maker, side.fact, bare=side.said is None)
        look = lookup(maker, side.fact, form, maker.graph.things[side.fact.subject].name)
        if side.said is None:
            parts.append(Ask(look.question, side.fact.answer, DOCUMENTS, look.question, look))
            dates.append(number)
        else:  # what is asked of a described thing comes after all parts
            parts.append(side.said.node)
            follow.append(Follow(DOCUMENTS, form.replace("{}", f"#{number}"), lookups=(look,)))
            dates.append(len(sides) + len(follow))
    numbers = {1: dates[0], 2: dates[1], 3: len(sides) + len(follow) + 1}
    ends = [
        Follow(one.source, re.sub(r"#(\d)", lambda m: f"#{numbers[int(m[1])]}", one.text))
        for one in last
    ]
    return Compute(text, answer, tuple(parts), (*follow, *ends))


def _worded(maker: Maker, form: Form, sides: tuple[_Side, _Side]) -> str:
    """A question in which two happenings are told in words."""
    told = [_happened(maker, side.fact) for side in sides]
    rng = maker.rng

    def chosen(place: int, of: str) -> str:
        # "the person who wrote X's death" has two readings.
        described = sides[place].said is not None
        forms: tuple[str, ...] = getattr(told[place], of)
        form = rng.choice([f for f in forms if not (described and "{}'s" in f)])
        return form.replace("{}", sides[place].called)

    words = {
        slot: chosen(place, of)
        for slot, place, of in (
            ("{c}", 0, "clauses"),
            ("{d}", 1, "clauses"),
            ("{q}", 0, "asked"),
            ("{r}", 1, "asked"),
            ("{m}", 0, "nouns"),
            ("{n}", 1, "nouns"),
        )
    }
    words |= {"{Q}": words["{q}"][:1].upper() + words["{q}"][1:], "{y}": sides[1].called}
    text = filled(maker.pick(form.asks, form.new_asks), words)
    for one, other in (sides, sides[::-1]):
        if other.said is not None and _may_be_it(maker, one.fact) and rng.random() < 0.6:
            text = _with_its(text, one.called, other.called)
    return text


def _with_its(text: str, thing: str, phrase: str) -> str:
    """ "After X came out, the author of X": the second X is "its"."""
    before, found, after = text.partition(phrase)
    head, of, rest = phrase.rpartition(" of ")
    simple = head.startswith("the ") and not re.search(" (of|who|that|which) ", head)
    if found and of and rest == thing and thing in before and simple:
        return f"{before}its {head.removeprefix('the ')}{after}"
    return text


def _two_happenings(maker: Maker, hops: int) -> tuple[_Side, _Side] | None:
    """What happened to two things, the earlier first; of more hops, to a thing and to another that
    it is told by.
    """
    graph, rng = maker.graph, maker.rng
    chain = walk(maker, hops, last=[*_happenings(new=False)])
    if chain is None:
        return None
    other = _own(maker, chain) if hops > 1 else _other(maker, chain.facts[0])
    if hops == 1 and rng.random() < 0.4:
        alike = [f for f in graph.ending[chain.facts[0].relation] if f != chain.facts[0]]
        other = rng.choice(alike) if alike else None
    if other is None:
        return None
    one, two = _side(maker, chain), _named(maker, other)
    return (one, two) if _earlier(chain.answer, other.answer) else (two, one)


def _own(maker: Maker, chain: Chain) -> Fact | None:
    """What happened to the thing that the description of a chain's last one begins with."""
    start, last = chain.facts[0].subject, chain.facts[-1]
    facts = [maker.graph.get(start, name) for name in _happenings(new=False)]
    found = [fact for fact in facts if fact is not None and fact.subject != last.subject]
    return maker.rng.choice(found) if found else None


def _other(maker: Maker, one: Fact) -> Fact | None:
    """What happened to another thing: half of the time one that has to do with this one."""
    graph, rng = maker.graph, maker.rng
    near = {fact.subject for facts in graph.into.get(one.subject, {}).values() for fact in facts}
    near |= {t for (s, _), fact in graph.facts.items() if s == one.subject for t in fact.targets}
    facts = [f for name in _happenings(new=False) for f in graph.ending.get(name, ())]
    others = [fact for fact in facts if fact.subject != one.subject]
    related = [fact for fact in others if fact.subject in near]
    if related and rng.random() < 0.5:
        return rng.choice(related)
    return rng.choice(others) if others else None


def _happened(maker: Maker, fact: Fact) -> Happening:
    if maker.new:
        maker.used.add("wording")
    return _happenings(new=maker.new)[fact.relation]


def _done_by(maker: Maker, person: Chain, fact: Fact) -> str | None:
    """ "she painted {}": a happening told as what the person of a chain did, in wide worlds."""
    if not maker.graph.wide or fact.relation not in _WORKS or maker.rng.random() < 0.2:
        return None
    id_ = person.facts[-1].subject
    by = (maker.graph.get(fact.subject, relation) for relation in _WORKS[fact.relation])
    made = next((one for one in by if one is not None and id_ in one.targets), None)
    if made is None:
        return None
    return f"{_pronoun(maker, id_)} {_WORKS[fact.relation][made.relation]} {{}}"


def _may_be_it(maker: Maker, fact: Fact) -> bool:
    return maker.graph.things[fact.subject].kind != "person"


def _pronoun(maker: Maker, person: int) -> str:
    return "she" if maker.graph.things[person].woman else "he"


def _kind(maker: Maker, chain: Chain) -> str:
    return maker.graph.things[chain.facts[-1].subject].kind


def _earlier(one: str, other: str) -> bool:
    days = _day(one), _day(other)
    if days[0] is not None and days[1] is not None:
        return days[0] < days[1]
    return (_year(one) or 0) < (_year(other) or 0)


def _day(answer: str) -> date | None:
    value = measure(answer)
    return date.fromordinal(int(value.number)) if value and value.unit == "day" else None


def _year(answer: str) -> int | None:
    found = re.search(r"\b\d{4}\b", answer)
    return int(found[0]) if found else None
