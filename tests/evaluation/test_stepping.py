"""Proposals made of steps: the rules, backing up, and what experience of other puzzles is worth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations_with_replacement, islice, permutations
from pathlib import Path

import pytest

from centerlm.evaluation.game24 import Game24
from centerlm.evaluation.pddl import planbench_task, read_planbench
from centerlm.evaluation.practice import Practice, game24_practice, planbench_practice
from centerlm.evaluation.puzzle_steps import Game24Walk, PddlWalk, PossibleStep
from centerlm.evaluation.stepping import (
    Choose,
    StepExperience,
    experienced,
    first_solved,
    uniformly,
    walked,
)
from planbench_data import planbench


def solvable(numbers: Sequence[Fraction | int]) -> bool:
    """Whether 24 can be made of them, by trying all."""
    if len(numbers) == 1:
        return numbers[0] == 24
    for (i, a), (j, b) in permutations(enumerate(numbers), 2):
        rest = [number for k, number in enumerate(numbers) if k not in (i, j)]
        made = [a + b, a - b, a * b, *([Fraction(a) / b] if b else [])]
        if any(solvable([*rest, one]) for one in made):
            return True
    return False


def step(name: str, *kinds: str) -> PossibleStep:
    return PossibleStep(name, name, "", kinds)


def named(walk: Game24Walk | PddlWalk, text: str) -> PossibleStep:
    return next(one for one in walk.possible() if one.text == text)


def test_a_walk_over_numbers_makes_an_expression_that_the_verifier_takes() -> None:
    puzzle = Game24((4, 9, 10, 13))
    walk = Game24Walk(puzzle)
    assert walk.stands == "Needed: 24. Now: 4, 9, 10, 13."
    assert len({one.does for one in walk.possible()}) == len(walk.possible()) <= 36
    for text in ("13 - 9", "10 - 4", "4 * 6"):
        walk.take(named(walk, text))
    assert walk.over and walk.reached
    assert walk.proposal() == "(13 - 9) * (10 - 4)" and puzzle.right(walk.proposal())


def test_what_was_tried_is_not_tried_again_and_what_cannot_be_solved_ends() -> None:
    puzzle = Game24((1, 1, 1, 1))
    walk, draw = Game24Walk(puzzle), random.Random(0)
    tried: list[str] = []
    while True:
        if not walked(walk, uniformly, draw):
            break
        tried.append(walk.proposal())
    assert len(set(tried)) == len(tried) > 3
    assert all(puzzle.valid(text) and not puzzle.right(text) for text in tried)
    # Every value that can be made of the numbers was proposed once.
    values = {puzzle.value(text) for text in tried}
    assert len(values) == len(tried) and {Fraction(4), Fraction(3, 1), Fraction(1, 3)} <= values
    assert first_solved(Game24Walk(puzzle), uniformly, draw, 1000) is None


def test_every_puzzle_that_has_a_solution_is_solved_by_walking_on() -> None:
    for numbers in ((1, 3, 4, 6), (3, 3, 8, 8), (1, 1, 4, 6)):
        assert solvable(numbers)
        assert first_solved(Game24Walk(Game24(numbers)), uniformly, random.Random(1), 4000)


def test_kinds_back_off_and_what_led_on_is_chosen() -> None:
    experience, draw = StepExperience(), random.Random(0)
    good, bad = step("a", "x of p", "p"), step("b", "x of q", "q")
    for _ in range(30):
        experience.learn([good], reached=True)
        experience.learn([bad], reached=False)
    assert [experience.choose([bad, good], draw) for _ in range(20)] == [good] * 20
    # A kind never met is judged by the kind above it.
    new, newer = step("c", "y of p", "p"), step("d", "y of q", "q")
    chosen = [experience.choose([newer, new], draw) for _ in range(200)]
    assert chosen.count(new) > 150
    # Steps of one kind are one choice: all of them are left to choose among.
    assert experience.best([good, step("e", *good.kinds), bad], draw)[1].name == "e"


def test_experience_of_some_puzzles_helps_with_others() -> None:
    """The seeds are fixed, so this does not depend on luck."""
    drawn = list(combinations_with_replacement(range(1, 7), 4))
    random.Random(3).shuffle(drawn)
    every = list(islice((numbers for numbers in drawn if solvable(numbers)), 60))
    asked = [Game24(numbers) for numbers in every[:10]]
    experience = experienced([Game24Walk(Game24(numbers)) for numbers in every[10:]])

    def solved(choose: Choose) -> int:
        return sum(
            first_solved(Game24Walk(p), choose, random.Random(n), 10) is not None
            for n, p in enumerate(asked)
        )

    assert solved(experience.choose) > solved(uniformly) + 4


def test_practice_is_had_once_and_not_for_what_was_practised_on(tmp_path: Path) -> None:
    puzzles = [(str(n), Game24(numbers)) for n, numbers in enumerate([(1, 1, 4, 6), (1, 3, 4, 6)])]
    practice = game24_practice(puzzles, seed=0)
    assert practice.experience("1") is None
    assert practice.experience("0") is practice.experience("0") is not None
    assert game24_practice(puzzles[:1], seed=0).experience("0") is None
    assert planbench_practice(tmp_path, seed=0).experience("blocksworld-1") is None
    assert Practice(lambda: ()).experience("0") is None


def test_a_walk_of_actions_backs_up_and_its_plan_is_valid(tmp_path: Path) -> None:
    pytest.importorskip("unified_planning")
    folder = planbench(tmp_path)
    ((number, row),) = read_planbench(folder)
    puzzle = planbench_task(folder, number, row).puzzle
    walk = PddlWalk(puzzle)
    assert walk.stands.startswith("Needed: below blue green, below red blue. Now: free blue,")
    take = named(walk, "take blue")
    assert take.does == "makes held blue; ends free blue, hand"
    assert take.kinds == ("makes 1, undoes 0, puts 1 off", "makes 1, undoes 0")
    wrong = ["take blue", "put blue green"]

    def wrong_first(steps: Sequence[PossibleStep], draw: random.Random) -> PossibleStep:
        del draw
        return min(steps, key=lambda one: (one.text not in wrong, one.text))

    # Nothing can be put under what is not free: it has to be taken back.
    taken = walked(walk, wrong_first, random.Random(0))
    assert walk.reached and puzzle.right(walk.proposal())
    assert "put blue green" not in walk.proposal()
    assert "; ".join(one.text for one in taken) == walk.proposal()
    under_other_names = puzzle.renamed({"take": "gil", "put": "no-mir"})
    renamed = PddlWalk(under_other_names)
    assert [one.kinds for one in renamed.possible()] == [
        one.kinds for one in PddlWalk(puzzle).possible()
    ]
    assert {one.text for one in renamed.possible()} >= {"gil blue"}
