"""Many pieces of work at a time."""

from __future__ import annotations

import asyncio

import pytest

from centerlm.events import EpisodeFinished, EpisodeStarted
from centerlm.journal import MemoryJournal
from centerlm.many import OpenedJournal, each_of, is_finished


def test_results_come_in_order_and_only_so_many_run_at_once() -> None:
    running: set[int] = set()
    most = advanced = 0

    async def work(item: int) -> int:
        nonlocal most
        running.add(item)
        most = max(most, len(running))
        await asyncio.sleep(0.001 * (5 - item))
        running.remove(item)
        return 10 * item

    def advance(by: int) -> None:
        nonlocal advanced
        advanced += by

    done = asyncio.run(each_of(range(5), work, concurrency=2, advance=advance))
    assert (done, most, advanced) == ([0, 10, 20, 30, 40], 2, 5)
    assert asyncio.run(each_of([], work)) == []


def test_the_first_error_ends_all_and_is_raised_itself() -> None:
    begun: list[int] = []
    cancelled: list[int] = []

    async def work(item: int) -> None:
        begun.append(item)
        if item == 1:
            raise ValueError("the second one")
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    with pytest.raises(ValueError, match="the second one"):
        asyncio.run(each_of(range(9), work, concurrency=2))
    assert (begun, cancelled) == ([0, 1], [0])


def test_an_episode_is_finished_when_it_says_so() -> None:
    journal = OpenedJournal(MemoryJournal())
    assert journal.events("e") == []
    assert not is_finished(journal.events("e"))
    journal.append("e", EpisodeStarted(question="?", settings="", at=1.0))
    assert not is_finished(journal.events("e"))
    journal.append("e", EpisodeFinished(status="cancelled", answer="", at=2.0))
    assert not is_finished(journal.events("e"))
    journal.append("e", EpisodeFinished(status="answered", answer="x", at=3.0))
    assert is_finished(journal.events("e"))
