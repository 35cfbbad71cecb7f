"""The edits in a journal, read for the pages."""

from __future__ import annotations

import asyncio
from pathlib import Path

from centerlm.center import CenterLM
from centerlm.events import PlanReviewed, digest
from centerlm.journal import SqliteJournal
from centerlm.learning.guide import edits_of
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Objective
from centerlm.solver import solve
from centerlm.sources.calculator import Calculator
from centerlm.studio.edits import Edits

MANY = 40


def _review(journal: SqliteJournal, episode: str, plan: str) -> None:
    before, after = b"1 [calculator] 2 + 3", plan.encode()
    event = PlanReviewed(verdict="edited", before=digest(before), plan=digest(after))
    journal.append(episode, event, {digest(before): before, digest(after): after})
    journal.write()


def test_others_are_served_while_a_long_journal_is_read(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    center = CenterLM(ScriptedModel({"Break the question": "1 [calculator] 2 + 3\n"}))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def run() -> None:
        nonlocal turns
        for n in range(MANY):
            asked = Objective(f"What is sum {n}?")
            await solve(asked, center=center, sources=[Calculator()], journal=journal)
        first, second, *_ = (row.name for row in journal.summaries(-1))
        _review(journal, second, "1 [calculator] 3 + 3")
        edits = Edits(journal)
        serving = asyncio.create_task(others())
        assert await edits.all() == list(edits_of(journal))
        assert turns >= MANY
        turns = 0
        _review(journal, first, "1 [calculator] 4 + 4")
        assert await edits.all() == list(edits_of(journal))
        assert turns <= 2  # what has not changed is not read again
        assert [edit.plan for edit in await edits.all({first})] == ["1 [calculator] 4 + 4"]
        serving.cancel()

    asyncio.run(run())
    journal.close()
