"""Questions that no document answers alone: they need an expert, the user, or an experiment."""

from __future__ import annotations

from centerlm.learning.worlds.calculating import CALCULATOR, filled
from centerlm.learning.worlds.chains import (
    Chain,
    Maker,
    chain_form,
    phrase_chain,
    walk,
    walk_from,
)
from centerlm.learning.worlds.forms import Form, read_forms
from centerlm.learning.worlds.measures import measure, written
from centerlm.learning.worlds.nodes import Ask, Compute, Follow, Lookup, Node, Peel
from centerlm.learning.worlds.relations import who_or_what
from centerlm.learning.worlds.secrets import LARGEST, fields, privates

PERSON = "person"
EXPERIMENT = "experiment"


def expert(maker: Maker, hops: int) -> Node | None:
    """What only an expert knows of a thing that documents name, by a chain of `hops` - 1."""
    rng, secrets = maker.rng, maker.secrets
    field = fields()[rng.choice(sorted({k.field for k in secrets.experts.values()}))]
    form = maker.pick(field.asks, field.new_asks)
    inner: Node | None = None
    if hops == 1:
        known = rng.choice([k for k in secrets.experts.values() if k.field == field.name])
        phrase = known.thing
    else:
        chain = walk(maker, hops - 1, last=[field.link])
        if chain is None:
            return None
        known = secrets.experts[field.name, chain.answer]
        said = phrase_chain(maker, chain)
        inner, phrase = said.node, said.phrase
    if field.held_out:
        maker.used.add("source")
    question = _with_article(form, phrase) if inner else form.replace("{}", phrase)
    other = rng.choice([f for f in (field.new_asks if maker.new else field.asks) if f != form])
    look = Lookup(
        form.replace("{}", known.thing),
        known.answer,
        (known.reply.id,),
        (other.replace("{}", known.thing),),
    )
    if inner is None:
        return Ask(question, known.answer, field.source, question, look)
    return Peel(question, known.answer, inner, field.source, form, look)


def person(maker: Maker, hops: int) -> Node | None:
    """Something of the user's, and a chain of `hops` - 1 from there; or the user's money."""
    rng, secrets = maker.rng, maker.secrets
    money = hops == 1 and rng.random() < 0.4
    items = [i for i in privates() if i.new == maker.new and (i.kind == "money") == money]
    item = rng.choice(items)
    if item.new:
        maker.used.add("wording")
    answer, thing = secrets.private[item.mine]
    begin = "How much is" if thing is None else who_or_what(item.kind)
    opening = Ask(f"{begin} {item.mine}?", answer, PERSON, item.asked)
    if hops == 1:
        return opening if thing is not None else _left(maker, opening, item.mine)
    assert thing is not None, "money is not asked about further"
    facts = walk_from(maker, thing, hops - 1)
    if facts is None:
        return None
    chain = Chain(facts, item.mine, opening)
    return phrase_chain(maker, chain, chain_form(maker, chain)).node


def experiment(maker: Maker, hops: int) -> Node | None:
    """The output of the world's machine: tried out, or where it cannot be, worked out."""
    rng, machine = maker.rng, maker.secrets.machine
    name = rng.choice(("one", "more", "far")) if hops == 1 and rng.random() < 0.6 else "chain"
    form = next(f for f in read_forms("experiments.txt") if f.about == name)
    ask = maker.pick(form.asks, form.new_asks).replace("{m}", machine.name)
    k, n = sorted(rng.sample(range(2, LARGEST + 1), 2))
    match name:
        case "one":
            text = ask.replace("{n}", str(n))
            return Ask(text, str(machine.run(n)), EXPERIMENT, f"{machine.name}({n})")
        case "more":
            text = filled(ask, {"{n}": str(n), "{k}": str(k)})
            parts = (_trial(maker, n), _trial(maker, k))
            answer = str(machine.run(n) - machine.run(k))
            return Compute(text, answer, parts, (Follow(CALCULATOR, form.call),))
        case "far":
            n = rng.randint(LARGEST + 1, 5_000)
            call = form.call.replace("{n}", str(n))
            parts = (_trial(maker, 0), _trial(maker, 1))
            text, answer = ask.replace("{n}", str(n)), str(machine.run(n))
            return Compute(text, answer, parts, (Follow(CALCULATOR, call),))
        case _:
            return _worked_out(maker, form, ask, hops)


def _worked_out(maker: Maker, form: Form, ask: str, hops: int) -> Node | None:
    """The machine's output for a number that a document holds."""
    chain = walk(maker, hops, last=["population", "employees", "inception"])
    value = measure(chain.answer) if chain else None
    if chain is None or value is None or value.number <= LARGEST:
        return None
    said = phrase_chain(maker, chain)
    answer = str(maker.secrets.machine.run(int(value.number)))
    parts = (said.node, _trial(maker, 0), _trial(maker, 1))
    return Compute(ask.replace("{a}", said.phrase), answer, parts, (Follow(CALCULATOR, form.call),))


def _trial(maker: Maker, number: int) -> Ask:
    machine = maker.secrets.machine
    text = f"{machine.name}({number})"
    return Ask(text, str(machine.run(number)), EXPERIMENT, text)


def _left(maker: Maker, opening: Ask, mine: str) -> Node | None:
    """What is left of the user's money after buying something."""
    chain = walk(maker, 1, last=["price"])
    if chain is None:
        return None
    have, price = measure(opening.answer), measure(chain.answer)
    if have is None or price is None:
        return None
    part = phrase_chain(maker, chain, chain_form(maker, chain))
    text = f"How much of {mine} is left after buying {chain.start}?"
    answer = written(have.number - price.number, have.unit)
    return Compute(text, answer, (opening, part.node), (Follow(CALCULATOR, "#1 - #2"),))


def _with_article(form: str, phrase: str) -> str:
    """A phrase put into a form that may have an article of its own: it is not said twice."""
    return form.replace("the {}", "{}").replace("{}", phrase)
