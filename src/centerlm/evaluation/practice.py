"""Puzzles to practise on, that are not tested: where experience of steps is had from.

Of the game of 24 it is the half that is asked last. Of PlanBench it is Blocksworld with three
blocks: what is learned there is tested on longer plans, and under other names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from centerlm.evaluation.game24 import Game24
from centerlm.evaluation.pddl import PddlPuzzle, planbench_task, read_planbench
from centerlm.evaluation.puzzle_steps import Game24Walk, PddlWalk, Walk
from centerlm.evaluation.scenarios.base import asked_order
from centerlm.evaluation.stepping import StepExperience, experienced

BLOCKS_3 = "blocksworld_3"
TASKS = 60
"""Tasks of it, at most, the first ones."""


@dataclass(slots=True)
class Practice:
    """Experience that is made when it is first asked for; `puzzles` are the ids practised on."""

    walks: Callable[[], Sequence[Walk]]
    puzzles: frozenset[str] = frozenset()
    seed: int = 0
    _made: list[StepExperience | None] = field(default_factory=list["StepExperience | None"])

    def experience(self, item: str) -> StepExperience | None:
        """For a puzzle that was not practised on; None where there is none."""
        if item in self.puzzles:
            return None
        if not self._made:
            walks = self.walks()
            self._made.append(experienced(walks, seed=self.seed) if walks else None)
        return self._made[0]


def walk_of(puzzle: object) -> Walk | None:
    """A walk over a puzzle; None where its proposals are not made of steps."""
    match puzzle:
        case Game24():
            return Game24Walk(puzzle)
        case PddlPuzzle():
            return PddlWalk(puzzle)
        case _:
            return None


def game24_practice(puzzles: Sequence[tuple[str, Game24]], *, seed: int) -> Practice:
    """The half of puzzles, by id, that is not asked."""
    half = game24_half(puzzles)
    return Practice(
        lambda: [Game24Walk(puzzle) for _, puzzle in half], frozenset(id_ for id_, _ in half), seed
    )


def game24_half(puzzles: Sequence[tuple[str, Game24]]) -> Sequence[tuple[str, Game24]]:
    """Of puzzles by id the half to practise on: those that are asked last."""
    ordered = asked_order(puzzles, lambda pair: pair[0])
    return ordered[len(ordered) // 2 :] if len(ordered) > 1 else ()


def planbench_practice(folder: Path, *, seed: int) -> Practice:
    """Tasks of three blocks in the folder of PlanBench; none where they are not there."""

    def walks() -> Sequence[Walk]:
        place = folder / BLOCKS_3
        if not (place / "task_1_plan_generation.json").is_file():
            return ()
        rows = read_planbench(place)[:TASKS]
        return [PddlWalk(planbench_task(place, number, row).puzzle) for number, row in rows]

    return Practice(walks, seed=seed)
