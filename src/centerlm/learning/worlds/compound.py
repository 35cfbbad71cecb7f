"""Several facts in one sentence, as real texts say them: joined, in relative clauses, in brackets.

"{s} was born in {o}." and "{s} worked for {o}." become one sentence of one thing; what a sentence
ends with may be told more of: "... was directed by X, whose mother was Y".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from centerlm.learning.worlds.graph import Fact, Graph, Thing
from centerlm.learning.worlds.relations import ENTITIES, LISTS, relations

Told: TypeAlias = tuple[str, list[Fact]]
"""What follows the subject, and the facts that it states."""

_BORN, _DIED = "date of birth", "date of death"
_ENDS = (("was born", "place of birth", _BORN), ("died", "place of death", _DIED))
_MADE = {
    "painting": ("year of painting", "painter"),
    "film": ("publication date", "director"),
    "book": ("publication date", "author"),
    "song": ("publication date", "performer"),
}
"""By kind of work, when it was made and by whom."""

_UNFIT = ("{s}", ",", "and ", " that ")
"""What a wording with clauses of its own has: it cannot stand beside others."""


@dataclass(frozen=True, slots=True)
class Teller:
    """What sentences are made of. `told` are the facts by subject; with `new`, half of the
    wordings are those held out from training.
    """

    graph: Graph
    told: Mapping[int, Sequence[Fact]]
    rng: Random
    new: bool

    def says(self, fact: Fact) -> tuple[str, ...]:
        """Wordings for a fact: all those held out, or all others."""
        new = self.new and self.rng.random() < 0.5
        return relations()[fact.relation].wordings(new=new, wide=self.graph.wide).says


def compound(thing: Thing, facts: Sequence[Fact], teller: Teller) -> Told | None:
    """What a sentence says of a thing, in two to four facts, at least one of them of `facts` (all
    of the thing); None where these cannot be joined.
    """
    shapes: list[Callable[[Thing, Sequence[Fact], Teller], Told | None]]
    shapes = [_in_brackets, _joined, _relative, _ending, _of_a_life, _made_in]
    teller.rng.shuffle(shapes)
    made = (shape(thing, facts, teller) for shape in shapes)
    return next((told for told in made if told is not None), None)


def on_date(form: str, fact: Fact) -> str:
    """A wording of a date, as it is where the date is a year: in it, not on it."""
    year = fact.answer.isdecimal() and relations()[fact.relation].object == "date"
    return form.replace("on {o}", "in {o}").replace("{o} as", "the year {o} as") if year else form


def possessive(thing: Thing) -> str:
    if thing.kind == "person":
        return "her" if thing.woman else "his"
    return "its"


def _in_brackets(thing: Thing, facts: Sequence[Fact], teller: Teller) -> Told | None:
    """ " (12 May 1801 - 3 June 1870) was a weaver", " (1905) hangs in X"."""
    made = _MADE.get(thing.kind, ("",))[0]
    dates = {fact.relation: fact for fact in facts if fact.relation in (_BORN, _DIED, made)}
    others = _predicates(thing, [f for f in facts if f.relation not in dates], teller, 1)
    first = dates.get(made) or dates.get(_BORN)
    if first is None or not others:
        return None
    [(fact, said)] = others
    bracket, dash = first.answer, "-" if first.answer.isdecimal() else " - "
    if first.relation == _BORN:
        bracket = f"{bracket}{dash}{dates[_DIED].answer}" if _DIED in dates else f"born {bracket}"
    return f" ({bracket}) {said}", [*dates.values(), fact]


def _of_a_life(thing: Thing, facts: Sequence[Fact], teller: Teller) -> Told | None:
    """ " was born in X in 1812 and died in Y in 1870"."""
    by = {fact.relation: fact for fact in facts}
    said: list[str] = []
    stated: list[Fact] = []
    for verb, place, day in _ENDS:
        if place in by and day in by:
            when = by[day].answer
            parts = [f"in {by[place].answer}", f"{'in' if when.isdecimal() else 'on'} {when}"]
            teller.rng.shuffle(parts)
            said.append(f"{verb} {' '.join(parts)}")
            stated += [by[place], by[day]]
    return (f" {' and '.join(said)}", stated) if said else None


def _made_in(thing: Thing, facts: Sequence[Fact], teller: Teller) -> Told | None:
    """ " is a painting of 1905 by X"."""
    made, maker = _MADE.get(thing.kind, ("", ""))
    by = {fact.relation: fact for fact in facts}
    if made not in by or maker not in by or not by[made].answer.isdecimal():
        return None
    of = teller.rng.choice(("of", "from"))
    said = f" is a {thing.kind} {of} {by[made].answer} by {by[maker].answer}"
    return said, [by[made], by[maker]]


def _joined(thing: Thing, facts: Sequence[Fact], teller: Teller) -> Told | None:
    """ " A and B", " A, B and C", or a second clause: " A, and his B"."""
    found = _predicates(thing, facts, teller, teller.rng.choice((2, 2, 3)))
    if not found:
        return None
    fact, said = found[0]
    clause = _clause(thing, [other for other in facts if other is not fact], teller)
    if clause and (len(found) == 1 or teller.rng.random() < 0.3):
        return f" {said}, and {possessive(thing)} {clause[1]}", [fact, clause[0]]
    if len(found) == 1:
        return None
    *before, last = (words for _, words in found)
    return f" {', '.join(before)} and {last}", [fact for fact, _ in found]


def _relative(thing: Thing, facts: Sequence[Fact], teller: Teller) -> Told | None:
    """ ", who A, B" or ", whose A, B"."""
    found = _predicates(thing, facts, teller, 2)
    if len(found) < 2:
        return None
    (aside, inner), (fact, said) = found
    clause = _clause(thing, [other for other in facts if other is not fact], teller)
    if clause and teller.rng.random() < 0.5:
        return f", whose {clause[1]}, {said}", [clause[0], fact]
    return f", {_who(thing)} {inner}, {said}", [aside, fact]


def _ending(thing: Thing, facts: Sequence[Fact], teller: Teller) -> Told | None:
    """ " was directed by X, who was born in Y": more is told of what the sentence ends with."""
    for fact, said in _predicates(thing, facts, teller, len(facts)):
        if len(fact.targets) != 1 or not said.endswith(fact.answer):
            continue
        other = teller.graph.things[fact.targets[0]]
        more = [f for f in teller.told.get(other.id, ()) if thing.id not in f.targets]
        if other.kind not in ENTITIES or not more:
            continue
        teller.rng.shuffle(more)
        clause, found = _clause(other, more, teller), _predicates(other, more, teller, 1)
        if clause and (not found or teller.rng.random() < 0.5):
            return f" {said}, whose {clause[1]}", [fact, clause[0]]
        if found:
            return f" {said}, {_who(other)} {found[0][1]}", [fact, found[0][0]]
    return None


def _predicates(
    thing: Thing, facts: Sequence[Fact], teller: Teller, most: int
) -> list[tuple[Fact, str]]:
    """Up to so many facts, in order, with what a sentence says of its subject: "was born in X"."""
    found = ((fact, _worded(thing, fact, "{s} ", teller)) for fact in facts)
    return [(fact, said) for fact, said in found if said][:most]


def _clause(thing: Thing, facts: Sequence[Fact], teller: Teller) -> tuple[Fact, str] | None:
    """A fact to stand after "whose", "his", "her" or "its": "mother was X"."""
    found = ((fact, _worded(thing, fact, "{p} ", teller)) for fact in facts)
    return next(((fact, said) for fact, said in found if said), None)


def _worded(thing: Thing, fact: Fact, start: str, teller: Teller) -> str:
    """A wording that begins so, without its beginning and full stop; empty if there is none."""
    forms = [form.removeprefix(start) for form in teller.says(fact) if form.startswith(start)]
    forms = [on_date(form, fact) for form in forms]
    fit = [form for form in forms if not any(part in form for part in _UNFIT)]
    if not fit or relations()[fact.relation].object in LISTS:
        return ""
    said = teller.rng.choice(fit).removesuffix(".")
    return said.replace("{p}", possessive(thing)).replace("{o}", fact.answer)


def _who(thing: Thing) -> str:
    return "who" if thing.kind == "person" else "which"
