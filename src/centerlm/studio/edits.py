"""The edits of plans in the journal, for the pages: read while everybody else is served."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

from centerlm.errors import InputError
from centerlm.learning.guide import Edit, edits_in
from centerlm.stored_journal import StoredJournal


@dataclass(slots=True)
class Edits:
    """What the episodes of a journal told; each is read again only where it has new events."""

    journal: StoredJournal
    _told: dict[str, tuple[int, tuple[Edit, ...]]] = field(
        default_factory=dict[str, "tuple[int, tuple[Edit, ...]]"]
    )

    async def all(self, episodes: Collection[str] | None = None) -> list[Edit]:
        """The edits of all episodes (or of these), the oldest episode first.

        Raises:
            JournalError: the journal cannot be read.
        """
        found: list[Edit] = []
        told: dict[str, tuple[int, tuple[Edit, ...]]] = {}
        for row in reversed(self.journal.summaries(-1)):
            kept = self._told.get(row.name)
            if kept is None or kept[0] != row.events:
                kept = row.events, self._read(row.name)
                await asyncio.sleep(0)  # others are served between two episodes
            told[row.name] = kept
            if episodes is None or row.name in episodes:
                found += kept[1]
        self._told = told
        return found

    def _read(self, episode: str) -> tuple[Edit, ...]:
        try:
            return tuple(edits_in(self.journal, self.journal.events(episode)))
        except InputError:  # removed since it was listed
            return ()
