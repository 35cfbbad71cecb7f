"""The page of the seeking memory: who answers what how well, known from where; forgetting."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from centerlm.errors import InputError, MemoryFileError
from centerlm.memory import SeekingMemory
from centerlm.memory.forgetting import Wanted
from centerlm.memory.store import number_of, unusable
from centerlm.memory.views import KindSummary, list_kinds, show_kind
from centerlm.memory.web_views import NoteSummary, count_notes, list_notes, show_note
from centerlm.serving.order import Refused
from centerlm.shared_forgetting import forget_everywhere
from centerlm.studio.site import Site, client_of, form_of, went

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

KINDS, NOTES = 100, 50
T = TypeVar("T")


class Forgotten(msgspec.Struct):
    """What to forget: one of these. `everything` has to be the word "forget"."""

    kind: str = ""
    source: str = ""
    episode: str = ""
    note: str = ""
    everything: str | None = None


@dataclass(slots=True)
class MemoryPages:
    """The endpoints. Each opens the file for itself: solving goes on with its own."""

    site: Site

    def routes(self) -> list[tuple[str, Any, str]]:
        return [
            ("/memory", self.page, "GET"),
            ("/memory/kinds/{kind}", self.kind, "GET"),
            ("/memory/notes/{note:int}", self.note, "GET"),
            ("/memory/forget", self.forget, "POST"),
        ]

    async def page(self, request: Request) -> ASGIApp:
        """The kinds of questions and the notes; with `about`, those that are like it."""
        about = request.query_params.get("about", "").strip()[:1000]
        if self.site.service.parts.memory_setup(client_of(request)) is None:
            return self.site.page(request, "memory.html", off=True)

        def read(memory: SeekingMemory) -> tuple[list[KindSummary], list[NoteSummary], int]:
            if not about:
                return (
                    list_kinds(memory, KINDS),
                    list_notes(memory, limit=NOTES),
                    count_notes(memory),
                )
            try:
                kinds = [show_kind(memory, about)] if number_of(about) is None else []
            except InputError:
                kinds = []
            return kinds, list_notes(memory, about, limit=NOTES), count_notes(memory)

        kinds, notes, counted = await self._with(request, read)
        return self.site.page(
            request,
            "memory.html",
            off=False,
            about=about,
            kinds=kinds,
            notes=notes,
            counted=counted,
            named=sorted({source.source for kind in kinds for source in kind.sources}),
        )

    async def kind(self, request: Request) -> ASGIApp:
        """One kind: its sources, the words that found something, the episodes behind it."""
        wanted: str = request.path_params["kind"]
        if number_of(wanted) is None:
            raise Refused(404, "there is no such kind; see all under Memory")
        shown = await self._with(request, lambda memory: show_kind(memory, wanted))
        return self.site.opened(request, "kind", kind=shown)

    async def note(self, request: Request) -> ASGIApp:
        """One note: where it stands, what it rests on, which episodes found it."""
        number: int = request.path_params["note"]
        shown = await self._with(request, lambda memory: show_note(memory, number))
        return self.site.opened(request, "note", note=shown, file_of=_name)

    async def forget(self, request: Request) -> ASGIApp:
        """Forget for good, on all machines that share the journal: it is not learned again from
        the episodes that told it.

        Raises:
            Refused: it is not said what.
            JournalError: the other machines cannot be told; nothing is forgotten.
        """
        wanted = _wanted(await form_of(request, Forgotten))
        journal = self.site.service.parts.journal
        await self._with(request, lambda memory: forget_everywhere(memory, wanted, journal))
        return went("/memory")

    async def _with(self, request: Request, work: Callable[[SeekingMemory], T]) -> T:
        """Do something with the client's memory, in a thread.

        Raises:
            Refused: the memory is off, or it has no such thing.
            MemoryFileError: the file cannot be used.
        """
        setup = self.site.service.parts.memory_setup(client_of(request))
        if setup is None:
            raise Refused(409, "the memory is off; start the studio without --no-memory")

        def run() -> T:
            memory = SeekingMemory(Path(setup["path"]), project=setup["project"])
            try:
                return work(memory)
            except sqlite3.Error as error:
                raise unusable(memory.path, error) from error
            except MemoryFileError:
                raise
            except InputError as error:
                # What its second half tells to do is a command: nothing for who sees a page.
                told = str(error).rpartition("; ")[0] or str(error)
                raise Refused(400, f"{told}; see all under Memory") from None
            finally:
                memory.close()

        return await asyncio.to_thread(run)


def _name(file: str) -> str:
    return Path(file).name


def _wanted(what: Forgotten) -> Wanted:
    """Raises Refused where it is not said what to forget."""
    if (kind := number_of(what.kind)) is not None:
        return Wanted(kinds=(kind,))
    if (note := number_of(what.note)) is not None:
        return Wanted(notes=(note,))
    if what.source:
        return Wanted(source=what.source)
    if what.episode:
        return Wanted(episode=what.episode)
    if what.everything is not None:
        if what.everything.strip().casefold() != "forget":
            raise Refused(400, "type the word forget to forget everything")
        return Wanted(everything=True)
    raise Refused(400, "choose what to forget; reload the page")
