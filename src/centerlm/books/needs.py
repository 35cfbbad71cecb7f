"""What the next chapter of a book turned out to need: earlier things that make it likelier.

What each sub-objective that could be asked at a place finds, notes or earlier passages, is put
before the last tokens of the text, and the true next text is scored: what raises its likelihood
most is what had to be known there. Such sub-objectives, the most useful first, are the plan of a
place: guidance that nobody had to write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from centerlm.books.continuing import BOOK, QUESTIONS
from centerlm.books.likelihood import Ids, Scorer, bits_of, context_of
from centerlm.books.view import BookView

MAX_NEEDS = 4
MAX_STEP = 200
"""Characters that a step of a plan may have."""


@dataclass(frozen=True, slots=True)
class Need:
    """A step of a plan without its number ("[book] Who is dead?"), and the bits per byte that what
    it finds saves on what truly comes next.
    """

    step: str
    gain: float


def steps_at(view: BookView, most: int = 3) -> list[str]:
    """What could be asked at a place: of the notes in general and on the people who are there, and
    of the text for passages on those people.
    """
    steps = [f"[{BOOK}] {question}" for question in QUESTIONS]
    for person in view.present()[:most]:
        steps += [
            f"[{BOOK}] Who is {person.subject}?",
            f"[{BOOK}] Where was {person.subject} last?",
            f"[documents] What was told of {person.subject} before?",
        ]
    return [step for step in steps if len(step) <= MAX_STEP]


def needs(
    scorer: Scorer,
    before: str,
    following: str,
    findings: Mapping[str, str],
    *,
    last: int,
    notes_tokens: int,
) -> list[Need]:
    """The steps of `findings` (text by step) that save bits on the text that follows, the most
    useful first.
    """
    kept = {step: notes for step, notes in findings.items() if notes.strip()}
    contexts: dict[str, Ids] = {"": context_of(scorer, "", before, last, 0)}
    for step, notes in kept.items():
        contexts[step] = context_of(scorer, notes, before, last, notes_tokens)
    bits = bits_of(scorer, contexts, following)
    found = [Need(step, bits[""] - bits[step]) for step in kept]
    return sorted((need for need in found if need.gain > 0), key=lambda need: -need.gain)


def plan_of(needs: Sequence[Need], most: int = MAX_NEEDS) -> str:
    """The plan that asks for the most useful, in the plan language; "" where nothing is."""
    steps = [need.step for need in needs[:most]]
    return "\n".join(f"{number} {step}" for number, step in enumerate(steps, start=1))
