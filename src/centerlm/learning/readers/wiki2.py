"""2WikiMultihopQA (Ho et al., COLING 2020): plans from the gold triples of a question.

Triples (subject, relation, value) become questions, a subject that is an earlier value becomes a
reference, and comparisons go to the calculator: `earlier(A: #1, B: #2)`, `same(#1, #2)`. A record
is used only if its plan gives the gold answer on the gold values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from centerlm.errors import SourceError
from centerlm.finding import format_value
from centerlm.learning.guidance import Guidance, Read
from centerlm.learning.readers.common import (
    CALCULATOR,
    DOCUMENTS,
    Made,
    Unusable,
    compose,
    convert,
    json_lines,
    tidy,
)
from centerlm.learning.relations import relation_to_question
from centerlm.plan import Step, escape
from centerlm.sources.base import Binding
from centerlm.sources.calculator import evaluate
from centerlm.sources.calculator.values import text_key

NAME = "2wiki"

_QUALIFIER = re.compile(r"\s*\([^()]*\)$")
_YES_NO = re.compile(r"(?:are|is|do|does|did|were|was|have|has)\b", re.IGNORECASE)
_LATER = re.compile(
    r"\b(?:later|last|younger|youngest|recently|recent|newer|newest|latest)\b", re.IGNORECASE
)
_EARLIER = re.compile(r"\b(?:earlier|first|older|oldest|before|elder|earliest)\b", re.IGNORECASE)
_LONGER = re.compile(r"\b(?:longer|longest)\b", re.IGNORECASE)
_SHORTER = re.compile(r"\b(?:shorter|shortest)\b", re.IGNORECASE)
_SHOWN = re.compile(
    r"\b(?:films?|movies?|songs?|albums?|singles?|released|came? out)\b", re.IGNORECASE
)

_DATES = ("date of birth", "date of death", "publication date", "inception", "start time")

Kind = Literal["compositional", "inference", "comparison", "bridge_comparison"]


class _Row(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    type: Kind
    question: str
    evidences: list[tuple[str, str, str]]
    answer: str


@dataclass(frozen=True, slots=True)
class _Fact:
    """A triple; `thing` is what the question compares, at the start of its chain."""

    subject: str
    relation: str
    value: str
    needs: int | None
    thing: str


def read_2wiki(path: Path) -> Read:
    """Guidance from a file of 2WikiMultihopQA in JSONL, with the gold value of every step.

    Raises:
        InputError: the file is missing or cannot be read.
    """
    return convert(path, json_lines(path, _Row), _make)


def _make(row: _Row, where: str) -> Made:
    del where
    if not row.evidences:
        raise Unusable("no steps", "the record has no evidences")
    question = tidy(row.question)
    compares = row.type in ("comparison", "bridge_comparison")
    facts = _linked(_in_order(row.evidences, question)) if compares else _chain(row.evidences)
    steps = [
        Step(at, (DOCUMENTS,), _asked(fact, question)) for at, fact in enumerate(facts, start=1)
    ]
    answers = {at: tidy(fact.value) for at, fact in enumerate(facts, start=1)}
    if compares:
        steps += _comparing(facts, question)
        answers |= _computed(steps[len(facts) :], answers, row.answer)
    elif text_key(answers[len(facts)]) != text_key(row.answer):
        raise Unusable("not reproduced", f"the triples end at {answers[len(facts)]!r}")
    plan, known = compose(steps, answers)
    return Made(Guidance(row.id, question, plan, NAME, answer=tidy(row.answer), answers=known))


def _bare(name: str) -> str:
    """A name without its qualifier: "White Cargo" of "White Cargo (film)"."""
    return text_key(_QUALIFIER.sub("", name))


def _in_order(triples: Sequence[tuple[str, str, str]], question: str) -> list[tuple[str, str, str]]:
    """Triples of what the question names in the order it names them, then those that follow."""
    values = {_bare(value) for _, _, value in triples}
    asked = question.casefold()

    def place(triple: tuple[str, str, str]) -> tuple[bool, int]:
        follows = _bare(triple[0]) in values
        at = asked.find(triple[0].casefold())
        at = at if at >= 0 else asked.find(_QUALIFIER.sub("", triple[0]).casefold())
        return follows, 0 if follows else at

    firsts = sorted((t for t in triples if not place(t)[0]), key=place)
    order = {_bare(value): at for at, (_, _, value) in enumerate(firsts)}
    rest = [t for t in triples if place(t)[0]]
    return firsts + sorted(rest, key=lambda t: order.get(_bare(t[0]), len(order)))


def _chain(triples: Sequence[tuple[str, str, str]]) -> list[_Fact]:
    """Facts of a chain, each about the value before it, however either is written."""
    thing = triples[0][0]
    return [
        _Fact(subject, relation, value, at or None, thing)
        for at, (subject, relation, value) in enumerate(triples)
    ]


def _linked(triples: Sequence[tuple[str, str, str]]) -> list[_Fact]:
    """Facts with the number of the earlier one whose value is their subject."""
    facts: list[_Fact] = []
    for subject, relation, value in triples:
        before = [
            at for at, fact in enumerate(facts, start=1) if _bare(fact.value) == _bare(subject)
        ]
        needs = before[-1] if before else None
        thing = facts[needs - 1].thing if needs else subject
        facts.append(_Fact(subject, relation, value, needs, thing))
    return facts


def _asked(fact: _Fact, question: str) -> str:
    subject = f"#{fact.needs}" if fact.needs else escape(_as_named(fact.subject, question))
    if fact.relation == "publication date" and _SHOWN.search(question):
        return tidy(f"When was {subject} released?")
    return tidy(relation_to_question(f"{subject} >> {fact.relation}"))


def _as_named(name: str, question: str) -> str:
    """The name as the question writes it, with its qualifier there; the triple's otherwise."""
    for form in (name, _QUALIFIER.sub("", name)):
        pattern = re.escape(form) + (r"(?:\s*\([^()]*\))?" if form else "")
        if match := re.search(pattern, question, re.IGNORECASE):
            return match[0]
    return name


