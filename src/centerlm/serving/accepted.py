"""The accepted requests of all workers, beside the journal: in a SQLite file, or in PostgreSQL.

A request is written here before its client hears that it is accepted, with the name of its episode.
So after a kill each one is either ended, or taken up again by whichever worker finds it, once: the
`owner` of a request is a worker, which holds a lock as long as it lives.
"""

from __future__ import annotations

import os
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from centerlm import postgres
from centerlm.errors import JournalError
from centerlm.finding import Usage
from centerlm.journal import SqliteJournal
from centerlm.journal_file import lock_file
from centerlm.postgres_journal import PostgresJournal
from centerlm.stored_journal import Database

KEPT = 7 * 86400.0
"""Seconds for which ended requests are kept, so that a repeated one is not run again."""

_CANCEL = "to be cancelled"
_HELD = "held"
"""The state of what is no request, and counts in a client's budget alone."""
_TABLES = """
CREATE TABLE IF NOT EXISTS requests(
    id INTEGER PRIMARY KEY, client TEXT NOT NULL, key TEXT, fingerprint TEXT NOT NULL,
    episode TEXT UNIQUE NOT NULL, body BLOB NOT NULL, state TEXT NOT NULL DEFAULT 'open',
    owner TEXT, reason TEXT NOT NULL DEFAULT '', accepted REAL NOT NULL, ended REAL,
    calls INTEGER NOT NULL DEFAULT 0, tokens INTEGER NOT NULL DEFAULT 0,
    money REAL NOT NULL DEFAULT 0, UNIQUE(client, key));
CREATE INDEX IF NOT EXISTS open_requests ON requests(state) WHERE state='open';
CREATE INDEX IF NOT EXISTS spent ON requests(client, ended);
"""
_POSTGRES_TABLES = postgres.Tables(
    "requests",
    1,
    """
CREATE TABLE requests(
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, client TEXT NOT NULL, key TEXT,
    fingerprint TEXT NOT NULL, episode TEXT UNIQUE NOT NULL, body BYTEA NOT NULL,
    state TEXT NOT NULL DEFAULT 'open', owner TEXT, reason TEXT NOT NULL DEFAULT '',
    accepted DOUBLE PRECISION NOT NULL, ended DOUBLE PRECISION, calls BIGINT NOT NULL DEFAULT 0,
    tokens BIGINT NOT NULL DEFAULT 0, money DOUBLE PRECISION NOT NULL DEFAULT 0,
    UNIQUE(client, key));
CREATE INDEX open_requests ON requests(state) WHERE state='open';
CREATE INDEX spent ON requests(client, ended);
""",
)
_COLUMNS = "id, client, key, fingerprint, episode, body, state, owner, reason"


class Spent(NamedTuple):
    calls: int = 0
    tokens: int = 0
    money: float = 0.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """A request. `state` is open, done, cancelled or failed (`reason` says why).

    `body` is empty where it cannot go on.
    """

    id: int
    client: str
    key: str | None
    fingerprint: str
    episode: str
    body: bytes
    state: str
    owner: str | None
    reason: str


