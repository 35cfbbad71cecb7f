"""What questions that calculate share: the calculator's steps, and what chains measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from centerlm.learning.worlds.chains import (
    DOCUMENTS,
    Chain,
    Maker,
    ask_form,
    lookup,
    phrase_chain,
)
from centerlm.learning.worlds.graph import Fact
from centerlm.learning.worlds.measures import Measure, measure
from centerlm.learning.worlds.nodes import Ask, Compute, Follow, Node

CALCULATOR = "calculator"
_LEAST = ("earlier", "argmin", "min")


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


def best(call: str, values: Sequence[Measure]) -> int:
    """The place of the value that the call picks."""
    numbers = [value.number for value in values]
    return numbers.index(min(numbers) if call in _LEAST else max(numbers))
