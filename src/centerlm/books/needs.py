"""What the next chapter of a book turned out to need: earlier things that make it likelier.

The finding of each question that could be asked at a place is put before the last tokens of the
text, and the true next text is scored: what raises its likelihood most is what had to be known
there. Such questions, the most useful first, are the plan of a place: guidance nobody had to write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from centerlm.books.likelihood import Ids, Query, Scorer, bits_per_byte, context_of
from centerlm.books.view import BookView


@dataclass(frozen=True, slots=True)
class Need:
    """A question, and the bits per byte that its finding saves on what truly comes next."""

    question: str
    gain: float


def questions_at(view: BookView, most: int = 4) -> list[str]:
    """What could be asked of the notes at a place: the general questions, and those on the people
    who are there.
    """
    asked = [
        "What happened lately?",
        "Who is present at the end?",
        "Where is everybody?",
        "Which promises, plans and secrets are open?",
        "Who is dead?",
        "Who narrates, and in which tense?",
    ]
    for person in view.present()[:most]:
        asked += [f"Who is {person.subject}?", f"Where was {person.subject} last?"]
    return asked


def needs(
    scorer: Scorer,
    before: str,
    following: str,
    findings: Mapping[str, str],
    *,
    last: int,
    notes_tokens: int,
) -> list[Need]:
    """The questions whose findings save bits on the text that follows, the most useful first."""
    kept = {question: notes for question, notes in findings.items() if notes.strip()}
    contexts: dict[str, Ids] = {"": context_of(scorer, "", before, last, 0)}
    for question, notes in kept.items():
        contexts[question] = context_of(scorer, notes, before, last, notes_tokens)
    target = scorer.encode(following)
    nats = scorer.nats([Query(context, target) for context in contexts.values()])
    bits = dict(zip(contexts, (bits_per_byte(n, following) for n in nats), strict=True))
    found = [Need(question, bits[""] - bits[question]) for question in kept]
    return sorted((need for need in found if need.gain > 0), key=lambda need: -need.gain)
