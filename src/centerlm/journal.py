"""The journal: events and blobs of all episodes in one SQLite file.

Events are committed before they are acted on: `commit` returns when everything appended so far is
in the file. Appends of concurrent episodes share a transaction (group commit). WAL at
synchronous=NORMAL survives the death of the process at any moment, not a power cut; pass
`synchronous="FULL"` for that. An episode is written by one process at a time (`lock`).
"""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from centerlm.errors import InputError, JournalError
from centerlm.events import (
    EpisodeFinished,
    EpisodeResumed,
    EpisodeStarted,
    Event,
    decode_event,
    encode_event,
)
from centerlm.journal_file import connect, lock_file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


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
    """A journal in memory over one that is only read: what a replay writes to."""

    def __init__(self, below: Journal) -> None:
        super().__init__()
        self._below = below

    def events(self, episode: str) -> list[Event]:
        return super().events(episode) or self._below.events(episode)

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
        self._locks_at = self.path.with_name(self.path.name + ".locks")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = connect(self.path, synchronous)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(
                f"the journal {self.path} cannot be opened: {error}; choose another path"
            ) from error

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

    def events(self, episode: str, start: int = 0) -> list[Event]:
        """The events of the episode with exactly this name, in order, from number `start` on.

        Writes what is queued first.

        Raises:
            InputError: there is no such episode.
            JournalError: what is queued cannot be written, or an event cannot be read.
        """
        self.write()
        if not self._rows("SELECT 1 FROM episodes WHERE name=?", episode):
            raise _no_episode(episode)
        rows = self._rows(
            "SELECT data FROM events JOIN episodes ON id=episode WHERE name=? AND seq>=? "
            "ORDER BY seq",
            episode,
            start,
        )
        try:
            return [decode_event(row[0]) for row in rows]
        except msgspec.DecodeError as error:
            raise JournalError(
                f"the journal {self.path} holds an unknown event: {error}"
            ) from error

    def blob(self, name: str) -> bytes:
        """Content by its hash, queued or written.

        Raises:
            JournalError: it is neither.
        """
        for _, _, _, blobs in reversed(self._pending):
            if blobs and name in blobs:
                return blobs[name]
        rows = self._rows("SELECT data FROM blobs WHERE hash=?", name)
        if not rows:
            raise JournalError(f"the journal {self.path} has lost content {name}; restore a backup")
        return bytes(rows[0][0])

    def content(self, episode: str) -> dict[str, bytes]:
        """All content of the episode with exactly this name, by hash; none where there is none."""
        rows = self._rows(
            "SELECT hash, blobs.data FROM blobs JOIN uses USING (hash) JOIN episodes ON "
            "id=uses.episode WHERE name=?",
            episode,
        )
        return {str(name): bytes(data) for name, data in rows}

    def find(self, prefix: str) -> str:
        """The one episode whose name starts like this; "last" is the newest.

        Raises:
            InputError: none or several do.
        """
        if prefix == "last":
            rows = self._rows("SELECT name FROM episodes ORDER BY id DESC LIMIT 1")
            if not rows:
                raise InputError(f"the journal {self.path} has no episodes yet")
            return str(rows[0][0])
        if self._rows("SELECT 1 FROM episodes WHERE name=?", prefix):
            return prefix
        pattern = prefix.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
        rows = self._rows("SELECT name FROM episodes WHERE name LIKE ? ESCAPE '!' LIMIT 9", pattern)
        names = [str(row[0]) for row in rows]
        if len(names) == 1:
            return names[0]
        if names:
            raise InputError(f"{prefix!r} fits several episodes: {', '.join(names)}")
        raise _no_episode(prefix)

    def summaries(self, limit: int = 50) -> list[Summary]:
        """The newest episodes first."""
        rows = self._rows(
            "SELECT name, question, status, answer, started, "
            "(SELECT count(*) FROM events WHERE episode=id) "
            "FROM episodes ORDER BY id DESC LIMIT ?",
            limit,
        )
        return [Summary(*row) for row in rows]

    def remove(self, episode: str) -> None:
        """Remove an episode's events, and the blobs only it uses.

        Raises:
            InputError: there is no such episode.
            JournalError: it is being solved, or the file cannot be written.
        """
        name = self.find(episode)
        self.lock(name)
        try:
            with self._transaction():
                self._delete(name)
        finally:
            self.unlock(name)

    def _delete(self, name: str) -> None:
        row = self._db.execute("SELECT id FROM episodes WHERE name=?", (name,)).fetchone()
        if row is None:
            return  # another process was faster
        self._db.execute("DELETE FROM events WHERE episode=?", row)
        self._db.execute(
            "DELETE FROM blobs WHERE hash IN (SELECT hash FROM uses WHERE episode=?1) AND "
            "hash NOT IN (SELECT hash FROM uses WHERE episode<>?1)",
            row,
        )
        self._db.execute("DELETE FROM uses WHERE episode=?", row)
        self._db.execute("DELETE FROM episodes WHERE id=?", row)

    def remove_before(self, when: float) -> list[str]:
        """Remove all episodes that started before `when` (seconds since 1970); returns names."""
        names = [
            str(row[0]) for row in self._rows("SELECT name FROM episodes WHERE started<?", when)
        ]
        for name in names:
            self.remove(name)
        return names

    def _rows(self, query: str, *values: str | float) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise JournalError(
                f"the journal {self.path} cannot be read: {error}; restore a backup"
            ) from error

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
            InputError: an episode cannot have this name.
            JournalError: another process is solving it.
        """
        if not _NAME.fullmatch(episode):
            raise InputError(
                f"{episode[:80]!r} is no name of an episode; use letters, digits, '_', '-' and '.'"
            )
        file = self._lock_file(episode)
        try:
            try:
                self._locks[episode] = lock_file(file)
            except FileNotFoundError:
                file.parent.mkdir(exist_ok=True)
                self._locks[episode] = lock_file(file)
        except BlockingIOError:
            raise JournalError(
                f"episode {episode} is being solved by another process; wait for it or stop it"
            ) from None
        except OSError as error:
            raise JournalError(f"the journal {self.path} cannot be written: {error}") from error
        self._ids.pop(episode, None)  # another process may have added events since

    def unlock(self, episode: str) -> None:
        handle = self._locks.pop(episode, None)
        if handle is not None:
            self._lock_file(episode).unlink(missing_ok=True)
            os.close(handle)

    def _lock_file(self, episode: str) -> Path:
        return self._locks_at / episode

    def close(self) -> None:
        """Write what is queued and close the file."""
        self.write()
        for episode in list(self._locks):
            self.unlock(episode)
        self._db.close()


def _no_episode(name: str) -> InputError:
    return InputError(f"there is no episode {name!r}; list them with: centerlm episodes")


def new_episode_name() -> str:
    """A short name that sorts by time: seconds in base 36 and three random characters."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    number, text = int(time.time() * 10), ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text + "-" + "".join(digits[b % 36] for b in os.urandom(4))