class AcceptedRequests(ABC):
    """The requests of all workers of one journal, for one event loop.

    Raises:
        JournalError: every method: they cannot be written.
    """

    _begin_alone: tuple[str, ...] = ("BEGIN IMMEDIATE",)

    def __init__(self, name: str, db: Database, errors: type[Exception], owner: str) -> None:
        self.name = name
        self.owner = owner
        self._db = db
        self._errors = errors

    @property
    def lost(self) -> bool:
        """Whether the connection has ended, and nothing can be written any more."""
        return False

    def accept(
        self,
        client: str,
        key: str | None,
        fingerprint: str,
        episode: str,
        body: bytes,
        reserved: Spent,
    ) -> Accepted | None:
        """Write a new request, this worker's; None if one with this client and key is there.

        What it may spend counts as spent until it has ended.
        """
        with self._writing():
            row = self._db.execute(
                "INSERT INTO requests(client, key, fingerprint, episode, body, owner, accepted, "
                "calls, tokens, money) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                f"ON CONFLICT DO NOTHING RETURNING {_COLUMNS}",
                (client, key, fingerprint, episode, body, self.owner, time.time(), *reserved),
            ).fetchone()
        return Accepted(*row) if row else None

    def hold(self, client: str, name: str, reserved: Spent) -> int:
        """Count what work that is no request may spend as spent; its number, for `settle`.

        Nobody takes it up: of a worker that died it counts so until its time has passed.
        """
        now = time.time()
        with self._writing():
            row = self._db.execute(
                "INSERT INTO requests(client, fingerprint, episode, body, state, accepted, ended, "
                f"calls, tokens, money) VALUES (?, '', ?, x'', '{_HELD}', ?, ?, ?, ?, ?) "
                "RETURNING id",
                (client, name, now, now, *reserved),
            ).fetchone()
        return int(row[0])

    def settle(self, number: int, usage: Usage) -> None:
        """Say what it spent."""
        with self._writing():
            self._db.execute(
                "UPDATE requests SET ended=?, calls=?, tokens=?, money=? WHERE id=?",
                (time.time(), usage.calls, usage.tokens, usage.cost, number),
            )

    def of_key(self, client: str, key: str) -> Accepted | None:
        return self._one("client=? AND key=?", client, key)

    def of_episode(self, client: str, episode: str) -> Accepted | None:
        """A client's request by its episode: also one that it sent for a user of its own."""
        request = self.named(episode)
        return request if request and request.client.partition(" ")[0] == client else None

    def named(self, episode: str) -> Accepted | None:
        """The request that an episode answers, whoever's it is."""
        return self._one("episode=?", episode)

    def newest(self, client: str, limit: int) -> list[Accepted]:
        """A client's requests, the newest first."""
        with self._writing():
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM requests WHERE client=? AND state<>'{_HELD}' "
                "ORDER BY id DESC LIMIT ?",
                (client, limit),
            ).fetchall()
        return [Accepted(*row) for row in rows]

    def going(self) -> list[Accepted]:
        """All requests that are open or can go on."""
        with self._writing():
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM requests WHERE state='open' OR body<>x''"
            ).fetchall()
        return [Accepted(*row) for row in rows]

    def again(self, request: Accepted) -> Accepted | None:
        """The request as it is now."""
        return self._one("id=?", request.id)

    def _one(self, where: str, *values: str | int) -> Accepted | None:
        with self._writing():
            row = self._db.execute(
                f"SELECT {_COLUMNS} FROM requests WHERE {where}", values
            ).fetchone()
        return Accepted(*row) if row else None

    def orphans(self) -> list[Accepted]:
        """Open requests that no living worker has, oldest first."""
        with self._writing():
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM requests WHERE state='open' AND owner IS NOT ? "
                "ORDER BY id",
                (self.owner,),
            ).fetchall()
        requests = [Accepted(*row) for row in rows]
        alive = {owner: self.alive(owner) for owner in {r.owner for r in requests}}
        return [request for request in requests if not alive[request.owner]]

    def alive(self, owner: str | None) -> bool:
        """Whether the worker of this name still runs."""
        return owner is not None and (owner == self.owner or self._alive(owner))

    @abstractmethod
    def _alive(self, owner: str) -> bool:
        """Whether another worker, of this name, still runs."""

    def claim(self, request: Accepted) -> bool:
        """Become the owner of an open request; false where another was faster, or it has ended."""
        with self._writing():
            cursor = self._db.execute(
                "UPDATE requests SET owner=? WHERE id=? AND state='open' AND owner IS ?",
                (self.owner, request.id, request.owner),
            )
        return cursor.rowcount == 1

    def reopen(self, request: Accepted, reserved: Spent) -> bool:
        """Make an ended request, with the body it has now, this worker's open one again; false
        where it has not ended. What it may spend counts as spent again until it has ended.
        """
        with self._writing():
            cursor = self._db.execute(
                "UPDATE requests SET owner=?, state='open', reason='', body=?, calls=?, tokens=?, "
                "money=? WHERE id=? AND state<>'open' AND body<>x''",
                (self.owner, request.body, *reserved, request.id),
            )
        return cursor.rowcount == 1

    def release(self, request: Accepted) -> None:
        """Give an open request up, for another worker or the next start."""
        with self._writing():
            self._db.execute(
                "UPDATE requests SET owner=NULL WHERE id=? AND state='open'", (request.id,)
            )

    def end(
        self, request: Accepted, state: str, usage: Usage, reason: str = "", *, keep: bool = False
    ) -> None:
        """Say how a request ended, and what it spent; with `keep` it can go on later."""
        body = request.body if keep else b""
        with self._writing():
            self._db.execute(
                "UPDATE requests SET state=?, reason=?, ended=?, owner=NULL, calls=?, tokens=?, "
                "money=?, body=? WHERE id=?",
                (
                    *(state, reason, time.time(), usage.calls, usage.tokens, usage.cost, body),
                    request.id,
                ),
            )

    def spent(self, client: str, seconds: float) -> Spent:
        """What a client's requests of the last `seconds` spent, and open ones may spend."""
        with self._writing():
            row = self._db.execute(
                "SELECT coalesce(sum(calls), 0), coalesce(sum(tokens), 0), "
                "coalesce(sum(money), 0) FROM requests "
                "WHERE client=? AND (ended>? OR state='open')",
                (client, time.time() - seconds),
            ).fetchone()
        return Spent(int(row[0]), int(row[1]), float(row[2]))

    def want_cancelled(self, request: Accepted) -> bool:
        """Ask the worker that has an open request to cancel it; false where it has ended."""
        with self._writing():
            cursor = self._db.execute(
                "UPDATE requests SET reason=? WHERE id=? AND state='open'", (_CANCEL, request.id)
            )
        return cursor.rowcount == 1

    def unwanted(self) -> list[str]:
        """The episodes of this worker that another one was asked to cancel."""
        with self._writing():
            rows = self._db.execute(
                "SELECT episode FROM requests WHERE state='open' AND owner=? AND reason=?",
                (self.owner, _CANCEL),
            ).fetchall()
        return [str(row[0]) for row in rows]

    def prune(self) -> None:
        """Forget requests that ended long ago."""
        with self._writing():
            self._db.execute(
                "DELETE FROM requests WHERE state<>'open' AND ended<?", (time.time() - KEPT,)
            )

    @abstractmethod
    def close(self) -> None:
        """Close the store; whatever this worker still owns is free for others."""

    @contextmanager
    def alone(self) -> Generator[None]:
        """Read what a client has spent and take a request of it in one: between the two, no other
        worker does.
        """
        with self._writing():
            try:
                for statement in self._begin_alone:
                    self._db.execute(statement)
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _writing(self) -> Generator[None]:
        try:
            yield
        except self._errors as error:
            raise JournalError(
                f"the accepted requests {self.name} cannot be written ({error}); make room"
            ) from error


