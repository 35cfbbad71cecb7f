"""Answers to questions from observations: exact where rules suffice, passages for the rest.

Counting and durations are computed by the calculator, over what was observed; every answer says
which observations it is from, and how sure the processors are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from centerlm.errors import SourceError
from centerlm.finding import Quantity, Value, short_answer
from centerlm.media.observation import Observation
from centerlm.media.queries import Event, Query, Target
from centerlm.media.tracking import name_of
from centerlm.sources.base import Binding
from centerlm.verify import words

UNSURE = 0.3
"""Confidence of an answer about things that no detector named: whatever moves is taken for them."""
_SLACK = 0.15


@dataclass(frozen=True, slots=True)
class Answer:
    """A typed value, and the observations it is from. `note` says what was assumed."""

    value: Value
    observations: tuple[Observation, ...]
    confidence: float | None = None
    note: str = ""


def answer(query: Query, observations: Sequence[Observation]) -> Answer | None:
    """The answer that rules can give, or None.

    An empty list and a count of 0 are answers: what was asked for was looked for and not seen.
    """
    span = span_of(query, observations)
    if span is None:
        return None
    start, end = span
    inside = [o for o in observations if o.end >= start - _SLACK and o.start <= end + _SLACK]
    if query.wanted in ("text", "speech"):
        return _quoted(query, [o for o in inside if o.kind == query.wanted])
    if query.wanted == "passages" or query.target.empty:
        return None
    things, sure, note = matching(query.target, inside)
    if query.event is not None and query.event.relation != "while":
        # Things that are there before or after, not those that only reach into that time.
        edge = query.event.relation
        things = [o for o in things if (o.start < end if edge == "before" else o.start > start)]
        others, _, _ = matching(query.event.target, observations)
        things = [o for o in things if o not in others or len(others) > 1]
    if query.event is not None and query.event.relation == "while":
        others, _, _ = matching(query.event.target, observations)
        things = [o for o in things if o not in others]
    place = query.target.place
    if place is not None:
        ordered = sorted(things, key=lambda o: o.start)
        things = ordered[place : place + 1 or None] if abs(place) <= len(ordered) else []
    return _told(query, things, sure, note)


def _told(query: Query, things: list[Observation], sure: float | None, note: str) -> Answer | None:
    from centerlm.sources.calculator.source import evaluate

    seen = tuple(things)
    match query.wanted:
        case "count":
            if not things:
                return Answer(Fraction(0), (), UNSURE, note or "nothing of the kind was observed")
            listed = {1: Binding(tuple(name_of(o.facts) for o in things))}
            return Answer(evaluate("count(#1)", listed), seen, sure, note)
        case "list":
            names = tuple(short_answer(name_of(o.facts)) for o in things)
            if not names:
                return None
            return Answer(names[0] if len(names) == 1 else names, seen, sure, note)
        case "when" if things:
            late = "leave" in query.text.lower() or "disappear" in query.text.lower()
            at = things[0].end if late else things[0].start
            return Answer(_seconds(at), seen[:1], sure, note)
        case "duration" if things:
            try:
                times = {1: Binding(_seconds(things[0].end)), 2: Binding(_seconds(things[0].start))}
                return Answer(evaluate("#1 - #2", times), seen[:1], sure, note)
            except SourceError:
                return None
        case "colour" | "direction" | "enters" | "leaves" if things:
            values = dict.fromkeys(o.facts.get(query.wanted, "") for o in things)
            named = tuple(value for value in values if value)
            if not named:
                return None
            return Answer(named[0] if len(named) == 1 else named, seen, sure, note)
        case _:
            return None


def _quoted(query: Query, said: list[Observation]) -> Answer | None:
    """The words that were read or heard, as a value: quoted, whatever they say."""
    if query.event is not None and query.event.relation != "while":
        said = [o for o in said if not _is(o, query.event)]
    if not said:
        return None
    place = query.target.place
    if place is not None:
        ordered = sorted(said, key=lambda o: o.start)
        said = ordered[place : place + 1 or None] if abs(place) <= len(ordered) else []
    if query.event is not None and query.event.relation == "before" and place is None:
        said = said[-1:]
    elif query.event is not None and query.event.relation == "after" and place is None:
        said = said[:1]
    if not said:
        return None
    texts = tuple(short_answer(o.text) for o in said)
    sure = min((o.confidence for o in said if o.confidence is not None), default=None)
    return Answer(texts[0] if len(texts) == 1 else texts, tuple(said), sure)


def span_of(query: Query, observations: Sequence[Observation]) -> tuple[float, float] | None:
    """The seconds that a question is about; None where it names something that was not seen."""
    start, end = query.start, query.end
    if query.event is None:
        return start, end
    other = find_event(query.event, observations)
    if other is None:
        return None
    at = other.start if query.event.moment == "start" else other.end
    match query.event.relation:
        case "before":
            return start, min(end, at)
        case "after":
            return max(start, at), end
        case "while":
            return max(start, other.start), min(end, other.end)


def find_event(event: Event, observations: Sequence[Observation]) -> Observation | None:
    """The observation that an event of a question is: a thing, or the words shown or said."""
    said = [o for o in observations if o.kind in ("text", "speech") and _is(o, event)]
    if said:
        return min(said, key=lambda o: o.start)
    if event.target.empty:
        return None
    things, _, _ = matching(event.target, observations)
    ordered = sorted(things, key=lambda o: o.start)
    place = event.target.place or 0
    return ordered[place] if -len(ordered) <= place < len(ordered) else None


def _is(observation: Observation, event: Event) -> bool:
    """Whether the words of an event are those that were shown or said."""
    asked = set(words(event.words))
    said = words(observation.text)
    return bool(said) and len(asked & set(said)) >= max(0.6 * len(set(said)), 1)


def matching(
    target: Target, observations: Sequence[Observation]
) -> tuple[list[Observation], float | None, str]:
    """The things that fit, how sure that is, and what was assumed."""
    things = [o for o in observations if o.kind == "track"]
    if target.colour:
        things = [o for o in things if o.facts.get("colour") == target.colour]
    if target.shape:
        things = [o for o in things if o.facts.get("shape") == target.shape]
    if target.direction:
        things = [o for o in things if target.direction in o.facts.get("direction", "").split()]
    if not target.nouns:
        return things, None, ""
    labels = {o.facts["label"] for o in observations if "label" in o.facts}
    named = [noun for noun in target.nouns if noun in labels]
    if named:
        whole = [o for o in things if o.facts.get("label") in named]
        alone = [o for o in observations if o.kind == "object" and o.facts.get("label") in named]
        things = whole or ([] if target.colour or target.shape else alone)
        return things, min((o.confidence or 0.0 for o in things), default=None), ""
    noun = target.nouns[0]
    return things, UNSURE, f"no detector saw a {noun}; what moves is taken for one"


def _seconds(time: float) -> Quantity:
    return Quantity(Fraction(round(time * 10), 10), "s")


def limited(query: Query, observations: Sequence[Observation]) -> Query:
    """The question with the span that its event gives written in seconds."""
    span = span_of(query, observations)
    if span is None or not math.isfinite(span[0]):
        return query
    return replace(query, start=span[0], end=span[1], event=None)