def _comparing(facts: Sequence[_Fact], question: str) -> list[Step]:
    """The calculator's steps that compare what the last facts of each chain say."""
    needed = {fact.needs for fact in facts}
    ends = [(at, fact) for at, fact in enumerate(facts, start=1) if at not in needed]
    number = len(facts) + 1
    relations = {fact.relation for _, fact in ends}
    if len(ends) == 4 and relations == {"date of birth", "date of death"}:
        return _lifetimes(ends, question, number)
    if len(ends) != 2 or len(relations) != 1:
        raise Unusable("other comparison", f"{len(ends)} values of {', '.join(sorted(relations))}")
    (one, first), (other, second) = ends
    if _YES_NO.match(question):
        return [Step(number, (CALCULATOR,), f"same(#{one}, #{other})")]
    if first.relation not in _DATES:
        raise Unusable("other comparison", f"{first.relation} has no order")
    later, earlier = bool(_LATER.search(question)), bool(_EARLIER.search(question))
    if later == earlier:
        raise Unusable("other comparison", f"neither earlier nor later is asked: {question}")
    labels = [escape(_label(fact, question)) for fact in (first, second)]
    call = f"{'later' if later else 'earlier'}({labels[0]}: #{one}, {labels[1]}: #{other})"
    return [Step(number, (CALCULATOR,), call)]


def _lifetimes(ends: Sequence[tuple[int, _Fact]], question: str, number: int) -> list[Step]:
    """Years lived of two people, and who has more (or fewer) of them."""
    longer, shorter = bool(_LONGER.search(question)), bool(_SHORTER.search(question))
    places = {(fact.thing, fact.relation): at for at, fact in ends}
    things = list(dict.fromkeys(fact.thing for _, fact in ends))
    if longer == shorter or len(things) != 2:
        raise Unusable("other comparison", f"neither longer nor shorter is asked: {question}")
    steps: list[Step] = []
    labels: list[str] = []
    for at, thing in enumerate(things, start=number):
        born, died = places[thing, "date of birth"], places[thing, "date of death"]
        steps.append(Step(at, (CALCULATOR,), f"#{died} - #{born}"))
        labels.append(f"{escape(_as_named(thing, question))}: #{at}")
    name = "argmax" if longer else "argmin"
    return [*steps, Step(number + 2, (CALCULATOR,), f"{name}({', '.join(labels)})")]


def _label(fact: _Fact, question: str) -> str:
    return tidy(_as_named(fact.thing, question))


def _computed(steps: Sequence[Step], answers: Mapping[int, str], answer: str) -> dict[int, str]:
    """What the steps of the calculator give on the gold values.

    Raises:
        Unusable: they cannot be computed, or do not give the answer.
    """
    known = dict(answers)
    for step in steps:
        try:
            value = evaluate(step.text, {k: Binding(known[k]) for k in step.needs})
        except SourceError as error:
            raise Unusable("not computable", str(error)) from None
        known[step.id] = format_value(value)
    last = known[steps[-1].id]
    if _bare(last) != _bare(answer):
        raise Unusable("not reproduced", f"the values give {last!r}, the answer is {answer!r}")
    return known
