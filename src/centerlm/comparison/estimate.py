"""How long a comparison takes, told before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from centerlm.comparison.asking import SET_CALLS, cell_file
from centerlm.comparison.settings import (
    PLAN,
    PRIMARY,
    SOLVER,
    STAGES,
    WORLDS,
    Comparison,
    Way,
    cells_of,
)
from centerlm.comparison.teaching import CHOSEN

PACE = 300.0
"""Tokens trained a second on two free cores, measured on the default base."""
CALL = 0.45
"""Seconds of a core a model call takes there."""
CHOOSING = 30.0
"""Seconds to score the checkpoints of a run, and to turn the chosen one to GGUF."""
_CALLS_A_HOP: Mapping[str, float] = {"holistic": 3.5, "oracle-plan": 2.0}
_CALLS: Mapping[str, float] = {"iterate": 3.0}


def estimate(comparison: Comparison, work: Path) -> str:
    """What the comparison takes on two free cores, in words; what is done is not counted again."""
    primary, rest = seconds_of(comparison, work)
    return (
        f"about {(primary + rest) / 60:.0f} minutes of two free cores for all cells, "
        f"{primary / 60:.0f} of them for the primary endpoint, which comes first"
    )


def seconds_of(comparison: Comparison, work: Path) -> tuple[float, float]:
    """Of the primary endpoint, and of all other cells."""
    seconds = {True: 0.0, False: 0.0}
    for arm in (arm for arm in STAGES if arm in comparison.weights):
        for seed in range(comparison.seeds):
            runs = len(comparison.rates) if seed == 0 else 1
            done = len(list((work / f"seed-{seed}" / arm).glob(f"*/{CHOSEN}")))
            each = comparison.tokens / PACE + CHOOSING
            seconds[arm in PRIMARY] += max(runs - done, 0) * each
    for cell in cells_of(comparison):
        if cell_file(cell, work / f"seed-{cell.seed}" / cell.weights).is_file():
            continue
        first = cell.part == WORLDS and cell.weights in PRIMARY and cell.way in (SOLVER, PLAN)
        seconds[first] += calls_of(comparison, cell.part, cell.way) * CALL / 2
    return seconds[True], seconds[False]


def calls_of(comparison: Comparison, part: str, way: Way) -> float:
    """Model calls of a cell, about."""
    if part == WORLDS:
        hops = sum(comparison.hops) * comparison.questions
        items = len(comparison.hops) * comparison.questions
    else:
        items = 2 * comparison.limit if comparison.limit is not None else 185
        hops = round(2.3 * items)
    a_hop = _CALLS_A_HOP.get(way.system)
    each = hops * a_hop if a_hop else items * _CALLS.get(way.system, 1.0)
    return min(each, items * SET_CALLS if part != WORLDS else each) * way.samples
