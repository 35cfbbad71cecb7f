"""The SQLite file of a seeking memory: its tables, its versions, connections to it.

Several processes may read and write it at once (WAL, one writer at a time). A file that is no
memory, is damaged, or was made by a newer version is refused with a sentence and left as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from centerlm.errors import MemoryFileError

APPLICATION_ID = 0x436D656D  # "Cmem"
BUSY_SECONDS = 30.0
_LARGEST = (1 << 63) - 1

_SCHEMA = """
CREATE TABLE projects(
    id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, forgotten REAL NOT NULL DEFAULT 0);
CREATE TABLE episodes(
    project INTEGER NOT NULL, key INTEGER NOT NULL, name TEXT NOT NULL, at REAL NOT NULL,
    forgotten INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (project, key)) WITHOUT ROWID;
CREATE INDEX episodes_at ON episodes(project, at);
CREATE TABLE inbox(
    id INTEGER PRIMARY KEY, project INTEGER NOT NULL, episode INTEGER NOT NULL,
    data BLOB NOT NULL);
CREATE INDEX inbox_episode ON inbox(project, episode);
CREATE TABLE kinds(
    id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL, text TEXT NOT NULL,
    vector BLOB, ticks INTEGER NOT NULL DEFAULT 0, used REAL NOT NULL DEFAULT 0);
CREATE INDEX kinds_project ON kinds(project);
CREATE TABLE arms(
    id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, source TEXT NOT NULL, tick INTEGER NOT NULL,
    belief BLOB NOT NULL, window BLOB NOT NULL, UNIQUE (kind, source));
CREATE TABLE records(
    id INTEGER PRIMARY KEY, project INTEGER NOT NULL, source TEXT NOT NULL,
    window BLOB NOT NULL, UNIQUE (project, source));
CREATE TABLE exemplars(
    id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, episode INTEGER NOT NULL, entry INTEGER NOT NULL,
    source TEXT NOT NULL, text TEXT NOT NULL, query TEXT NOT NULL, success REAL NOT NULL,
    plain INTEGER NOT NULL, at REAL NOT NULL);
CREATE INDEX exemplars_kind ON exemplars(kind);
CREATE INDEX exemplars_episode ON exemplars(episode);
"""

_WEB = """
CREATE TABLE notes(
    id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL, key INTEGER NOT NULL,
    ref INTEGER NOT NULL, question TEXT NOT NULL, claim TEXT NOT NULL, source TEXT NOT NULL,
    trust TEXT NOT NULL, citations BLOB NOT NULL, entities TEXT NOT NULL, at REAL NOT NULL,
    used REAL NOT NULL DEFAULT 0, ended REAL NOT NULL DEFAULT 0, why TEXT NOT NULL DEFAULT '',
    UNIQUE (project, ref));
CREATE INDEX notes_key ON notes(project, key);
CREATE TABLE note_origins(
    note INTEGER NOT NULL, episode INTEGER NOT NULL, path TEXT NOT NULL, served TEXT NOT NULL,
    reader TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (note, episode, path)) WITHOUT ROWID;
CREATE INDEX note_origins_episode ON note_origins(episode);
CREATE TABLE note_links(
    note INTEGER NOT NULL, other INTEGER NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (note, other, kind)) WITHOUT ROWID;
CREATE INDEX note_links_other ON note_links(other);
CREATE VIRTUAL TABLE note_words USING fts5(
    question, claim, entities, tokenize='porter unicode61 remove_diacritics 2');
"""

_PLANS = """
CREATE TABLE plans(
    id INTEGER PRIMARY KEY AUTOINCREMENT, project INTEGER NOT NULL, episode INTEGER NOT NULL,
    text TEXT NOT NULL, vector BLOB, objective TEXT NOT NULL, plan TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX plans_project ON plans(project);
CREATE INDEX plans_objective ON plans(project, objective);
"""

_APPLIED = """
CREATE TABLE applied(
    project INTEGER NOT NULL, database TEXT NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (project, database)) WITHOUT ROWID;
"""

_STEPS = (_SCHEMA, _WEB, _PLANS, _APPLIED)
"""What makes a file of format N + 1 of one of format N. A format never changes without a step."""
VERSION = len(_STEPS)


def number_of(text: str) -> int | None:
    """The number of a kind or note that a text is; None where it is other text."""
    text = text.strip()
    return int(text[: len(str(_LARGEST)) + 1]) if text.isdecimal() else None


def to_look_up(number: int) -> int:
    """A number as SQLite can look it up: 0, which nothing has, for one that is too large."""
    return number if 0 <= number <= _LARGEST else 0


def connect(path: Path | str) -> sqlite3.Connection:
    """Open a memory file (":memory:" for one that lives as long as the connection), made if new.

    The connection may be used by several threads, one at a time.

    Raises:
        MemoryFileError: it is no memory, is damaged, too new, or not accessible.
    """
    try:
        if isinstance(path, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    except (sqlite3.Error, OSError) as error:
        raise unusable(path, error) from error
    try:
        if _state(db, path) < VERSION:
            _make(db, path)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
    except sqlite3.Error as error:
        db.close()
        raise unusable(path, error) from error
    except BaseException:
        db.close()
        raise
    return db


def copied(path: Path | str) -> sqlite3.Connection:
    """A copy of a memory file in working memory: whatever is done with it, the file stays as it is.
    An empty one where there is no file.

    Raises:
        MemoryFileError: it is no memory, is damaged, too new, or not accessible.
    """
    db = connect(":memory:")
    if not isinstance(path, Path) or not path.exists():
        return db
    try:
        at = f"{path.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(at, uri=True, timeout=BUSY_SECONDS)) as source:
            if _state(source, path):
                source.backup(db)
        _make(db, path)
    except (sqlite3.Error, OSError) as error:
        db.close()
        raise unusable(path, error) from error
    except BaseException:
        db.close()
        raise
    return db


def unusable(path: Path | str, error: Exception) -> MemoryFileError:
    """The sentence for a memory that SQLite cannot use."""
    return MemoryFileError(
        f"the seeking memory {path} cannot be used ({error}); move the file away to begin a new "
        "one, or solve with --no-memory"
    )


def _state(db: sqlite3.Connection, path: Path | str) -> int:
    """The version of the file; 0 where it is empty."""
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables and not version:
        return 0
    if application != APPLICATION_ID:
        raise MemoryFileError(
            f"{path} is a SQLite file but no seeking memory; name another file under [memory] path"
        )
    if version > VERSION:
        raise MemoryFileError(
            f"the seeking memory {path} was made by a newer centerlm (format {version}, this one "
            f"reads up to {VERSION}); update centerlm: pip install -U centerlm"
        )
    return int(version)


def _make(db: sqlite3.Connection, path: Path | str) -> None:
    """Make what tables are missing in one transaction: another process may be about to as well."""
    with transaction(db):
        state = _state(db, path)
        for step in _STEPS[state:]:
            for statement in step.split(";"):
                if statement.strip():
                    db.execute(statement)
        if state < VERSION:
            db.execute(f"PRAGMA application_id={APPLICATION_ID}")
            db.execute(f"PRAGMA user_version={VERSION}")


@contextmanager
def transaction(db: sqlite3.Connection) -> Generator[None]:
    """All that is written within, or nothing of it; one writer at a time."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
