"""Answers to questions from observations: exact where rules suffice, passages for the rest.

Counting and durations are computed by the calculator, over what was observed; every answer says
which observations it is from, and how sure the processors are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from centerlm.errors import SourceError
from centerlm.finding import Quantity, Value, short_answer
from centerlm.media.matching import UNSURE, Fit, matching
from centerlm.media.observation import Observation
from centerlm.media.queries import COMES, GOES, Change, Event, Query, Target
from centerlm.media.tracking import name_of
from centerlm.sources.base import Binding
from centerlm.verify import words

_SLACK = 0.15
_AFTERWARDS = 0.5
_SPEAKS = re.compile(r"\b(?:speaks?|says?|talks?|spoken|said|voices?|heard?)\b")
_SHOWN = re.compile(r"\b(?:there|seen|visible|shown?|shows|contains?)\b")


@dataclass(frozen=True, slots=True)
class Answer:
    """A typed value, and the observations it is from. `note` says what was assumed."""

    value: Value
    observations: tuple[Observation, ...]
    confidence: float | None = None
    note: str = ""


def answer(query: Query, observations: Sequence[Observation]) -> Answer | None:
    """The answer that rules can give, or None.

    A count of 0 is an answer: what was asked for was looked for and not seen.
    """
    if query.wanted == "whether":
        return _whether(query, observations)
    span = span_of(query, observations)
    if span is None:
        return None
    inside = _inside(observations, span)
    if query.wanted in ("text", "speech"):
        return _quoted(query, [o for o in inside if o.kind == query.wanted])
    if query.wanted == "choice":
        return _choice(query, observations, inside)
    if query.wanted == "passages" or query.target.empty:
        return None
    if query.remain:
        inside = _inside(observations, (span[0] + _AFTERWARDS, span[0] + _AFTERWARDS))
    fit = matching(query.target, inside)
    if fit.unknown or (fit.unseen and query.wanted != "count"):
        return None
    things = list(fit.things) if query.remain else _beside(query, fit, observations, span)
    things = _changed(things, query.change, query.seconds, span)
    place = query.target.place
    if place is not None:
        things = things[place : place + 1 or None] if -len(things) <= place < len(things) else []
    return _told(query, things, fit)


def _inside(observations: Sequence[Observation], span: tuple[float, float]) -> list[Observation]:
    start, end = span
    return [o for o in observations if o.end >= start - _SLACK and o.start <= end + _SLACK]


def _beside(
    query: Query, fit: Fit, observations: Sequence[Observation], span: tuple[float, float]
) -> list[Observation]:
    """The things without those of the event that the question names."""
    things = list(fit.things)
    if query.event is None:
        return things
    others = matching(query.event.target, observations).things
    if query.event.relation == "while":
        return [o for o in things if o not in others]
    # Things that are there before or after, not those that only reach into that time.
    start, end = span
    edge = query.event.relation
    if not query.change:
        things = [o for o in things if (o.start < end if edge == "before" else o.start > start)]
    return [o for o in things if o not in others or len(others) > 1]


def _changed(
    things: list[Observation], change: Change, seconds: float, span: tuple[float, float]
) -> list[Observation]:
    """Of these, the ones that come into the picture, or go out of it, in a span."""
    start, end = span[0] - _SLACK, span[1] + _SLACK
    if change == "comes":
        return [o for o in things if o.start > _AFTERWARDS and start <= o.start <= end]
    if change == "goes":
        gone = [o for o in things if o.end < seconds - _AFTERWARDS and start <= o.end <= end]
        return sorted(gone, key=lambda o: o.end)
    return things


def _told(query: Query, things: list[Observation], fit: Fit) -> Answer | None:
    from centerlm.sources.calculator.source import evaluate

    seen, sure, note = tuple(things), fit.confidence, fit.note
    match query.wanted:
        case "count" if query.compared == "at once":
            together = at_once(things)
            return Answer(Fraction(len(together)), together, sure, note)
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
            at = things[0].end if _late(query) else things[0].start
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


def _late(query: Query) -> bool:
    """Whether a question is about when something goes, not about when it comes."""
    line = query.text.lower().replace("?", "").strip()
    if query.event is not None:  # its verb is not that of the question
        line = line.partition(query.event.relation)[0]
    return query.change == "goes" or bool(re.search(r"\b(?:leaves?|disappears?)\b", line))


def _choice(
    query: Query, observations: Sequence[Observation], inside: Sequence[Observation]
) -> Answer | None:
    """The one of the things to choose from that comes or goes first or last, or is longest."""
    target = replace(query.target, place=None)
    span = span_of(query, observations) or (0.0, math.inf)
    found: list[tuple[Observation, str, Fit]] = []
    for option, named in query.options:
        sided = bool(option.where) and not (option.colour or option.shape or option.nouns)
        fit = matching(replace(target, where=option.where) if sided else option, inside)
        things = _changed(list(fit.things), query.change, query.seconds, span)
        place = option.place or 0
        if not sided and not -len(things) <= place < len(things):
            return None  # what was not seen cannot be compared
        kept = things if sided else [things[place]]
        found += [(o, named, fit) for o in kept]
    if not found or (query.order == "only" and len(found) > 1):
        return None
    late = _late(query)

    def rank(item: tuple[Observation, str, Fit]) -> float:
        if query.order == "longest":
            return item[0].start - item[0].end
        at = item[0].end if late else item[0].start
        return -at if query.order == "last" else at

    o, named, fit = min(found, key=rank)
    return Answer(short_answer(named), (o,), fit.confidence, fit.note)


def _whether(query: Query, observations: Sequence[Observation]) -> Answer | None:
    """Yes or no, where it is a matter of what is there, when, and in which direction."""
    line = query.text.lower()
    if query.event is None and _SPEAKS.search(line):
        said = [o for o in _inside(observations, (query.start, query.end)) if o.kind == "speech"]
        return Answer(bool(said), tuple(said), None, "" if said else "no speech was heard")
    fit = matching(query.target, _inside(observations, (query.start, query.end)))
    if fit.unknown or query.target.empty:
        return None
    if query.compared == "at once":
        together = at_once(fit.things)
        return Answer(len(together) > query.many, together, fit.confidence, fit.note)
    if query.other is not None:
        return _same_or_longer(query, fit, query.other, observations)
    if query.event is not None and query.event.relation != "while":
        return _earlier(query, query.event, fit, observations)
    if query.event is not None or not (query.change or _SHOWN.search(line)):
        return None
    things = _changed(list(fit.things), query.change, query.seconds, (query.start, query.end))
    sure = fit.confidence if things or fit.confidence is not None else UNSURE
    return Answer(bool(things), tuple(things), sure, fit.note)


def _same_or_longer(
    query: Query, fit: Fit, other: Target, observations: Sequence[Observation]
) -> Answer | None:
    one, two = _pick(fit, query.target), _pick(matching(other, observations), other)
    if one is None or two is None:
        return None
    if query.compared in ("longer", "shorter"):
        longer = one.end - one.start > two.end - two.start
        return Answer(longer is (query.compared == "longer"), (one, two), fit.confidence, fit.note)
    first, second = (o.facts.get(query.compared, "") for o in (one, two))
    if not first or not second:
        return None
    return Answer(first == second, (one, two), fit.confidence, fit.note)


def _earlier(
    query: Query, event: Event, fit: Fit, observations: Sequence[Observation]
) -> Answer | None:
    """Whether a thing comes or goes before (after) another one does."""
    line = query.text.lower().partition(event.relation)[0]
    late = query.change == "goes" or (not query.change and bool(GOES.search(line)))
    if not (late or query.change or COMES.search(line)):
        return None
    things = _changed(list(fit.things), query.change, query.seconds, (0.0, math.inf))
    place = query.target.place or 0
    other = find_event(event, observations, query.seconds)
    if other is None or not -len(things) <= place < len(things):
        return None
    at = things[place].end if late else things[place].start
    then = other.end if event.moment == "end" else other.start
    before = at < then
    return Answer(
        before is (event.relation == "before"), (things[place], other), fit.confidence, fit.note
    )


def _pick(fit: Fit, target: Target) -> Observation | None:
    place = target.place or 0
    return fit.things[place] if -len(fit.things) <= place < len(fit.things) else None


def at_once(things: Sequence[Observation]) -> tuple[Observation, ...]:
    """The most of these that are there at one time."""
    each = [tuple(o for o in things if o.start <= at.start <= o.end) for at in things]
    return max(each, key=len, default=())


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
    event = query.event
    if event.target.any and not event.target.nouns:  # "the first one" of what is asked about
        event = replace(event, target=replace(event.target, nouns=query.target.nouns))
    other = find_event(event, observations, query.seconds)
    if other is None:
        return None
    at = other.start if event.moment == "start" else other.end
    match event.relation:
        case "before":
            return start, min(end, at)
        case "after":
            return max(start, at), end
        case "while":
            return max(start, other.start), min(end, other.end)


def find_event(
    event: Event, observations: Sequence[Observation], seconds: float = math.inf
) -> Observation | None:
    """The observation that an event of a question is: a thing, or the words shown or said."""
    said = [o for o in observations if o.kind in ("text", "speech") and _is(o, event)]
    if said:
        return min(said, key=lambda o: o.start)
    if event.target.empty:
        return None
    things = list(matching(event.target, observations).things)
    things = _changed(things, event.change, seconds, (0.0, math.inf))
    place = event.target.place or 0
    return things[place] if -len(things) <= place < len(things) else None


def _is(observation: Observation, event: Event) -> bool:
    """Whether the words of an event are those that were shown or said."""
    asked = set(words(event.words))
    said = words(observation.text)
    return bool(said) and len(asked & set(said)) >= max(0.6 * len(set(said)), 1)


def _seconds(time: float) -> Quantity:
    return Quantity(Fraction(round(time * 10), 10), "s")


def limited(query: Query, observations: Sequence[Observation]) -> Query:
    """The question with the span that its event gives written in seconds."""
    span = span_of(query, observations)
    if span is None or not math.isfinite(span[0]):
        return query
    return replace(query, start=span[0], end=span[1], event=None)
