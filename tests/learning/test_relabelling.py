"""Plans that are learned with the source that exploring found, not with one that knew nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from centerlm.finding import Finding, Status
from centerlm.journal import MemoryJournal
from centerlm.learning.expert import harvest
from centerlm.learning.hindsight import hindsight
from centerlm.learning.rollouts import RolloutSettings, rollouts
from centerlm.plan import format_plan
from centerlm.run import Options
from centerlm.sources.base import Card, Seek, Source
from learning.town import (
    KNOWN,
    PLAN,
    TEACHER,
    TEACHER_QUESTION,
    Town,
    center,
    question,
    says,
)

EXPLORING = Options(reasks=False, splits=False, reopens=0, explores=True)
FIRST, SECOND = PLAN.split("\n")


class Archive(Town):
    """Documents that know nothing of who is whose mother or teacher."""

    async def seek(self, seek: Seek) -> Finding:
        if seek.text.startswith("Who"):
            return Finding(Status.NOTHING)
        return await super().seek(seek)


class Clerk(Town):
    card = Card("clerk", "knows the families of a town")


def _sources(*_: object) -> Sequence[Source]:
    return [Archive(), Clerk()]


def _settings(options: Options = EXPLORING) -> RolloutSettings:
    return RolloutSettings(k=1, options=options)


def _learned(options: Options) -> list[str]:
    by, journal = center(says(lambda asked, sampling: PLAN)), MemoryJournal()
    groups = asyncio.run(rollouts((question(),), by, _sources, _settings(options), journal=journal))
    done = harvest(groups, by, journal)
    return [e.target for e in done.examples if e.act == "decompose"]


def test_a_step_that_another_source_answered_is_learned_with_it() -> None:
    assert _learned(EXPLORING) == [f"{FIRST.replace('documents', 'clerk')}\n{SECOND}"]
    assert _learned(replace(EXPLORING, explores=False)) == []


def test_so_it_is_in_hindsight() -> None:
    journal = MemoryJournal()
    model = says(lambda asked, sampling: TEACHER)
    groups = asyncio.run(
        rollouts((question(),), center(model), _sources, _settings(), journal=journal)
    )
    (decision,) = hindsight(groups, journal, known=KNOWN, others=[TEACHER_QUESTION])
    assert decision.objective == TEACHER_QUESTION.objective.text
    assert format_plan(decision.plan).startswith("1 [clerk] ")
