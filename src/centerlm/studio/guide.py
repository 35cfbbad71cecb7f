"""The pages on which people correct plans: what is worth a look, a plan as text and as a graph."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from centerlm.episode import fold
from centerlm.errors import InputError, PlanError
from centerlm.events import (
    EpisodeStarted,
    Event,
    PlanFinished,
    PlanProposed,
    PlanReviewed,
    digest,
    fit,
)
from centerlm.plan import CENTER, Plan, format_plan, parse_plan
from centerlm.serving.accepted import Accepted
from centerlm.serving.jobs import ITS_PLAN
from centerlm.serving.order import Limits, Looked, Order, Refused
from centerlm.solver import stored_objective
from centerlm.studio import plan_edits
from centerlm.studio.edits import Edits
from centerlm.studio.graph import HEIGHT, WIDTH, graph_of
from centerlm.studio.queue import LOOKED_AT, Planned, planned_of, queue
from centerlm.studio.site import Site, client_of, form_of, went

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

MAX_WHY = 1000
REJECTED = "its plan was rejected"
Operation = Literal["up", "down", "remove", "merge", "split", "sources", "text", "add"]


class Draft(msgspec.Struct):
    """A plan as it is in the form."""

    plan: str


class Change(msgspec.Struct):
    """One change of the plan in the form."""

    plan: str
    op: Operation
    step: int | str = 0
    first: str = ""
    second: str = ""
    text: str = ""
    sources: list[str] = msgspec.field(default_factory=list[str], name="sources[]")


class Said(msgspec.Struct):
    """What a person says of a plan."""

    plan: str
    verdict: Literal["run", "save", "reject"]
    by: str = ""
    why: str = ""
    rating: str = ""


@dataclass(frozen=True, slots=True)
class Reviewing:
    """A plan before a person: as the center made it (`before`), as it is now, who may be asked."""

    name: str
    question: str
    before: str
    now: str
    sources: tuple[str, ...]
    waiting: bool
    reviews: tuple[PlanReviewed, ...]


@dataclass(slots=True)
class Guide:
    """The endpoints."""

    site: Site
    edits: Edits
    _planned: dict[str, tuple[int, Planned | None]] = field(
        default_factory=dict[str, "tuple[int, Planned | None]"]
    )

    def routes(self) -> list[tuple[str, Any, str]]:
        return [
            ("/guide", self.page, "GET"),
            ("/guide/guidance.jsonl", self.download, "GET"),
            ("/guide/{name}", self.plan, "GET"),
            ("/guide/{name}/check", self.check, "POST"),
            ("/guide/{name}/edit", self.edit, "POST"),
            ("/guide/{name}/say", self.say, "POST"),
        ]

    async def page(self, request: Request) -> ASGIApp:
        """The plans most worth a look, and what guidance there is."""
        client = client_of(request)
        known = await self._known(client)
        candidates = await asyncio.to_thread(queue, known)
        waiting = [r for r in self.site.service.store.newest(client, 50) if r.reason == ITS_PLAN]
        looked = [one for one in known if one.verdict]
        return self.site.page(
            request,
            "guide.html",
            candidates=candidates,
            waiting=[(r.episode, self._question(r)) for r in waiting],
            looked=looked,
            corrected=sum(one.verdict == "edited" for one in looked),
            rejected=sum(one.verdict == "rejected" for one in looked),
        )

    async def download(self, request: Request) -> ASGIApp:
        """The guidance so far, in the format that `centerlm learn` reads."""
        from starlette.responses import Response

        if self.site.service.parts.apart:
            own = {r.episode for r in self.site.service.store.newest(client_of(request), 10_000)}
        else:
            own = None
        lines = [
            json.dumps(edit.as_json(), ensure_ascii=False) + "\n"
            for edit in await self.edits.all(own)
        ]
        headers = {"content-disposition": 'attachment; filename="guidance.jsonl"'}
        return Response("".join(lines).encode(), media_type="application/jsonl", headers=headers)

    async def plan(self, request: Request) -> ASGIApp:
        """A plan to look at."""
        reviewing, _ = self._reviewing(request)
        return self.site.page(
            request, "plan.html", one=reviewing, **self._checked(reviewing, reviewing.now)
        )

    async def check(self, request: Request) -> ASGIApp:
        """Whether what is typed is a plan, and how it looks."""
        reviewing, _ = self._reviewing(request)
        draft = await form_of(request, Draft)
        return self.site.part("checked.html", one=reviewing, **self._checked(reviewing, draft.plan))

    async def edit(self, request: Request) -> ASGIApp:
        """The plan after one change; where it cannot be made, the plan as it is, and why."""
        reviewing, _ = self._reviewing(request)
        change = await form_of(request, Change)
        try:
            text = format_plan(_changed(change, reviewing.sources))
            shown = self._checked(reviewing, text)
        except PlanError as error:
            shown = self._checked(reviewing, change.plan)
            shown["refused"] = _sentence(error)
        return self.site.part("editor.html", one=reviewing, **shown)

    async def say(self, request: Request) -> ASGIApp:
        """Run, keep or reject: what is said is recorded before anything is done."""
        reviewing, accepted = self._reviewing(request)
        said = await form_of(request, Said)
        looked = Looked(
            said.plan, said.by.strip()[:80], said.why.strip()[:MAX_WHY], _rating(said.rating)
        )
        if said.verdict == "reject":
            self._record(reviewing, "rejected", reviewing.before, looked)
            if reviewing.waiting and accepted is not None:
                spent = fold(self.site.journal.events(reviewing.name)).usage
                self.site.service.store.end(accepted, "cancelled", spent, REJECTED)
            return went("/guide")
        plan = format_plan(parse_plan(said.plan, sources=reviewing.sources))
        if said.verdict == "save":
            if reviewing.waiting:
                raise Refused(409, "this plan waits to be run: accept or reject it")
            verdict = "accepted" if plan == reviewing.before else "edited"
            self._record(reviewing, verdict, plan, looked)
            return went("/guide")
        looked = msgspec.structs.replace(looked, plan=plan)
        if reviewing.waiting and accepted is not None:
            self.site.service.resume(accepted, looked)
            return went(f"/episodes/{reviewing.name}")
        order = self._order_again(reviewing.name, looked)
        again = self.site.service.accept(client_of(request), order)
        return went(f"/episodes/{again.episode}")

    async def _known(self, client: str) -> list[Planned]:
        """The root plans of the newest episodes of a client, newest first."""
        journal, own = self.site.journal, None
        if self.site.service.parts.apart:
            own = {r.episode for r in self.site.service.store.newest(client, LOOKED_AT)}
        known: list[Planned] = []
        for row in journal.summaries(LOOKED_AT):
            if row.status == "running" or (own is not None and row.name not in own):
                continue
            kept = self._planned.get(row.name)
            if kept is None or kept[0] != row.events:
                try:
                    events = journal.events(row.name)
                except InputError:  # removed since it was listed
                    continue
                self._planned[row.name] = kept = row.events, planned_of(row, events, journal)
                await asyncio.sleep(0)  # others are served between two episodes
            if kept[1] is not None:
                known.append(kept[1])
        return known

    def _question(self, accepted: Accepted) -> str:
        events = self.site.journal.events(accepted.episode)
        return fold(events).question

    def _reviewing(self, request: Request) -> tuple[Reviewing, Accepted | None]:
        """Raises Refused where the episode has no plan to look at."""
        name: str = request.path_params["name"]
        accepted, journal = self.site.own(request, name), self.site.journal
        try:
            events = journal.events(name)
        except InputError:
            events = []
        waiting = accepted is not None and accepted.reason == ITS_PLAN
        before, now = _plans(events)
        if not before or (accepted is not None and accepted.state == "open"):
            raise Refused(409, "this episode has no plan to look at yet; watch it under Ask")
        started = next(e for e in events if isinstance(e, EpisodeStarted))
        stored: Any = msgspec.json.decode(journal.blob(started.settings))
        reviewing = Reviewing(
            name,
            stored_objective(journal.blob(started.settings)).text,
            journal.blob(before).decode(),
            journal.blob(now).decode(),
            tuple(card["name"] for card in stored.get("sources", ())),
            waiting,
            tuple(e for e in events if isinstance(e, PlanReviewed)),
        )
        return reviewing, accepted

    def _checked(self, reviewing: Reviewing, text: str) -> dict[str, Any]:
        """What is shown of a text that is meant as a plan."""
        plan, problem = None, None
        try:
            plan = parse_plan(text, sources=reviewing.sources)
        except PlanError as error:
            problem = error
        return {
            "text": text,
            "plan": plan,
            "problem": problem,
            "refused": "",
            "graph": graph_of(plan) if plan is not None else None,
            "box": (WIDTH, HEIGHT),
            "names": [*reviewing.sources, CENTER],
            "halves": {step.id: plan_edits.halves(step) for step in plan.steps} if plan else {},
            "changed": plan is not None and format_plan(plan) != reviewing.before,
        }

    def _record(self, one: Reviewing, verdict: str, plan: str, looked: Looked) -> None:
        """Write what a person said into the episode's record."""
        journal = self.site.journal
        before, after = one.before.encode(), plan.encode()
        event = PlanReviewed(
            verdict=verdict,
            before=digest(before),
            plan=digest(after),
            by=looked.by,
            why=looked.why,
            rating=looked.rating,
        )
        journal.lock(one.name)
        try:
            blobs = {digest(before): before, digest(after): after}
            journal.append(one.name, fit(event), blobs)
            journal.write()
        finally:
            journal.unlock(one.name)

    def _order_again(self, name: str, looked: Looked) -> Order:
        """The order that an episode answered, with another plan."""
        journal = self.site.journal
        settings = fold(journal.events(name)).settings
        objective = stored_objective(journal.blob(settings))
        setup: Any = msgspec.json.decode(journal.blob(settings)).get("setup") or {}
        budget = objective.budget
        own, library = self.site.service.parts.library, setup.get("library") or ""
        return Order(
            question=objective.text,
            answer_type=objective.answer_type,
            limits=Limits(
                budget.calls, budget.tokens, budget.seconds, budget.money, max(budget.depth, 1)
            ),
            attachments=tuple(setup.get("attachments") or ()),
            looked=looked,
            library="" if own is not None and library == str(own.resolve()) else library,
        )


