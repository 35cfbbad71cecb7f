"""What journals in a database share, whichever it is: committing, finding, reading, removing.

The SQL is what SQLite and PostgreSQL both understand. A store says how it is connected, what its
errors are, and how an episode is locked.
"""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

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

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


SOON = 0.001
"""Seconds that `commit_soon` waits for more to write."""
_ALL = 1 << 62


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the list of episodes. `started` is seconds since 1970."""

    name: str
    question: str
    status: str
    answer: str
    started: float
    events: int


class Cursor(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...


class Database(Protocol):
    """A connection that commits each statement by itself, but between BEGIN and COMMIT."""

    @property
    def in_transaction(self) -> bool: ...

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor: ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object: ...

    def close(self) -> None: ...


class StoredJournal(ABC):
    """A journal in a database, for one event loop; other processes may use it too.

    `name` says in errors which one it is.
    """

    _begin = "BEGIN"

    def __init__(self, name: str, db: Database, errors: type[Exception]) -> None:
        self.name = name
        self._db = db
        self._errors = errors
        self._pending: list[tuple[str, Event, bytes, dict[str, bytes] | None]] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._flushing = False
        self._timer: asyncio.TimerHandle | None = None
        self._ids: dict[str, tuple[int, int]] = {}
        self._guard: AbstractContextManager[object] = nullcontext()

    @property
    def lost(self) -> bool:
        """Whether the connection has ended, and nothing can be written any more."""
        return False

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
        batch = self._pending[:]
        if not batch:
            return
        known = dict(self._ids)
        try:
            self._db.execute(self._begin)
            self._insert(batch)
            self._db.execute("COMMIT")
        except self._errors as error:
            self._ids = known
            self._roll_back()
            raise JournalError(
                f"the journal {self.name} cannot be written ({error}); nothing after the last "
                "committed event was done: make room, then run: centerlm resume"
            ) from error
        del self._pending[: len(batch)]

    def _roll_back(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _insert(self, batch: Sequence[tuple[str, Event, bytes, dict[str, bytes] | None]]) -> None:
        rows: list[tuple[int, int, bytes]] = []
        contents: dict[str, bytes] = {}
        uses: dict[tuple[int, str], None] = {}
        for episode, event, data, blobs in batch:
            id_, seq = self._ids.get(episode) or self._open(episode)
            self._ids[episode] = id_, seq + 1
            rows.append((id_, seq, data))
            if blobs:
                contents.update(blobs)
                uses.update(dict.fromkeys((id_, name) for name in blobs))
            self._mark(id_, event)
        self._db.executemany("INSERT INTO events VALUES (?, ?, ?)", rows)
        if contents:
            # Uses first: what removes unused content at this moment has to see them. In order: two
            # writers of the same content would else wait for each other.
            self._db.executemany("INSERT INTO uses VALUES (?, ?) ON CONFLICT DO NOTHING", uses)
            self._db.executemany(
                "INSERT INTO blobs VALUES (?, ?) ON CONFLICT DO NOTHING", sorted(contents.items())
            )

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
            row = self._db.execute(
                "INSERT INTO episodes(name) VALUES (?) RETURNING id", (episode,)
            ).fetchone()
            return int(row[0]), 0
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
                f"the journal {self.name} holds an unknown event: {error}"
            ) from error

    def blob(self, name: str) -> bytes:
        """Content by its hash, queued or written.

        Raises:
            JournalError: it is neither.
        """
        for _, _, _, blobs in reversed(self._pending[:]):
            if blobs and name in blobs:
                return blobs[name]
        rows = self._rows("SELECT data FROM blobs WHERE hash=?", name)
        if not rows:
            raise JournalError(f"the journal {self.name} has lost content {name}; restore a backup")
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
                raise InputError(f"the journal {self.name} has no episodes yet")
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
        """The newest episodes first; all of them where `limit` is negative."""
        rows = self._rows(
            "SELECT name, question, status, answer, started, "
            # Numbered from 0 on: the last one says how many, however many there are.
            "(SELECT coalesce(max(seq) + 1, 0) FROM events WHERE episode=id) "
            "FROM episodes ORDER BY id DESC LIMIT ?",
            limit if limit >= 0 else _ALL,
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
                self._begin_removing()
                self._delete(name)
        finally:
            self.unlock(name)

    @abstractmethod
    def _begin_removing(self) -> None:
        """Keep others from beginning to use content that is about to be removed."""

    def _delete(self, name: str) -> None:
        row = self._db.execute("SELECT id FROM episodes WHERE name=?", (name,)).fetchone()
        if row is None:
            return  # another process was faster
        self._db.execute("DELETE FROM events WHERE episode=?", row)
        self._db.execute(
            "DELETE FROM blobs WHERE hash IN (SELECT hash FROM uses WHERE episode=?) AND "
            "hash NOT IN (SELECT hash FROM uses WHERE episode<>?)",
            (*row, *row),
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
        except self._errors as error:
            raise JournalError(
                f"the journal {self.name} cannot be read: {error}; restore a backup"
            ) from error

    @contextmanager
    def _transaction(self) -> Generator[None]:
        with self._guard:
            try:
                self._db.execute(self._begin)
                yield
                self._db.execute("COMMIT")
            except self._errors as error:
                self._roll_back()
                raise JournalError(f"the journal {self.name} cannot be written: {error}") from error

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
        if not self._take(episode):
            raise JournalError(
                f"episode {episode} is being solved by another process; wait for it or stop it"
            )
        self._ids.pop(episode, None)  # another process may have added events since

    @abstractmethod
    def unlock(self, episode: str) -> None:
        """Let an episode go."""

    @abstractmethod
    def _take(self, episode: str) -> bool:
        """Lock an episode; false where another holds it."""

    @abstractmethod
    def _unlock_all(self) -> None:
        """Let all episodes go that are locked here."""

    def close(self) -> None:
        """Write what is queued and close the connection."""
        self.write()
        self._unlock_all()
        self._db.close()


def _no_episode(name: str) -> InputError:
    return InputError(f"there is no episode {name!r}; list them with: centerlm episodes")
