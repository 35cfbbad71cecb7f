"""How many corrections a person makes to turn the center's plan into their own.

A correction is one typed edit of the plan graph: a step is added, deleted, moved, given another
source, asked otherwise, or made to use other answers. Steps that ask the same in other words need
none. Counted is the fewest that lead there; a plan that could not be read is written anew. Pure.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields

from centerlm.evaluation.plans import word_cost
from centerlm.plan import Plan, Step

SAME = 0.5
"""Two steps ask the same where the F1 of their words, references left out, is at least this."""
COMPUTING = ("calculator",)
MAX_NODES = 50_000
"""Nodes of the search for the fewest; plans of up to about 8 steps never need so many."""

_REFERENCE = re.compile(r"(?<!#)#\d+")


@dataclass(frozen=True, slots=True)
class Corrections:
    """The fewest corrections, by type. Not `exact`: the search ended at its limit.

    `reorder` are moves of steps, `resource` other sources, `rewrite` other questions, `relink`
    steps whose references name other steps.
    """

    add: int = 0
    delete: int = 0
    reorder: int = 0
    resource: int = 0
    rewrite: int = 0
    relink: int = 0
    exact: bool = True

    @property
    def total(self) -> int:
        return sum(getattr(self, name) for name in TYPES)


TYPES = tuple(one.name for one in fields(Corrections) if one.name != "exact")


def corrections(
    plan: Plan | None, wanted: Plan, *, same: float = SAME, computing: Collection[str] = COMPUTING
) -> Corrections:
    """What turns `plan` (None: there is no valid one) into the plan that a person wants.

    `same` in 0..1 is how alike the words of two steps have to be for neither to be rewritten; at 1
    every other word counts. Expressions of sources that compute are compared as they are written.
    """
    if plan is None:
        return Corrections(add=len(wanted.steps))
    return _Search(plan.steps, wanted.steps, same, computing).best()


def asks_same(one: Step, other: Step, same: float, computing: Collection[str]) -> bool:
    """Whether two steps ask the same, whoever is asked."""
    if {one.sources[0], other.sources[0]} & set(computing):
        return _expression(one.text) == _expression(other.text)
    return 1 - word_cost(one, other) >= same - 1e-9


def _expression(text: str) -> str:
    return "".join(_REFERENCE.sub("#", text).casefold().split())


class _Search:
    """Branch and bound over which step of one plan stands for which of the other, or for none."""

    def __init__(
        self,
        ours: tuple[Step, ...],
        theirs: tuple[Step, ...],
        same: float,
        computing: Collection[str],
    ) -> None:
        self._ours, self._theirs = ours, theirs
        self._resource = [[a.sources != b.sources for b in theirs] for a in ours]
        self._rewrite = [[not asks_same(a, b, same, computing) for b in theirs] for a in ours]
        self._left = MAX_NODES
        self._total = len(ours) + len(theirs) + 1
        self._best = Corrections()

    def best(self) -> Corrections:
        self._extend((), 0)
        return self._best

    def _extend(self, chosen: tuple[int | None, ...], cost: int) -> None:
        at, left = len(chosen), len(self._theirs) - sum(j is not None for j in chosen)
        if cost + max(left - (len(self._ours) - at), 0) >= self._total:
            return
        if at == len(self._ours):
            found = self._counted(chosen)
            if found.total < self._total:
                self._best, self._total = found, found.total
            return
        if self._left <= 0:
            return
        self._left -= 1
        # The cheapest first; of equal ones the step in the same place, so that a whole way is
        # found at once and bounds the rest.
        ways: list[tuple[int, int, int | None]] = [
            (self._resource[at][j] + self._rewrite[at][j], abs(j - at), j)
            for j in range(len(self._theirs))
            if j not in chosen
        ]
        ways.append((1, len(self._theirs), None))
        for more, _, j in sorted(ways, key=lambda way: way[:2]):
            self._extend((*chosen, j), cost + more)

    def _counted(self, chosen: tuple[int | None, ...]) -> Corrections:
        pairs = [(i, j) for i, j in enumerate(chosen) if j is not None]
        return Corrections(
            add=len(self._theirs) - len(pairs),
            delete=len(self._ours) - len(pairs),
            reorder=len(pairs) - _rising(j for _, j in pairs),
            resource=sum(self._resource[i][j] for i, j in pairs),
            rewrite=sum(self._rewrite[i][j] for i, j in pairs),
            relink=sum(self._links(i, chosen) != self._wanted(j) for i, j in pairs),
            exact=self._left > 0,
        )

    def _links(self, at: int, chosen: tuple[int | None, ...]) -> set[tuple[int | None, bool]]:
        """What a step refers to, by what stands for that in the other plan; None: it is deleted."""
        step = self._ours[at]
        return {(chosen[k - 1], step.each == k) for k in step.needs}

    def _wanted(self, at: int) -> set[tuple[int | None, bool]]:
        step = self._theirs[at]
        return {(k - 1, step.each == k) for k in step.needs}


def _rising(places: Iterable[int]) -> int:
    """The length of the longest rising subsequence: what need not be moved."""
    ends: list[int] = []
    for place in places:
        at = bisect_left(ends, place)
        ends[at : at + 1] = [place]
    return len(ends)
