"""Budgets: the books of accounts, and what a solve does when its budget ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from centerlm.budget import Account, Amount
from centerlm.errors import InputError, OutOfBudgetError
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

# --- accounts


def usage(calls: int, tokens: int = 0, cost: float = 0.0) -> Usage:
    return Usage(calls=calls, prompt_tokens=tokens, cost=cost)


USAGES = st.builds(usage, st.integers(0, 4), st.integers(0, 300), st.integers(0, 8))
AMOUNTS = st.builds(Amount, st.integers(0, 3), st.integers(0, 300), st.integers(0, 8))


@dataclass(slots=True)
class Open:
    """An account of the machine below, with its calls in flight: what each reserved."""

    account: Account
    parent: Open | None = None
    flying: list[Usage] = field(default_factory=list[Usage])
    closed: bool = False


class Books(RuleBasedStateMachine):
    """Whatever is reserved, spent, split and returned in whatever order: nothing is made or lost.

    Amounts are whole numbers, so that sums are exact.
    """

    LIMITS = Amount(40, 4000, 96)

    def __init__(self) -> None:
        super().__init__()
        self.open = [Open(Account(self.LIMITS))]

    @rule(data=st.data(), bound=USAGES)
    def reserve(self, data: st.DataObject, bound: Usage) -> None:
        one = data.draw(st.sampled_from(self.open))
        purse = one
        while purse.closed and purse.parent is not None:
            purse = purse.parent
        covered = purse.account.left.covers(Amount.of(bound))
        try:
            one.account.reserve(bound)
        except OutOfBudgetError as error:
            assert not covered
            assert "the budget has too few" in str(error)
        else:
            assert covered
            one.flying.append(bound)

    @precondition(lambda self: any(one.flying for one in self.open))
    @rule(data=st.data(), share=st.integers(0, 4), more=USAGES)
    def extend_then_settle(self, data: st.DataObject, share: int, more: Usage) -> None:
        one = data.draw(st.sampled_from([one for one in self.open if one.flying]))
        reserved = one.flying.pop(data.draw(st.integers(0, len(one.flying) - 1)))
        with suppress(OutOfBudgetError):
            reserved = one.account.extend(reserved, more)
        spent = usage(
            reserved.calls * share // 4, reserved.tokens * share // 4, reserved.cost * share // 4
        )
        one.account.settle(reserved, spent)

    @rule(data=st.data(), amount=AMOUNTS)
    def hold(self, data: st.DataObject, amount: Amount) -> None:
        one = data.draw(st.sampled_from([one for one in self.open if not one.closed]))
        covered = one.account.left.covers(amount)
        assert one.account.hold(amount) is covered

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.open)).account
        free = one.left + one.held
        one.release()
        assert (one.left, one.held) == (free, Amount())

    @precondition(lambda self: len(self.open) < 8)
    @rule(data=st.data(), parts=st.sampled_from([0, 1, 2, 4]))
    def split(self, data: st.DataObject, parts: int) -> None:
        one = data.draw(st.sampled_from([one for one in self.open if not one.closed]))
        before = one.account.left
        child = one.account.child(parts)
        assert child.left == before.share(max(parts, 1))
        self.open.append(Open(child, one))

    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.open))
        one.account.close()
        one.closed = one.parent is not None
        if one.closed:
            assert one.account.left == one.account.held == Amount()

    @invariant()
    def the_books_balance(self) -> None:
        total = Amount.of(self.open[0].account.spent)
        for one in self.open:
            for amount in (one.account.left, one.account.held):
                assert min(amount.calls, amount.tokens, amount.money) >= 0
                total += amount
            for bound in one.flying:
                total += Amount.of(bound)
        assert (total.calls, total.tokens) == (self.LIMITS.calls, self.LIMITS.tokens)
        assert abs(total.money - self.LIMITS.money) < 1e-9


Books.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestBooks = Books.TestCase


def test_no_limit_is_no_limit() -> None:
    account = Account(Amount.limits(Budget()))
    child = account.child(3)
    child.reserve(usage(10**9, 10**12, 1e12))
    child.settle(usage(10**9, 10**12, 1e12), usage(10**9, 10**12, 1e12))
    child.close()
    assert account.left == Amount(inf, inf, inf)
    assert account.spent.calls == 10**9


def test_what_lacks_is_named() -> None:
    account = Account(Amount(2, 100, 0.5))
    for bound, name in [(usage(3), "calls"), (usage(1, 101), "tokens"), (usage(1, 1, 1), "money")]:
        with pytest.raises(OutOfBudgetError, match=f"too few {name} left"):
            account.reserve(bound)
    assert account.left == Amount(2, 100, 0.5)


def test_prices_that_do_not_add_up_exactly_still_fit() -> None:
    account = Account(Amount(inf, inf, 0.3))
    for _ in range(3):
        account.reserve(usage(1, 0, 0.1))
    with pytest.raises(OutOfBudgetError):
        account.reserve(usage(1, 0, 0.1))


def test_a_call_waits_for_refunds_that_may_cover_it() -> None:
    async def run() -> None:
        account = Account(Amount(10, 1000, 1.0))
        bound = usage(1, 600)
        await account.acquire(bound)
        waiting = asyncio.create_task(account.acquire(bound))
        await asyncio.sleep(0)
        assert not waiting.done()
        account.settle(bound, usage(1, 100))
        await waiting
        assert account.left == Amount(8, 300, 1.0)
        with pytest.raises(OutOfBudgetError, match="tokens"):  # even all refunds would be too few
            await account.acquire(usage(1, 901))
        account.settle(bound, bound)
        with pytest.raises(OutOfBudgetError, match="tokens"):  # nothing to wait for
            await account.acquire(bound)

    asyncio.run(run())


def test_waiting_ends_when_refunds_turn_out_too_small() -> None:
    async def run() -> None:
        account = Account(Amount(10, 1000))
        bound = usage(1, 600)
        await account.acquire(bound)
        waiting = [asyncio.create_task(account.acquire(bound)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        account.settle(bound, usage(1, 500))
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        kinds = (OutOfBudgetError, asyncio.CancelledError, OutOfBudgetError)
        assert [type(end) for end in ends] == list(kinds)
        assert account.left == Amount(9, 500)

    asyncio.run(run())


def test_a_closing_child_and_a_release_wake_those_who_wait() -> None:
    async def run() -> None:
        account = Account(Amount(4, 1000))
        small = usage(1, 200)
        await account.acquire(small)
        account.hold(Amount(1, 300))
        child = account.child(2)  # 1 call, 250 tokens
        waiting = asyncio.create_task(account.acquire(usage(1, 450)))
        await asyncio.sleep(0)
        child.close()
        await asyncio.wait_for(waiting, 1)
        assert account.left == Amount(1, 50)

    asyncio.run(run())


def test_work_that_outlives_its_account_is_paid_by_the_one_above() -> None:
    async def run() -> None:
        root = Account(Amount(10, 1000))
        middle = root.child(2)
        child = middle.child(1)
        bound = usage(1, 100)
        await child.acquire(bound)
        child.close()
        middle.close()
        assert root.left == Amount(9, 900)
        await child.acquire(bound)
        assert root.left == Amount(8, 800)
        child.settle(bound, usage(1, 10))
        child.settle(bound, bound)
        assert root.left == Amount(8, 890)
        assert root.spent == usage(2, 110)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("", Budget()),
        ("calls=40,tokens=8000", Budget(40, 8000)),
        (" seconds = 1.5 , money=0.10, depth=2,", Budget(seconds=1.5, money=0.1, depth=2)),
    ],
)
def test_budgets_are_read(text: str, budget: Budget) -> None:
    assert Budget.parse(text) == budget


@pytest.mark.parametrize(
    "text",
    [
        "calls",
        "calls=",
        "calls=x",
        "calls=1.5",
        "cals=1",
        "calls=1,calls=2",
        "calls=-1",
        "money=nan",
    ],
)
def test_wrong_budgets_are_told(text: str) -> None:
    with pytest.raises(InputError) as caught:
        Budget.parse(text)
    assert "\n" not in str(caught.value)


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
