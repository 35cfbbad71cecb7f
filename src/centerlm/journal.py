"""The journal: events and blobs of all episodes in one SQLite file.

Events are committed before they are acted on: `commit` returns when everything appended so far is
in the file. Appends of concurrent episodes share a transaction (group commit). WAL at
synchronous=NORMAL survives the death of the process at any moment, not a power cut; pass
`synchronous="FULL"` for that. An episode is written by one process at a time (`lock`).
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Literal, Protocol

from centerlm.errors import JournalError
from centerlm.events import Event
from centerlm.journal_file import connect, lock_file
from centerlm.stored_journal import SOON, StoredJournal, Summary

__all__ = [
    "SOON",
    "Journal",
    "MemoryJournal",
    "Overlay",
    "SqliteJournal",
    "StoredJournal",
    "Summary",
    "new_episode_name",
]


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


class SqliteJournal(StoredJournal):
    """A journal in a SQLite file, for one event loop; other processes may use the file too.

    Raises:
        JournalError: the file is not a journal, was made by a newer version, or cannot be written.
    """

    _begin = "BEGIN IMMEDIATE"

    def __init__(
        self, path: Path | str, *, synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
    ) -> None:
        self.path = Path(path)
        self._locks: dict[str, int] = {}
        self._locks_at = self.path.with_name(self.path.name + ".locks")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            db = connect(self.path, synchronous)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(
                f"the journal {self.path} cannot be opened: {error}; choose another path"
            ) from error
        super().__init__(str(self.path), db, sqlite3.Error)

    def _take(self, episode: str) -> bool:
        file = self._lock_file(episode)
        try:
            try:
                self._locks[episode] = lock_file(file)
            except FileNotFoundError:
                file.parent.mkdir(exist_ok=True)
                self._locks[episode] = lock_file(file)
        except BlockingIOError:
            return False
        except OSError as error:
            raise JournalError(f"the journal {self.path} cannot be written: {error}") from error
        return True

    def unlock(self, episode: str) -> None:
        handle = self._locks.pop(episode, None)
        if handle is not None:
            self._lock_file(episode).unlink(missing_ok=True)
            os.close(handle)

    def _unlock_all(self) -> None:
        for episode in list(self._locks):
            self.unlock(episode)

    def _begin_removing(self) -> None:
        """Nothing to do: while one process writes to a SQLite file, no other does."""

    def _lock_file(self, episode: str) -> Path:
        return self._locks_at / episode


def new_episode_name() -> str:
    """A short name that sorts by time: seconds in base 36 and three random characters."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    number, text = int(time.time() * 10), ""
    while number:
        number, digit = divmod(number, 36)
        text = digits[digit] + text
    return text + "-" + "".join(digits[b % 36] for b in os.urandom(4))
