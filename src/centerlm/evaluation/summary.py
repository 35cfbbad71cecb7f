"""Scores of acts as figures with 95 % intervals, by name. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from centerlm.evaluation.acts import Answered, Decided
from centerlm.evaluation.plans import by_kind
from centerlm.evaluation.statistics import Interval, mean_interval, share_interval

_Score = TypeVar("_Score")

PLAN_METRICS: dict[str, Callable[[Decided], float]] = {
    "valid": lambda d: float(d.valid),
    "steps": lambda d: d.scores.steps,
    "structure": lambda d: d.scores.structure,
    "graph": lambda d: d.scores.graph,
    "ged": lambda d: d.scores.distance,
    "structure_ged": lambda d: d.scores.structure_distance,
    "sari": lambda d: d.scores.sari,
    "sources": lambda d: _share([c.right for c in d.scores.choices]),
}
"""Scores of one plan. "sources" is the share of the human plan's steps that the plan has, from the
right source; "ged" and "structure_ged" are distances: less is better.
"""

SHARES = frozenset({"valid", "steps", "structure", "graph"})
"""Metrics that are right or wrong for a plan."""


def plan_metrics(decided: Sequence[Decided]) -> dict[str, Interval]:
    """Each of `PLAN_METRICS` over all plans, and `aligned_sources`: of the steps that have one
    standing for them, the share from the right source.

    Raises:
        ValueError: there are no plans.
    """
    metrics = {
        name: _interval([score(d) for d in decided], share=name in SHARES)
        for name, score in PLAN_METRICS.items()
    }
    aligned = [c.right for d in decided for c in d.scores.choices if c.chosen is not None]
    if aligned:
        metrics["aligned_sources"] = share_interval(sum(aligned), len(aligned))
    return metrics


def source_metrics(decided: Iterable[Decided]) -> dict[str, Interval]:
    """How often the right source was chosen for a step, by kind of source."""
    kinds = by_kind(choice for d in decided for choice in d.scores.choices)
    return {kind: share_interval(right, n) for kind, (right, n) in kinds.items()}


def answer_metrics(answered: Sequence[Answered]) -> dict[str, Interval]:
    """EM, F1, false "nothing" and right citations where the notes hold the answer (citations: of
    those answered); `false_answer` where they do not; `right` over all. Absent: no such question.
    """
    known = [a for a in answered if a.known]
    unknown = [a for a in answered if not a.known]
    cited = [a.cited_right for a in known if a.cited_right is not None]
    metrics: dict[str, Interval] = {}
    if known:
        metrics["em"] = _interval([a.em for a in known], share=True)
        metrics["f1"] = _interval([a.f1 for a in known])
        metrics["false_nothing"] = _interval([float(a.answer is None) for a in known], share=True)
    if cited:
        metrics["cited_right"] = share_interval(sum(cited), len(cited))
    if unknown:
        false = [float(a.answer is not None) for a in unknown]
        metrics["false_answer"] = _interval(false, share=True)
    if answered:
        metrics["right"] = _interval([a.em for a in answered], share=True)
    return metrics


def grouped(scores: Iterable[_Score], key: Callable[[_Score], str]) -> dict[str, list[_Score]]:
    """The scores by a key, in order of the keys' names."""
    groups: dict[str, list[_Score]] = {}
    for score in scores:
        groups.setdefault(key(score), []).append(score)
    return dict(sorted(groups.items()))


def _interval(values: Sequence[float], *, share: bool = False) -> Interval:
    if share:
        return share_interval(round(sum(values)), len(values))
    return mean_interval(values)


def _share(rights: Sequence[bool]) -> float:
    return sum(rights) / len(rights)
