"""Where things are kept: what settings, a given path, or the data folder say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from centerlm.config import Settings
from centerlm.models.weights import home

if TYPE_CHECKING:
    from centerlm.journal import SqliteJournal
    from centerlm.postgres_journal import PostgresJournal


def library_path(settings: Settings) -> Path | None:
    """The library of the settings."""
    return Path(settings.library.path).expanduser() if settings.library.path else None


def journal_path(settings: Settings, given: Path | None) -> Path:
    """The journal's file: given, configured, or in the data folder."""
    if given is not None:
        return given
    if settings.journal.path:
        return Path(settings.journal.path).expanduser()
    return home() / "journal.sqlite"


def journal_at(settings: Settings, given: Path | None) -> Path | str:
    """Where the journal is: a file, or the URL of a PostgreSQL database."""
    if given is None and settings.journal.url:
        return settings.journal.url
    return journal_path(settings, given)


def open_journal_at(
    at: Path | str, synchronous: Literal["NORMAL", "FULL"] = "NORMAL"
) -> SqliteJournal | PostgresJournal:
    """The journal at a path or URL, made if it is new.

    Raises:
        JournalError: it cannot be opened.
        MissingExtraError: the URL's driver is not installed.
    """
    if isinstance(at, Path):
        from centerlm.journal import SqliteJournal

        return SqliteJournal(at, synchronous=synchronous)
    from centerlm.postgres_journal import PostgresJournal

    return PostgresJournal(at)


def existing_journal_at(at: Path | str) -> SqliteJournal | PostgresJournal | None:
    """The journal at a path or URL; None where there is no file.

    Raises:
        As `open_journal_at`.
    """
    return None if isinstance(at, Path) and not at.exists() else open_journal_at(at)


def memory_path(settings: Settings, given: Path | None = None) -> Path:
    """The file of the seeking memory: given, configured, or in the data folder."""
    if given is not None:
        return given
    if settings.memory.path:
        return Path(settings.memory.path).expanduser()
    return home() / "memory.sqlite"


def project_of(settings: Settings, config: Path | None) -> str:
    """Whose experience it is: what the settings say, or the folder one works in."""
    if settings.memory.project:
        return settings.memory.project
    return str((config.parent if config else Path()).resolve())
