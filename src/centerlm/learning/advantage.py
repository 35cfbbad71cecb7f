"""Group-relative advantages: how much better a node did than its like on the same question.

A group is k episodes of one question. Nodes are compared with nodes of their kind: the same act, at
the root or below it (GRPO, Shao et al. 2024, section 4.1, with the baseline taken per kind rather
than per episode). Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from centerlm.learning.credit import NodeCredit

Key = tuple[str, str]
"""Path and act."""

SPREAD = 1e-6
"""Standard deviations up to this are none: differences of rounding."""


@dataclass(frozen=True, slots=True)
class Advantages:
    """The advantages of a group: `values[i]` by (path, act) of episode i, in the order given.

    `signal` says whether any kind of node had spread; without, or where all episodes are the same,
    all values are 0 and the group teaches nothing. `kinds` counts the kinds seen, `flat` those of
    them without spread.
    """

    values: tuple[dict[Key, float], ...]
    signal: bool
    kinds: int = 0
    flat: int = 0


def advantages(group: Sequence[Sequence[NodeCredit]]) -> Advantages:
    """(total - mean) / standard deviation over the group's nodes of one kind, or 0 without spread.

    The standard deviation is that of the population, so a value is in
    -sqrt(n - 1)..sqrt(n - 1) for n nodes of its kind, and the values of a kind sum to 0.
    """
    kinds: dict[tuple[str, bool], list[float]] = {}
    for episode in group:
        for node in episode:
            kinds.setdefault(_kind(node), []).append(node.total)
    # What differs within equal episodes is where a node stands, not how well it did.
    differ = len({tuple((n.path, n.act, n.total) for n in episode) for episode in group}) > 1
    norms = {kind: _Norm.of(totals if differ else totals[:1]) for kind, totals in kinds.items()}
    values = tuple(
        {(node.path, node.act): norms[_kind(node)](node.total) for node in episode}
        for episode in group
    )
    flat = sum(norm.deviation <= SPREAD for norm in norms.values())
    return Advantages(values, flat < len(norms), len(norms), flat)


@dataclass(frozen=True, slots=True)
class Signal:
    """How many groups there were, and how many of them teach nothing."""

    groups: int = 0
    without: int = 0

    @property
    def share(self) -> float:
        """The share of groups without signal, in 0..1; 0 where there is no group."""
        return self.without / self.groups if self.groups else 0.0


def signal_of(groups: Sequence[Advantages]) -> Signal:
    """Count the groups without signal, the curve to watch in training."""
    return Signal(len(groups), sum(not group.signal for group in groups))


@dataclass(frozen=True, slots=True)
class _Norm:
    mean: float
    deviation: float

    @classmethod
    def of(cls, totals: Sequence[float]) -> _Norm:
        mean = sum(totals) / len(totals)
        return cls(mean, sqrt(sum((t - mean) ** 2 for t in totals) / len(totals)))

    def __call__(self, total: float) -> float:
        return 0.0 if self.deviation <= SPREAD else (total - self.mean) / self.deviation


def _kind(node: NodeCredit) -> tuple[str, bool]:
    return node.act, not node.path
