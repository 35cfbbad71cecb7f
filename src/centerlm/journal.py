"""The journal: events and blobs of all episodes in one SQLite file.

Events are committed before they are acted on: `commit` returns when everything appended so far is
in the file. Appends of concurrent episodes share a transaction (group commit). WAL at
synchronous=NORMAL survives the death of the process at any moment, not a power cut; pass
`synchronous="FULL"` for that. An episode is written by one process at a time (`lock`).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from centerlm.errors import InputError, JournalError
from centerlm.events import (
    SCHEMA_VERSION,
    EpisodeFinished,
    EpisodeResumed,
    EpisodeStarted,
    Event,
    decode_event,
    encode_event,
)

_TABLES = """
CREATE TABLE episodes(
    id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, question TEXT NOT NULL DEFAULT '',
    status TEXT NOT NULL DEFAULT 'running', started REAL NOT NULL DEFAULT 0,
    answer TEXT NOT NULL DEFAULT '');
CREATE TABLE events(
    episode INTEGER NOT NULL, seq INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (episode, seq)) WITHOUT ROWID;
CREATE TABLE blobs(hash TEXT PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE uses(episode INTEGER NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (episode, hash)) WITHOUT ROWID;
"""

# version reached -> statements that bring the version before it there
_MIGRATIONS: dict[int, str] = {
    2: """
    CREATE TABLE uses(episode INTEGER NOT NULL, hash TEXT NOT NULL,
        PRIMARY KEY (episode, hash)) WITHOUT ROWID;
    ALTER TABLE episodes ADD COLUMN answer TEXT NOT NULL DEFAULT '';
    """
}


SOON = 0.001
"""Seconds that `commit_soon` waits for more to write."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the list of episodes. `started` is seconds since 1970."""

    name: str
    question: str
    status: str
    answer: str
    started: float
    events: int


class Journal(Protocol):
    """Where events go. `append` queues, `commit` waits until all queued ones are safe.

    `commit_soon` has them made safe within about a millisecond, in one transaction with what else
    comes: for what came back and is not acted on without a `commit`, which tells of any error.
    """

    def append(self, episode: str, event: Event, blobs: dict[str, bytes] | None = None) -> None: ...

    async def commit(self) -> None: ...

    def commit_soon(self) -> None: ...

    def events(self, episode: str) -> list[Event]: ...

    def blob(self, name: str) -> bytes: ...

    def lock(self, episode: str) -> None: ...

    def unlock(self, episode: str) -> None: ...


class MemoryJournal:
    """A journal that lives as long as its object: for tests, training and one-off solves."""

    def __init__(self) -> None:
        self._events: dict[str, list[Event]] = {}
        self._blobs: dict[str, bytes] = {}

    def append(self, episode: str, event: Event, blobs: dict[str, bytes] | None = None) -> None:
        self._events.setdefault(episode, []).append(event)
        if blobs:
            self._blobs.update(blobs)

    async def commit(self) -> None:
        return None

    def commit_soon(self) -> None:
        return None

    def events(self, episode: str) -> list[Event]:
        return list(self._events.get(episode, ()))

    def blob(self, name: str) -> bytes:
        return self._blobs[name]

    def lock(self, episode: str) -> None:
        del episode

    def unlock(self, episode: str) -> None:
        del episode


class Overlay(MemoryJournal):
    """A journal in memory over one that is only read: what a replay writes to.

    `past` is what the episode that is replayed has; what is appended is kept apart from it.
    """

    def __init__(self, below: Journal, past: Sequence[Event]) -> None:
        super().__init__()
        self._below = below
        self._past = past

    def events(self, episode: str) -> list[Event]:
        return super().events(episode) or list(self._past)

    def blob(self, name: str) -> bytes:
        return self._blobs[name] if name in self._blobs else self._below.blob(name)


class SqliteJournal:
    """A journal in a SQLite file, for one event loop; other processes may use the file too.

    Raises:
        JournalError: the file is not a journal, was made by a newer version, or cannot be written.
    """

    def __init__(
        self, path: Path | str, *, synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    ) -> None:
        self.path = Path(path)
        self._pending: list[tuple[str, Event, bytes, dict[str, bytes] | None]] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._flushing = False
        self._timer: asyncio.TimerHandle | None = None
        self._ids: dict[str, tuple[int, int]] = {}
        self._locks: dict[str, int] = {}
        self._locks_at = self.path.with_suffix(".locks")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(f"PRAGMA synchronous={synchronous}")
            _prepare(self._db, self.path)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"the journal {self.path} cannot be opened: {error}") from error

    def append(self, episode: str, event: Event, blobs: dict[str, bytes] | None = None) -> None:
        self._pending.append((episode, event, encode_event(event), blobs))

    async def commit(self) -> None:
        """Wait until all that was appended is in the file.

        Raises:
            JournalError: it cannot be written; nothing that was to follow may be done.
        """
        if not self._pending:
            return
        loop = asyncio.get_running_loop()
        if not self._flushing:
            self._flushing = True
            loop.call_soon(self._flush)
        waiter = loop.create_future()
        self._waiters.append(waiter)
        await waiter

    def commit_soon(self) -> None:
        """Have what was appended written with the next `commit`, or after a millisecond."""
        if self._timer is None and self._pending and not self._flushing:
            self._timer = asyncio.get_running_loop().call_later(SOON, self._flush)

    def _flush(self) -> None:
        waiters, self._waiters, self._flushing = self._waiters, [], False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            self.write()
        except JournalError as error:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(error)
            return
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def write(self) -> None:
        """Write what was appended, now, in one transaction.

        Raises:
            JournalError: as `commit`; what was appended stays queued.
        """
        if not self._pending:
            return
        known = dict(self._ids)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._insert()
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._ids = known
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise JournalError(
                f"the journal {self.path} cannot be written ({error}); nothing after the last "
                "committed event was done: make room, then run: centerlm resume"
            ) from error
        self._pending.clear()

    def _insert(self) -> None:
        rows: list[tuple[int, int, bytes]] = []
        contents: dict[str, bytes] = {}
        uses: dict[tuple[int, str], None] = {}
        for episode, event, data, blobs in self._pending:
            id_, seq = self._ids.get(episode) or self._open(episode)
            self._ids[episode] = id_, seq + 1
            rows.append((id_, seq, data))
            if blobs:
                contents.update(blobs)
                uses.update(dict.fromkeys((id_, name) for name in blobs))
            self._mark(id_, event)
        self._db.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
        if contents:
            self._db.executemany("INSERT OR IGNORE INTO blobs VALUES (?, ?)", contents.items())
            self._db.executemany("INSERT OR IGNORE INTO uses VALUES (?, ?)", uses)

    def _mark(self, id_: int, event: Event) -> None:
        """Keep the list of episodes up to date."""
        match event:
            case EpisodeStarted():
                self._db.execute(
                    "UPDATE episodes SET question=?, started=? WHERE id=?",
                    (event.question, event.at, id_),
                )
            case EpisodeFinished():
                self._db.execute(
                    "UPDATE episodes SET status=?, answer=? WHERE id=?",
                    (event.status, event.answer, id_),
                )
            case EpisodeResumed():
                self._db.execute("UPDATE episodes SET status='running' WHERE id=?", (id_,))
            case _:
                pass

    def _open(self, episode: str) -> tuple[int, int]:
        row = self._db.execute("SELECT id FROM episodes WHERE name=?", (episode,)).fetchone()
        if row is None:
            cursor = self._db.execute("INSERT INTO episodes(name) VALUES (?)", (episode,))
            return int(cursor.lastrowid or 0), 0
        last = self._db.execute("SELECT max(seq) FROM events WHERE episode=?", row).fetchone()[0]
        return int(row[0]), 0 if last is None else int(last) + 1

    def events(self, episode: str) -> list[Event]:
        """The events of an episode, in order.

        Raises:
            InputError: there is no such episode.
            JournalError: an event cannot be read.
        """
        name = self.find(episode)
        rows = self._db.execute(
            "SELECT data FROM events JOIN episodes ON id=episode WHERE name=? ORDER BY seq", (name,)
        )
        try:
            return [decode_event(row[0]) for row in rows]
        except msgspec.DecodeError as error:
            raise JournalError(
                f"the journal {self.path} holds an unknown event: {error}"
            ) from error

    def blob(self, name: str) -> bytes:
        row = self._db.execute("SELECT data FROM blobs WHERE hash=?", (name,)).fetchone()
        if row is None:
            raise JournalError(f"the journal {self.path} has lost content {name}; restore a backup")
        return bytes(row[0])

    def find(self, prefix: str) -> str:
        """The one episode whose name starts like this; "last" is the newest.

        Raises:
            InputError: none or several do.
        """
        if prefix == "last":
            row = self._db.execute("SELECT name FROM episodes ORDER BY id DESC LIMIT 1").fetchone()
            if row is None:
                raise InputError(f"the journal {self.path} has no episodes yet")
            return str(row[0])
        pattern = prefix.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
        rows = self._db.execute(
            "SELECT name FROM episodes WHERE name LIKE ? ESCAPE '!' LIMIT 9", (pattern,)
        ).fetchall()
        names = [str(row[0]) for row in rows]
        if prefix in names:
            return prefix
        if len(names) == 1:
            return names[0]
        if names:
            raise InputError(f"{prefix!r} fits several episodes: {', '.join(names)}")
        raise InputError(f"there is no episode {prefix!r}; list them with: centerlm episodes")

    def summaries(self, limit: int = 50) -> list[Summary]:
        """The newest episodes first."""
        rows = self._db.execute(
            "SELECT name, question, status, answer, started, "
            "(SELECT count(*) FROM events WHERE episode=id) "
            "FROM episodes ORDER BY id DESC LIMIT ?",
            (limit,),
        )
        return [Summary(*row) for row in rows]

    def remove(self, episode: str) -> None:
        """Remove an episode's events, and the blobs only it uses."""
        name = self.find(episode)
        with self._transaction():
            (id_,) = self._db.execute("SELECT id FROM episodes WHERE name=?", (name,)).fetchone()
            self._db.execute("DELETE FROM events WHERE episode=?", (id_,))
            self._db.execute(
                "DELETE FROM blobs WHERE hash IN (SELECT hash FROM uses WHERE episode=?1) AND "
                "hash NOT IN (SELECT hash FROM uses WHERE episode<>?1)",
                (id_,),
            )
            self._db.execute("DELETE FROM uses WHERE episode=?", (id_,))
            self._db.execute("DELETE FROM episodes WHERE id=?", (id_,))
        self._ids.pop(name, None)

    def remove_before(self, when: float) -> list[str]:
        """Remove all episodes that started before `when` (seconds since 1970); returns names."""
        rows = self._db.execute("SELECT name FROM episodes WHERE started<?", (when,)).fetchall()
        for (name,) in rows:
            self.remove(str(name))
        return [str(name) for (name,) in rows]

    @contextmanager
    def _transaction(self) -> Generator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise JournalError(f"the journal {self.path} cannot be written: {error}") from error

    def lock(self, episode: str) -> None:
        """Become the one process that writes this episode; ends with the process at the latest.

        Raises:
            JournalError: another process is solving it.
        """
        import fcntl

        path = self._locks_at / episode
        try:
            handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        except FileNotFoundError:
            self._locks_at.mkdir(exist_ok=True)
            handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise JournalError(
                f"episode {episode} is being solved by another process; wait for it or stop it"
            ) from None
        self._locks[episode] = handle

    def unlock(self, episode: str) -> None:
        handle = self._locks.pop(episode, None)
        if handle is not None:
            (self._locks_at / episode).unlink(missing_ok=True)
            os.close(handle)

    def close(self) -> None:
        """Write what is queued and close the file."""
        self.write()
        for episode in list(self._locks):
            self.unlock(episode)
        self._db.close()


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    if not version and tables:
        raise JournalError(f"{path} is a SQLite file but not a journal; choose another path")
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"the journal {path} was made by a newer centerlm (schema {version}, this one reads "
            f"up to {SCHEMA_VERSION}); update centerlm: pip install -U centerlm"
        )
    if version == SCHEMA_VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        if not version:
            _script(db, _TABLES)
        for step in range(version + 1, SCHEMA_VERSION + 1) if version else ():
            _script(db, _MIGRATIONS[step])
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        db.execute("COMMIT")
    except sqlite3.Error:
        db.execute("ROLLBACK")
        raise


def _script(db: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";"):
        if statement.strip():
            db.execute(statement)


def new_episode_name() -> str:
    """A short name that sorts by time: seconds in base 36 and three random characters."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    number, text = int(time.time() * 10), ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text + "-" + "".join(digits[b % 36] for b in os.urandom(4))
