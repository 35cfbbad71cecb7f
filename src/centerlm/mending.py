"""A slip in one step that the question gives away, mended: see `labels` and `verdicts`."""

from __future__ import annotations

from collections.abc import Sequence

from centerlm.labels import with_found, with_labels
from centerlm.plan import Step
from centerlm.verdicts import with_verdict


def mended(step: Step, before: Sequence[Step], question: str) -> Step:
    """The step as it is meant; as it is where nothing says otherwise.

    `before` are the steps of the plan before it, mended, under the numbers that `step` calls them.
    """
    labelled = with_labels(step, question)
    return with_verdict(with_found(labelled, before, question), before, question)
