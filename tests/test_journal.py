"""The journal: what is committed, when, how large, and what becomes of it when things go wrong."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from centerlm.episode import fold
from centerlm.errors import InputError, JournalError
from centerlm.events import (
    CallStarted,
    EpisodeFinished,
    EpisodeStarted,
    Event,
    SeekFinished,
    SeekStarted,
    StepPlanned,
    decode_event,
    digest,
)
from centerlm.journal import MemoryJournal, Overlay, SqliteJournal, new_episode_name
from centerlm.objective import Objective
from centerlm.past import past_of
from centerlm.solver import Solution, solve
from centerlm.sources.base import Source
from world import QUESTION, Documents, Empty, Lister, Log, Writer, center


def started(question: str = "q", at: float = 1.0) -> EpisodeStarted:
    return EpisodeStarted(question=question, settings=digest(b"s"), at=at)


def stored(path: Path) -> list[bytes]:
    """The events another connection sees."""
    with sqlite3.connect(path) as db:
        return [row[0] for row in db.execute("SELECT data FROM events ORDER BY episode, seq")]


def test_the_list_of_episodes_takes_as_long_however_many_events_they_have(tmp_path: Path) -> None:
    journal, steps = SqliteJournal(tmp_path / "j.db"), list[None]()
    for _ in range(5000):
        journal.append("a", started())
    journal.write()
    database = journal._db  # pyright: ignore[reportPrivateUsage]
    database.set_progress_handler(lambda: steps.append(None), 1000)
    assert [row.events for row in journal.summaries()] == [5000]
    assert len(steps) < 5


# --- committing


def test_commit_returns_when_all_that_was_appended_is_in_the_file(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")

    async def run() -> None:
        journal.append("a", started())
        journal.append("a", StepPlanned(path="1", line="1 [a] x"))
        assert stored(journal.path) == []
        await journal.commit()
        assert len(stored(journal.path)) == 2
        await journal.commit()  # nothing queued: nothing to wait for

    asyncio.run(run())
    assert journal.events("a") == [decode_event(data) for data in stored(journal.path)]


def test_what_is_queued_can_be_read(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    journal.append("a", started(), {digest(b"s"): b"s"})
    assert journal.blob(digest(b"s")) == b"s"
    assert stored(journal.path) == []
    with pytest.raises(JournalError, match="has lost content"):
        journal.blob(digest(b"t"))
    journal.close()


def test_commits_at_once_share_a_transaction(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    statements: list[str] = []
    journal._db.set_trace_callback(statements.append)  # pyright: ignore[reportPrivateUsage]

    async def one(name: str) -> None:
        journal.append(name, started())
        await journal.commit()
        journal.append(name, EpisodeFinished(status="answered"))
        await journal.commit()

    async def run() -> None:
        await asyncio.gather(*(one(f"e{k}") for k in range(64)))

    asyncio.run(run())
    assert statements.count("COMMIT") == 2
    assert len(stored(journal.path)) == 128
    assert [s.events for s in journal.summaries(100)] == [2] * 64


@pytest.mark.parametrize("journal_of", [lambda p: MemoryJournal(), lambda p: SqliteJournal(p)])
def test_nothing_is_asked_before_its_event_is_committed(
    tmp_path: Path, journal_of: Callable[[Path], MemoryJournal | SqliteJournal]
) -> None:
    """At every request, the event that announces it is already where a new process reads it."""
    path = tmp_path / "j.db"
    journal = journal_of(path)
    checked = 0

    def announced(kind: type[Event]) -> None:
        nonlocal checked
        checked += 1
        if isinstance(journal, SqliteJournal):
            last = [decode_event(data) for data in stored(path)]
            begun = sum(isinstance(e, kind) for e in last)
            assert begun >= requests[kind]

    requests: dict[type[Event], int] = {CallStarted: 0, SeekStarted: 0}

    class Watching(Log):
        def add(self, line: str) -> None:
            kind = CallStarted if line.startswith("model") else SeekStarted
            requests[kind] += 1
            announced(kind)

    log = Watching()
    sources = [Documents(log), Empty(log), Lister(log), Writer(log, tmp_path / "w")]
    solution = asyncio.run(
        solve(Objective(QUESTION), center=center(log), sources=sources, journal=journal)
    )
    assert solution.status == "answered"
    assert checked == 30
    assert past_of(journal.events(solution.episode)).finished is not None


def test_a_failed_commit_stops_what_was_to_follow(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    journal.append("a", started())
    journal.write()
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("DROP TABLE events")
    log = Log(tmp_path / "log")
    with pytest.raises(JournalError, match="cannot be written") as caught:
        asyncio.run(
            solve(Objective("q"), center=center(log), sources=[Documents(log)], journal=journal)
        )
    assert "\n" not in str(caught.value)
    assert log.lines() == []


# --- full disk


def test_a_full_disk_loses_nothing_and_the_episode_goes_on_when_there_is_room(
    tmp_path: Path,
) -> None:
    whole = SqliteJournal(tmp_path / "whole.db")
    log = Log()

    def world(log: Log, effects: Path) -> list[Source]:
        return [Documents(log), Empty(log), Lister(log), Writer(log, effects)]

    def go(journal: SqliteJournal, log: Log, effects: Path, episode: str | None = None) -> Solution:
        return asyncio.run(
            solve(
                Objective(QUESTION),
                center=center(log),
                sources=world(log, effects),
                journal=journal,
                episode=episode,
            )
        )

    expected = go(whole, log, tmp_path / "w0")
    stops = 0
    for room in (1, 3, 6, 9, 12):
        folder = tmp_path / str(room)
        folder.mkdir()
        journal, log = SqliteJournal(folder / "j.db"), Log(folder / "log")
        db = journal._db  # pyright: ignore[reportPrivateUsage]
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count={pages + room}")
        try:
            go(journal, log, folder / "w")
        except JournalError as error:
            stops += 1
            assert "full" in str(error)
            assert "make room, then run: centerlm resume" in str(error)
            assert "\n" not in str(error)
        db.execute("PRAGMA max_page_count=1000000")
        journal.write()
        name = journal.find("last")
        finished = {
            (e.path, e.source, e.attempt)
            for e in journal.events(name)
            if isinstance(e, SeekFinished)
        }
        before = log.lines()
        solution = go(journal, log, folder / "w", name)
        after = log.lines()[len(before) :]
        for path, source, attempt in finished:
            assert f"{source} {name}/{path}/{attempt}" not in after
        assert (solution.answer, solution.status) == (expected.answer, "answered")
        assert len((folder / "w").read_text().splitlines()) == 1
        assert fold(journal.events(name)) == solution.tree
    assert stops >= 3


# --- finding and removing


def test_an_episode_is_found_by_the_start_of_its_name(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    with pytest.raises(InputError, match="no episodes yet"):
        journal.find("last")
    for name in ("run", "abc-1", "abd_2", *(f"run-{k}" for k in range(20)), "zz%z"):
        journal.append(name, started())
    journal.write()
    assert journal.find("abc") == "abc-1"
    assert journal.find("run") == "run"
    assert journal.find("run-19") == "run-19"
    assert journal.find("abd_") == "abd_2"
    assert journal.find("last") == "zz%z"
    for prefix in ("ab", "run-", ""):
        with pytest.raises(InputError, match="fits several episodes"):
            journal.find(prefix)
    for prefix in ("x", "%", "ab_-1", "abc-1%"):
        with pytest.raises(InputError, match=r"there is no episode.*centerlm episodes"):
            journal.find(prefix)
    with pytest.raises(InputError, match="there is no episode"):
        journal.events("abc")  # a part of a name is not a name


def test_removing_frees_only_what_nobody_else_uses(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    for name, at in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        blobs = {digest(data): data for data in (b"all", name.encode())}
        journal.append(name, started(at=at), blobs)
        journal.append(name, EpisodeFinished(status="answered"), {digest(b"all"): b"all"})
    journal.write()

    def blobs() -> set[bytes]:
        rows = sqlite3.connect(journal.path).execute("SELECT data FROM blobs")
        return {row[0] for row in rows}

    journal.remove("b")
    assert blobs() == {b"all", b"a", b"c"}
    with pytest.raises(InputError, match="no episode 'b'"):
        journal.events("b")
    assert journal.remove_before(3.0) == ["a"]
    assert blobs() == {b"all", b"c"}
    assert journal.remove_before(99) == ["c"]
    assert blobs() == set()
    assert stored(journal.path) == []
    journal.append("b", started())  # the name is free again
    journal.write()
    assert len(journal.events("b")) == 1


def test_the_content_of_an_episode_is_all_it_needs_elsewhere(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.sqlite")
    for name in "ab":
        blobs = {"common": b"both", name: name.encode()}
        journal.append(name, EpisodeStarted(question="?", settings="common", at=1.0), blobs)
    journal.write()
    assert journal.content("a") == {"common": b"both", "a": b"a"}
    assert journal.content("none") == {}
    journal.close()


def test_the_list_of_episodes(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    for k in range(5):
        journal.append(f"e{k}", started(f"question {k}", at=float(k)))
    journal.append("e1", EpisodeFinished(status="answered", answer="A"))
    journal.close()
    rows = SqliteJournal(tmp_path / "j.db").summaries(limit=4)
    assert [row.name for row in rows] == ["e4", "e3", "e2", "e1"]
    assert (rows[3].status, rows[3].answer, rows[3].events) == ("answered", "A", 2)
    assert (rows[0].status, rows[0].question, rows[0].started) == ("running", "question 4", 4.0)


def test_an_overlay_reads_below_and_writes_above(tmp_path: Path) -> None:
    below = SqliteJournal(tmp_path / "j.db")
    below.append("a", started(), {digest(b"x"): b"x"})
    below.write()
    overlay = Overlay(below)
    assert overlay.events("a") == [started()]
    overlay.append("a", EpisodeFinished(status="answered"), {digest(b"y"): b"y"})
    assert (overlay.blob(digest(b"x")), overlay.blob(digest(b"y"))) == (b"x", b"y")
    assert overlay.events("a") != below.events("a") == [started()]


def test_names_sort_by_time_and_do_not_repeat() -> None:
    names = [new_episode_name() for _ in range(100)]
    assert len({name.partition("-")[0] for name in names}) <= 3
    assert len(set(names)) > 90
