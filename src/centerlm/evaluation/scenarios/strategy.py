"""Strategy reasoning: puzzles whose proposals can be checked, and questions of implicit steps.

The game of 24, Blocksworld and Mystery Blocksworld of PlanBench, families of reasoning-gym, and
StrategyQA. A source may check or simulate a proposal; none is handed the objective to solve it.
What proposes and checks is scored by success within so many proposals, beside a uniformly random
proposer with as many: only skill per call counts.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from centerlm.errors import InputError
from centerlm.evaluation.game24 import Game24, read_game24
from centerlm.evaluation.gym import GUIDED, GUIDED_TERMS, PREFIX, gym_puzzles
from centerlm.evaluation.items import Item, check_items
from centerlm.evaluation.pddl import PddlPuzzle, PlanBenchTask, planbench_task, read_planbench
from centerlm.evaluation.practice import (
    Practice,
    game24_practice,
    planbench_practice,
    walk_of,
)
from centerlm.evaluation.question_only import fit
from centerlm.evaluation.renaming import MAX_ACTIONS, new_names, rename
from centerlm.evaluation.scenarios.base import Opening, Scores
from centerlm.evaluation.scenarios.ood_qa import read_sets, set_sources
from centerlm.evaluation.scoring import Solved, answer_scores
from centerlm.evaluation.sets import FOLDERS, Record, as_published, find_file, read_records
from centerlm.evaluation.stepping import StepExperience, first_solved, uniformly
from centerlm.evaluation.stepwise import Stepping
from centerlm.objective import MAX_OBJECTIVE_CHARACTERS, Objective
from centerlm.sources.base import Source
from centerlm.sources.calculator import Calculator
from centerlm.sources.experiment import Experiment, NamedExperiment, named_call

GAME24, BLOCKS, MYSTERY, STRATEGYQA = "game24", "blocksworld", "mystery", "strategyqa"
SETS = (GAME24, BLOCKS, MYSTERY, STRATEGYQA)
RENAMED = "renamed"
"""Blocksworld, its actions called by other words in every item; asked for by name."""
STEPS = (1, 5, 20, 100)
"""Success is reported within so many proposals."""
GYM_ITEMS = 50
RANDOM, QUESTION_ONLY = "random", "question-only"
RANDOM_STEPS, EXPERIENCE = "random-steps", "experience-alone"
STEPPED = 20
"""Proposals, at most, of what chooses steps without the center."""
_PLANBENCH = {
    BLOCKS: "blocksworld",
    MYSTERY: "mystery_blocksworld",
    RENAMED: "blocksworld",
}


class Puzzle(Protocol):
    """Something whose proposals can be checked."""

    def right(self, answer: str) -> bool: ...

    def valid(self, answer: str) -> bool: ...

    def experiment(self) -> NamedExperiment: ...


class PuzzleSource(Experiment):
    """The source that checks a puzzle's proposals, with how they are made of steps."""

    def __init__(self, checks: NamedExperiment, stepping: Stepping) -> None:
        super().__init__([checks], python=False)
        self.stepping = stepping


