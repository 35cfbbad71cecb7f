"""Forgetting where machines share a journal: it is said there first, then done here as there."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from centerlm.catching_up import due
from centerlm.config import Settings
from centerlm.errors import InputError, JournalError
from centerlm.postgres_journal import PostgresJournal
from centerlm.stored_journal import StoredJournal

if TYPE_CHECKING:
    from centerlm.memory import SeekingMemory
    from centerlm.memory.forgetting import Wanted


@contextmanager
def shared_journal(settings: Settings) -> Generator[PostgresJournal | None]:
    """The journal that machines share, by the settings; None where it is a file.

    Raises:
        JournalError: the database cannot be reached or used.
        MissingExtraError: psycopg is not installed.
    """
    if not settings.journal.url:
        yield None
        return
    try:
        journal = PostgresJournal(settings.journal.url)
    except JournalError as error:
        raise JournalError(f"{error}; nothing is forgotten") from None
    try:
        yield journal
    finally:
        journal.close()


def forget_everywhere(memory: SeekingMemory, wanted: Wanted, journal: StoredJournal | None) -> bool:
    """Forget it here and on all machines that share the journal (here alone where none does);
    False where it is an episode that told nothing.

    Raises:
        InputError: there is no such thing.
        JournalError: the database cannot be written; nothing is forgotten.
        sqlite3.Error: the memory cannot be written; once it can be, it is forgotten.
    """
    from centerlm.memory.forgetting import forget, remembers, said_for_all

    if not isinstance(journal, PostgresJournal):
        return forget(memory, wanted)
    said = said_for_all(memory, wanted)
    if wanted.episode is not None and not remembers(memory, wanted.episode):
        try:
            journal.events(wanted.episode)  # other machines may have learned it
        except InputError:
            return False
    journal.say_forgotten(said)
    forgetting = due(memory, journal)
    if forgetting is not None:
        forgetting.apply()
    return True
