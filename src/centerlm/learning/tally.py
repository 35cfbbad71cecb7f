"""What a reading of guidance gave, in numbers: for `centerlm guide --check` and reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from centerlm.learning.guidance import Guidance, Read

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

MANY = 6
"""Plans of this many steps and more are counted together."""


@dataclass(frozen=True, slots=True)
class SetTally:
    """Numbers of one set or person: plans by steps, steps by source, known answers."""

    plans: int
    steps: Mapping[int, int]
    sources: Mapping[str, int]
    answered: int


@dataclass(frozen=True, slots=True)
class Tally:
    """`sets` by who gave the plans, `skipped` by file and kind (with the first place of each)."""

    sets: Mapping[str, SetTally]
    skipped: Mapping[tuple[str, str], tuple[int, str]]
    counts: Mapping[str, int]


def tally(read: Read) -> Tally:
    """Count a reading."""
    sets: dict[str, list[Guidance]] = {}
    for guidance in read.guidance:
        sets.setdefault(guidance.by or "unnamed", []).append(guidance)
    skipped: dict[tuple[str, str], tuple[int, str]] = {}
    for one in read.skipped:
        path = PurePath(one.where.rpartition(":")[0])
        key = (str(PurePath(*path.parts[-2:])), one.kind)
        count, example = skipped.get(key, (0, f"line {one.where.rpartition(':')[2]}: {one.reason}"))
        skipped[key] = (count + 1, example)
    return Tally({by: _tally(plans) for by, plans in sets.items()}, skipped, dict(read.counts))


def _tally(guidance: list[Guidance]) -> SetTally:
    steps = Counter(len(one.plan.steps) for one in guidance)
    sources = Counter(name for one in guidance for s in one.plan.steps for name in s.sources)
    answered = sum(one.answer is not None for one in guidance)
    return SetTally(len(guidance), dict(sorted(steps.items())), dict(sources), answered)


def statistics(read: Read) -> Group:
    """Tables to print with rich: plans, steps and sources by set; what was skipped and why."""
    from rich.console import Group

    counted = tally(read)
    tables = [_sets_table(counted)]
    if counted.skipped:
        rows = [
            (file, kind, f"{n:,}", example[:100])
            for (file, kind), (n, example) in counted.skipped.items()
        ]
        tables.append(_table("not used", ("file", "why", "records", "the first"), rows))
    if counted.counts:
        rows = [(name, f"{n:,}") for name, n in counted.counts.items()]
        tables.append(_table("counted apart", ("what", "times"), rows))
    return Group(*tables)


def _sets_table(counted: Tally) -> Table:
    rows: list[tuple[str, ...]] = []
    for by, one in counted.sets.items():
        total = sum(steps * n for steps, n in one.steps.items())
        spread = [f"{one.steps.get(k, 0):,}" for k in range(1, MANY)]
        spread.append(f"{sum(n for k, n in one.steps.items() if k >= MANY):,}")
        named = sorted(one.sources.items(), key=lambda item: -item[1])
        sources = "\n".join(f"{name} {n:,}" for name, n in named)
        rows.append((by, f"{one.plans:,}", f"{total / one.plans:.1f}", *spread, sources))
    head = ("from", "plans", "steps", *(str(k) for k in range(1, MANY)), f"{MANY}+", "sources")
    return _table("plans, by number of steps and source", head, rows)


def _table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    numbers = {"plans", "steps", "records", "times", f"{MANY}+", *(str(k) for k in range(1, MANY))}
    for name in head:
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