@dataclass(slots=True)
class Strategy:
    """The scenario. `puzzles` are by item id; items without one are questions."""

    items: Sequence[Item]
    puzzles: Mapping[str, Puzzle]
    optimal: Mapping[str, int]
    hashes: Mapping[str, str]
    warnings: Sequence[str]
    candidates: int
    seed: int
    questions: Sequence[Source] = ()
    guesses: Mapping[str, bool] = field(default_factory=dict[str, bool])
    practice: Mapping[str, Practice] = field(default_factory=dict[str, Practice])
    held: ExitStack = field(default_factory=ExitStack)
    name: str = "strategy"
    metric: str = "success"

    def sources_of(self, item: Item) -> Sequence[Source]:
        puzzle = self.puzzles.get(item.id)
        if puzzle is None:
            return self.questions
        checks = puzzle.experiment()
        if walk_of(puzzle) is None:
            return (Experiment([checks], python=False), Calculator())
        stepping = Stepping(
            walk=lambda: walk_of(puzzle),
            check=checks.name,
            proposals=self.candidates,
            experience=lambda: self._experience(item),
        )
        return (PuzzleSource(checks, stepping), Calculator())

    def _experience(self, item: Item) -> StepExperience | None:
        practice = self.practice.get(item.data_set)
        return None if practice is None else practice.experience(item.id)

    def main_source(self, item: Item) -> str:
        return self.sources_of(item)[0].card.name

    def enough(self, item: Item, episodes: Sequence[Solved]) -> bool:
        """Until one proposal is right, or all allowed were made; a question is asked once."""
        if item.id not in self.puzzles:
            return bool(episodes)
        made = [right for solved in episodes for _, right in self._proposals(item, solved)]
        return any(made) or max(len(made), len(episodes)) >= self.candidates

    def score(self, item: Item, episodes: Sequence[Solved]) -> Scores:
        if item.id not in self.puzzles:
            return {"success": answer_scores(episodes[0].answer, item)["em"]}
        made = [p for solved in episodes for p in self._proposals(item, solved)]
        first = next((n for n, (_, right) in enumerate(made, start=1) if right), None)
        scores = _within(first, self.candidates)
        valid = bool(made) and self.puzzles[item.id].valid(made[0][0])
        scores["valid_first"] = float(valid)
        scores["proposals"] = float(len(made))
        best = self.optimal.get(item.id)
        puzzle = self.puzzles[item.id]
        scores["over_optimal"] = None
        if best and first is not None and isinstance(puzzle, PddlPuzzle):
            scores["over_optimal"] = puzzle.length(made[first - 1][0]) / best
        return scores

    def _proposals(self, item: Item, solved: Solved) -> list[tuple[str, bool]]:
        """What was proposed in an episode, in order: to the source that checks, and as answer.

        A proposal that the source refused or found wanting counts like any other.
        """
        puzzle = self.puzzles[item.id]
        made: list[tuple[str, bool]] = []
        for asked, finding in solved.asked("experiment"):
            call = named_call(asked, {})
            text = finding.answer or ("; ".join(map(str, call[1])) if call else asked)
            made.append((text, finding.found and puzzle.right(text)))
        answer = solved.finding.answer if solved.finding else None
        if answer and answer not in {text for text, _ in made}:
            made.append((answer, puzzle.right(answer)))
        return made or [("", False)]

    def baselines(self) -> Mapping[str, Mapping[str, Scores]]:
        """A random proposer for puzzles that have one, and the question alone for StrategyQA."""
        found: dict[str, dict[str, Scores]] = {}
        for item in self.items:
            puzzle = self.puzzles.get(item.id)
            if isinstance(puzzle, Game24 | PddlPuzzle):
                draw = random.Random(f"{self.seed} {item.id}")
                tries = range(1, STEPS[-1] + 1)
                first = next((n for n in tries if puzzle.tried(draw)), None)
                scores = _within(first, STEPS[-1])
                scores["success"] = float(first is not None and first <= self.candidates)
                found.setdefault(RANDOM, {})[item.id] = scores
                for row, scores in self._stepped(item, puzzle).items():
                    found.setdefault(row, {})[item.id] = scores
            elif item.id in self.guesses:
                right = ("yes" if self.guesses[item.id] else "no") in item.accepted
                found.setdefault(QUESTION_ONLY, {})[item.id] = {"success": float(right)}
        return found

    def _stepped(self, item: Item, puzzle: Puzzle) -> dict[str, Scores]:
        """Proposals made of steps that no model chooses: at random, and by experience alone."""
        most = max(STEPPED, self.candidates)
        choosers = {RANDOM_STEPS: uniformly}
        if experience := self._experience(item):
            choosers[EXPERIENCE] = experience.choose
        found: dict[str, Scores] = {}
        for row, choose in choosers.items():
            walk, draw = walk_of(puzzle), random.Random(f"{row} {self.seed} {item.id}")
            first = first_solved(walk, choose, draw, most) if walk else None
            scores = _within(first, most)
            scores["success"] = float(first is not None and first <= self.candidates)
            found[row] = scores
        return found

    def close(self) -> None:
        self.held.close()