def _plans(events: list[Event]) -> tuple[str, str]:
    """The blobs of the root plan: as the center made it, and as it is now."""
    before = now = ""
    for event in events:
        match event:
            case PlanProposed(path=""):
                before = now = event.plan
            case PlanFinished(path=""):
                before, now = event.edited or event.plan, event.plan
            case PlanReviewed():
                now = event.plan
            case _:
                pass
    return before, now


def _changed(change: Change, sources: tuple[str, ...]) -> Plan:
    """Raises PlanError where the change cannot be made."""
    plan = parse_plan(change.plan, sources=sources)
    try:
        step = int(change.step or 0)
    except ValueError:
        step = 0
    match change.op:
        case "up" | "down":
            made = plan_edits.moved(plan, step, -1 if change.op == "up" else 1)
        case "remove":
            made = plan_edits.removed(plan, step)
        case "merge":
            made = plan_edits.merged(plan, step)
        case "split":
            made = plan_edits.split(plan, step, change.first, change.second)
        case "sources":
            made = plan_edits.with_sources(plan, step, change.sources)
        case "text":
            made = plan_edits.with_text(plan, step, change.text)
        case "add":
            source = (change.sources or list(sources) or [CENTER])[0]
            made = plan_edits.added(plan, source, change.text)
    return parse_plan(format_plan(made), sources=sources)


def _sentence(error: PlanError) -> str:
    return f"{error.problem}; {error.hint}" if error.hint else error.problem


def _rating(text: str) -> int:
    return int(text) if text in ("1", "2", "3", "4", "5") else 0
