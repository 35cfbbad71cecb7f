"""Solved short puzzles as records of the acts: whole proposals, the choice of each step, re-asks.

Puzzles are those that evaluation does not ask (`evaluation.practice`), and plans have at most six
actions. Those of PlanBench are also told with actions of other names, drawn anew each time, so that
what is learned is not the names. The prompts are those in use: of a plan, of a step of a proposal
(`evaluation.stepwise`), and of asking again after a proposal that was not right.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from centerlm.errors import InputError
from centerlm.evaluation.game24 import NAME as MAKE24
from centerlm.evaluation.game24 import Game24, read_game24
from centerlm.evaluation.gym import GUIDED, GUIDED_TERMS, gym_puzzles
from centerlm.evaluation.pddl import NAME as SIMULATE
from centerlm.evaluation.pddl import PddlPuzzle, planbench_task, read_planbench
from centerlm.evaluation.practice import BLOCKS_3, game24_half, walk_of
from centerlm.evaluation.puzzle_steps import Game24Walk, PossibleStep
from centerlm.evaluation.renaming import MAX_ACTIONS, new_names, rename
from centerlm.evaluation.stepping import StepExperience, walked
from centerlm.evaluation.stepwise import MOST_SHOWN, step_plan, step_question
from centerlm.learning.guidance import Skipped
from centerlm.learning.records import Decision, Reask
from centerlm.plan import MAX_TEXT, Step, make_plan, parse_plan
from centerlm.sources.base import Card
from centerlm.sources.calculator import Calculator
from centerlm.sources.experiment import Experiment

GAME24, GYM = "game24", "gym"
GYM_PUZZLES = 200
"""Puzzles of a family that guidance is chosen from."""
APART = 1_000_000
"""Between the seeds of puzzles that are guidance and of those that are asked."""
WALKS = 100
"""Walks over a 24-game, at most, to solve it."""
RENAMED = 2
"""Times that a plan is also told under other names."""


@dataclass(frozen=True, slots=True)
class Solved:
    """Records of puzzles, and those that could not be used."""

    decisions: tuple[Decision, ...]
    reasks: tuple[Reask, ...]
    skipped: tuple[Skipped, ...] = ()


def solved_puzzles(data: Path, name: str, *, seed: int = 0) -> Solved:
    """Records of the puzzles of a set in a data folder.

    Raises:
        InputError: a file is missing or cannot be used.
        MissingExtraError: what reads PDDL is not installed.
    """
    if name == GYM:
        return Solved(tuple(_gym(seed)), ())
    draw = random.Random(f"{seed} {name}")
    read = _game24 if name == GAME24 else _planbench
    made = list(read(data / name, draw))
    decisions: list[Decision] = []
    reasks: list[Reask] = []
    for one in made:
        if isinstance(one, _Told):
            decisions += _decisions(one, name, draw)
            reasks.append(_reask(one, name, draw))
    return Solved(
        tuple(decisions), tuple(reasks), tuple(one for one in made if isinstance(one, Skipped))
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """A puzzle as it is asked, a right proposal, and its steps by what each is called."""

    id: str
    question: str
    puzzle: Game24 | PddlPuzzle
    check: str
    proposal: str
    steps: tuple[str, ...]

    @property
    def card(self) -> Card:
        """That of the source that checks its proposals, as in use."""
        return Experiment([self.puzzle.experiment()], python=False).card

    def call(self, proposal: str) -> str:
        return f"{self.check}({proposal})"


def _game24(folder: Path, draw: random.Random) -> Iterator[_Told | Skipped]:
    """Solved by walks that learn from each other, as experience is had."""
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise InputError(f"{folder} has no CSV of puzzles")
    experience = StepExperience()
    for id_, puzzle in game24_half([(puzzle.id, puzzle) for puzzle in read_game24(files[0])]):
        walk = Game24Walk(puzzle)
        for _ in range(WALKS):
            taken = walked(walk, experience.choose, draw)
            experience.learn(taken, reached=walk.reached)
            if walk.reached:
                steps = tuple(step.text for step in taken)
                yield _Told(id_, puzzle.question, puzzle, MAKE24, walk.proposal(), steps)
                break
            if not taken:
                break
        if not walk.reached:
            yield Skipped(f"{files[0]} {id_}", "no 24 was found in it", "no solution")


def _planbench(folder: Path, draw: random.Random) -> Iterator[_Told | Skipped]:
    for number, row in read_planbench(folder / BLOCKS_3):
        task = planbench_task(folder / BLOCKS_3, number, row)
        actions = task.plan.split("; ")
        if len(actions) > MAX_ACTIONS or len(f"{SIMULATE}({task.plan})") > MAX_TEXT:
            where = f"{BLOCKS_3} instance {number}"
            yield Skipped(where, f"its plan has {len(actions)} actions", "too long")
            continue
        yield _Told(task.id, task.question, task.puzzle, SIMULATE, task.plan, tuple(actions))
        for version in range(1, RENAMED + 1):
            words = new_names("; ".join(task.puzzle.kinds), draw)
            plan = rename(task.plan, words)
            if len(f"{SIMULATE}({plan})") <= MAX_TEXT:
                yield _Told(
                    f"{task.id}:renamed-{version}",
                    rename(task.question, words),
                    task.puzzle.renamed(words),
                    SIMULATE,
                    plan,
                    tuple(plan.split("; ")),
                )


def _gym(seed: int) -> Iterator[Decision]:
    """Short puzzles of the guided families, as plans for the calculator; none that is asked."""
    for family in GUIDED:
        for number, puzzle in enumerate(gym_puzzles(family, GYM_PUZZLES, seed=seed + APART)):
            plan = puzzle.plan
            if plan is not None and puzzle.terms <= GUIDED_TERMS:
                checks = Experiment([puzzle.experiment()], python=False)
                yield Decision(
                    f"{GYM}-{family}-{number}",
                    GYM,
                    puzzle.question,
                    plan,
                    cards=(checks.card, Calculator.card),
                    recursion=False,
                )


def _decisions(told: _Told, origin: str, draw: random.Random) -> Iterator[Decision]:
    """The whole proposal as a plan of one step, then the choice of each of its steps."""
    card = told.card
    plan = make_plan([Step(1, (card.name,), told.call(told.proposal))])
    yield Decision(told.id, origin, told.question, plan, cards=(card,), recursion=False)
    walk = walk_of(told.puzzle)
    for number, text in enumerate(told.steps, start=1):
        if walk is None:
            return
        possible = walk.possible()
        step = next(one for one in possible if one.text == text)
        if len(possible) > 1:
            shown = _shown(possible, step, draw)
            yield Decision(
                f"{told.id}:step-{number}",
                origin,
                step_question(walk.stands, shown),
                parse_plan(step_plan(card.name, step)),
                cards=(card,),
                recursion=False,
            )
        walk.take(step)


def _shown(
    possible: Sequence[PossibleStep], step: PossibleStep, draw: random.Random
) -> Sequence[PossibleStep]:
    """As many as are shown in use, the right one among them, in an order that says nothing."""
    others = [one for one in possible if one is not step]
    shown = [step, *draw.sample(others, min(len(others), MOST_SHOWN - 1))]
    draw.shuffle(shown)
    return shown


def _reask(told: _Told, origin: str, draw: random.Random) -> Reask:
    """A proposal after a random one that was not right."""
    wrong = told.puzzle.propose(draw)
    while told.puzzle.right(wrong):
        wrong = told.puzzle.propose(draw)
    asked = told.call(_with_names(told.puzzle, wrong))
    return Reask(
        f"{told.id}:reask", origin, told.question, told.card, (asked,), told.call(told.proposal)
    )


def _with_names(puzzle: Game24 | PddlPuzzle, proposal: str) -> str:
    """A random proposal with objects by the names people use."""
    if isinstance(puzzle, Game24):
        return proposal
    return "; ".join(puzzle.words(action) for action in proposal.split("; "))
