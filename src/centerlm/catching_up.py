"""Learning from the journal what ended and was not learned; forgetting what was said elsewhere.

Episodes come first. What is then forgotten are the rows that are new, and once more those that are
not older than an episode just learned: so nothing comes back, whichever way a machine hears of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from centerlm.errors import InputError
from centerlm.events import EpisodeStarted, Event
from centerlm.forgettings import Forgetting
from centerlm.postgres_journal import PostgresJournal
from centerlm.stored_journal import StoredJournal, Summary

if TYPE_CHECKING:
    from centerlm.memory import SeekingMemory

CATCH_UP = 20
"""So many of the newest episodes are looked at for ones that a kill kept from being learned."""
SHARED = 200
"""And so many for those of other machines, every few seconds, where a journal is shared."""


@dataclass(frozen=True, slots=True)
class _Due:
    """What a memory is to forget once it has learned certain episodes."""

    memory: SeekingMemory
    database: str
    forgettings: Sequence[Forgetting]

    def begin(self) -> bool:
        """Have a memory that is killed before the end begin here again; whether it is so."""
        from centerlm.memory.applying import applied, set_applied

        memory, first = self.memory, self.forgettings[0].id if self.forgettings else 0
        if first and first <= applied(memory.connection, memory.project_id, self.database):
            set_applied(memory.connection, memory.project_id, self.database, first - 1)
        return True

    def apply(self) -> None:
        from centerlm.memory.applying import apply

        memory = self.memory
        if self.forgettings:
            project, index = memory.project_id, memory.index
            apply(memory.connection, project, index, self.database, self.forgettings)


def due(memory: SeekingMemory, journal: StoredJournal, new: Sequence[Summary] = ()) -> _Due | None:
    """What a memory is to forget once it has learned these episodes; None where no other machine
    shares the journal.

    Raises:
        JournalError: the journal cannot be read.
    """
    from centerlm.memory.applying import applied

    if not isinstance(journal, PostgresJournal):
        return None
    after = applied(memory.connection, memory.project_id, journal.database)
    oldest = min((row.started for row in new), default=float("inf"))
    rows = journal.forgettings(memory.project, after, oldest)
    return _Due(memory, journal.database, rows)


def catch_up(memory: SeekingMemory, setup: Mapping[str, str], journal: StoredJournal) -> int:
    """Learn the newest episodes of this memory that ended and were not learned, and forget what
    was said on other machines; how many were learned.

    Raises:
        JournalError: the journal cannot be read.
        sqlite3.Error: the memory cannot be read or written.
    """
    from centerlm.memory.guided import guided_of
    from centerlm.memory.notes import notes_of
    from centerlm.memory.outcomes import outcomes

    learned = 0
    new = [row for row in _ended(memory, journal, CATCH_UP) if not memory.learned(row.name)]
    forgetting = due(memory, journal, new)
    if forgetting is not None:
        forgetting.begin()
    for row in new:
        events = _events(journal, row.name)
        if _is_for(events, journal, setup["project"], setup["path"]):
            notes = notes_of(events, journal.blob) if memory.keeps else ()
            found, guided = outcomes(events, journal.blob), guided_of(events, journal.blob)
            learned += memory.remember(row.name, found, notes, guided, events[-1].at)
    if forgetting is not None:
        forgetting.apply()
    return learned


async def learn_newest(
    memory: SeekingMemory, journal: StoredJournal, seen: dict[str, None]
) -> None:
    """Learn the newest episodes of this memory's project that others ended in the same journal,
    whichever file they keep theirs in, and forget what was said on other machines. `seen` are
    names not to be looked at again; it is added to, and stays short.

    Raises:
        JournalError: the journal cannot be read.
    """
    rows = [
        row
        for row in _ended(memory, journal, SHARED)
        if f"{memory.project}\n{row.name}" not in seen
    ]
    new = [row for row in rows if not memory.learned(row.name)]
    forgetting = due(memory, journal, new)
    if forgetting is not None and not await memory.guarded(forgetting.begin, False):
        return
    for row in rows:
        if not memory.learned(row.name):
            events = _events(journal, row.name)
            if _is_for(events, journal, memory.project):
                await memory.learn(row.name, events, journal.blob)
        seen[f"{memory.project}\n{row.name}"] = None
    if forgetting is not None:
        await memory.guarded(forgetting.apply, None)
    while len(seen) > 16 * SHARED:
        del seen[next(iter(seen))]


def _ended(memory: SeekingMemory, journal: StoredJournal, newest: int) -> list[Summary]:
    """Of the newest episodes those that ended, but not those that were forgotten all together."""
    since = memory.forgotten_until()
    return [
        row
        for row in journal.summaries(newest)
        if row.status not in ("running", "cancelled") and row.started > since
    ]


def _events(journal: StoredJournal, episode: str) -> list[Event]:
    try:
        return journal.events(episode)
    except InputError:
        return []  # removed since it was listed


def _is_for(
    events: Sequence[Event], journal: StoredJournal, project: str, path: str | None = None
) -> bool:
    """Whether an episode is to teach the memory of a project (at `path`, where that is given)."""
    settings = next((e.settings for e in events if isinstance(e, EpisodeStarted)), "")
    stored: Any = msgspec.json.decode(journal.blob(settings)) if settings else {}
    its: Any = stored.get("setup") or {}
    own: Any = its.get("memory")
    return bool(own) and own["project"] == project and path in (None, own["path"])