class SqliteRequests(AcceptedRequests):
    """The requests beside a journal's file. A worker holds the lock of a file as long as it lives.

    Raises:
        JournalError: the file cannot be opened.
    """

    def __init__(self, journal: Path) -> None:
        path = journal.with_name(journal.name + ".requests")
        owner = _new_owner()
        self._locks = journal.with_name(journal.name + ".locks")
        try:
            self._locks.mkdir(parents=True, exist_ok=True)
            self._lock = lock_file(self._locks / owner)
            db = sqlite3.connect(path, timeout=30, isolation_level=None)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.executescript(_TABLES)
            path.chmod(0o600)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(
                f"the accepted requests {path} cannot be opened: {error}; choose another journal"
            ) from error
        super().__init__(str(path), db, sqlite3.Error, owner)

    def _alive(self, owner: str) -> bool:
        file = self._locks / owner
        if not file.exists():
            return False
        try:
            handle = lock_file(file)
        except BlockingIOError:
            return True
        file.unlink(missing_ok=True)
        os.close(handle)
        return False

    def close(self) -> None:
        self._db.close()
        (self._locks / self.owner).unlink(missing_ok=True)
        os.close(self._lock)


class PostgresRequests(AcceptedRequests):
    """The requests in the database of the journal. A worker is a session of its own, and its name a
    lock of that.

    Raises:
        JournalError: the database cannot be reached or used.
    """

    _begin_alone = ("BEGIN", "LOCK TABLE requests IN SHARE ROW EXCLUSIVE MODE")

    def __init__(self, url: str) -> None:
        self._session = postgres.connect(url, _POSTGRES_TABLES)
        super().__init__(postgres.shown(url), self._session, postgres.errors(), _new_owner())
        with self._writing():
            self._session.take(self.owner)

    @property
    def lost(self) -> bool:
        return self._session.lost

    def _alive(self, owner: str) -> bool:
        with self._writing():
            if not self._session.take(owner):
                return True
            self._session.leave(owner)
        return False

    def close(self) -> None:
        self._session.close()


def requests_of(journal: SqliteJournal | PostgresJournal) -> AcceptedRequests:
    """The accepted requests that stand beside a journal.

    Raises:
        JournalError: they cannot be opened.
    """
    if isinstance(journal, SqliteJournal):
        return SqliteRequests(journal.path)
    return PostgresRequests(journal.url)


def _new_owner() -> str:
    return f"worker-{os.getpid()}-{os.urandom(4).hex()}"
