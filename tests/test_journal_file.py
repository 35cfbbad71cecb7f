"""The file of a journal: versions, files that are none, and several processes at once."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from centerlm.errors import InputError, JournalError
from centerlm.events import (
    SCHEMA_VERSION,
    EpisodeFinished,
    EpisodeStarted,
    StepPlanned,
    digest,
    encode_event,
)
from centerlm.journal import SqliteJournal
from centerlm.objective import Objective
from centerlm.solver import solve
from world import center

FORK = multiprocessing.get_context("fork")


def started(question: str = "q", at: float = 1.0) -> EpisodeStarted:
    return EpisodeStarted(question=question, settings=digest(b"s"), at=at)


# --- versions

VERSION_1 = """
CREATE TABLE episodes(
    id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, question TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT 'running', started REAL NOT NULL DEFAULT 0);
CREATE TABLE events(
    episode INTEGER NOT NULL, seq INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (episode, seq)) WITHOUT ROWID;
CREATE TABLE blobs(hash TEXT PRIMARY KEY, data BLOB NOT NULL);
PRAGMA user_version = 1;
"""


def test_a_journal_of_version_1_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with sqlite3.connect(path) as db:
        db.executescript(VERSION_1)
        db.execute("INSERT INTO episodes(name, question) VALUES ('old', 'q')")
        db.execute("INSERT INTO events VALUES (1, 0, ?)", (encode_event(started()),))
        db.execute("INSERT INTO blobs VALUES (?, ?)", (digest(b"s"), b"s"))
    journal = SqliteJournal(path)
    assert journal.events("old") == [started()]
    assert journal.blob(digest(b"s")) == b"s"
    assert [(s.name, s.answer, s.events) for s in journal.summaries()] == [("old", "", 1)]
    journal.append("old", EpisodeFinished(status="answered", answer="A"), {digest(b"n"): b"n"})
    journal.close()
    again = SqliteJournal(path)
    assert again.summaries()[0].answer == "A"
    again.remove("old")
    assert again.summaries() == []
    (version,) = sqlite3.connect(path).execute("PRAGMA user_version").fetchone()
    assert version == SCHEMA_VERSION


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with sqlite3.connect(path) as db:
        db.executescript(VERSION_1 + "ALTER TABLE episodes ADD COLUMN answer TEXT;")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="cannot be opened"):
        SqliteJournal(path)
    assert path.read_bytes() == before


def test_a_newer_journal_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    SqliteJournal(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")
    with pytest.raises(JournalError, match=r"made by a newer centerlm.*pip install -U"):
        SqliteJournal(path)


@pytest.mark.parametrize("version", [0, 1, SCHEMA_VERSION])
def test_another_sqlite_file_is_refused_and_not_touched(tmp_path: Path, version: int) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.executescript(f"CREATE TABLE things(x); PRAGMA user_version={version};")
    before = path.read_bytes()
    with pytest.raises(JournalError, match="not a journal; choose another path"):
        SqliteJournal(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["other.db"]


def test_what_cannot_be_a_journal(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("Dear diary, this is a text and not a database. " * 50)
    half = tmp_path / "half.db"
    SqliteJournal(half).close()
    half.write_bytes(half.read_bytes()[:5000])
    for path in (text, half, tmp_path, text / "below.db"):
        with pytest.raises(JournalError) as caught:
            SqliteJournal(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write to")
def test_a_folder_that_cannot_be_written() -> None:
    with pytest.raises(JournalError, match="cannot be opened"):
        SqliteJournal("/proc/self/journal.db")


def test_a_journal_damaged_later_is_one_sentence(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    journal.append("a", started())
    journal.write()
    db = sqlite3.connect(journal.path, isolation_level=None)
    db.execute("UPDATE events SET data=?", (b'{"kind":"step.invented"}',))
    with pytest.raises(JournalError, match="unknown event"):
        journal.events("a")
    for table in ("events", "blobs", "episodes"):
        db.execute(f"DROP TABLE {table}")
    for read in (journal.summaries, lambda: journal.blob("x"), lambda: journal.events("a")):
        with pytest.raises(JournalError, match="cannot be read"):
            read()


# --- several processes


def _write_many(path: Path, name: str, count: int) -> None:
    journal = SqliteJournal(path)
    blob = b"shared by all"

    async def run() -> None:
        for k in range(count):
            journal.append(name, StepPlanned(path=str(k + 1), line="x"), {digest(blob): blob})
            await journal.commit()

    asyncio.run(run())
    journal.close()


def test_processes_may_make_and_write_one_journal_at_once(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    workers = [FORK.Process(target=_write_many, args=(path, f"e{k}", 50)) for k in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 6
    journal = SqliteJournal(path)
    for k in range(6):
        assert [e.path for e in journal.events(f"e{k}")] == [str(n + 1) for n in range(50)]
    assert journal.blob(digest(b"shared by all"))


def test_separate_programs_write_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    program = textwrap.dedent("""
        import sys
        from centerlm.journal import SqliteJournal
        from centerlm.events import StepPlanned
        journal = SqliteJournal(sys.argv[1])
        for k in range(100):
            journal.append(sys.argv[2], StepPlanned(path=str(k + 1), line="x"))
            journal.write()
        journal.close()
    """)
    programs = [subprocess.Popen([sys.executable, "-c", program, path, n]) for n in ("a", "b")]
    assert [p.wait(60) for p in programs] == [0, 0]
    journal = SqliteJournal(path)
    assert [s.events for s in journal.summaries()] == [100, 100]


def test_one_process_solves_an_episode_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    first, second = SqliteJournal(path), SqliteJournal(path)
    first.append("mine", started())
    first.write()
    first.lock("mine")
    for act in (second.lock, second.remove):
        with pytest.raises(JournalError, match="solved by another process; wait for it or stop it"):
            act("mine")
    with pytest.raises(JournalError, match="another process"):
        asyncio.run(
            solve(Objective("q"), center=center(), sources=[], journal=second, episode="mine")
        )
    second.lock("other")
    first.unlock("mine")
    second.lock("mine")
    second.close()
    first.lock("mine")


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    ready, go = FORK.Event(), FORK.Event()

    def hold() -> None:
        SqliteJournal(path).lock("mine")
        ready.set()
        go.wait(60)

    holder = FORK.Process(target=hold)
    holder.start()
    assert ready.wait(60)
    journal = SqliteJournal(path)
    with pytest.raises(JournalError, match="another process"):
        journal.lock("mine")
    holder.kill()
    holder.join(60)
    journal.lock("mine")


def _lock_often(path: Path, file: Path) -> None:
    journal = SqliteJournal(path)
    for _ in range(300):
        try:
            journal.lock("mine")
        except JournalError:
            continue
        handle = os.open(file, os.O_CREAT | os.O_EXCL)  # fails if two hold the lock
        os.close(handle)
        file.unlink()
        journal.unlock("mine")


def test_no_two_ever_hold_the_lock(tmp_path: Path) -> None:
    path, file = tmp_path / "j.db", tmp_path / "held"
    SqliteJournal(path).close()
    workers = [FORK.Process(target=_lock_often, args=(path, file)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 3


def test_events_another_process_added_are_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    mine, other = SqliteJournal(path), SqliteJournal(path)
    for journal in (mine, other, mine):
        journal.lock("e")
        journal.append("e", StepPlanned(path="1", line="x"))
        journal.write()
        journal.unlock("e")
    assert len(mine.events("e")) == 3


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "x" * 101, "a\x00"])
def test_names_that_no_episode_can_have(tmp_path: Path, name: str) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    with pytest.raises(InputError, match="no name of an episode"):
        journal.lock(name)
