"""Yes or no by how two values stand to each other: the question's own word says which way.

A plan for "Was A founded before B?" compares the two years and asks whether the outcome is "less".
A small model that has seen more questions of "more" asks for "greater", and says no where the
answer is yes. Pure: no I/O, no model. English.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from centerlm.plan import Step
from centerlm.verify import words

_VERDICT = re.compile(r"same\(#(\d+), (less|greater)\)")
_COMPARED = re.compile(r"compare\(#(\d+), (?:#(\d+)|[^#]+)\)")
_LESS = frozenset(words("before earlier sooner fewer less smaller shorter lower below under"))
_GREATER = frozenset(
    words("after later more larger bigger greater higher taller longer heavier above over exceed")
)
_NEGATED = frozenset(words("not no never t neither nor"))


def with_verdict(step: Step, before: Sequence[Step], question: str) -> Step:
    """The step, its "less" and "greater" changed for each other where the question says so: it has
    a word for one alone ("before", "taller"), no negation, and names what is compared in an order
    that can be told. `before` are the steps before it.
    """
    said = _VERDICT.fullmatch(step.text)
    compared = _COMPARED.fullmatch(_text(before, said[1])) if said else None
    if said is None or compared is None:
        return step
    asked = words(question)
    less, greater = (any(word in asked for word in way) for way in (_LESS, _GREATER))
    if less == greater or not _NEGATED.isdisjoint(asked):
        return step
    if compared[2] is not None:
        turned = _turned(_text(before, compared[1]), _text(before, compared[2]), asked)
        if turned is None:
            return step
        less = less != turned
    return replace(step, text=f"same(#{said[1]}, {'less' if less else 'greater'})")


def _text(steps: Sequence[Step], number: str) -> str:
    return next((step.text for step in steps if step.id == int(number)), "")


def _turned(one: str, other: str, asked: Sequence[str]) -> bool | None:
    """Whether the question names the subject of `other` first; None where it does not say."""
    first, second = words(one), words(other)
    places = [
        min((asked.index(word) for word in mine if word in asked and word not in yours), default=-1)
        for mine, yours in ((first, second), (second, first))
    ]
    return None if min(places) < 0 else places[0] > places[1]
