"""Guidance: a human's plan for an objective, or a human's edit of the center's plan. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from centerlm.plan import Plan


@dataclass(frozen=True, slots=True)
class Guidance:
    """A plan someone gave for an objective.

    `by` says who or which data set, `when` is an ISO 8601 time ("" where unknown), `edited_from`
    the plan it corrects, in the plan language. `answers` are known answers of steps by step id,
    `answer` that of the objective.
    """

    id: str
    objective: str
    plan: Plan
    by: str
    when: str = ""
    edited_from: str | None = None
    answer: str | None = None
    answers: Mapping[int, str] = field(default_factory=dict[int, str])


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that was not used: where it stands (file and line, from 1), and why."""

    where: str
    reason: str
    kind: str
    """A short name of the reason, to count by: "not json", "unknown source", "not computable"."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a reader gave: guidance, and the records it could not use.

    `counts` are what else is worth counting, by name: conversions that changed a plan, rows left
    out on purpose.
    """

    guidance: tuple[Guidance, ...]
    skipped: tuple[Skipped, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
