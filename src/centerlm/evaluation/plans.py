"""How close a plan is to the one a person made for the same objective.

Plans are compared as graphs (steps with sources, and their references), and as text. Graph edit
distance is that of Break's evaluation (Wolfson et al., 2020, section 5): steps and references are
added, removed or replaced at cost 1 each, where replacing a step by one of other words costs the
share of words that differ, normalised by the size of the larger graph. Pure functions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from centerlm.errors import PlanError
from centerlm.evaluation.metrics import normalise_answer
from centerlm.plan import Plan, Step, parse_plan

MAX_NODES = 20_000
"""Nodes of the search for the cheapest edit; plans of up to about 8 steps never need so many."""

_REFERENCE = re.compile(r"(?<!#)#\d+")
_TOKEN = re.compile(r"#\d+|\w+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Edit:
    """The cheapest way found to edit one plan into the other.

    `pairs` are the ids of steps that stand for each other: (of the first plan, of the second).
    Not `exact`: the search ended at its limit, and there may be a cheaper way.
    """

    cost: float
    pairs: tuple[tuple[int, int], ...]
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Choice:
    """The source of a step in the human plan, and in the predicted plan's step that stands for it
    (None: no step does).
    """

    wanted: str
    chosen: str | None

    @property
    def right(self) -> bool:
        return self.wanted == self.chosen


@dataclass(frozen=True, slots=True)
class PlanScores:
    """One plan against the human one: all in 0..1, 1 is best but for the distances.

    `steps`: as many steps. `structure`: the same graph of references. `graph`: the same graph with
    the same sources. `distance` and `structure_distance`: normalised graph edit distance with and
    without words. `sari` as in Break. `choices`: the source of each step of the human plan.
    """

    steps: float
    structure: float
    graph: float
    distance: float
    structure_distance: float
    sari: float
    choices: tuple[Choice, ...]


def score_plan(question: str, predicted: Plan | None, human: Plan) -> PlanScores:
    """All measures; None, no valid plan, scores worst."""
    if predicted is None:
        missed = tuple(Choice(step.sources[0], None) for step in human.steps)
        return PlanScores(0.0, 0.0, 0.0, 1.0, 1.0, 0.0, missed)
    words = edit(predicted, human, word_cost)
    bare = edit(predicted, human, no_cost)
    named = bare if bare.cost else edit(predicted, human, source_cost)
    size = max(_size(predicted), _size(human))
    return PlanScores(
        steps=float(len(predicted.steps) == len(human.steps)),
        structure=float(bare.cost == 0),
        graph=float(named.cost == 0),
        distance=min(words.cost / size, 1.0),
        structure_distance=min(bare.cost / size, 1.0),
        sari=sari(question, predicted, human),
        choices=choices(predicted, human, words),
    )


def choices(predicted: Plan, human: Plan, aligned: Edit) -> tuple[Choice, ...]:
    """The source chosen for each step of the human plan; of alternatives the first."""
    stands = {theirs: ours for ours, theirs in aligned.pairs}
    return tuple(
        Choice(
            step.sources[0],
            predicted.steps[stands[step.id] - 1].sources[0] if step.id in stands else None,
        )
        for step in human.steps
    )


def by_kind(chosen: Iterable[Choice]) -> dict[str, tuple[int, int]]:
    """For each kind of the source wanted: how often it was chosen, of how many times."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for choice in chosen:
        kind = kind_of(choice.wanted)
        total[kind] += 1
        right[kind] += choice.right
    return {kind: (right[kind], n) for kind, n in sorted(total.items())}


def kind_of(source: str) -> str:
    """The kind of a source: its name up to a colon ("expert:law" is an "expert")."""
    return source.partition(":")[0]


def is_valid(text: str, sources: Collection[str], *, cut: bool = False) -> bool:
    """Whether a reply is a plan and nothing else; a last line `cut` by the token limit is left
    out, as in use.
    """
    lines = text.split("\n")
    if cut:
        lines = lines[:-1]
    try:
        parse_plan("\n".join(lines), sources=sources)
    except PlanError:
        return False
    return True


NodeCost = Callable[[Step, Step], float]
"""What it costs to put one step in another's place, in 0..1."""


def no_cost(first: Step, second: Step) -> float:
    """Steps are all the same: only the graph counts."""
    del first, second
    return 0.0


def source_cost(first: Step, second: Step) -> float:
    """0 where both name the same source first, else 1."""
    return float(first.sources[0] != second.sources[0])


def word_cost(first: Step, second: Step) -> float:
    """1 - F1 of the words of both texts, references left out."""
    one, two = (Counter(_words(step.text)) for step in (first, second))
    if not one or not two:
        return float(one != two)
    return 1 - 2 * (one & two).total() / (one.total() + two.total())


def edit(first: Plan, second: Plan, cost: NodeCost) -> Edit:
    """The cheapest edit of one plan's graph into the other's, by branch and bound.

    Adding or removing a step or a reference costs 1, as does changing a plain reference into an
    `each`; exact up to `MAX_NODES` nodes of the search.
    """
    return _Search(first, second, cost).best()


