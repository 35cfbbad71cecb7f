"""The one SQLite file of a library: its schema, its versions, and connections to it.

Knows tables, not documents or search. A connection belongs to one thread; any number of processes
read while one writes (WAL). `application_id` says that the file is a library and `user_version`
which schema it has, so a foreign, half-made or newer file is refused with a sentence.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from centerlm.errors import LibraryError

FILE_NAME = "library.sqlite"
APPLICATION_ID = 0x436C6962  # "Clib"
VERSION = 3
BUSY_SECONDS = 10.0

_OBSERVATIONS = """
CREATE TABLE observations (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX observations_document ON observations (document, kind, start);
"""

_SCHEMA = (
    """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    sha256 TEXT NOT NULL
);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    file INTEGER NOT NULL REFERENCES files ON DELETE CASCADE,
    position INTEGER NOT NULL,
    title TEXT NOT NULL,
    unit TEXT NOT NULL DEFAULT 'characters'
);
CREATE INDEX documents_file ON documents (file);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    start INTEGER NOT NULL,
    "end" INTEGER NOT NULL,
    heading TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX passages_document ON passages (document);
CREATE VIRTUAL TABLE words USING fts5 (
    title, heading, text, content='', tokenize='porter unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE terms USING fts5vocab (words, row);
CREATE TABLE common_terms (term TEXT PRIMARY KEY, passages INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE vectors (
    passage INTEGER PRIMARY KEY REFERENCES passages ON DELETE CASCADE,
    vector BLOB NOT NULL
);
CREATE TABLE codes (
    passage INTEGER PRIMARY KEY REFERENCES passages ON DELETE CASCADE,
    code BLOB NOT NULL
);
"""
    + _OBSERVATIONS
)

# Where a question's words are turned into the forms that the index holds; see `terms`.
_TEMPORARY = """
CREATE VIRTUAL TABLE temp.asked USING fts5
    (word, tokenize='porter unicode61 remove_diacritics 2');
CREATE VIRTUAL TABLE temp.asked_terms USING fts5vocab (temp, asked, row);
"""

# What turns a library of format N into N + 1. A format never changes without a step here.
MIGRATIONS: Mapping[int, str] = {
    1: _OBSERVATIONS,
    2: "ALTER TABLE documents ADD COLUMN unit TEXT NOT NULL DEFAULT 'characters'",
}


class Store:
    """A library's file; `connection` gives the calling thread its own connection."""

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        """Open the library in `folder`; with `create` make it, and the folder, where missing.

        Raises:
            LibraryError: no library there, half-made, made by a newer version, or not accessible.
        """
        self.path = folder / FILE_NAME
        self._threads = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        if not self.path.is_file():
            if not create:
                raise LibraryError(
                    f"{folder} holds no library; make one with: "
                    f"centerlm ingest FILES --library {folder}"
                )
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LibraryError(
                    f"{folder} cannot be made ({error.strerror}); choose another folder"
                ) from None
        with self.errors():
            self._check(create=create)

    def connection(self) -> sqlite3.Connection:
        """This thread's connection, in autocommit mode: transactions are begun by hand."""
        connection: sqlite3.Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA cache_size = -32768")
            connection.execute("PRAGMA mmap_size = 1073741824")
            connection.execute("PRAGMA temp_store = MEMORY")
            _run(connection, _TEMPORARY)
            self._threads.connection = connection
            with self._lock:
                self._open.append(connection)
        return connection

    def close(self) -> None:
        """Close every thread's connection; the store is not used afterwards."""
        with self._lock:
            for connection in self._open:
                connection.close()
            self._open.clear()
        self._threads = threading.local()

    @contextmanager
    def errors(self) -> Generator[None]:
        """What SQLite raises within becomes one sentence about this library."""
        try:
            yield
        except sqlite3.Error as error:
            raise LibraryError(self._sentence(error)) from None

    @contextmanager
    def write(self) -> Generator[sqlite3.Connection]:
        """One transaction that is all kept or, if anything raises, all undone."""
        with self.errors():
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def meta(self, key: str) -> str | None:
        row = self.connection().execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def _check(self, *, create: bool) -> None:
        connection = self.connection()
        version, kind = _version(connection)
        if (version, kind) == (0, 0):
            tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if tables:
                raise LibraryError(f"{self.path} is a database but no library; use another folder")
            if not create:
                raise LibraryError(
                    f"{self.path} is a library whose making was interrupted before anything was "
                    f"stored; run: centerlm ingest FILES --library {self.path.parent}"
                )
            self._make(connection)
            return
        if kind != APPLICATION_ID:
            raise LibraryError(f"{self.path} is a database but no library; use another folder")
        if version > VERSION:
            raise LibraryError(
                f"{self.path} was made by a newer centerlm (format {version}, this one reads up "
                f"to {VERSION}); update with: pip install -U centerlm"
            )
        if version < VERSION:
            upgrade(connection, self.path, VERSION, MIGRATIONS)

    def _make(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            if _version(connection) == (0, 0):  # another process may have been quicker
                _run(connection, _SCHEMA)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _sentence(self, error: sqlite3.Error) -> str:
        text = str(error)
        if "locked" in text or "busy" in text:
            return (
                f"{self.path} is being written by another process; try again when it has finished"
            )
        if "not a database" in text or "malformed" in text or "no such table" in text:
            return f"{self.path} is damaged or no library ({text}); delete it and ingest again"
        if "full" in text:
            return f"the disk is full, so {self.path} was left as it was; free some space"
        if "readonly" in text or "unable to open" in text:
            return f"{self.path} cannot be opened or written ({text}); check its permissions"
        return f"{self.path} cannot be used ({text}); delete it and ingest again"


def upgrade(
    connection: sqlite3.Connection, path: Path, target: int, migrations: Mapping[int, str]
) -> None:
    """Bring a library of an older format up to `target`, in one transaction.

    Raises:
        LibraryError: a step is missing; the library is left as it was.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        version, _ = _version(connection)
        while version < target:
            if version not in migrations:
                raise LibraryError(
                    f"{path} has the old format {version}, which is no longer read; ingest its "
                    "files into a new folder"
                )
            _run(connection, migrations[version])
            version += 1
        connection.execute(f"PRAGMA user_version = {target}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> tuple[int, int]:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    kind = connection.execute("PRAGMA application_id").fetchone()[0]
    return int(version), int(kind)


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Each statement of a script in the open transaction (`executescript` would commit it)."""
    for statement in script.split(";"):
        if statement.strip():
            connection.execute(statement)
