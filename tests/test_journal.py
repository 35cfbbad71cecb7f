"""The journal: what is committed, when, how large, and what becomes of it when things go wrong."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from centerlm.episode import episode_to_json, fold
from centerlm.errors import InputError, JournalError
from centerlm.events import (
    MAX_EVENT_BYTES,
    SCHEMA_VERSION,
    CallFinished,
    CallStarted,
    EpisodeFinished,
    EpisodeStarted,
    Event,
    PlanFinished,
    SeekFinished,
    SeekStarted,
    StepFinished,
    StepJoined,
    StepPlanned,
    StepReopened,
    StepStarted,
    decode_event,
    digest,
    encode_event,
    fit,
)
from centerlm.finding import Finding, Status, Usage, short_answer
from centerlm.journal import MemoryJournal, Overlay, SqliteJournal, new_episode_name
from centerlm.objective import Objective
from centerlm.past import past_of
from centerlm.recorder import Recorder, finding_blob, to_blob
from centerlm.solver import Solution, solve
from centerlm.sources.base import Card, Seek, Source
from world import QUESTION, Documents, Empty, Lister, Log, Writer, center

FORK = multiprocessing.get_context("fork")


def started(question: str = "q", at: float = 1.0) -> EpisodeStarted:
    return EpisodeStarted(question=question, settings=digest(b"s"), at=at)


def stored(path: Path) -> list[bytes]:
    """The events another connection sees."""
    with sqlite3.connect(path) as db:
        return [row[0] for row in db.execute("SELECT data FROM events ORDER BY episode, seq")]


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


# --- sizes

LONG = st.one_of(
    st.text(max_size=20),
    st.text(st.sampled_from('a"\\\n\x00\x1f\u2028é日😀\u0300\ud800'), max_size=3000),
    st.sampled_from(["😀" * 3000, "\x01" * 3000, '"' * 3000, "\ud800" * 3000, "日" * 10**6]),
)
SHORT = st.text(st.characters(codec="utf-8"), max_size=400).map(short_answer)
NAME = st.sampled_from(["documents", "x" * 64])
PATH = st.sampled_from(["", "3", ".".join(["32"] * 60)])
HASH = st.just("f" * 32)
USAGE = st.just(Usage(10**9, 10**12, 10**12, 123456.123456789, 0.1 + 0.2))


def built(kind: type[Event], **fields: st.SearchStrategy[object]) -> st.SearchStrategy[Event]:
    return st.builds(kind, path=PATH, at=st.floats(1e9, 2e9), **fields)


EVENTS = st.one_of(
    built(EpisodeStarted, question=LONG, settings=HASH, seed=st.integers(0, 2**63)),
    built(CallStarted, act=st.just("decompose"), attempt=st.just(190), prompt=HASH, bound=USAGE),
    built(CallFinished, act=st.just("absorb"), attempt=st.just(190), error=LONG, usage=USAGE),
    built(StepPlanned, line=LONG),
    built(PlanFinished, plan=HASH, steps=st.just(32), edited=HASH, problem=LONG),
    built(StepStarted, text=LONG, sources=st.lists(NAME, max_size=60).map(tuple), key=HASH),
    built(StepJoined, to=PATH),
    built(SeekStarted, source=NAME, attempt=st.just(190), text=LONG, bound=USAGE),
    built(SeekFinished, source=NAME, attempt=st.just(1), finding=HASH, status=st.just("found")),
    built(StepReopened, reason=LONG),
    built(
        StepFinished,
        status=st.just("out_of_budget"),
        finding=HASH,
        answer=SHORT,
        source=NAME,
        tried=st.lists(NAME, max_size=60).map(tuple),
        cites=st.lists(LONG, max_size=60).map(tuple),
        reason=LONG,
        key=HASH,
    ),
    built(EpisodeFinished, status=st.just("partial"), finding=HASH, answer=SHORT, reason=LONG),
)


@given(EVENTS, st.floats(1e9, 2e9))
def test_an_event_takes_at_most_two_kilobytes_whatever_it_says(event: Event, at: float) -> None:
    fitted = fit(event)
    data = encode_event(fitted)
    assert len(data) <= MAX_EVENT_BYTES
    assert decode_event(data) == fitted
    assert fit(fitted) == fitted
    later = msgspec.structs.replace(fit(msgspec.structs.replace(event, at=at)), at=event.at)
    assert later == fitted  # what is cut does not depend on the time
    if isinstance(event, StepFinished):
        assert fitted.status == event.status
        assert fitted.finding == event.finding
        assert fitted.key == event.key
        if len(event.path) < 10 and len(event.tried) < 6:
            assert fitted.answer == event.answer  # other texts give way first


def test_events_that_fit_are_left_alone() -> None:
    event = StepFinished(path="1", status="found", answer="é" * 200, reason="x" * 300)
    assert fit(event) is event


class Loud:
    """A source whose findings are as long and as odd as they get."""

    def __init__(self, text: str) -> None:
        self.text = text

    card = Card("loud", "anything")

    def bound(self, seek: Seek) -> Usage:
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        if "fails" in seek.text:
            raise ValueError(self.text)
        return Finding(Status.FOUND, answer=self.text, text=self.text, reason=self.text)


@pytest.mark.parametrize("text", ["😀" * 50_000, "\x01\x9f" * 50_000, "\ud800", '"\\' * 9000])
def test_long_and_odd_contents_make_small_events(tmp_path: Path, text: str) -> None:
    question = ("😀" * 4000)[:3990] + " known?"
    plans = {"known?": f"1 [loud] {'😀' * 190}\n2 [loud] fails\n3 [loud] {'日' * 180} #1"}
    journal = SqliteJournal(tmp_path / "j.db")
    solution = asyncio.run(
        solve(
            Objective(question), center=center(plans=plans), sources=[Loud(text)], journal=journal
        )
    )
    events = stored(journal.path)
    assert len(events) > 15
    assert max(map(len, events)) <= MAX_EVENT_BYTES
    assert fold(journal.events(solution.episode)) == solution.tree
    json.dumps(episode_to_json(solution.tree, solution.episode, journal.blob)).encode()


@given(st.text(st.characters(), max_size=50))
def test_blobs_hold_any_text(text: str) -> None:
    data = to_blob({"text": text + "\udc80"})
    assert msgspec.json.decode(data)["text"].endswith("?")
    assert finding_blob(Finding(Status.FOUND, text=text))


def test_a_blob_is_stored_once(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "j.db")
    for name in ("a", "b"):
        recorder = Recorder(name, journal, seed=0, past=past_of([]))
        recorder.emit(started(), settings=b"same")
        recorder.emit(started(), settings=b"same", other=name.encode())
    journal.write()
    rows = sqlite3.connect(journal.path).execute("SELECT hash, data FROM blobs").fetchall()
    assert dict(rows) == {digest(data): data for data in (b"same", b"a", b"b")}
    assert journal.blob(digest(b"same")) == b"same"
    with pytest.raises(JournalError, match="has lost content"):
        journal.blob(digest(b"other"))


# --- versions and files that are no journals

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
