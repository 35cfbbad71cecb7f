"""The source `known`: what earlier episodes found, where it still stands.

What is known, and whether it holds, is the memory's matter (`memory.web`).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from centerlm.finding import Finding, Usage
from centerlm.sources.base import KNOWN, Card, Seek

CARD = Card(
    KNOWN,
    "what was found before, with the words that bear it",
    limits="only where these words still stand in the sources",
    typed=True,
    latency=0.01,
)


@dataclass(frozen=True, slots=True)
class Known:
    """Asks the knowledge web. To the very question it answers at once; to one on the same things it
    gives the words that were cited, to be read again.
    """

    ask: Callable[[str], Awaitable[Finding]]
    card: Card = CARD

    def bound(self, seek: Seek) -> Usage:
        """Looking it up costs one call and no tokens."""
        del seek
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        started = time.monotonic()
        finding = await self.ask(seek.text)
        return replace(finding, usage=Usage(calls=1, seconds=time.monotonic() - started))
