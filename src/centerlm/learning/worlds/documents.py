"""The documents of a world: short texts of 30-90 words, titled by the thing they are about.

A document states two to five facts of its thing, now and then one of another thing, between
sentences that state nothing. A sentence states one fact or, where that is asked for, several. After
its first mention a thing is a pronoun or a short name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from centerlm.learning.records import Text
from centerlm.learning.worlds.compound import Teller, compound, on_date, possessive
from centerlm.learning.worlds.graph import Fact, Graph, Thing
from centerlm.learning.worlds.realistic import Template, fill_template

MIN_WORDS, MAX_WORDS = 30, 90

FactKey = tuple[int, str]

_FILLERS: Mapping[str, tuple[str, ...]] = {
    "person": (
        "Few letters of those years have come down to us.",
        "{s} was fond of long walks and disliked speeches.",
        "Friends describe a patient listener with a dry sense of humour.",
        "A portrait in oil was lost in a fire.",
        "What the neighbours told about this is not always to be trusted.",
        "{s} never spoke much of this in public.",
        "Later writers have added many stories that cannot be checked.",
    ),
    "work": (
        "Critics were divided, but the public came in large numbers.",
        "A shorter version is said to exist in private hands.",
        "It has been translated and imitated more than once.",
        "The opening is often quoted, the ending hardly ever.",
        "Most of it was made in a single winter.",
        "Some found it too long, others wished for more.",
    ),
    "place": (
        "Visitors praise the markets and complain about the wind.",
        "The old walls were pulled down to make room for gardens.",
        "Rain is common in spring, and the summers are dry.",
        "A narrow railway leads up to the hills behind it.",
        "Its festival of lights draws guests from far away.",
        "Many of the older houses are built of pale stone.",
    ),
    "body": (
        "The building with the green roof is known to everyone nearby.",
        "Its archive was opened to the public only lately.",
        "There were hard years, but the doors never closed.",
        "Its bell is rung once a year, on the first day of autumn.",
        "A small museum on the ground floor shows old tools and letters.",
        "Rules there are strict, and guests must sign a book.",
    ),
    "thing": (
        "Photographs of it are sold as postcards.",
        "An old story about it is told to children.",
        "A song about it was popular for a while.",
        "People from far away know it by name.",
        "It has changed little since then.",
        "A long article about it appeared not long ago.",
        "Not everyone was glad of it at first.",
    ),
}
_FAMILY = {
    "person": "person",
    "film": "work",
    "book": "work",
    "song": "work",
    "city": "place",
    "country": "place",
    "company": "body",
    "school": "body",
    "painting": "work",
    "museum": "body",
    **dict.fromkeys(
        ("ship", "bridge", "lake", "mountain", "band", "team", "stadium", "newspaper"), "thing"
    ),
}


@dataclass(frozen=True, slots=True)
class Documents:
    """The texts, and in which of them (by id) each fact stands."""

    texts: tuple[Text, ...]
    where: Mapping[FactKey, tuple[str, ...]]


def write_documents(
    graph: Graph,
    rng: Random,
    *,
    prefix: str,
    new: bool,
    passages: Sequence[Template] = (),
    joined: float = 0.0,
) -> Documents:
    """Write every fact of the graph down at least once; ids begin with `prefix`.

    With `new`, half of the statements use wordings held out from training. A document begins with
    one of `passages`, its slots filled, wherever there is one for a fact of its thing. A sentence
    states several facts, if they can be joined, with probability `joined`.
    """
    by_subject: dict[int, list[Fact]] = {}
    for fact in graph.facts.values():
        by_subject.setdefault(fact.subject, []).append(fact)
    pool: dict[tuple[str, str], list[Template]] = {}
    for template in passages:
        pool.setdefault((template.relation, template.kind), []).append(template)
    everything = list(graph.facts.values())
    teller = Teller(graph, {key: tuple(facts) for key, facts in by_subject.items()}, rng, new)
    texts: list[Text] = []
    where: dict[FactKey, tuple[str, ...]] = {}
    for thing in graph.things:
        rest: list[Fact] = [*by_subject.get(thing.id, ())]
        rng.shuffle(rest)
        while rest:
            began = _begin(graph, thing, rest, rng, pool)
            sentences, stated = began or ([], [])
            rest = [fact for fact in rest if fact not in stated]
            size = len(stated) + rng.randint(1, 2) if began else _size(len(rest), rng)
            while rest and len(stated) < size and _count(sentences) <= MAX_WORDS - 25:
                said, told = _sentence(thing, rest, teller, joined, first=not sentences)
                rest = [fact for fact in rest if fact not in told]
                sentences.append(said)
                stated += told
            other = rng.choice(everything)
            if other.subject != thing.id and rng.random() < 0.25 and _count(sentences) <= 60:
                subject = graph.things[other.subject]
                said = statement(other, subject, teller, first=True)
                sentences.insert(rng.randint(1, len(sentences)), said)
                stated.append(other)
            _pad(sentences, thing, rng)
            id_ = f"{prefix}-d{len(texts)}"
            texts.append(Text(id_, thing.name, " ".join(sentences)))
            for fact in stated:
                key = (fact.subject, fact.relation)
                where[key] = (*where.get(key, ()), id_)
    _share_places(graph, where)
    order = list(range(len(texts)))
    rng.shuffle(order)
    return Documents(tuple(texts[i] for i in order), where)


def _share_places(graph: Graph, where: dict[FactKey, tuple[str, ...]]) -> None:
    """A capital and the country it is of are one fact said from two sides."""
    for country, capital in (
        ((f.subject, "capital"), (f.targets[0], "capital of"))
        for f in graph.facts.values()
        if f.relation == "capital"
    ):
        if capital in where:
            both = tuple(dict.fromkeys((*where[country], *where[capital])))
            where[country] = where[capital] = both


def _size(left: int, rng: Random) -> int:
    """How many facts the next document states: two to five, and none is left alone."""
    size = rng.randint(2, 4)
    return left if left - size == 1 else size


def _begin(
    graph: Graph,
    thing: Thing,
    facts: Sequence[Fact],
    rng: Random,
    pool: Mapping[tuple[str, str], Sequence[Template]],
) -> tuple[list[str], list[Fact]] | None:
    """A real passage for one of the facts, and all facts that it states."""
    for fact in facts:
        fitting = [
            template
            for template in pool.get((fact.relation, thing.kind), ())
            if template.woman in (None, thing.woman)
        ]
        if fitting:
            text, stated = fill_template(rng.choice(fitting), graph, thing, fact, rng)
            return [text], list(stated)
    return None


def _sentence(
    thing: Thing, facts: Sequence[Fact], teller: Teller, joined: float, *, first: bool
) -> tuple[str, Sequence[Fact]]:
    """A sentence that states the first of the facts, or several that can be joined."""
    if joined and teller.rng.random() < joined and (told := compound(thing, facts, teller)):
        return capitalised(f"{thing.name if first else thing.short}{told[0]}."), told[1]
    return statement(facts[0], thing, teller, first=first), facts[:1]


def _count(sentences: Sequence[str]) -> int:
    return sum(len(sentence.split()) for sentence in sentences)


def _pad(sentences: list[str], thing: Thing, rng: Random) -> None:
    """Add sentences that state nothing: up to the least length, and now and then one more."""
    fillers = list(_FILLERS[_FAMILY[thing.kind]])
    rng.shuffle(fillers)
    extra = rng.randint(0, 1)
    for filler in fillers:
        words = filler.replace("{s}", thing.short)
        enough = _count(sentences) >= MIN_WORDS
        if (enough and not extra) or _count([*sentences, words]) > MAX_WORDS:
            break
        sentences.insert(rng.randint(1, len(sentences)), capitalised(words))
        extra -= enough


def statement(fact: Fact, subject: Thing, teller: Teller, *, first: bool) -> str:
    """A sentence that states the fact; `first` calls the subject by its whole name."""
    rng = teller.rng
    form = on_date(rng.choice(teller.says(fact)), fact)
    name = subject.name
    if not first:
        # A pronoun stands only where it is the subject of the sentence: there is no "him".
        pronoun = form.startswith(("{s}", "{p}")) and rng.random() < 0.5
        name = _pronoun(subject) if pronoun else subject.short
    owner = possessive(subject) if name == _pronoun(subject) else f"{name}'s"
    # Only the first mention carries the name's possessive; the object goes in last, as a title
    # may hold anything.
    said = form.replace("{p}", owner, 1) if form.startswith("{p}") else form
    said = said.replace("{s}", name).replace("{p}", possessive(subject))
    return capitalised(said.replace("{o}", fact.answer))


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _pronoun(thing: Thing) -> str:
    if thing.kind == "person":
        return "she" if thing.woman else "he"
    return "it"
