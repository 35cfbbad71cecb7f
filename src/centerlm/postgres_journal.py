"""The journal in PostgreSQL: for centers on several machines, and episodes that outlive a machine.

Commits wait for the server in a thread, so other episodes go on; what came meanwhile shares the
next transaction. They are as safe as the server makes them (`synchronous_commit`, by default on:
against power cuts too). An episode is locked by the session: when the process dies, its machine
goes away or the connection is lost, the lock is free, and the process can write no more.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable

from centerlm.errors import JournalError
from centerlm.forgettings import Forgetting
from centerlm.postgres import Tables, connect, errors, shown
from centerlm.postgres_forgettings import FORGETTINGS, add, identity
from centerlm.stored_journal import StoredJournal

_TABLES = Tables(
    "journal",
    1,
    """
CREATE TABLE episodes(
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT UNIQUE NOT NULL,
    question TEXT NOT NULL DEFAULT '', status TEXT NOT NULL DEFAULT 'running',
    started DOUBLE PRECISION NOT NULL DEFAULT 0, answer TEXT NOT NULL DEFAULT '');
CREATE TABLE events(
    episode BIGINT NOT NULL, seq BIGINT NOT NULL, data BYTEA NOT NULL, PRIMARY KEY (episode, seq));
CREATE TABLE blobs(hash TEXT PRIMARY KEY, data BYTEA NOT NULL);
CREATE TABLE uses(episode BIGINT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (episode, hash));
CREATE INDEX uses_hash ON uses(hash);
""",
)


class PostgresJournal(StoredJournal):
    """A journal in a PostgreSQL database, for one event loop; other processes and machines may use
    it too. `url` is libpq's: a password is better in ~/.pgpass or PGPASSWORD.

    Raises:
        JournalError: the database cannot be reached or used, or was made by a newer version.
        MissingExtraError: psycopg is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = connect(url, _TABLES, FORGETTINGS)
        self.database = identity(self._session)
        """What tells this database from others, whatever address it has."""
        self._held: set[str] = set()
        self._writing: asyncio.Future[None] | None = None
        super().__init__(shown(url), self._session, errors())
        self._guard = threading.RLock()

    def forgettings(
        self, project: str, after: int, since: float = float("inf")
    ) -> list[Forgetting]:
        """What the memories of a project are to forget, in the order in which it was said: of the
        rows above the id `after`, and of those said at `since` or later.

        Raises:
            JournalError: the database cannot be read.
        """
        rows = self._rows(
            "SELECT project, what, value, at, id FROM forgettings "
            "WHERE (id>? OR at>=?) AND project IN (?, '') ORDER BY id",
            *(after, since, project),
        )
        return [Forgetting(*row) for row in rows]

    def say_forgotten(self, forgettings: Iterable[Forgetting]) -> None:
        """Say what the memories of all machines are to forget: all of it, or nothing.

        Raises:
            JournalError: the database cannot be written.
        """
        with self._transaction():
            add(self._session, forgettings)

    def _delete(self, name: str) -> None:
        super()._delete(name)
        add(self._session, [Forgetting("", "episode", name, time.time())])

    @property
    def lost(self) -> bool:
        return self._session.lost

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._flushing = True
        self._writing = asyncio.ensure_future(self._write_apart())

    async def _write_apart(self) -> None:
        """Write in a thread, again as long as somebody waits for what came meanwhile."""
        failure: JournalError | None = None
        while failure is None:
            waiters, self._waiters = self._waiters, []
            try:
                await asyncio.to_thread(self.write)
            except JournalError as error:
                failure = error
                waiters += self._waiters
                self._waiters = []
            for waiter in waiters:
                if waiter.done():
                    continue
                if failure is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(failure)
            if not self._waiters:
                break
        self._flushing = False
        if failure is None:
            self.commit_soon()

    def write(self) -> None:
        with self._guard:
            super().write()

    def _begin_removing(self) -> None:
        # Nobody may begin to use content while it is looked up whether anybody does.
        self._db.execute("LOCK TABLE uses IN SHARE ROW EXCLUSIVE MODE")

    def _take(self, episode: str) -> bool:
        if episode in self._held:
            return False
        try:
            if not self._session.take(f"episode {episode}"):
                return False
        except self._errors as error:
            raise JournalError(f"the journal {self.name} cannot be written: {error}") from error
        self._held.add(episode)
        return True

    def unlock(self, episode: str) -> None:
        if episode in self._held:
            self._held.discard(episode)
            if not self.lost:
                self._session.leave(f"episode {episode}")

    def _unlock_all(self) -> None:
        self._held.clear()
        if not self.lost:  # the server ends a session a moment after it is closed
            self._session.execute("SELECT pg_advisory_unlock_all()")
