"""Solved short puzzles as guidance: the game of 24, and plans of PlanBench of at most six actions.

A plan proposes, and the source `experiment` checks: `make24(...)` and `simulate(...)` as the
scenario `strategy` offers them. For renamed actions, every puzzle can be told in other words: names
are drawn for each puzzle anew, so that what is learned is not the names.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from centerlm.errors import InputError
from centerlm.evaluation.game24 import NAME as MAKE24
from centerlm.evaluation.game24 import read_game24, solutions
from centerlm.evaluation.pddl import NAME as SIMULATE
from centerlm.evaluation.pddl import planbench_task, read_planbench
from centerlm.learning.guidance import Guidance, Read, Skipped
from centerlm.plan import MAX_TEXT, Step, make_plan

EXPERIMENT = "experiment"
MAX_ACTIONS = 6
_SYLLABLES = ("ba", "dor", "fen", "gil", "ka", "lum", "mir", "no", "pel", "rus", "tav", "zo")


def read_game24_guidance(path: Path, *, ranks: Sequence[int] = ()) -> Read:
    """A plan for each puzzle that can be solved (of these ranks, or all): its expression, checked.

    Raises:
        InputError: the file cannot be read.
    """
    guidance: list[Guidance] = []
    skipped: list[Skipped] = []
    for number, puzzle in enumerate(read_game24(path), start=2):
        if ranks and puzzle.rank not in ranks:
            continue
        found = solutions(puzzle.numbers)
        if not found:
            skipped.append(Skipped(f"{path}:{number}", "nothing makes 24 of it", "no solution"))
            continue
        plan = make_plan([Step(1, (EXPERIMENT,), f"{MAKE24}({found[0]})")])
        guidance.append(Guidance(puzzle.id, puzzle.question, plan, "game24", answer=found[0]))
    return Read(tuple(guidance), tuple(skipped))


def read_planbench_guidance(
    folder: Path, numbers: Sequence[int], *, renamed: int = 0, seed: int = 0
) -> Read:
    """The gold plans of these instances that have at most six actions, as one simulated sequence.

    With `renamed` each is also told that many times with actions and facts of other names.

    Raises:
        InputError: a file is missing or cannot be used.
        MissingExtraError: what reads PDDL is not installed.
    """
    if renamed < 0:
        raise InputError(f"puzzles cannot be renamed {renamed} times; give 0 or more")
    guidance: list[Guidance] = []
    skipped: list[Skipped] = []
    for number, row in read_planbench(folder, numbers):
        task = planbench_task(folder, number, row)
        actions = task.puzzle.length(task.plan)
        text = f"{SIMULATE}({task.plan})"
        if actions > MAX_ACTIONS or len(text) > MAX_TEXT:
            where = f"{folder.name} instance {number}"
            skipped.append(Skipped(where, f"its plan has {actions} actions", "too long"))
            continue
        forms = [(task.id, task.question, text)]
        for version in range(1, renamed + 1):
            draw = random.Random(f"{seed} {task.id} {version}")
            words = new_names(task.plan, draw)
            id_ = f"{task.id}-renamed-{version}"
            forms.append((id_, rename(task.question, words), rename(text, words)))
        for id_, question, asked in forms:
            if len(asked) <= MAX_TEXT:
                plan = make_plan([Step(1, (EXPERIMENT,), asked)])
                answer = asked[len(SIMULATE) + 1 : -1]
                guidance.append(Guidance(id_, question, plan, folder.name, answer=answer))
    return Read(tuple(guidance), tuple(skipped))


def new_names(plan: str, draw: random.Random) -> dict[str, str]:
    """A new word for each action that the plan names, and for its forms in words: "put down",
    "putting down" where it is that simple, "stacked".
    """
    old = dict.fromkeys(action.split()[0] for action in plan.split("; "))
    names: dict[str, str] = {}
    for action in old:
        word = "".join(draw.sample(_SYLLABLES, 2))
        while word in names.values():
            word = "".join(draw.sample(_SYLLABLES, 3))
        names[action] = word
        names[action.replace("-", " ")] = word
        verb, *rest = action.split("-")
        for ending in ("ing", "ed"):
            names[" ".join([verb + ending, *rest])] = word + ending
    return names


def rename(text: str, names: Mapping[str, str]) -> str:
    """The text with whole words replaced; a capital letter at the beginning stays one."""
    if not names:
        return text
    longest = sorted(names, key=len, reverse=True)
    pattern = re.compile(rf"\b(?:{'|'.join(map(re.escape, longest))})\b", re.IGNORECASE)

    def put(match: re.Match[str]) -> str:
        new = names[match[0].lower()]
        return new.capitalize() if match[0][0].isupper() else new

    return pattern.sub(put, text)
