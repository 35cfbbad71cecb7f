"""What is believed of a source's success on one kind of question, where it may change any time.

Numbers only. Success is a coin whose bias stays as it is for a stretch and is then drawn anew: with
probability 1 - exp(-HAZARD * gap) within `gap` questions of the kind, asked of this source or of
another. A belief is a mixture over when the stretch began, each with what was found and missed
since (Bayesian online change-point detection, Adams and MacKay 2007; with Thompson sampling, Mellor
and Shapiro 2013). So a source that breaks is noticed within a few questions, long evidence for a
steady one is not thrown away, and one not asked for long becomes worth a try again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

HAZARD = 1 / 200
"""Changes a question: once in 200 questions of a kind a source is expected to change."""
SHARPEN = 5.0
"""How much narrower than the posterior draws are (posterior reshaping, Chapelle and Li 2011)."""
MAX_STRETCHES = 12
PRIOR = 2.0
"""Questions that the prior counts as, half of them found where nothing else is known."""
_DRAWS = 400

Stretch = tuple[float, float, float]
"""Weight, found and missed since it began; weights of a belief sum to 1."""

UNKNOWN: tuple[Stretch, ...] = ((1.0, 0.0, 0.0),)


def updated(belief: Sequence[Stretch], success: float, gap: int) -> tuple[Stretch, ...]:
    """The belief after one more question, `gap` (1 or more) questions of the kind after the last.

    `success` in 0..1 may be a part: an answer that was of some use.
    """
    keep = math.exp(-HAZARD * max(gap, 1))
    before = [(1.0 - keep, 0.0, 0.0), *((w * keep, found, missed) for w, found, missed in belief)]
    after: list[Stretch] = []
    for weight, found, missed in before:
        expected = (found + PRIOR / 2) / (found + missed + PRIOR)
        if success in (0.0, 1.0):  # nearly always, and much quicker than powers
            likelihood = expected if success else 1.0 - expected
        else:
            likelihood = expected**success * (1.0 - expected) ** (1.0 - success)
        after.append((weight * likelihood, found + success, missed + 1.0 - success))
    after.sort(key=lambda stretch: -stretch[0])
    del after[MAX_STRETCHES:]
    total = sum(weight for weight, _, _ in after)
    return tuple((weight / total, found, missed) for weight, found, missed in after)


def believed(outcomes: Iterable[tuple[float, int]]) -> tuple[Stretch, ...]:
    """The belief after outcomes in order, each with the number of its question within the kind."""
    belief, last = UNKNOWN, None
    for success, tick in outcomes:
        belief = updated(belief, success, 1 if last is None else tick - last)
        last = tick
    return belief


@dataclass(frozen=True, slots=True)
class Posterior:
    """A mixture of Beta(found, missed), prior included; weights sum to 1."""

    parts: tuple[Stretch, ...]

    @property
    def mean(self) -> float:
        return sum(w * found / (found + missed) for w, found, missed in self.parts)

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """Where success lies with this probability, from 400 draws (always the same ones)."""
        rng = Random(0)
        drawn = sorted(self._draw(rng, 1.0) for _ in range(_DRAWS))
        rest = round((1.0 - level) / 2 * _DRAWS)
        return drawn[rest], drawn[-1 - rest]

    def draw(self, rng: Random) -> float:
        """A success in 0..1 as Thompson sampling draws it, narrower than the posterior."""
        return self._draw(rng, SHARPEN)

    def _draw(self, rng: Random, sharpen: float) -> float:
        left = rng.random()
        found, missed = self.parts[0][1:]
        for weight, found, missed in self.parts:  # noqa: B007 - the last one stands
            left -= weight
            if left <= 0:
                break
        return rng.betavariate(found * sharpen, missed * sharpen)


def posterior(
    belief: Sequence[Stretch], idle: int, *, prior: float = 0.5, strength: float = PRIOR
) -> Posterior:
    """What to expect now, `idle` questions of the kind after the last that the source was asked.

    `prior` is the success expected of a source of which this kind knows nothing (its record on
    others), and counts as `strength` questions.
    """
    found, missed = prior * strength, (1.0 - prior) * strength
    keep = math.exp(-HAZARD * idle)
    parts = [(w * keep, f + found, m + missed) for w, f, m in belief]
    if keep < 1.0:
        parts.append((1.0 - keep, found, missed))
    return Posterior(tuple(parts))


def counts(belief: Sequence[Stretch]) -> tuple[int, int]:
    """Found and asked since the change that is most likely the last, as whole numbers."""
    _, found, missed = max(belief)
    return round(found), round(found + missed)
