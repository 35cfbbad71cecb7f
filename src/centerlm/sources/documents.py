"""The source `documents`: passages of a library for a question, with files and spans to cite.

It returns passages and never an answer: absorbing them is the center's act. All reading happens in
worker threads, off the event loop.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from centerlm.errors import CenterError
from centerlm.finding import Citation, Finding, Passage, Status, Usage, failed, nothing, shortened
from centerlm.library import Library, Stats
from centerlm.sources.base import Card, Seek

NAME = "documents"
MAX_KNOWS = 300
_QUOTE = 200


class Documents:
    """A library as a knowledge source; `k` passages a request."""

    def __init__(self, library: Library, *, k: int = 5, name: str = NAME) -> None:
        """Read the library's statistics for the card.

        Raises:
            LibraryError: the library cannot be read.
        """
        self._library = library
        self._k = k
        self._card = Card(
            name=name,
            knows=describe(library.stats()),
            limits=f"gives up to {k} passages of its documents; knows nothing else",
            latency=0.02,
        )

    @property
    def card(self) -> Card:
        return self._card

    def bound(self, seek: Seek) -> Usage:
        """A search costs one call and no tokens."""
        del seek
        return Usage(calls=1)

    async def seek(self, seek: Seek) -> Finding:
        """Passages for the filled-in text, best first."""
        started = time.monotonic()
        if not seek.text.strip():
            return failed("an empty question was asked of the documents", source=self._card.name)
        try:
            passages = await asyncio.to_thread(self._library.search, seek.text, self._k)
        except CenterError as error:
            return failed(str(error), source=self._card.name)
        usage = Usage(calls=1, seconds=time.monotonic() - started)
        if not passages:
            empty = nothing("no passage has a word of the question", source=self._card.name)
            return Finding(Status.NOTHING, reason=empty.reason, source=empty.source, usage=usage)
        return Finding(
            Status.FOUND,
            passages=tuple(passages),
            citations=tuple(cite(passage) for passage in passages),
            source=self._card.name,
            usage=usage,
        )

    def still(self, citation: Citation) -> Citation | str | None:
        """A citation as it holds now, or why it holds no more (`sources.base.CitedSource`)."""
        return self._library.still(citation)


def cite(passage: Passage) -> Citation:
    """A citation of a whole passage; its quote is the beginning."""
    text = " ".join(passage.text.split())
    return Citation(
        passage=passage.id,
        file=passage.file,
        title=passage.title,
        start=passage.start,
        end=passage.end,
        unit=passage.unit,
        quote=shortened(text, _QUOTE),
    )


def describe(stats: Stats) -> str:
    """One line of at most 300 characters on what a library holds, for the source card."""
    if not stats.documents:
        return "an empty library; it knows nothing yet"
    if stats.files == 1:
        kept = f"{stats.passages:,} passages of 1 file"
    else:
        kept = f"{stats.passages:,} passages of {stats.files:,} files"
    line = f"{kept}: "
    for number, title in enumerate(stats.titles):
        piece = (", " if number else "") + title[:60]
        if len(line) + len(piece) > MAX_KNOWS - 5:
            return f"{line}, ..."
        line += piece
    return line if stats.documents == len(stats.titles) else f"{line}, ..."


def open_documents(folder: str | Path, *, k: int = 5, name: str = NAME) -> Documents:
    """The source for the library in a folder.

    Raises:
        LibraryError: there is no usable library.
    """
    return Documents(Library.open(folder), k=k, name=name)
