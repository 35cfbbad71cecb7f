"""Single-hop questions as decisions: a plan of one step is right for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from centerlm.learning.records import Decision, Reading
from centerlm.plan import MAX_TEXT, Plan, Step, escape


def atomic_decisions(readings: Iterable[Reading], *, n: int, seed: int) -> Iterator[Decision]:
    """Up to `n` single-hop questions as decisions: one step that asks the documents as it stands.

    The forms "X >> relation" are left out: nobody asks so, and plans are written in sentences.
    """
    asked = [r for r in readings if ">>" not in r.question and len(escape(r.question)) <= MAX_TEXT]
    Random(seed).shuffle(asked)
    for reading in asked[:n]:
        plan = Plan((Step(1, ("documents",), escape(reading.question)),))
        yield Decision(f"{reading.id}:atomic", reading.origin, reading.question, plan)
