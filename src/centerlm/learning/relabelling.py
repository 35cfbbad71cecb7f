"""Plans as they should have been: a step that another source answered names that source.

Exploring asks a source that a plan does not name (`Options.explores`). What it found out would be
lost on the weights if the plan were learned as it was written: the question is right, its source
is not (hindsight relabelling, Andrychowicz et al. 2017, of the choice of a source).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from centerlm.answering import ELSEWHERE
from centerlm.events import SeekFinished
from centerlm.learning.rollouts import Rollout
from centerlm.plan import Plan, Step


def relabelled(plans: Mapping[str, Plan], rollout: Rollout) -> dict[str, Plan]:
    """The plans of levels, by path, with the sources that answered their steps, where they were
    asked though a plan does not name them.
    """
    elsewhere = {
        event.path: event.source
        for event in rollout.events
        if isinstance(event, SeekFinished) and event.attempt % 100 == ELSEWHERE
    }

    def named(path: str, step: Step) -> Step:
        at = f"{path}.{step.id}" if path else str(step.id)
        node = rollout.tree.nodes.get(at)
        source = elsewhere.get(at)
        if node is None or source is None or node.source != source or node.status != "found":
            return step
        return replace(step, sources=(source,))

    return {
        path: Plan(tuple(named(path, step) for step in plan.steps)) for path, plan in plans.items()
    }
