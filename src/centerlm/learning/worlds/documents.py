"""The documents of a world: short texts of 30-90 words, titled by the thing they are about.

A document states two to five facts of its thing, now and then one of another thing, between
sentences that state nothing. After its first mention a thing is a pronoun or a short name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from centerlm.learning.records import Text
from centerlm.learning.worlds.facts import Fact, Graph, Thing
from centerlm.learning.worlds.relations import relations

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
}


@dataclass(frozen=True, slots=True)
class Documents:
    """The texts, and in which of them (by id) each fact stands."""

    texts: tuple[Text, ...]
    where: Mapping[FactKey, tuple[str, ...]]


def write_documents(graph: Graph, rng: Random, *, prefix: str, new: bool) -> Documents:
    """Write every fact of the graph down at least once; ids begin with `prefix`.

    With `new`, half of the statements use wordings held out from training.
    """
    by_subject: dict[int, list[Fact]] = {}
    for fact in graph.facts.values():
        by_subject.setdefault(fact.subject, []).append(fact)
    everything = list(graph.facts.values())
    texts: list[Text] = []
    where: dict[FactKey, tuple[str, ...]] = {}
    for thing in graph.things:
        facts = by_subject.get(thing.id, [])
        rng.shuffle(facts)
        for group in _groups(facts, rng):
            other = rng.choice(everything) if rng.random() < 0.25 else None
            if other is not None and other.subject == thing.id:
                other = None
            id_ = f"{prefix}-d{len(texts)}"
            text = _write(graph, thing, group, other, rng, new=new)
            texts.append(Text(id_, thing.name, text))
            for fact in (*group, *([other] if other else [])):
                key = (fact.subject, fact.relation)
                where[key] = (*where.get(key, ()), id_)
    order = list(range(len(texts)))
    rng.shuffle(order)
    return Documents(tuple(texts[i] for i in order), where)


def _groups(facts: Sequence[Fact], rng: Random) -> list[list[Fact]]:
    """Two to five facts a document; a last single one joins the group before it."""
    groups: list[list[Fact]] = []
    rest = list(facts)
    while rest:
        size = rng.randint(2, 4)
        groups.append(rest[:size])
        rest = rest[size:]
    if len(groups) > 1 and len(groups[-1]) == 1:
        last = groups.pop()
        groups[-1] += last
    return groups


def _write(
    graph: Graph, thing: Thing, facts: Sequence[Fact], other: Fact | None, rng: Random, *, new: bool
) -> str:
    sentences = [
        statement(fact, thing, rng, first=number == 0, new=new) for number, fact in enumerate(facts)
    ]
    if other is not None:
        subject = graph.things[other.subject]
        sentences.insert(
            rng.randint(1, len(sentences)), statement(other, subject, rng, first=True, new=new)
        )
    fillers = list(_FILLERS[_FAMILY[thing.kind]])
    rng.shuffle(fillers)
    count = sum(len(s.split()) for s in sentences)
    extra = rng.randint(0, 1)
    for filler in fillers:
        if count >= MIN_WORDS and extra <= 0:
            break
        words = filler.replace("{s}", thing.short)
        if count + len(words.split()) > MAX_WORDS:
            break
        sentences.insert(rng.randint(1, len(sentences)), capitalised(words))
        count += len(words.split())
        extra -= 1
    return " ".join(sentences)


def statement(fact: Fact, subject: Thing, rng: Random, *, first: bool, new: bool) -> str:
    """A sentence that states the fact; `first` calls the subject by its whole name."""
    relation = relations()[fact.relation]
    pool = relation.new.says if new and rng.random() < 0.5 else relation.train.says
    form = rng.choice(pool)
    name = subject.name
    if not first:
        # A pronoun stands only where it is the subject of the sentence: there is no "him".
        pronoun = form.startswith(("{s}", "{p}")) and rng.random() < 0.5
        name = _pronoun(subject) if pronoun else subject.short
    owner = _possessive(subject) if name == _pronoun(subject) else f"{name}'s"
    # Only the first mention carries the name's possessive; the object goes in last, as a title
    # may hold anything.
    said = form.replace("{p}", owner, 1) if form.startswith("{p}") else form
    said = said.replace("{s}", name).replace("{p}", _possessive(subject))
    return capitalised(said.replace("{o}", fact.answer))


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _pronoun(thing: Thing) -> str:
    if thing.kind == "person":
        return "she" if thing.woman else "he"
    return "it"


def _possessive(thing: Thing) -> str:
    if thing.kind == "person":
        return "her" if thing.woman else "his"
    return "its"
