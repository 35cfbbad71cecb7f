"""Plans as they should have been: a step that another source answered names that source.

Exploring asks a source that a plan does not name (`Options.explores`). What it found out would be
lost on the weights if the plan were learned as it was written: the question is right, its source
is not (hindsight relabelling, Andrychowicz et al. 2017, of the choice of a source).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from centerlm.answering import ELSEWHERE
from centerlm.events import Event, SeekFinished
from centerlm.learning.rollouts import Rollout
from centerlm.plan import Plan, Step


def relabelled(plan: Plan, rollout: Rollout, path: str) -> Plan:
    """The plan of the level at `path` with the sources that answered its steps, where they were
    asked though it does not name them.
    """
    elsewhere = _elsewhere(rollout.events)

    def named(step: Step) -> Step:
        at = f"{path}.{step.id}" if path else str(step.id)
        node = rollout.tree.nodes.get(at)
        source = elsewhere.get(at)
        if node is None or source is None or node.source != source or node.status != "found":
            return step
        return replace(step, sources=(source,))

    return Plan(tuple(named(step) for step in plan.steps))


def _elsewhere(events: Iterable[Event]) -> dict[str, str]:
    """The source that a step does not name and that was asked last, by the step's path."""
    return {
        event.path: event.source
        for event in events
        if isinstance(event, SeekFinished) and event.attempt % 100 == ELSEWHERE
    }
