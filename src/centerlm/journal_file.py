"""The file behind a journal: opening it, its schema and migrations, and locks of episodes.

A file that is not a journal, or one of a newer version, is left as it is.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from centerlm.errors import JournalError
from centerlm.events import SCHEMA_VERSION

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
    """,
    3: "",  # a new kind of event, which an older version cannot read
    4: "",  # the same
}


def connect(path: Path, synchronous: str) -> sqlite3.Connection:
    """Open a journal, made or migrated where that is needed.

    Raises:
        JournalError: the file is not a journal, or was made by a newer version.
        sqlite3.Error: it is not a SQLite file, or cannot be read or written.
    """
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    try:
        if _version(db, path) != SCHEMA_VERSION or not _is_journal(db):
            _prepare(db, path)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={synchronous}")
    except BaseException:
        db.close()
        raise
    return db


def _version(db: sqlite3.Connection, path: Path) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"the journal {path} was made by a newer centerlm (schema {version}, this one reads "
            f"up to {SCHEMA_VERSION}); update centerlm: pip install -U centerlm"
        )
    return int(version)


def _tables(db: sqlite3.Connection) -> set[str]:
    return {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}


def _is_journal(db: sqlite3.Connection) -> bool:
    return {"episodes", "events", "blobs"} <= _tables(db)


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make or migrate the tables, in one transaction: another process may be about to as well."""
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _version(db, path)
        if _tables(db) and not (version and _is_journal(db)):
            raise JournalError(f"{path} is a SQLite file but not a journal; choose another path")
        if not version:
            _script(db, _TABLES)
        for step in range(version + 1, SCHEMA_VERSION + 1) if version else ():
            _script(db, _MIGRATIONS[step])
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _script(db: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";"):
        if statement.strip():
            db.execute(statement)


def lock_file(file: Path) -> int:
    """Open and lock a file; the descriptor holds the lock until it is closed.

    Raises:
        BlockingIOError: another process holds the lock.
        OSError: the file cannot be opened.
    """
    import fcntl

    while True:
        handle = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), file.stat()):
                    return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its holder removed it between opening and locking: nobody sees it
