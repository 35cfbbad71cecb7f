"""Deadlines and cancellation: right statuses, nothing starts after, the episode goes on later."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from centerlm.center import CenterLM
from centerlm.events import CallStarted, EpisodeFinished, Event, SeekStarted, StepStarted
from centerlm.finding import Finding, found
from centerlm.journal import MemoryJournal
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Budget, Objective
from centerlm.plan import Plan
from centerlm.solver import Solution, solve
from centerlm.sources.base import Seek
from engine import PLAIN, Asks, check, finish, finished, run, script

PLANS = {
    "q": "1 [docs] quick\n2 [docs] slow\n3 [docs] after #2\n4 [docs each #1] item #1\n"
    "5 [center] part #1",
    'part "<quick>"': "1 [docs] slow too\n2 [docs] last #1",
}


class Clock:
    """A source: what is slow hangs until it is told to be quick; knows what it was asked when."""

    def __init__(self) -> None:
        self.hang = True
        self.called = asyncio.Event()
        self.source = Asks("docs", self.reply)

    async def asked(self, count: int) -> None:
        """Wait until so many requests were made."""
        while len(self.source.asked) < count:
            self.called.clear()
            await self.called.wait()

    async def reply(self, seek: Seek) -> Finding:
        self.called.set()
        if self.hang and ("slow" in seek.text or "item" in seek.text):
            await asyncio.sleep(3600)
        return found(f"<{seek.text}>")


def test_at_the_deadline_every_step_ends_and_the_best_answer_so_far_comes_back() -> None:
    clock = Clock()
    options = replace(PLAIN, seek_seconds=None)
    outcome = run("q", PLANS, [clock.source], budget=Budget(seconds=0.15), options=options)
    assert finished(outcome.events) == {
        "1": ["found"],
        **{path: ["out_of_budget"] for path in ("2", "3", "4", "4.1", "5", "5.1", "5.2")},
    }
    solution = outcome.solution
    assert (solution.answer, solution.status) == ("<quick>", "out_of_budget")
    assert solution.reason == "the time is up"
    assert isinstance(outcome.events[-1], EpisodeFinished)


def test_a_deadline_before_anything_was_found() -> None:
    outcome = run("q", {"q": "1 [docs] slow"}, [Clock().source], budget=Budget(seconds=0.05))
    assert (outcome.solution.answer, outcome.solution.status) == (None, "out_of_budget")
    outcome = run("q", {"q": "1 [docs] quick"}, [Clock().source], budget=Budget(seconds=0))
    assert outcome.solution.status == "out_of_budget"


def test_a_deadline_in_a_slow_model_call() -> None:
    outcome = run(
        "q", {"q": "1 [docs] a"}, [Clock().source], latency=5, budget=Budget(seconds=0.05)
    )
    assert outcome.solution.status == "out_of_budget"


def test_resuming_after_the_deadline_with_the_same_budget_starts_nothing() -> None:
    clock, journal = Clock(), MemoryJournal()
    budget = Budget(seconds=0.1)
    run("q", PLANS, [clock.source], journal=journal, budget=budget)
    clock.hang = False
    asked = len(clock.source.asked)
    again = run("q", PLANS, [clock.source], journal=journal, budget=budget)
    assert (again.solution.status, again.solution.answer) == ("out_of_budget", "<quick>")
    assert again.acts() == []
    assert len(clock.source.asked) == asked


def interrupt(
    clock: Clock, journal: MemoryJournal, *, ready: int = 4, **more: Any
) -> tuple[ScriptedModel, int]:
    """Solve, and cancel once `ready` requests were made; the number of events at that moment."""
    model = ScriptedModel(script(PLANS))
    at = 0

    async def main() -> None:
        nonlocal at
        work = solve(
            Objective("q"), center=CenterLM(model), sources=[clock.source],
            journal=journal, episode="e", options=PLAIN, **more,
        )  # fmt: skip
        task = asyncio.create_task(work)
        await clock.asked(ready)
        at = len(journal.events("e"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    finish(main())
    return model, at


def starts(events: list[Event]) -> list[Event]:
    return [e for e in events if isinstance(e, CallStarted | SeekStarted | StepStarted)]


def test_cancelled_every_step_has_its_status_and_nothing_starts_any_more() -> None:
    clock, journal = Clock(), MemoryJournal()
    _, at = interrupt(clock, journal)
    events = journal.events("e")
    check(events)
    assert finished(events) == {
        "1": ["found"],
        **{path: ["cancelled"] for path in ("2", "3", "4", "4.1", "5", "5.1", "5.2")},
    }
    assert starts(events[at:]) == []
    last = events[-1]
    assert isinstance(last, EpisodeFinished)
    assert (last.status, last.answer, last.reason) == ("cancelled", "<quick>", "interrupted")


def test_a_cancelled_episode_is_resumed_where_it_was() -> None:
    clock, journal = Clock(), MemoryJournal()
    interrupt(clock, journal)
    clock.hang = False
    before = list(clock.source.texts)
    outcome = run("q", PLANS, [clock.source], journal=journal)
    assert outcome.solution.status == "answered"
    again = clock.source.texts[len(before) :]
    assert "quick" not in again
    assert set(again) == {
        "slow", "after <slow>", "item <quick>", "slow too", "last <slow too>",
    }  # fmt: skip
    fresh = Clock()
    fresh.hang = False
    uninterrupted = run("q", PLANS, [fresh.source])
    assert outcome.solution.answer == uninterrupted.solution.answer
    assert outcome.acts() == ["absorb"]  # both plans were there already


@pytest.mark.parametrize("ready", [1, 2, 3])
def test_cancelled_at_any_request(ready: int) -> None:
    clock, journal = Clock(), MemoryJournal()
    interrupt(clock, journal, ready=ready)
    check(journal.events("e"))
    clock.hang = False
    assert run("q", PLANS, [clock.source], journal=journal).solution.status == "answered"


def test_cancelled_while_a_person_looks_at_the_plan() -> None:
    journal, looking = MemoryJournal(), asyncio.Event()

    async def review(plan: Plan) -> Plan:
        looking.set()
        await asyncio.sleep(3600)
        return plan

    async def main() -> None:
        work = solve(
            Objective("q"), center=CenterLM(ScriptedModel(script(PLANS))),
            sources=[Clock().source], journal=journal, episode="e", review=review,
        )  # fmt: skip
        task = asyncio.create_task(work)
        await looking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    finish(main())
    check(journal.events("e"))
    assert not [e for e in journal.events("e") if isinstance(e, SeekStarted)]


def test_cancelling_one_solve_leaves_others_alone() -> None:
    async def main() -> list[Solution | BaseException]:
        clocks = [Clock(), Clock()]
        clocks[1].hang = False
        tasks = [
            asyncio.create_task(
                solve(
                    Objective("q"),
                    center=CenterLM(ScriptedModel(script(PLANS))),
                    sources=[clock.source],
                    options=PLAIN,
                )
            )
            for clock in clocks
        ]
        await asyncio.sleep(0.02)
        tasks[0].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second = finish(main())
    assert isinstance(first, asyncio.CancelledError)
    assert isinstance(second, Solution)
    assert second.status == "answered"
