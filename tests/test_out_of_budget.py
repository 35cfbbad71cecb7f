"""What a solve does when its budget ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from centerlm.events import (
    CallFinished,
    CallStarted,
    Event,
    SeekFinished,
    SeekStarted,
    StepFinished,
    StepStarted,
)
from centerlm.finding import Finding, Usage
from centerlm.journal import MemoryJournal
from centerlm.models.base import Price
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Budget, Objective
from centerlm.run import Options
from centerlm.solver import Solution, solve
from centerlm.sources.base import Card, Seek, Source
from world import PLANS, QUESTION, Documents, Empty, Lister, Log, Writer, center

# --- solving


@dataclass(slots=True)
class Ran:
    solution: Solution
    events: list[Event]
    seconds: float

    def statuses(self) -> dict[str, str]:
        return {path: node.status for path, node in self.solution.tree.nodes.items()}


def run(
    budget: Budget,
    sources: Sequence[Source],
    *,
    question: str = QUESTION,
    latency: float = 0.0,
    price: Price | None = None,
    plans: dict[str, str] = PLANS,
    each_limit: int = 64,
) -> Ran:
    journal = MemoryJournal()
    start = time.perf_counter()
    solution = asyncio.run(
        solve(
            Objective(question, budget=budget),
            center=center(latency=latency, price=price, plans=plans),
            sources=sources,
            journal=journal,
            options=Options(each_limit=each_limit),
        )
    )
    ran = Ran(solution, journal.events(solution.episode), time.perf_counter() - start)
    check_limits(ran.events, budget)
    check_statuses(ran.events)
    return ran


def check_limits(events: Iterable[Event], budget: Budget) -> None:
    """At every moment, what was spent and is in flight stays within the budget."""
    spent, flying = Usage(), dict[tuple[str, str, int], Usage]()
    for event in events:
        match event:
            case CallStarted():
                flying[event.path, event.act, event.attempt] = event.bound
            case SeekStarted():
                flying[event.path, event.source, event.attempt] = event.bound
            case CallFinished():
                flying.pop((event.path, event.act, event.attempt), None)
                spent += event.usage
            case SeekFinished():
                flying.pop((event.path, event.source, event.attempt), None)
                spent += event.usage
            case _:
                continue
        total = sum(flying.values(), spent)
        assert budget.calls is None or total.calls <= budget.calls
        assert budget.tokens is None or total.tokens <= budget.tokens
        assert budget.money is None or total.cost <= budget.money + 1e-9


def check_statuses(events: Iterable[Event]) -> None:
    """Every started step ends once."""
    begun, ended = set[str](), list[str]()
    for event in events:
        if isinstance(event, StepStarted):
            begun.add(event.path)
        elif isinstance(event, StepFinished):
            ended.append(event.path)
    assert len(ended) == len(set(ended))
    assert begun <= set(ended)


MANY = {"machine": "1 [lister] List the parts\n2 [documents each #1] Who made #1?"}


def many(latency: float = 0.02, **options: float) -> tuple[Documents, Lister]:
    items = tuple(f"part {k}" for k in range(64))
    return Documents(Log(), latency, **options), Lister(Log(), items=items)  # pyright: ignore[reportArgumentType]


def test_with_64_calls_in_flight_none_starts_past_the_limit_of_calls() -> None:
    documents, lister = many()
    ran = run(Budget(calls=75), (documents, lister), plans=MANY, latency=0.005)
    assert documents.most == documents.asked == 64
    assert ran.solution.usage.calls == 74  # one is held back for the level's own answer
    assert ran.solution.status == "out_of_budget"
    statuses = list(ran.statuses().values())
    assert statuses.count("out_of_budget") == 64 - 8 and statuses.count("found") == 8 + 2


def test_calls_end_while_calls_are_in_flight() -> None:
    documents, lister = many()
    ran = run(Budget(calls=40), (documents, lister), plans=MANY, latency=0.005)
    assert documents.most == documents.asked == 37
    assert ran.solution.usage.calls <= 40
    assert ran.solution.status == "out_of_budget"


def test_tokens_end_with_calls_in_flight() -> None:
    documents, lister = many()
    ran = run(Budget(tokens=5_000), (documents, lister), plans=MANY, latency=0.01)
    assert ran.solution.usage.tokens <= 5_000
    assert ran.solution.usage.tokens > 1_500
    assert documents.asked == 64
    assert ran.solution.status == "out_of_budget"
    assert ran.solution.answer


def test_money_ends_with_calls_in_flight() -> None:
    documents, lister = many(price=0.01)
    price = Price(prompt=10.0, completion=50.0)
    ran = run(Budget(money=0.5), (documents, lister), plans=MANY, latency=0.01, price=price)
    assert 0.2 < ran.solution.usage.cost <= 0.5
    assert 20 < documents.asked < 50
    assert ran.solution.status == "out_of_budget"


def test_enough_is_enough() -> None:
    documents, lister = many(latency=0)
    ran = run(Budget(calls=3 + 64 * 2, tokens=10**6, money=1.0), (documents, lister), plans=MANY)
    assert ran.solution.status == "answered"
    assert ran.solution.usage.calls == 2 + 64 * 2


@pytest.mark.parametrize("calls", [*range(40), 50, 60, 70, 80])
def test_any_number_of_calls_gives_a_sensible_end(tmp_path: Path, calls: int) -> None:
    log = Log(tmp_path / "log")
    sources = [Documents(log), Empty(log), Lister(log), Writer(log, tmp_path / "w")]
    journal = MemoryJournal()
    solution = asyncio.run(
        solve(
            Objective(QUESTION, budget=Budget(calls=calls)),
            center=center(log),
            sources=sources,
            journal=journal,
        )
    )
    events = journal.events(solution.episode)
    check_limits(events, Budget(calls=calls))
    check_statuses(events)
    assert len(log.lines()) == solution.usage.calls <= calls
    short = any(node.status == "out_of_budget" for node in solution.tree.nodes.values())
    assert (solution.status == "out_of_budget") == (short or calls == 0)
    assert solution.status in ("answered", "out_of_budget")
    assert solution.answer or calls == 0
    if solution.status == "out_of_budget":
        assert "too few calls" in solution.reason or solution.answer
    match calls:
        case 0:  # nothing can be done
            assert log.lines() == []
        case 1:  # the model alone
            assert [line.split()[0] for line in log.lines()] == ["model"]
        case 2 | 3:  # a plan would leave nothing to ask with
            assert [line.split()[0] for line in log.lines()] == ["documents", "model"]
        case _:
            assert len(log.lines()) >= 4
    if calls == 80:
        assert (solution.usage.calls, solution.status) == (30, "answered")


@pytest.mark.parametrize("budget", [Budget(tokens=0), Budget(tokens=50), Budget(money=0.0)])
def test_nothing_to_spend(budget: Budget) -> None:
    documents, lister = many(price=0.01)
    ran = run(budget, (documents, lister), plans=MANY, price=Price(prompt=1.0))
    assert ran.solution.status == "out_of_budget"
    assert ran.solution.answer is None
    assert ran.solution.usage.cost == 0
    assert "too few" in ran.solution.reason


@dataclass(slots=True)
class Slow(Documents):
    name: str = "slow"


def test_the_deadline_ends_calls_in_flight_and_keeps_what_was_found() -> None:
    plans = {"machine": "1 [documents] Who?\n2 [slow] When was #1?\n3 [documents] Why #2?"}
    ran = run(Budget(seconds=0.3), (Documents(Log()), Slow(Log(), 30.0)), plans=plans)
    assert 0.25 < ran.seconds < 3.0
    assert ran.solution.status == "out_of_budget"
    assert ran.solution.answer == ran.solution.tree.nodes["1"].answer != ""
    assert ran.solution.reason
    assert ran.statuses()["1"] == "found"
    assert ran.statuses()["2"] in ("out_of_budget", "failed")


def test_no_seconds_at_all() -> None:
    documents = Documents(Log(), 1.0)
    ran = run(Budget(seconds=0), (documents,), plans=MANY, latency=1.0)
    assert ran.seconds < 1.0
    assert ran.solution.status == "out_of_budget"


@pytest.mark.parametrize("depth", [1, 2, 5, 40])
def test_at_the_end_of_depth_the_center_answers_directly(depth: int) -> None:
    """A center that would go down for ever."""
    levels = 0

    def forever(prompt: object, sampling: object) -> str:
        from world import say

        nonlocal levels
        text = say(prompt, {})  # pyright: ignore[reportArgumentType]
        if text == "1 [documents] Who?":
            levels += 1
            return f"1 [center] Go down to {levels}\n2 [documents] Who is {levels}?"
        return text

    from centerlm.center import CenterLM

    solution = asyncio.run(
        solve(
            Objective("Go down", budget=Budget(depth=depth)),
            center=CenterLM(ScriptedModel(forever), examples=()),
            sources=[Documents(Log())],
        )
    )
    assert solution.status == "answered"
    assert levels == depth
    assert max(path.count(".") for path in solution.tree.nodes) + 1 <= depth + 1


@dataclass(slots=True)
class Greedy:
    """A source that reserves further calls while it works, until it is refused."""

    more: int = 0

    card = Card("greedy", "anything", typed=True)

    def bound(self, seek: Seek) -> Usage:
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        while True:
            seek.spend(Usage(calls=1))
            self.more += 1


def test_a_source_cannot_spend_more_than_there_is() -> None:
    greedy = Greedy()
    plans = {"machine": "1 [documents] Who?\n2 [greedy] Count #1"}
    ran = run(Budget(calls=12), (Documents(Log()), greedy), plans=plans)
    assert ran.statuses() == {"1": "found", "2": "out_of_budget"}
    assert ran.solution.status == "out_of_budget"
    assert ran.solution.answer
    assert greedy.more <= 12 - 4


@dataclass(slots=True)
class Breaking:
    """A source that costs money and then fails, without a word of what was spent."""

    asked: int = 0

    card = Card("breaking", "anything", typed=True)

    def bound(self, seek: Seek) -> Usage:
        return Usage(calls=1, completion_tokens=10, cost=1.0)

    async def seek(self, seek: Seek) -> Finding:
        self.asked += 1
        raise ConnectionError("the line went dead")


def test_what_a_failed_source_may_have_spent_is_spent() -> None:
    breaking = Breaking()
    steps = "\n".join(f"{n} [breaking] Count {n}" for n in range(1, 6))
    ran = run(Budget(money=2.0), (breaking,), plans={"machine": steps})
    assert breaking.asked == 2
    finished = [event.usage for event in ran.events if isinstance(event, SeekFinished)]
    assert finished == [Usage(1, 0, 10, 0.0, 1.0)] * 2
