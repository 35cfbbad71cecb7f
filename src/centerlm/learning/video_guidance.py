"""Guidance about videos: the programs of generated clips, and the training side of NExT-QA.

A clip's program is its right plan. NExT-QA has no plans: its questions are put to the source whole,
with their options, which is the plan that the source is made for. Neither shares an item with the
evaluation: clips are of other seeds and of the shallow split alone, videos of the training side.
Answers are left out: they depend on a video that a center which learns from this does not see.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from centerlm.errors import PlanError
from centerlm.evaluation.clips import make_clip
from centerlm.evaluation.nextqa import read_nextqa
from centerlm.learning.guide import Edit
from centerlm.plan import MAX_TEXT, Plan, Step, format_plan, make_plan

CLIPS, NEXTQA = "clips", "nextqa"
FIRST_SEED = 1_000_000
"""Clips to learn from begin here; those of the evaluation begin at 0."""


def clip_guidance(count: int) -> Iterator[Edit]:
    """The questions of generated clips with their right plans, `count` in all."""
    seed, made = FIRST_SEED, 0
    while made < count:
        for question in make_clip(seed, "in", speech=True).questions:
            if made == count:
                return
            yield Edit(question.text, format_plan(question.plan), "", "", CLIPS)
            made += 1
        seed += 1


def nextqa_guidance(folder: Path) -> Iterator[Edit]:
    """The questions on the training videos, each a plan of one step.

    Raises:
        InputError: the folder does not hold NExT-QA.
    """
    for question in read_nextqa(folder, train=True):
        plan = _whole(question.text) or _whole(f"{question.question}?")
        if plan is not None:
            yield Edit(question.text, format_plan(plan), "", "", NEXTQA)


def _whole(text: str) -> Plan | None:
    """The plan that asks the video this; None where it is no text of a step."""
    line = " ".join(text.split())
    if len(line) > MAX_TEXT:
        return None
    try:
        return make_plan([Step(1, ("video",), line)])
    except PlanError:
        return None
