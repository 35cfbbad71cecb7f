"""Which observations are the things that a question names, and how sure that is.

A noun is a class of the detector or it is not. Nothing is taken for a thing of a class of which the
detector saw none: that it saw none, or has no such class, is said instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from centerlm.media.objects import MOVING, labels_of
from centerlm.media.observation import Observation
from centerlm.media.queries import Target
from centerlm.media.tracking import crosses

UNSURE = 0.3
"""Confidence of an answer about things of which the detector named only some, or none."""


@dataclass(frozen=True, slots=True)
class Fit:
    """The things in order of time. `note` says what was assumed, or why there is none; `unseen` is
    the noun of which the detector saw none, `unknown` one that it has no class for.
    """

    things: tuple[Observation, ...]
    confidence: float | None = None
    note: str = ""
    unseen: str = ""
    unknown: str = ""


def matching(target: Target, observations: Sequence[Observation]) -> Fit:
    """The things that fit.

    Where the detector named some of what crosses the picture as what is asked for, all else that
    crosses it and has no name is taken for the same, with little confidence.
    """
    tracks = [o for o in observations if o.kind == "track"]
    fitting = [o for o in tracks if _fits(o, target)]
    noun, labels = noun_of(target, observations)
    if not labels:
        if target.nouns and not (target.any or target.shape):
            head = target.nouns[0]
            return Fit((), None, f"no processor here has a class {head!r}", unknown=head)
        return Fit(_in_order(fitting))
    named = [o for o in fitting if o.facts.get("label") in labels]
    alone = [
        o
        for o in observations
        if o.kind == "object"
        and o.facts.get("label") in labels
        and not o.facts.get("of")
        and not target.direction
        and _fits(o, target)
    ]
    moving = labels & MOVING
    rest: list[Observation] = []
    if any(o.facts.get("label") in moving for o in tracks):
        rest = [o for o in fitting if "label" not in o.facts and crosses(o.facts)]
    things = _in_order([*named, *alone, *rest])
    if rest:
        note = f"the detector named {len(named) + len(alone)} of these {len(things)} a {noun}"
        return Fit(things, UNSURE, note)
    seen = any(o.facts.get("label") in labels for o in observations)
    if not things and not seen:
        return Fit((), UNSURE, f"the detector knows {noun} and saw none", unseen=noun)
    return Fit(things, min((o.confidence or 0.0 for o in things), default=None))


def noun_of(target: Target, observations: Sequence[Observation]) -> tuple[str, frozenset[str]]:
    """The first noun that is a class, and the labels that it means."""
    given = {o.facts["label"] for o in observations if "label" in o.facts}
    for noun in target.nouns:
        if labels := labels_of(noun) | ({noun} & given):
            return noun, labels
    return "", frozenset()


def stands_at(observation: Observation, where: str) -> bool:
    """Whether a thing is in this part of the picture: left, right, upper, lower, or the middle
    between left and right.
    """
    if observation.region is None:
        return False
    place = observation.region.place().split()
    return where in place or (where == "middle" and not {"left", "right"} & set(place))


def _fits(o: Observation, target: Target) -> bool:
    return (
        (not target.colour or o.facts.get("colour") == target.colour)
        and (not target.shape or o.facts.get("shape") == target.shape)
        and (not target.direction or target.direction in o.facts.get("direction", "").split())
        and (not target.where or stands_at(o, target.where))
    )


def _in_order(things: Sequence[Observation]) -> tuple[Observation, ...]:
    return tuple(sorted(things, key=lambda o: (o.start, o.end)))
