"""Journals in a database: the same tests on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from centerlm.errors import CenterError, InputError, JournalError
from centerlm.events import (
    EpisodeFinished,
    EpisodeStarted,
    Event,
    SeekStarted,
    StepPlanned,
    digest,
)
from centerlm.journal import StoredJournal
from centerlm.objective import Objective
from centerlm.solver import Solution, solve
from postgres_parts import Store, new_database, store
from world import Documents, Log, center

ASKED = "Who built it?"

__all__ = ["new_database", "store"]


def started(question: str = "q", at: float = 1.0) -> EpisodeStarted:
    return EpisodeStarted(question=question, settings=digest(b"s"), at=at)


def written(store: Store, episode: str) -> list[Event]:
    """The events that another connection sees."""
    other = store.open()
    try:
        return other.events(episode)
    except InputError:
        return []
    finally:
        other.close()


def test_commit_returns_when_all_that_was_appended_is_stored(store: Store) -> None:
    journal = store.open()

    async def run() -> None:
        journal.append("a", started(), {digest(b"x\0y"): b"x\0y"})
        journal.append("a", StepPlanned(path="1", line="1 [a] x"))
        assert written(store, "a") == []
        await journal.commit()
        assert len(written(store, "a")) == 2
        await journal.commit()  # nothing queued: nothing to wait for
        journal.append("b", started("other"))
        await asyncio.gather(journal.commit(), journal.commit())
        journal.append("a", StepPlanned(path="2", line="2 [a] y"))
        journal.commit_soon()
        assert journal.blob(digest(b"x\0y")) == b"x\0y"
        while len(written(store, "a")) < 3:  # noqa: ASYNC110 - another connection sees it
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(run(), 60))
    assert journal.events("a") == written(store, "a")
    assert journal.events("a", 2) == written(store, "a")[2:]
    journal.close()


def test_appends_while_others_are_committed_are_stored_in_order(store: Store) -> None:
    journal = store.open()

    async def episode(name: str) -> None:
        journal.append(name, started(name))
        for number in range(1, 21):
            journal.append(name, StepPlanned(path=str(number), line=f"{number} [a] x"))
            await journal.commit()
            assert len(journal.events(name)) == number + 1

    async def run() -> None:
        await asyncio.gather(*(episode(f"e{n}") for n in range(8)))

    asyncio.run(asyncio.wait_for(run(), 60))
    for number in range(8):
        events = written(store, f"e{number}")
        paths = [event.path for event in events if isinstance(event, StepPlanned)]
        assert paths == [str(n) for n in range(1, 21)]
    journal.close()


def test_an_episode_is_written_by_one_process_at_a_time(store: Store) -> None:
    one, two = store.open(), store.open()
    one.lock("a")
    for journal in (one, two):
        with pytest.raises(JournalError, match="being solved by another process"):
            journal.lock("a")
    two.lock("b")
    one.unlock("a")
    two.lock("a")
    two.close()
    one.lock("a")  # closing gives all up
    with pytest.raises(InputError, match="no name of an episode"):
        one.lock("a b")
    one.close()


def test_the_one_who_goes_on_writes_after_what_the_other_wrote(store: Store) -> None:
    one, two = store.open(), store.open()
    for journal, path in ((one, "1"), (two, "2"), (one, "3")):
        journal.lock("a")
        if path == "1":
            journal.append("a", started())
        journal.append("a", StepPlanned(path=path, line=f"{path} [a] x"))
        journal.write()
        journal.unlock("a")
    paths = [event.path for event in one.events("a") if isinstance(event, StepPlanned)]
    assert paths == ["1", "2", "3"]
    one.close()
    two.close()


def test_episodes_are_found_listed_and_removed_with_what_only_they_use(store: Store) -> None:
    journal = store.open()
    shared, own = b"shared", b"own"
    for number, name in enumerate(("ab-1", "ab-2", "c_3")):
        blobs = {digest(shared): shared} | ({digest(own): own} if number == 0 else {})
        journal.append(name, started(f"q{number}\0", at=float(number)), blobs)
    journal.append("c_3", EpisodeFinished(status="answered", answer="42"))
    journal.write()
    assert [row.name for row in journal.summaries()] == ["c_3", "ab-2", "ab-1"]
    assert [row.name for row in journal.summaries(1)] == ["c_3"]
    assert len(journal.summaries(-1)) == 3
    first = journal.summaries()[0]
    assert (first.status, first.answer, first.started, first.events) == ("answered", "42", 2.0, 2)
    assert (journal.find("last"), journal.find("c"), journal.find("ab-1")) == ("c_3", "c_3", "ab-1")
    with pytest.raises(InputError, match="fits several"):
        journal.find("ab")
    with pytest.raises(InputError, match="no episode"):
        journal.find("%")
    assert journal.content("ab-1") == {digest(shared): shared, digest(own): own}
    journal.remove("ab-1")
    assert journal.blob(digest(shared)) == shared
    with pytest.raises(JournalError, match="has lost content"):
        journal.blob(digest(own))
    assert journal.remove_before(2.0) == ["ab-2"]
    other = store.open()
    other.lock("c_3")
    with pytest.raises(JournalError, match="being solved"):
        journal.remove("c_3")
    other.close()
    journal.close()


def test_content_that_others_begin_to_use_while_it_is_removed_stays(store: Store) -> None:
    data = b"wanted"
    first = store.open()
    first.append("old", started(), {digest(data): data})
    first.write()
    errors: list[CenterError] = []

    def use(names: list[str]) -> None:
        journal = store.open()
        try:
            for name in names:
                journal.append(name, started(), {digest(data): data, digest(b"y"): b"y"})
                journal.write()
                journal.remove(name)
            journal.append(f"kept-{names[0]}", started(), {digest(data): data})
            journal.write()
        except CenterError as error:
            errors.append(error)
        finally:
            journal.close()

    threads = [threading.Thread(target=use, args=([f"{t}-{n}" for n in range(8)],)) for t in "abc"]
    for thread in threads:
        thread.start()
    first.remove("old")
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert first.blob(digest(data)) == data
    assert len(first.summaries()) == 3
    first.close()


KILLED = """
import asyncio, sys
sys.path[:0] = {paths!r}
from pathlib import Path
from centerlm.many import OpenedJournal
from centerlm.objective import Objective
from centerlm.solver import solve
from postgres_parts import Store
from world import Documents, Log, center

