"""The page of an episode: its tree, its steps, what they cite, and its controls."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from centerlm.episode import Node, citations, fold
from centerlm.errors import InputError
from centerlm.events import Event
from centerlm.serving.accepted import Accepted
from centerlm.serving.jobs import ITS_PLAN, PAUSED
from centerlm.serving.order import Limits, Refused, beyond, decode
from centerlm.serving.telling import public_file
from centerlm.studio import steps
from centerlm.studio.desk import Desk
from centerlm.studio.files import has_file, served
from centerlm.studio.live import live
from centerlm.studio.sharing import shared
from centerlm.studio.site import Site, form_of, html, went
from centerlm.studio.tree import Tree, facts

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp


class Answered(msgspec.Struct):
    """What a person answers; the key names the question."""

    key: str
    answer: str


FRESH = 0.3
"""Seconds that a folded tree is used again: opening many levels folds it once."""


@dataclass(slots=True)
class Episodes:
    """The endpoints around one episode."""

    site: Site
    desk: Desk
    _last: tuple[str, float, Tree] | None = None

    def routes(self) -> list[tuple[str, Any, str]]:
        at = "/episodes/{name}"
        return [
            (at, self.page, "GET"),
            (f"{at}/live", self.live, "GET"),
            (f"{at}/below/{{path}}", self.below, "GET"),
            (f"{at}/steps/{{path}}", self.step, "GET"),
            (f"{at}/steps/{{path}}/cites/{{number:int}}", self.cited, "GET"),
            (f"{at}/steps/{{path}}/cites/{{number:int}}/file", self.cited_file, "GET"),
            (f"{at}/share", self.share, "GET"),
            (f"{at}/pause", self.pause, "POST"),
            (f"{at}/cancel", self.cancel, "POST"),
            (f"{at}/resume", self.resume, "POST"),
            (f"{at}/answer", self.answer, "POST"),
        ]

    async def page(self, request: Request) -> ASGIApp:
        """The episode as it is, and where to hear of what follows."""
        name, accepted = self._asked(request)
        tree = self.tree(name, accepted)
        return self.site.page(
            request,
            "episode.html",
            name=name,
            tree=tree,
            accepted=accepted,
            question=tree.state.question or self._question(accepted),
            facts=self.facts(tree, time.time()),
            outcome=self.outcome(name, tree),
            questions=self.questions(name),
            live=accepted is not None and accepted.state == "open",
        )

    async def live(self, request: Request) -> ASGIApp:
        """The stream of what happens, from the event the page names."""
        _, accepted = self._asked(request)
        if accepted is None:
            raise Refused(404, "this episode was not asked here; its page shows what is recorded")
        last = request.headers.get("last-event-id") or request.query_params.get("seen", "0")
        return live(self, accepted, int(last[:18]) if last.isdecimal() else 0)

    async def below(self, request: Request) -> ASGIApp:
        """The steps under a step."""
        name, accepted = self._asked(request)
        tree = self.tree(name, accepted)
        path = request.path_params["path"]
        return html("".join(self.row(name, tree, node) for node in tree.level(path)))

    async def step(self, request: Request) -> ASGIApp:
        """All about one step: what was asked of whom, and what came back."""
        name, accepted = self._asked(request)
        path = request.path_params["path"]
        detail = steps.detail_of(
            self.events(name, accepted), "" if path == "root" else path, self.site.journal.blob
        )
        if detail is None:
            raise Refused(404, f"this episode has no step {path[:40]!r}; reload the page")
        return self.site.opened(request, "step", name=name, step=detail, file_of=self.public)

    async def cited(self, request: Request) -> ASGIApp:
        """A citation, opened at its passage or second."""
        name, path, number, place = self._place(request)
        return self.site.opened(
            request,
            "cited",
            name=name,
            path=path,
            number=number,
            cited=place,
            file=self.public(place.cite["file"]),
        )

    async def cited_file(self, request: Request) -> ASGIApp:
        """A cited picture, recording or video that is the episode's: no other file, whatever a
        source says that it cites.
        """
        name, _, _, place = self._place(request)
        asked_of = await asyncio.to_thread(has_file, self._setup(name), place.path)
        if place.kind is None or not asked_of:
            raise Refused(404, "this is no picture, recording or video of this episode")
        return served(place.path)

    async def share(self, request: Request) -> ASGIApp:
        """The episode as one file that any browser opens, without a server."""
        name, accepted = self._asked(request)
        tree = self.tree(name, accepted)
        page = shared(self.site, name, tree, self.site.journal.blob, self.public)
        return html(page, headers={"content-disposition": f'attachment; filename="{name}.html"'})

    async def pause(self, request: Request) -> ASGIApp:
        """Stop for now: what is under way is asked again when it goes on."""
        return await self._stopped(request, PAUSED)

    async def cancel(self, request: Request) -> ASGIApp:
        """Stop."""
        return await self._stopped(request, "it was cancelled")

    async def _stopped(self, request: Request, reason: str) -> ASGIApp:
        name, accepted = self._asked(request)
        if accepted is None or not self.site.service.cancel(accepted, reason):
            raise Refused(409, "this episode has ended already; reload the page")
        job = self.site.service.jobs.get(name)
        if job is not None and job.task is not None:
            await asyncio.wait((job.task,), timeout=10)
        return went(f"/episodes/{name}")

    async def resume(self, request: Request) -> ASGIApp:
        """Go on with what was paused, cancelled or failed; or ran out of budget, with as much
        again.
        """
        name, accepted = self._asked(request)
        if accepted is None:
            raise Refused(
                409, f"this episode was asked on the command line; run: centerlm resume {name}"
            )
        self._last = None
        service = self.site.service
        asked = Limits()
        if accepted.body and fold(self.events(name, accepted)).status == "out_of_budget":
            asked = beyond(decode(accepted.body).limits, service.used(accepted))
        service.resume(accepted, asked=asked)
        return went(f"/episodes/{name}")

    async def answer(self, request: Request) -> ASGIApp:
        """Answer a question that a step asks of a person."""
        name, _ = self._asked(request)
        said = await form_of(request, Answered)
        if said.key not in {question.key for question in self.desk.of(name)}:
            raise Refused(
                409, "this question does not wait for an answer any more; reload the page"
            )
        self.desk.say(said.key, said.answer)
        return html("")

    def questions(self, name: str) -> str:
        """What is asked of a person now."""
        return self.site.text("questions.html", name=name, questions=self.desk.of(name))

    def _asked(self, request: Request) -> tuple[str, Accepted | None]:
        name: str = request.path_params["name"]
        return name, self.site.own(request, name)

    def _place(self, request: Request) -> tuple[str, str, int, steps.Cited]:
        name, accepted = self._asked(request)
        path, number = request.path_params["path"], request.path_params["number"]
        place = steps.cited_at(
            self.events(name, accepted),
            "" if path == "root" else path,
            number,
            self.site.journal.blob,
        )
        if place is None:
            raise Refused(404, "this step has no such citation; reload the page")
        return name, path, number, place

    def _setup(self, name: str) -> dict[str, Any]:
        """How the parts of an episode were put together."""
        journal = self.site.journal
        settings = fold(journal.events(name)).settings
        return msgspec.json.decode(journal.blob(settings)).get("setup") or {}

    def _question(self, accepted: Accepted | None) -> str:
        return decode(accepted.body).question if accepted and accepted.body else ""

    def events(self, name: str, accepted: Accepted | None) -> list[Event]:
        """What is known of an episode: of one that runs here, also what is not written yet."""
        job = self.site.service.jobs.get(name) if accepted else None
        if job is not None and job.events:
            return list(job.events)
        try:
            return self.site.journal.events(name)
        except InputError:
            return []

    def tree(self, name: str, accepted: Accepted | None) -> Tree:
        """The episode folded; of one that does not run, the same for requests that come at once."""
        now = time.monotonic()
        still = accepted is None or accepted.state != "open"
        if still and self._last and self._last[0] == name and now - self._last[1] < FRESH:
            return self._last[2]
        tree = Tree().take_all(self.events(name, accepted))
        self._last = (name, now, tree) if still else None
        return tree

    def row(self, name: str, tree: Tree, node: Node) -> str:
        """A step as a row; of a small tree, with what is below it."""
        return str(self._macros().row(name, tree, node))

    def facts(self, tree: Tree, now: float) -> str:
        return str(self._macros().facts(facts(tree.state, now)))

    def outcome(self, name: str, tree: Tree) -> str:
        """The answer so far, how it stands, and what can be done."""
        state = tree.state
        accepted = self.site.service.store.named(name)
        job = self.site.service.jobs.get(name)
        reviewing = accepted is not None and accepted.reason == ITS_PLAN
        return self.site.text(
            "outcome.html",
            name=name,
            state=state,
            accepted=accepted,
            paused=accepted is not None and accepted.reason == PAUSED,
            reviewing=reviewing and not state.plan,
            resumable=accepted is not None and accepted.state != "open" and bool(accepted.body),
            note=job.note if job else "",
            queued=accepted is not None and accepted.state == "open" and not state.started,
            cites=citations(state.finding, self.site.journal.blob) if state.finding else [],
            file_of=self.public,
        )

    def public(self, file: str) -> str:
        """A file as pages name it."""
        library = self.site.service.parts.library
        return public_file(file, [library.resolve()] if library else [])

    def _macros(self) -> Any:
        return self.site.templates.get_template("rows.html").module
