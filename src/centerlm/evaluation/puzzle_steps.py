"""Puzzles as walks of single steps: what can be done next, what it leads to, and its kinds.

The rules of a puzzle, as a uniformly random proposer has them; which step to take is for others. A
kind says how a step stands to what is still needed and never names anything, so that what was
learned on some puzzles holds for longer ones and under other names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations
from typing import Protocol

from centerlm.evaluation.game24 import SIGNS, TARGET, Game24, apply_sign
from centerlm.evaluation.pddl import ROLLOUT, Action, Facts, PddlPuzzle
from centerlm.finding import format_value

LEVELS = 4
"""How far back conditions of conditions are looked at."""


@dataclass(frozen=True, slots=True)
class PossibleStep:
    """Something that can be done next: its name here, `text` as it is proposed, what it does in
    words, and its kinds, the most specific first.
    """

    name: str
    text: str
    does: str
    kinds: tuple[str, ...]


class Walk(Protocol):
    """A proposal being made step by step; `again` begins another one."""

    @property
    def stands(self) -> str:
        """What is needed and what there is, in words."""
        ...

    @property
    def over(self) -> bool:
        """Whether the proposal is whole, or too long to go on with."""
        ...

    @property
    def reached(self) -> bool:
        """Whether what is needed is there, by the rules."""
        ...

    def possible(self) -> Sequence[PossibleStep]:
        """What leads to something that was not yet tried."""
        ...

    def take(self, step: PossibleStep) -> None: ...

    def back(self) -> bool:
        """Take the last step back; False where there is none."""
        ...

    def proposal(self) -> str:
        """What was done so far, as the source that checks takes it."""
        ...

    def again(self) -> None: ...


class PddlWalk:
    """Actions of a PDDL puzzle, one after the other: 40 at most, those taken back among them."""

    def __init__(self, puzzle: PddlPuzzle) -> None:
        self._puzzle = puzzle
        self._makers: dict[str, list[Action]] = {}
        for action in puzzle.actions.values():
            for fact in action.adds:
                self._makers.setdefault(fact, []).append(action)
        self.again()

    def again(self) -> None:
        self._states = [self._puzzle.start]
        self._seen = {self._puzzle.start}
        self._taken: list[str] = []
        self._tried = 0

    @property
    def over(self) -> bool:
        return self.reached or self._tried >= ROLLOUT

    @property
    def reached(self) -> bool:
        return self._puzzle.goal <= self._states[-1]

    @property
    def stands(self) -> str:
        state = self._states[-1]
        return f"Needed: {self._told(self._puzzle.goal - state)}. Now: {self._told(state)}."

    def possible(self) -> Sequence[PossibleStep]:
        state, wanted = self._states[-1], self._wanted()
        found: list[PossibleStep] = []
        for action in self._puzzle.actions.values():
            if not action.needs <= state:
                continue
            after = (state - action.takes) | action.adds
            if after not in self._seen:
                makes, ends = self._told(after - state), self._told(state - after)
                does = f"makes {makes}; ends {ends}"
                kinds = self._kinds(action, after, wanted)
                found.append(
                    PossibleStep(action.name, self._puzzle.words(action.name), does, kinds)
                )
        return found

    def take(self, step: PossibleStep) -> None:
        action = self._puzzle.actions[step.name]
        self._states.append((self._states[-1] - action.takes) | action.adds)
        self._seen.add(self._states[-1])
        self._taken.append(step.text)
        self._tried += 1

    def back(self) -> bool:
        if not self._taken:
            return False
        self._taken.pop()
        self._states.pop()
        return True

    def proposal(self) -> str:
        return "; ".join(self._taken)

    def _told(self, facts: Facts) -> str:
        return ", ".join(sorted(map(self._puzzle.words, facts))) or "nothing"

    def _lacking(self, fact: str, state: Facts) -> tuple[int, set[str]]:
        """How many conditions the actions nearest to making a fact lack, and which."""
        lacking = [maker.needs - state for maker in self._makers.get(fact, ())]
        least = min(map(len, lacking), default=0)
        return least, {f for one in lacking if len(one) == least for f in one}

    def _wanted(self) -> Mapping[str, int]:
        """Facts that are lacking, by how far back: 0 for the goal's, 1 for what the actions nearest
        to making one of those lack, and so on.
        """
        state = self._states[-1]
        wanted = dict.fromkeys(self._puzzle.goal - state, 0)
        edge = set(wanted)
        for level in range(1, LEVELS):
            edge = {f for fact in edge for f in self._lacking(fact, state)[1]} - wanted.keys()
            wanted |= dict.fromkeys(edge, level)
        return wanted

    def _kinds(self, action: Action, after: Facts, wanted: Mapping[str, int]) -> tuple[str, ...]:
        state, goal = self._states[-1], self._puzzle.goal
        made = min((wanted[fact] for fact in action.adds if fact in wanted), default=LEVELS)
        undone = len(goal & state & action.takes)
        further = sum(
            self._lacking(fact, after)[0] > self._lacking(fact, state)[0] for fact in goal - after
        )
        plain = f"makes {made}, undoes {undone}"
        return (f"{plain}, puts {further} off", plain)


class Game24Walk:
    """Two numbers after the other made one. States in which nothing is left to try are spent."""

    def __init__(self, puzzle: Game24) -> None:
        self._puzzle = puzzle
        self._spent: set[tuple[Fraction, ...]] = set()
        self.again()

    def again(self) -> None:
        start = [(Fraction(number), str(number)) for number in self._puzzle.numbers]
        self._parts = [start]

    @property
    def over(self) -> bool:
        return len(self._parts[-1]) == 1

    @property
    def reached(self) -> bool:
        return self.over and self._parts[-1][0][0] == TARGET

    @property
    def stands(self) -> str:
        left = ", ".join(format_value(value) for value, _ in self._parts[-1])
        return f"Needed: {TARGET}. Now: {left}."

    def possible(self) -> Sequence[PossibleStep]:
        parts = self._parts[-1]
        found: dict[tuple[Fraction, ...], PossibleStep] = {}
        for i, j in permutations(range(len(parts)), 2):
            a, b = parts[i][0], parts[j][0]
            for sign in SIGNS if i < j else "-/":
                made = apply_sign(sign, a, b)
                if made is None:
                    continue
                rest = [value for k, (value, _) in enumerate(parts) if k not in (i, j)]
                after = tuple(sorted([*rest, made]))
                if after in self._spent or after in found:
                    continue
                text = f"{format_value(a)} {sign} {format_value(b)}"
                leaves = " ".join(map(format_value, after))
                kinds = (f"leaves {leaves}", f"makes {format_value(made)}, {len(after)} left")
                name = f"{i} {j} {sign}"
                found[after] = PossibleStep(name, text, f"leaves {leaves}", kinds)
        return list(found.values())

    def take(self, step: PossibleStep) -> None:
        first, second, sign = step.name.split()
        i, j = int(first), int(second)
        parts = self._parts[-1]
        (a, left), (b, right) = parts[i], parts[j]
        made = apply_sign(sign, a, b)
        assert made is not None
        rest = [part for k, part in enumerate(parts) if k not in (i, j)]
        self._parts.append([*rest, (made, f"({left} {sign} {right})")])
        if self.over:
            self._spent.add((made,))

    def back(self) -> bool:
        self._spent.add(tuple(sorted(value for value, _ in self._parts[-1])))
        if len(self._parts) == 1:
            return False
        self._parts.pop()
        return True

    def proposal(self) -> str:
        texts = [text for _, text in self._parts[-1]]
        return texts[0][1:-1] if self.over else ", ".join(texts)