class Slow(Documents):
    async def seek(self, seek):
        print("sought", flush=True)
        await asyncio.sleep(600)

journal = OpenedJournal(Store(Path({folder!r}), {url!r}).open())
asyncio.run(solve(Objective("Who built it?"), center=center(), sources=[Slow(Log())],
                  journal=journal, episode="killed"))
"""


def test_after_kill_9_the_lock_is_free_and_the_episode_goes_on(store: Store) -> None:
    code = KILLED.format(paths=sys.path, folder=str(store.folder), url=store.url)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "sought"
    assert any(isinstance(event, SeekStarted) for event in written(store, "killed"))
    journal = store.open()
    with pytest.raises(JournalError, match="being solved by another process"):
        journal.lock("killed")
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    process.stdout.close()
    solution = asyncio.run(asyncio.wait_for(_when_free(journal), 60))
    assert solution.status == "answered"
    events = journal.events("killed")
    assert sum(isinstance(event, EpisodeStarted) for event in events) == 1
    assert sum(isinstance(event, EpisodeFinished) for event in events) == 1
    journal.close()


async def _when_free(journal: StoredJournal) -> Solution:
    while True:
        try:
            return await solve(
                Objective(ASKED),
                center=center(),
                sources=[Documents(Log())],
                journal=journal,
                episode="killed",
            )
        except JournalError as error:  # the server sees a moment later that the process is gone
            assert "being solved" in str(error)
            await asyncio.sleep(0.05)


# --- PostgreSQL alone


def test_what_the_database_refuses_stops_the_solve_and_does_nothing(
    new_database: object, tmp_path: Path
) -> None:
    import psycopg

    assert callable(new_database)
    url = new_database()
    journal, documents = Store(tmp_path, url).open(), Documents(Log())
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname=current_database() AND pid<>pg_backend_pid()"
        )
    with pytest.raises(JournalError, match="cannot be"):
        asyncio.run(solve(Objective(ASKED), center=center(), sources=[documents], journal=journal))
    assert journal.lost
    assert documents.asked == 0


def test_bad_addresses_and_newer_tables_are_told_without_the_password(
    new_database: object, tmp_path: Path
) -> None:
    import psycopg

    assert callable(new_database)
    with pytest.raises(JournalError, match="cannot be reached") as refused:
        Store(tmp_path, "postgresql://me:secret@127.0.0.1:1/none").open()
    assert "secret" not in str(refused.value)
    with pytest.raises(JournalError, match="cannot be reached"):
        Store(tmp_path, "postgresql://me:se cret@%zz").open()
    url = new_database()
    Store(tmp_path, url).open().close()
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("UPDATE centerlm.stores SET version=99")
    with pytest.raises(JournalError, match="newer centerlm"):
        Store(tmp_path, url).open()
