"""One seek: what a source raises, returns or leaves undone is a finding made safe."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from centerlm.center import CenterLM
from centerlm.errors import JournalError, OutOfBudgetError, SourceError
from centerlm.events import SeekFinished, SeekStarted
from centerlm.finding import Finding, Passage, Quantity, Status, Usage, found
from centerlm.journal import MemoryJournal, SqliteJournal
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Budget, Objective
from centerlm.run import Options
from centerlm.solver import solve
from centerlm.sources.base import Card, Seek
from engine import PLAIN, Asks, Raw, echo, finish, run, script

FOUND = Finding(Status.FOUND, answer="x")
PLANS = {"q": "1 [src] a\n2 [ok] b"}


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = (value,)
    return value


BROKEN: dict[str, tuple[Any, str]] = {
    "nothing at all": (Raw(None), "src returned NoneType where a Finding belongs"),
    "a dictionary": (Raw({"status": "found"}), "src returned dict where a Finding belongs"),
    "a class": (Raw(Finding), "src returned type where a Finding belongs"),
    "an unknown status": (replace(FOUND, status="great"), "'great' is not a valid Status"),
    "a number for an answer": (replace(FOUND, answer=5), "cannot be used: TypeError"),
    "bytes for text": (replace(FOUND, text=b"x"), "cannot be used: TypeError"),
    "no text": (replace(FOUND, text=None), "cannot be used: TypeError"),
    "passages of text": (replace(FOUND, passages=("p",)), "cannot be used: "),
    "a passage without text": (replace(FOUND, passages=(Passage("p", None),)), "cannot be used: "),
    "a list for a value": (replace(FOUND, value=["a"]), "list is not a type of value"),
    "a float for a value": (replace(FOUND, value=1.5), "float is not a type of value"),
    "an endless number": (
        found(0) and replace(FOUND, value=10**5000),
        "cannot be used: ValueError",
    ),
    "a deep list": (replace(FOUND, value=nested(100_000)), "cannot be used: RecursionError"),
    "a strange position": (
        replace(FOUND, passages=(Passage("p", "t", start=object()),)),
        "cannot be used: TypeError",
    ),
    "usage of text": (replace(FOUND, usage="much"), "cannot be used: ValueError: its usage"),
    "negative usage": (replace(FOUND, usage=Usage(cost=-1.0)), "its usage is not made of numbers"),
    "endless usage": (replace(FOUND, usage=Usage(cost=float("inf"))), "its usage is not made of"),
    "undefined usage": (replace(FOUND, usage=Usage(cost=float("nan"))), "its usage is not made of"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_finding_is_a_failed_one(name: str) -> None:
    said, reason = BROKEN[name]
    outcome = run("q", PLANS, [Asks("src", lambda seek: said), Asks("ok", echo)])
    assert outcome.status("1") == "failed"
    assert reason in outcome.reason("1")
    assert outcome.status("2") == "found"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (Usage(1, prompt_tokens=12.5), Usage(1, 13)),
        (Usage(1, completion_tokens=12.0), Usage(1, 0, 12)),
        (Usage(True), Usage(1)),
        (Usage(1, cost=Decimal("0.5")), Usage(1, cost=0.5)),
        (Usage(1, cost=2), Usage(1, cost=2.0)),
    ],
)
def test_an_odd_usage_is_kept_as_a_journal_reads_it_back(
    said: Any, kept: Usage, tmp_path: Path
) -> None:
    class Bounded(Asks):
        def bound(self, seek: Seek) -> Usage:
            return said

    journal = SqliteJournal(tmp_path / "journal.db")
    src = Bounded("src", lambda seek: replace(FOUND, usage=said))
    solution = finish(
        solve(
            Objective("q"),
            center=CenterLM(ScriptedModel(script(PLANS))),
            sources=[src, Asks("ok", echo)],
            journal=journal,
            options=PLAIN,
        )
    )
    events = journal.events(solution.episode)
    journal.close()
    assert solution.tree.nodes["1"].status == "found"
    assert next(e.bound for e in events if isinstance(e, SeekStarted)) == kept
    assert next(e.usage for e in events if isinstance(e, SeekFinished)) == kept


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("bad\nvalue \x1b[31m"), "src raised ValueError: bad value [31m"),
        (SourceError("the server is down; start it"), "the server is down; start it"),
        (TimeoutError(), "src raised TimeoutError"),
        (TimeoutError("its own"), "src raised TimeoutError: its own"),
        (ExceptionGroup("many", [ValueError("a")]), "src raised ExceptionGroup: many"),
        (SystemExit("bye"), "src raised SystemExit: bye"),
        (RecursionError("deep"), "src raised RecursionError: deep"),
        (MemoryError(), "src raised MemoryError"),
        (UnprintableError(), "src raised UnprintableError"),
        (asyncio.CancelledError(), "src raised CancelledError"),
        (ValueError("x" * 10_000), "src raised ValueError: xxx"),
    ],
)
def test_what_a_source_raises_is_a_failed_finding_of_one_sentence(
    error: BaseException, reason: str
) -> None:
    def fail(seek: Seek) -> Finding:
        raise error

    outcome = run("q", PLANS, [Asks("src", fail), Asks("ok", echo)])
    assert outcome.status("1") == "failed"
    assert outcome.reason("1").startswith(reason)
    assert "\n" not in outcome.reason("1")
    assert len(outcome.reason("1")) <= 300
    assert outcome.status("2") == "found"


@pytest.mark.parametrize("said", [ValueError("no"), None, "much", Usage(calls=-1)])
def test_a_source_that_cannot_say_what_it_may_spend_is_not_asked(said: Any) -> None:
    class Unbounded(Asks):
        def bound(self, seek: Seek) -> Usage:
            if isinstance(said, Exception):
                raise said
            return said

    source = Unbounded("src", echo)
    outcome = run("q", PLANS, [source, Asks("ok", echo)])
    assert source.asked == []
    assert outcome.status("1") == "failed"
    assert outcome.reason("1").startswith("src cannot say what it may spend: ")


def test_a_seek_that_is_not_a_coroutine_is_a_failed_finding() -> None:
    class Plain(Asks):
        def seek(self, seek: Seek) -> Any:
            return FOUND

    outcome = run("q", PLANS, [Plain("src", echo), Asks("ok", echo)])
    assert outcome.status("1") == "failed"


def test_a_source_that_hangs_is_stopped_after_its_seconds() -> None:
    stopped: list[str] = []

    async def hang(seek: Seek) -> Finding:
        try:
            await asyncio.sleep(3600)
        finally:
            stopped.append(seek.text)
        return FOUND

    options = replace(PLAIN, seek_seconds=0.03)
    outcome = run("q", PLANS, [Asks("src", hang), Asks("ok", echo)], options=options)
    assert outcome.reason("1") == "src did not answer within 0.03 seconds"
    assert stopped == ["a"]


def test_people_may_take_their_time() -> None:
    options = replace(PLAIN, seek_seconds=0.01)
    person = Asks("src", echo, shared=False, seconds=0.05)
    for budget in (Budget(), Budget(seconds=30)):
        outcome = run("q", {"q": "1 [src] a"}, [person], options=options, budget=budget)
        assert outcome.solution.status == "answered"
    assert person.asked[0].seconds is None
    assert 25 < (person.asked[1].seconds or 0) <= 30


@pytest.mark.parametrize("status", [Status.NOTHING, Status.FAILED, Status.OUT_OF_BUDGET])
def test_a_status_is_kept(status: Status) -> None:
    outcome = run(
        "q", PLANS, [Asks("src", lambda s: Finding(status, reason="so")), Asks("ok", echo)]
    )
    assert (outcome.status("1"), outcome.reason("1")) == (status, "so")


def test_only_the_engine_cancels() -> None:
    source = Asks("src", lambda seek: Finding(Status.CANCELLED))
    outcome = run("q", PLANS, [source, Asks("ok", echo)])
    assert (outcome.status("1"), outcome.reason("1")) == ("failed", "src gave up")


def test_found_without_anything_is_nothing() -> None:
    for empty in (Finding(Status.FOUND), Finding(Status.FOUND, answer="\u200b"), found("")):
        outcome = run("q", PLANS, [Asks("src", lambda seek, e=empty: e), Asks("ok", echo)])
        assert (outcome.status("1"), outcome.reason("1")) == ("nothing", "src found nothing")


@pytest.mark.parametrize(
    ("value", "kept", "answer"),
    [
        (date(1998, 5, 1), date(1998, 5, 1), "1998-05-01"),
        (datetime(1998, 5, 1, 12, tzinfo=UTC), "1998-05-01 12:00:00+00:00", None),
        (Fraction(1, 3), Fraction(1, 3), "0.333333333333"),
        (Quantity(Fraction(3), "km\n\x1b[0m"), Quantity(Fraction(3), "km [0m"), None),
        (("a\x00", None, True), ("a", None, True), "a, nothing, yes"),
        (10**300, 10**300, None),
    ],
)
def test_values_keep_their_types_and_lose_what_cannot_be_shown(
    value: Any, kept: Any, answer: str | None
) -> None:
    outcome = run(
        "q",
        {"q": "1 [src] a"},
        [Asks("src", lambda seek: replace(FOUND, value=value, answer=None))],
    )
    assert outcome.solution.finding.value == kept
    assert outcome.solution.status in {"answered", "partial"}
    if answer is not None:
        assert outcome.solution.answer == answer


def test_a_wide_list_is_cut() -> None:
    wide = tuple(tuple(range(200)) for _ in range(200))
    outcome = run("q", {"q": "1 [src] a"}, [Asks("src", lambda s: replace(FOUND, value=wide))])
    value: Any = outcome.solution.finding.value
    assert sum(len(row) for row in value) <= 10_000


def test_every_request_says_what_it_is_for() -> None:
    docs = Asks("docs", echo)
    run("the root", {"the root": "1 [docs] a\n2 [docs] b #1"}, [docs], episode="ep")
    first, second = docs.asked
    assert (first.text, first.template, first.objective) == ("a", "a", "the root")
    assert (second.text, second.template) == ("b <a>", "b #1")
    assert (first.key, second.key) == ("ep/1/0", "ep/2/0")
    assert first.seed != second.seed


def test_more_is_reserved_before_a_further_call_and_refused_past_the_limit() -> None:
    def greedy(seek: Seek) -> Finding:
        for _ in range(10):
            seek.spend(Usage(calls=1))
        raise AssertionError("the budget never ended")

    outcome = run("q", {"q": "1 [src] a"}, [Asks("src", greedy)], budget=Budget(calls=8))
    assert outcome.status("1") == "out_of_budget"
    assert outcome.reason("1") == "the budget has too few calls left"


def test_the_seek_is_committed_before_the_source_is_asked_and_after() -> None:
    seen: list[list[str]] = []
    journal = MemoryJournal()

    def look(seek: Seek) -> Finding:
        seen.append([type(e).__name__ for e in journal.events("e")])
        return FOUND

    outcome = run("q", {"q": "1 [src] a"}, [Asks("src", look)], journal=journal)
    assert seen[0][-1] == "SeekStarted"
    (ended,) = [e for e in outcome.events if isinstance(e, SeekFinished)]
    assert (ended.status, ended.usage.calls) == ("found", 1)
    assert sum(isinstance(e, SeekStarted) for e in outcome.events) == 1


class Full(MemoryJournal):
    """A journal whose disk is full after some commits."""

    commits = 0

    async def commit(self) -> None:
        self.commits += 1
        if self.commits > 3:
            raise JournalError("the disk is full; free some space and resume")


def test_a_journal_that_cannot_be_written_ends_the_episode_with_its_sentence() -> None:
    plan = "\n".join(f"{n} [docs] step {n}" for n in range(1, 9))
    work = solve(
        Objective("q"),
        center=CenterLM(ScriptedModel(lambda p, s: plan)),
        sources=[Asks("docs", echo, seconds=0.001)],
        journal=Full(),
    )
    with pytest.raises(JournalError, match="disk is full"):
        finish(work)


class Kept:
    """A write source that may know what became of a request."""

    card = Card("mail", "sends", effect="write", typed=True)

    def __init__(self, lookup: Callable[[str], Any]) -> None:
        self._lookup = lookup
        self.asked: list[str] = []
        self.began = asyncio.Event()

    def bound(self, seek: Seek) -> Usage:
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        self.asked.append(seek.key)
        self.began.set()
        await asyncio.sleep(0 if len(self.asked) > 1 else 3600)
        return found("sent")

    def lookup(self, key: str) -> Any:
        return self._lookup(key)


def known(finding: Any) -> Any:
    async def lookup(key: str) -> Any:
        return found(f"sent {key}") if finding is FOUND else finding

    return lookup


def raising(key: str) -> Finding:
    raise OSError("no such table")


@pytest.mark.parametrize(
    ("lookup", "status", "reason"),
    [
        (known(FOUND), "found", ""),
        (known(None), "failed", "outcome unknown"),
        (raising, "failed", "outcome unknown"),
        (known(5), "failed", "outcome unknown"),
        (lambda key: FOUND, "failed", "outcome unknown"),
        (lambda key: asyncio.sleep(3600), "failed", "outcome unknown"),
    ],
)
def test_a_write_that_was_cut_off_is_looked_up_and_never_made_again(
    lookup: Any, status: str, reason: str
) -> None:
    mail, journal = Kept(lookup), MemoryJournal()
    plans = {"q": "1 [mail] send"}

    async def interrupted() -> None:
        work = solve(
            Objective("q"), center=CenterLM(ScriptedModel(lambda p, s: plans["q"])),
            sources=[mail], journal=journal, episode="e",
        )  # fmt: skip
        task = asyncio.create_task(work)
        await mail.began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    finish(interrupted())
    outcome = run("q", plans, [mail], journal=journal, options=replace(PLAIN, seek_seconds=0.05))
    assert mail.asked == ["e/1/0"]
    assert outcome.status("1") == status
    assert outcome.reason("1").startswith(reason)
    if status == "found":
        assert outcome.solution.answer == "sent e/1/0"


def test_out_of_budget_raised_by_a_source_is_its_status() -> None:
    def poor(seek: Seek) -> Finding:
        raise OutOfBudgetError("no money for this")

    outcome = run("q", PLANS, [Asks("src", poor), Asks("ok", echo)], options=Options(splits=False))
    assert (outcome.status("1"), outcome.reason("1")) == ("out_of_budget", "no money for this")
    assert outcome.solution.status == "out_of_budget"
