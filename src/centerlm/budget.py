"""Accounts: a budget split down the tree, reserved before a call and refunded after it.

A level of the tree has an account. Calls reserve their upper bound from it first; a child account
takes its share out of its parent's and returns what it did not use. So the sum of what is spent
and reserved never passes the root's limits, however many calls are in flight.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import inf

from centerlm.errors import OutOfBudgetError
from centerlm.finding import Usage
from centerlm.objective import Budget


@dataclass(frozen=True, slots=True)
class Amount:
    """Calls, tokens and money; infinite where there is no limit."""

    calls: float = 0.0
    tokens: float = 0.0
    money: float = 0.0

    @classmethod
    def limits(cls, budget: Budget) -> Amount:
        return cls(
            inf if budget.calls is None else budget.calls,
            inf if budget.tokens is None else budget.tokens,
            inf if budget.money is None else budget.money,
        )

    @classmethod
    def of(cls, usage: Usage) -> Amount:
        return cls(usage.calls, usage.tokens, usage.cost)

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.calls + other.calls, self.tokens + other.tokens, self.money + other.money
        )

    def __sub__(self, other: Amount) -> Amount:
        return Amount(
            _minus(self.calls, other.calls),
            _minus(self.tokens, other.tokens),
            _minus(self.money, other.money),
        )

    def covers(self, other: Amount) -> bool:
        slack = 1e-12  # sums of prices are floating point
        return (
            self.calls >= other.calls
            and self.tokens >= other.tokens
            and self.money + slack >= other.money
        )

    def lacks(self, other: Amount) -> str:
        """The name of the first limit that does not cover `other`."""
        if self.calls < other.calls:
            return "calls"
        return "tokens" if self.tokens < other.tokens else "money"

    def share(self, parts: int) -> Amount:
        """An equal part; calls and tokens are whole."""
        return Amount(_whole(self.calls, parts), _whole(self.tokens, parts), self.money / parts)


def _minus(left: float, right: float) -> float:
    return left if left == inf else left - right


def _whole(number: float, parts: int) -> float:
    return number if number == inf else number // parts


NOTHING = Amount()


class Account:
    """What one level of the tree may still spend. Use from one event loop only.

    `left` is free; `held` is kept for the level's last absorb call; what is in flight was taken
    from `left` and comes back, less what it cost, through `settle`. What a closed account is asked
    for or gets back (work that other steps still wait for) comes from and goes to the one above.
    """

    def __init__(self, left: Amount, parent: Account | None = None) -> None:
        self.left = left
        self.held = NOTHING
        self.spent = Usage()
        self._parent = parent
        self._closed = False
        self._in_flight = NOTHING
        self._flying = 0
        self._waiters: list[asyncio.Future[None]] = []

    def reserve(self, bound: Usage) -> None:
        """Take the bound of a call out of `left`, at once.

        Raises:
            OutOfBudgetError: `left` does not cover it; nothing was taken.
        """
        self._take(Amount.of(bound))
        self._flying += 1

    async def acquire(self, bound: Usage) -> None:
        """As `reserve`, but where refunds of calls in flight may cover it, wait for them.

        Raises:
            OutOfBudgetError: even full refunds would not cover it.
        """
        amount = Amount.of(bound)
        while not (left := self._purse().left).covers(amount):
            if self._flying == 0 or not (left + self._in_flight).covers(amount):
                raise OutOfBudgetError(f"the budget has too few {left.lacks(amount)} left")
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        self.reserve(bound)

    def extend(self, reserved: Usage, more: Usage) -> Usage:
        """Reserve more for a call in flight (a retry); returns the new reservation.

        Raises:
            OutOfBudgetError: it is not covered; the old reservation stands.
        """
        self._take(Amount.of(more))
        return reserved + more

    def settle(self, reserved: Usage, spent: Usage) -> None:
        """End a call in flight: refund what it did not spend."""
        bound = Amount.of(reserved)
        self._in_flight -= bound
        self._flying -= 1
        purse = self._purse()
        purse.left += bound - Amount.of(spent)
        self.record(spent)
        self._wake()
        if purse is not self:
            purse._wake()

    def record(self, spent: Usage) -> None:
        """Count what was spent, here and in every account above."""
        account: Account | None = self
        while account is not None:
            account.spent += spent
            account = account._parent

    def charge(self, spent: Usage) -> None:
        """Count what an earlier run of the same episode spent."""
        self.left -= Amount.of(spent)
        self.record(spent)

    def hold(self, amount: Amount) -> bool:
        """Keep something back for the last call; false, and nothing kept, if not covered."""
        if not self.left.covers(amount):
            return False
        self.left -= amount
        self.held += amount
        return True

    def release(self) -> None:
        """Make what was held back free."""
        self.left, self.held = self.left + self.held, NOTHING
        self._wake()

    def child(self, parts: int) -> Account:
        """An account with an equal share, one of `parts`, of what is left."""
        share = self.left.share(max(parts, 1))
        self.left -= share
        return Account(share, parent=self)

    def close(self) -> None:
        """Return what is left, and was held back, to the parent."""
        self.release()
        if self._parent is not None and not self._closed:
            self._closed = True
            above = self._purse()
            above.left, self.left = above.left + self.left, NOTHING
            above._wake()

    def _purse(self) -> Account:
        """The account that pays: this one, or the first open one above."""
        account = self
        while account._closed and account._parent is not None:
            account = account._parent
        return account

    def _take(self, amount: Amount) -> None:
        purse = self._purse()
        if not purse.left.covers(amount):
            raise OutOfBudgetError(f"the budget has too few {purse.left.lacks(amount)} left")
        purse.left -= amount
        self._in_flight += amount

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
