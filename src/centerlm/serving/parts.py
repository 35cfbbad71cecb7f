"""What a server solves with: center, sources, journal and memories, opened once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from centerlm import assembly as _assembly
from centerlm import config as _config
from centerlm import opening as _opening
from centerlm import places as _places
from centerlm.catching_up import learn_newest
from centerlm.center import CenterLM
from centerlm.journal import SqliteJournal
from centerlm.objective import Budget
from centerlm.postgres_journal import PostgresJournal
from centerlm.protocols import Memory
from centerlm.remembering import opened_memory
from centerlm.serving.order import Order, Refused
from centerlm.sources.base import Source

if TYPE_CHECKING:
    from centerlm.config import Settings
    from centerlm.memory import SeekingMemory
    from centerlm.opening import Endpoints


class Given(msgspec.Struct, frozen=True):
    """What the command line said, as plain data: workers are started with it."""

    config: str | None = None
    library: str | None = None
    sources: tuple[str, ...] = ()
    model: str | None = None
    base_url: str | None = None
    budget: str | None = None
    journal: str | None = None
    no_memory: bool = False

    def settings(self) -> Settings:
        """Raises ConfigError where they cannot be read."""
        path = Path(self.config) if self.config else None
        return _config.load_settings(path, self.model, self.base_url)


@dataclass(slots=True)
class Parts:
    """The parts of a server. `cap` is the budget of a request that asks for none, and the most that
    one gets. With `apart`, each client has a memory of its own.
    """

    given: Given
    settings: Settings
    endpoints: Endpoints
    center: CenterLM
    sources: tuple[Source, ...]
    journal: SqliteJournal | PostgresJournal
    cap: Budget
    apart: bool = False
    _stack: ExitStack = field(default_factory=ExitStack)
    _memories: dict[str, SeekingMemory | None] = field(
        default_factory=dict[str, "SeekingMemory | None"]
    )
    _seen: dict[str, None] = field(default_factory=dict[str, None])

    @classmethod
    def open(cls, given: Given, *, apart: bool = False) -> Parts:
        """Open everything, on the event loop that will use it.

        Raises:
            CenterError: a setting, model, library, source or the journal cannot be used.
        """
        settings = given.settings()
        endpoints = _opening.Endpoints()
        library = Path(given.library) if given.library else None
        sources = _assembly.open_sources(
            settings, library=library, names=given.sources, endpoints=endpoints
        )
        return cls(
            given,
            settings,
            endpoints,
            _opening.open_center(settings, endpoints),
            tuple(sources),
            _places.open_journal_at(
                _places.journal_at(settings, Path(given.journal) if given.journal else None),
                settings.journal.synchronous,
            ),
            _assembly.budget_of(settings, given.budget),
            apart,
        )

    @property
    def library(self) -> Path | None:
        """The folder of the library, if there is one."""
        if self.given.library:
            return Path(self.given.library)
        return _places.library_path(self.settings)

    def named(self, order: Order) -> dict[str, Source]:
        """The server's sources by name.

        Raises:
            Refused: the order names one that is not there.
        """
        named = {source.card.name: source for source in self.sources}
        unknown = [name for name in order.sources if name not in named]
        if unknown:
            raise Refused(
                400,
                f"there is no source {unknown[0][:80]!r} here; known: {', '.join(named)}",
                param="centerlm.sources",
            )
        return named

    def sources_of(
        self, order: Order, watching: Callable[[str], None] = lambda line: None
    ) -> list[Source]:
        """The sources of an order: those it names, and its attachments. `watching` gets a line
        while pictures, recordings and videos are processed.

        Raises:
            Refused: it names one that the server does not have.
            InputError: its library or an attachment cannot be read.
        """
        named = self.named(order)
        chosen = [named[name] for name in order.sources] or list(self.sources)
        files = [Path(path) for path in order.attachments]
        if not files and not order.library:
            return chosen
        library = Path(order.library) if order.library else self.library
        own = _assembly.library_sources(
            self.settings,
            library if order.library else None,
            files,
            self.endpoints,
            watching,
            beside=library,
        )
        by_name = {source.card.name: source for source in (*chosen, *own)}
        return list(by_name.values())

    def memory_setup(self, client: str) -> dict[str, str] | None:
        """Which memory a client's episodes recall from and tell; None for none."""
        settings = self.settings
        if self.given.no_memory or not settings.memory.enabled:
            return None
        config = Path(self.given.config) if self.given.config else _config.default_file()
        project = _places.project_of(settings, config)
        return {
            "path": str(_places.memory_path(settings).resolve()),
            "project": f"{project} for {client}" if self.apart else project,
            # Episodes of several clients share the memory at once: what it knows is not asked here.
            "web": "off" if settings.memory.web == "off" else "keep",
        }

    def memory_of(self, client: str) -> Memory | None:
        """A client's memory, opened when it is first used.

        Raises:
            MemoryFileError: it cannot be opened.
        """
        setup = self.memory_setup(client)
        project = setup["project"] if setup else ""
        if project not in self._memories:
            opened = opened_memory(setup, self.journal)
            self._memories[project] = self._stack.enter_context(opened)
        return self._memories[project]

    async def learn_elsewhere(self) -> None:
        """Have the memories learn what other machines solved, and forget what was said there: they
        share the journal, not a file.

        Raises:
            JournalError: the journal cannot be read.
        """
        if isinstance(self.journal, PostgresJournal):
            for memory in self._memories.values():
                if memory is not None:
                    await learn_newest(memory, self.journal, self._seen)

    def setup(self, client: str, order: Order) -> dict[str, Any]:
        """What `centerlm resume` needs to go on with an episode of this order."""
        given = self.given
        named: Sequence[str] = order.sources or given.sources
        library = Path(order.library) if order.library else self.library
        return {
            "library": str(library.resolve()) if library else None,
            "sources": [name for name in named if name not in ("documents", "attachments")],
            "attachments": list(order.attachments),
            "model": given.model,
            "base_url": given.base_url,
            "config": given.config,
            "memory": self.memory_setup(client),
        }

    async def close(self) -> None:
        """Close models, sources, memories and the journal."""
        await self.endpoints.close()
        self._stack.close()
        self.journal.close()
