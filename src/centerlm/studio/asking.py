"""The first page: ask a question, attach files, choose sources and a budget; what was asked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from centerlm.journal import Summary
from centerlm.library import Library
from centerlm.objective import AnswerType
from centerlm.serving.accepted import Accepted
from centerlm.serving.chat import limits_of
from centerlm.serving.jobs import ITS_PLAN, PAUSED
from centerlm.serving.order import Looked, Order, Refused, decode
from centerlm.studio.files import kept_file
from centerlm.studio.site import Site, client_of, form_of, went

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

SHOWN = 30
LIMITS = ("calls", "tokens", "seconds", "money", "depth")


class Asked(msgspec.Struct):
    """What the form of the first page sends; budgets as typed."""

    question: str
    nonce: str = ""
    first: str = ""
    answer_type: AnswerType = "any"
    library: str = ""
    sources: list[str] = msgspec.field(default_factory=list[str], name="sources[]")
    attachments: list[str] = msgspec.field(default_factory=list[str], name="attachments[]")
    calls: str = ""
    tokens: str = ""
    seconds: str = ""
    money: str = ""
    depth: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """An episode in the list."""

    name: str
    question: str
    status: str
    answer: str
    at: float


@dataclass(slots=True)
class Asking:
    """The endpoints of the first page."""

    site: Site
    _titles: dict[str, str] = field(default_factory=dict[str, str])

    async def page(self, request: Request) -> ASGIApp:
        parts = self.site.service.parts
        return self.site.page(
            request,
            "ask.html",
            cards=[source.card for source in parts.sources],
            libraries=self.libraries(),
            cap=parts.cap,
            limits=LIMITS,
            episodes=self.lines(client_of(request)),
            nonce=secrets.token_urlsafe(12),
            model=parts.center.model.name,
        )

    async def listed(self, request: Request) -> ASGIApp:
        """The list of what was asked, as it is now."""
        return self.site.part("asked.html", episodes=self.lines(client_of(request)))

    async def ask(self, request: Request) -> ASGIApp:
        """Take a question, and go to its page.

        Raises:
            Refused: it cannot be met.
        """
        asked = await form_of(request, Asked)
        budget = ",".join(
            f"{name}={value.strip()}" for name in LIMITS if (value := getattr(asked, name)).strip()
        )
        order = Order(
            question=asked.question.strip(),
            answer_type=asked.answer_type,
            limits=limits_of(budget or None),
            sources=tuple(asked.sources),
            attachments=tuple(str(kept_file(at)) for at in asked.attachments),
            looked=Looked() if asked.first == "plan" else None,
            library=self._library(asked.library),
        )
        key = f"studio-{asked.nonce[:40]}" if asked.nonce else None
        accepted = self.site.service.accept(client_of(request), order, key)
        return went(f"/episodes/{accepted.episode}")

    def lines(self, client: str) -> list[Line]:
        """The newest episodes of a client first."""
        service = self.site.service
        requests = {r.episode: r for r in service.store.newest(client, 4 * SHOWN)}
        known = {row.name: row for row in self.site.journal.summaries(4 * SHOWN)}
        waiting = [
            Line(name, decode(r.body).question if r.body else "", _state(None, r), "", 0.0)
            for name, r in requests.items()
            if name not in known
        ]
        ended = [
            Line(
                row.name, row.question, _state(row, requests.get(row.name)), row.answer, row.started
            )
            for row in known.values()
            if row.name in requests or not service.parts.apart
        ]
        return [*waiting, *ended][:SHOWN]

    def libraries(self) -> list[tuple[str, str]]:
        """The libraries to choose from: their folders, and what they hold.

        Raises:
            InputError: a folder holds none.
        """
        own = self.site.service.parts.library
        folders = [*([str(own)] if own else []), *self.site.settings.libraries]
        for folder in folders:
            if folder not in self._titles:
                with Library.open(folder, embedder=None) as library:
                    stats = library.stats(titles=3)
                titles = ", ".join(stats.titles)
                count = f"{stats.documents:,} document{'' if stats.documents == 1 else 's'}"
                self._titles[folder] = f"{count}: {titles}"
        return [(folder, self._titles[folder]) for folder in dict.fromkeys(folders)]

    def _library(self, folder: str) -> str:
        """Raises Refused where it is none of those that may be asked."""
        own = self.site.service.parts.library
        if not folder or (own is not None and folder == str(own)):
            return ""
        if folder not in self.site.settings.libraries:
            raise Refused(400, "this library is not served; start the studio with --library DIR")
        return folder


def _state(row: Summary | None, request: Accepted | None) -> str:
    """How an episode stands, in a word or two."""
    if request is not None and request.state != "done":
        named = {PAUSED: "paused", ITS_PLAN: "plan to review"}
        status = row.status if row is not None else "waiting"
        return named.get(request.reason, request.state if request.state != "open" else status)
    return row.status if row is not None else "waiting"