class _Search:
    """Steps of the first plan are given, one after the other, a step of the second or none."""

    def __init__(self, first: Plan, second: Plan, cost: NodeCost) -> None:
        self._n, self._m = len(first.steps), len(second.steps)
        self._nodes = [[cost(a, b) for b in second.steps] for a in first.steps]
        self._first, self._second = _edges(first), _edges(second)
        # What the steps still to come cost at least.
        least = [min([1.0, *row]) for row in self._nodes]
        self._ahead = [sum(least[i:]) for i in range(self._n + 1)]
        self._left = MAX_NODES
        self._cost = float("inf")
        self._chosen: tuple[int | None, ...] = ()

    def best(self) -> Edit:
        self._extend((), frozenset(), 0.0)
        pairs = tuple((i + 1, j + 1) for i, j in enumerate(self._chosen) if j is not None)
        return Edit(round(self._cost, 9), pairs, exact=self._left > 0)

    def _extend(self, chosen: tuple[int | None, ...], used: frozenset[int], cost: float) -> None:
        at = len(chosen)
        if at == self._n:
            total = cost + self._added(used)
            if total < self._cost - 1e-9:
                self._cost, self._chosen = total, chosen
            return
        surplus = (self._m - len(used)) - (self._n - at)
        if cost + self._ahead[at] + max(surplus, 0) >= self._cost - 1e-9:
            return
        if self._left <= 0 and self._chosen:
            return
        self._left -= 1
        ways: list[tuple[float, int | None]] = [
            (self._nodes[at][j] + self._references(chosen, at, j), j)
            for j in range(self._m)
            if j not in used
        ]
        ways.append((1.0 + self._references(chosen, at, None), None))
        # Stable, the cheapest first; of equal ones the step in the same place.
        ways.sort(key=lambda way: (way[0], way[1] is None, abs((way[1] or 0) - at)))
        for more, j in ways:
            now = used if j is None else used | {j}
            self._extend((*chosen, j), now, cost + more)

    def _references(self, chosen: tuple[int | None, ...], at: int, j: int | None) -> float:
        """What the references between a step and those before it cost."""
        cost = 0.0
        for i, other in enumerate(chosen):
            for a, b in (((i, at), (other, j)), ((at, i), (j, other))):
                ours = self._first.get(a)
                theirs = None if b[0] is None or b[1] is None else self._second.get((b[0], b[1]))
                cost += ours != theirs
        return cost

    def _added(self, used: frozenset[int]) -> float:
        """The steps of the second plan that stand for none, and their references."""
        edges = sum(a not in used or b not in used for a, b in self._second)
        return self._m - len(used) + edges


def _edges(plan: Plan) -> dict[tuple[int, int], str]:
    """References by (position of the step named, of the step that names it), from 0."""
    return {
        (k - 1, step.id - 1): "each" if step.each == k else "plain"
        for step in plan.steps
        for k in step.needs
    }


def _size(plan: Plan) -> int:
    return len(plan.steps) + sum(len(step.needs) for step in plan.steps)


def sari(question: str, predicted: Plan, human: Plan) -> float:
    """SARI (Xu et al., 2016, section 4) of the plan's words as a rewriting of the question.

    With one reference, as Break reports it: the mean of the F1 of n-grams added, the F1 of those
    kept and the precision of those deleted, n = 1..4; where there is nothing to count, 1.
    """
    source, ours, theirs = _tokens(question), _plan_tokens(predicted), _plan_tokens(human)
    scores = [_sari_of(*(_grams(tokens, n) for tokens in (source, ours, theirs))) for n in _N]
    return sum(scores) / len(scores)


_N = range(1, 5)


def _sari_of(source: Counter[str], ours: Counter[str], theirs: Counter[str]) -> float:
    kept, to_keep = source & ours, source & theirs
    added, to_add = ours - source, theirs - source
    deleted, to_delete = source - ours, source - theirs
    return (_f1(kept, to_keep) + _f1(added, to_add) + _precision(deleted, to_delete)) / 3


def _precision(selected: Counter[str], relevant: Counter[str]) -> float:
    return (selected & relevant).total() / selected.total() if selected else 1.0


def _f1(selected: Counter[str], relevant: Counter[str]) -> float:
    precision, recall = _precision(selected, relevant), _precision(relevant, selected)
    return 2 * precision * recall / (precision + recall) if precision and recall else 0.0


def _grams(tokens: list[str], n: int) -> Counter[str]:
    return Counter(" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def _plan_tokens(plan: Plan) -> list[str]:
    """The words of all steps, with a mark between two: sources and numbers are left out."""
    return _tokens(" ; ".join(step.text for step in plan.steps))


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())


def _words(text: str) -> list[str]:
    return normalise_answer(_REFERENCE.sub(" ", text)).split()