def _within(first: int | None, candidates: int) -> dict[str, float | None]:
    """Success by the number of proposals, up to those that could be made."""
    scores: dict[str, float | None] = {"success": float(first is not None and first <= candidates)}
    for step in STEPS:
        if step <= candidates:
            scores[f"success@{step}"] = float(first is not None and first <= step)
    return scores


def open_strategy(opening: Opening) -> Strategy:
    """Read the puzzles and questions.

    Raises:
        InputError: there is no such set or file, or something in it cannot be used.
        MissingExtraError: a library that a set needs is not installed.
    """
    for name in opening.sets:
        if name not in (*SETS, RENAMED) and not name.startswith(PREFIX):
            known = f"{', '.join(SETS)}, {RENAMED}, {PREFIX}FAMILY"
            raise InputError(f"there is no set {name!r} here; known: {known}")
    data = Path(opening.data).expanduser() if opening.data else None
    if data is not None and not data.is_dir():
        raise InputError(f"there is no folder {data}; give one with game24, planbench, strategyqa")
    wanted = opening.sets or tuple(name for name in SETS if data and _is_there(data, name))
    made = _Made()
    for name in wanted:
        if name.startswith(PREFIX):
            _add_gym(made, name, opening)
            continue
        if data is None:
            raise InputError(f"the set {name} needs --data with the folder of its files")
        if name == GAME24:
            _add_game24(made, data / "game24", opening)
        elif name in _PLANBENCH:
            _add_planbench(made, name, data / "planbench" / _PLANBENCH[name], opening)
        else:
            _add_strategyqa(made, data, opening)
    check_items(made.items, opening.data or "the scenario")
    return Strategy(
        made.items,
        made.puzzles,
        made.optimal,
        made.hashes,
        made.warnings,
        opening.candidates,
        opening.seed,
        made.questions,
        made.guesses,
        made.practice,
        made.held,
    )


@dataclass(slots=True)
class _Made:
    items: list[Item] = field(default_factory=list[Item])
    puzzles: dict[str, Puzzle] = field(default_factory=dict[str, Puzzle])
    optimal: dict[str, int] = field(default_factory=dict[str, int])
    hashes: dict[str, str] = field(default_factory=dict[str, str])
    warnings: list[str] = field(default_factory=list[str])
    questions: Sequence[Source] = ()
    guesses: dict[str, bool] = field(default_factory=dict[str, bool])
    practice: dict[str, Practice] = field(default_factory=dict[str, Practice])
    held: ExitStack = field(default_factory=ExitStack)


def _is_there(data: Path, name: str) -> bool:
    if name == STRATEGYQA:
        return find_file(data / FOLDERS[STRATEGYQA]) is not None
    place = data / "game24" if name == GAME24 else data / "planbench" / _PLANBENCH[name]
    return place.is_dir()


def _add_game24(made: _Made, folder: Path, opening: Opening) -> None:
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise InputError(f"{folder} has no CSV of puzzles")
    puzzles = {puzzle.id: puzzle for puzzle in read_game24(files[0])}
    made.hashes[f"game24/{files[0].name}"] = hashlib.sha256(files[0].read_bytes()).hexdigest()
    items = [
        Item(
            id_,
            GAME24,
            Objective(puzzle.question, answer_type="text"),
            ("an expression that makes 24",),
            splits={"set": GAME24, "rank": _rank(puzzle.rank)},
        )
        for id_, puzzle in puzzles.items()
    ]
    kept = opening.chosen(items)
    made.items += kept
    made.puzzles |= {item.id: puzzles[item.id] for item in kept}
    made.practice[GAME24] = game24_practice(list(puzzles.items()), seed=opening.seed)


