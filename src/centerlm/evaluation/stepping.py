"""Choosing the next step of a proposal: at random, or by experience of what kinds of steps led to.

Experience is that of the seeking memory: a Beta posterior of success for each kind of step, which
backs off to the kind above it, and Thompson sampling. It is learned from walks over puzzles that
are not tested, whose end alone is known.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from centerlm.evaluation.puzzle_steps import PossibleStep, Walk

STRENGTH = 2.0
"""Walks that what is known of the kind above counts for."""
WALKS = 20
"""Walks over a puzzle, at most, to learn from."""

Choose = Callable[[Sequence[PossibleStep], random.Random], PossibleStep]


@dataclass(slots=True)
class StepExperience:
    """Successes and failures by kind of step."""

    counts: dict[str, list[float]] = field(default_factory=dict[str, "list[float]"])

    def choose(self, steps: Sequence[PossibleStep], draw: random.Random) -> PossibleStep:
        """One of the steps of the kind that comes out best of a draw from the posteriors."""
        return draw.choice(self.best(steps, draw))

    def best(self, steps: Sequence[PossibleStep], draw: random.Random) -> list[PossibleStep]:
        """The steps of the kind that comes out best of a draw from the posteriors."""
        drawn = {step.kinds: 0.0 for step in steps}
        for kinds in drawn:
            drawn[kinds] = draw.betavariate(*self._posterior(kinds))
        top = max(drawn, key=drawn.__getitem__)
        return [step for step in steps if step.kinds == top]

    def learn(self, steps: Iterable[PossibleStep], *, reached: bool) -> None:
        """A walk of these steps reached its goal, or did not."""
        place = 0 if reached else 1
        for kind in {kind for step in steps for kind in step.kinds}:
            self.counts.setdefault(kind, [0.0, 0.0])[place] += 1.0

    def _posterior(self, kinds: Sequence[str]) -> tuple[float, float]:
        mean = 0.5
        alpha = beta = 1.0
        for kind in reversed(kinds):
            won, lost = self.counts.get(kind, (0.0, 0.0))
            alpha, beta = STRENGTH * mean + won, STRENGTH * (1 - mean) + lost
            mean = alpha / (alpha + beta)
        return max(alpha, 1e-3), max(beta, 1e-3)


def uniformly(steps: Sequence[PossibleStep], draw: random.Random) -> PossibleStep:
    """Any of the steps."""
    return draw.choice(steps)


def walked(walk: Walk, choose: Choose, draw: random.Random) -> list[PossibleStep]:
    """Begin a walk again and go on until it is over, backing up where nothing new is possible."""
    walk.again()
    taken: list[PossibleStep] = []
    while not walk.over:
        steps = walk.possible()
        if steps:
            step = choose(steps, draw)
            walk.take(step)
            taken.append(step)
        elif walk.back():
            taken.pop()
        else:
            break
    return taken


def experienced(walks: Iterable[Walk], *, seed: int = 0) -> StepExperience:
    """Experience of walks over puzzles, each walked until it is solved, `WALKS` times at most."""
    experience = StepExperience()
    draw = random.Random(f"experience {seed}")
    for walk in walks:
        for _ in range(WALKS):
            taken = walked(walk, experience.choose, draw)
            if not taken:
                break
            experience.learn(taken, reached=walk.reached)
            if walk.reached:
                break
    return experience


def first_solved(walk: Walk, choose: Choose, draw: random.Random, most: int) -> int | None:
    """Which proposal of a chooser reaches the goal first, from 1; None: none of so many."""
    for number in range(1, most + 1):
        if not walked(walk, choose, draw):
            return None
        if walk.reached:
            return number
    return None
