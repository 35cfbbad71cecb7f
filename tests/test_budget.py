"""Accounts: the books of a budget."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from centerlm.budget import Account, Amount
from centerlm.errors import InputError, OutOfBudgetError
from centerlm.finding import Usage
from centerlm.objective import Budget

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