def _rank(rank: int) -> str:
    """Three hundred puzzles a part, the easiest first."""
    if not rank:
        return "unknown"
    first = 300 * ((rank - 1) // 300) + 1
    return f"{first:04}-{first + 299:04}"


def _add_planbench(made: _Made, name: str, folder: Path, opening: Opening) -> None:
    path = folder / "task_1_plan_generation.json"
    made.practice[name] = made.practice.get(BLOCKS) or planbench_practice(
        folder.parent, seed=opening.seed
    )
    rows = {f"{name}-{number}": (number, row) for number, row in read_planbench(folder)}
    made.hashes[f"{folder.name}/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    placeholders = [Item(id_, name, Objective(id_), ("a valid plan",)) for id_ in rows]
    for kept in opening.chosen(placeholders):
        number, row = rows[kept.id]
        task = planbench_task(folder, number, row)
        if name == RENAMED:
            task = _renamed(task)
        if len(task.question) > MAX_OBJECTIVE_CHARACTERS:
            raise InputError(f"instance {number} of {path} is too long to be asked")
        steps = task.puzzle.length(task.plan)
        length = f"up to {MAX_ACTIONS}, as guided" if steps <= MAX_ACTIONS else "longer"
        splits = {"set": name, "plan": f"{steps:02} actions", "length": length}
        made.items.append(
            replace(
                kept,
                objective=Objective(task.question, answer_type="text"),
                accepted=(task.plan,),
                splits=splits,
            )
        )
        made.puzzles[kept.id] = task.puzzle
        made.optimal[kept.id] = steps


def _renamed(task: PlanBenchTask) -> PlanBenchTask:
    """The task told with a new word for every action, drawn from its id."""
    words = new_names("; ".join(task.puzzle.kinds), random.Random(f"{RENAMED} {task.id}"))
    puzzle = task.puzzle.renamed(words)
    return replace(
        task, question=rename(task.question, words), plan=rename(task.plan, words), puzzle=puzzle
    )


def _add_gym(made: _Made, name: str, opening: Opening) -> None:
    count = opening.limit or GYM_ITEMS
    family = name.removeprefix(PREFIX)
    for number, puzzle in enumerate(gym_puzzles(family, count, seed=opening.seed)):
        if len(puzzle.question) > MAX_OBJECTIVE_CHARACTERS:
            raise InputError(f"a puzzle of {name} is too long to be asked; choose another family")
        id_ = f"{name}-{number}"
        objective = Objective(puzzle.question)
        splits = {"set": name, "family": "guided" if family in GUIDED else "never guided"}
        if puzzle.terms:
            guided = puzzle.terms <= GUIDED_TERMS
            splits["terms"] = f"up to {GUIDED_TERMS}, as guided" if guided else "more"
        plans = {objective.text: plan} if (plan := puzzle.plan) else {}
        accepted = (puzzle.answer or "see the family",)
        made.items.append(Item(id_, name, objective, accepted, plans, splits=splits))
        made.puzzles[id_] = puzzle


def _add_strategyqa(made: _Made, data: Path, opening: Opening) -> None:
    read = read_sets(replace(opening, data=str(data), sets=(STRATEGYQA,)), tuple(FOLDERS))
    made.hashes |= read.hashes
    made.warnings += read.warnings
    whole = read.sets[STRATEGYQA]
    made.questions = set_sources(STRATEGYQA, whole, opening, made.held)
    kept = opening.chosen(whole.items)
    told = [item for item in kept if item.facts]
    others = dict(zip([i.id for i in told], [*told[1:], *told[:1]], strict=True))
    for item in kept:
        other = others.get(item.id)
        foreign = other.facts if other is not None and other.id != item.id else ()
        made.items.append(replace(item, foreign_facts=foreign))
    train = find_file(data / FOLDERS[STRATEGYQA], "train")
    if train is not None:
        classifier = fit([_question_of(where, row) for where, row in read_records(train)])
        made.guesses = {i.id: classifier.says_yes(i.objective.text) for i in kept}


def _question_of(where: str, row: Record) -> tuple[str, bool]:
    """The question of a record, and whether its answer is yes."""
    with as_published(where, STRATEGYQA):
        if not isinstance(row["answer"], bool):
            raise TypeError("its answer is neither true nor false")
        return str(row["question"]), row["answer"]
