"""The service: requests are accepted, wait their turn, are solved, and survive the server.

It knows nothing of HTTP. A request with a key is run once however often it is sent, and goes on
when its client leaves; one without a key is cancelled when its client leaves. What was accepted and
not ended when the process died is taken up by the next start, or by another worker at once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from math import inf

import msgspec

from centerlm import assembly as _assembly
from centerlm.budget import Account, Amount
from centerlm.episode import fold
from centerlm.errors import CenterError, JournalError
from centerlm.events import EpisodeFinished, Event
from centerlm.journal import new_episode_name
from centerlm.learning.rollouts import SampledCenter
from centerlm.many import OpenedJournal
from centerlm.objective import Objective
from centerlm.past import past_of
from centerlm.plan import Plan, parse_plan
from centerlm.protocols import Center, Review, Reviewed
from centerlm.serving.accepted import Accepted, AcceptedRequests, Spent, requests_of
from centerlm.serving.fair import FairQueue, FullError, Place
from centerlm.serving.jobs import CANCELLED, ITS_PLAN, Job, follow_elsewhere
from centerlm.serving.order import (
    Limits,
    Looked,
    Order,
    Refused,
    Used,
    bounded,
    decode,
    encode,
    fingerprint,
    going_on,
    objective_of,
)
from centerlm.serving.parts import Parts
from centerlm.serving.telling import by_name
from centerlm.serving.tidying import MARK, mark, tidy
from centerlm.solver import Solution, solve

RESUMABLE = ("cancelled", "out_of_budget", "failed")
NO_LIMITS = Limits()
SWEEP = 2.0
"""Seconds between two looks for requests whose worker died."""
TIDY = 3600.0
"""Seconds between two looks for what is kept for too long."""

log = logging.getLogger("centerlm.serving")

Listener = Callable[[str, Event], None]


@dataclass(slots=True)
class Service:
    """One worker's part of the serving. Use from one event loop; `start` first, `stop` last.

    `listeners` get (episode, event) of everything that runs here.
    """

    parts: Parts
    store: AcceptedRequests
    queue: FairQueue
    listeners: tuple[Listener, ...] = ()
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    stopping: bool = False
    lost: bool = False
    """Whether the journal can be written no more: this worker has to end."""
    _sweeper: asyncio.Task[None] | None = None

    @classmethod
    def open(cls, parts: Parts, listeners: tuple[Listener, ...] = ()) -> Service:
        """Raises JournalError where the accepted requests cannot be opened."""
        serve = parts.settings.serve
        queue = FairQueue(serve.concurrency, serve.waiting, serve.waiting_each)
        return cls(parts, requests_of(parts.journal), queue, listeners)

    async def start(self) -> None:
        """Take up what earlier runs left, and go on looking for it."""
        self._take_up()
        self._sweeper = asyncio.create_task(self._sweep())

    async def _sweep(self) -> None:
        tidied = marked = -inf
        while True:
            await asyncio.sleep(SWEEP)
            try:
                if time.monotonic() - marked > MARK:
                    marked = time.monotonic()
                    await mark([job.request for job in self.jobs.values()])
                if time.monotonic() - tidied > TIDY:
                    tidied = time.monotonic()
                    self.store.prune()
                    await tidy(self.store)
                self._take_up()
                for episode in self.store.unwanted():
                    self._stop(episode)
                await self.parts.learn_elsewhere()
            except JournalError as error:
                log.error("%s", error)
                if self.parts.journal.lost or self.store.lost:
                    self.lost = True
                    return
            except Exception:  # what was wrong once is looked for again
                log.exception("looking for what others left")

    def _take_up(self) -> None:
        for request in self.store.orphans():
            if not self.stopping and self.store.claim(request) and not self._had_ended(request):
                log.info("taking up episode %s", request.episode)
                self._begin(request, self.queue.admit(request.client, force=True))

    def _had_ended(self, request: Accepted) -> bool:
        """Whether the worker that died had ended the episode, and had no time to say so."""
        events = OpenedJournal(self.parts.journal).events(request.episode)
        last = events[-1] if events else None
        if not isinstance(last, EpisodeFinished) or last.status == "cancelled":
            return False
        more = last.status in RESUMABLE
        self.store.end(request, "done", fold(events).usage, keep=more)
        return True

    async def stop(self, grace: float) -> None:
        """Take nothing new; let what runs end for `grace` seconds, then leave it to be resumed."""
        self.stopping = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        tasks = [job.task for job in self.jobs.values() if job.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Close everything; after `stop`."""
        self.store.close()
        await self.parts.close()

    def accept(self, client: str, order: Order, key: str | None = None) -> Accepted:
        """Take a request, or find the one that this client sent with this key before.

        Raises:
            Refused: the server is stopping, full, the client's budget is spent, the order cannot
                be met, or its key was used for another one.
            InputError: the order is not one.
        """
        if self.stopping:
            raise _stopping()
        body = encode(order)
        mark = fingerprint(body)
        if key is not None and (known := self.store.of_key(client, key)) is not None:
            return self._known(known, mark)
        self.parts.named(order)
        place = None
        try:
            with self._taking():
                order = bounded(order, self.parts.cap, self._left(client))
                objective_of(order)
                place = self.admit(client)
                request = self.store.accept(
                    client, key, mark, new_episode_name(), encode(order), _reserved(order)
                )
        except BaseException as error:
            if place is not None:
                place.leave()
            if isinstance(error, JournalError):
                raise _unwritable(error) from None
            raise
        if request is None:  # another worker has just taken the same
            place.leave()
            known = self.store.of_key(client, key or "")
            if known is None:
                raise Refused(503, "two requests collided; send it again", retry_after=1)
            return self._known(known, mark)
        self._begin(request, place, fresh=True)
        return request

    @asynccontextmanager
    async def charged(self, client: str, order: Order) -> AsyncGenerator[tuple[Objective, Account]]:
        """A client's turn for work on an order that is no request, and the account that pays for
        it; what was spent counts against the client's budget, and until then what may be.

        Raises:
            Refused, InputError: as `accept`.
            JournalError: it cannot be written what was spent.
        """
        if self.stopping:
            raise _stopping()
        place = self.admit(client)
        try:
            with self._taking():
                order = bounded(order, self.parts.cap, self._left(client))
                objective = objective_of(order)
                held = self.store.hold(client, new_episode_name(), _reserved(order))
            account = Account(Amount.limits(objective.budget))
            try:
                await place.turn()
                yield objective, account
            finally:
                self.store.settle(held, account.spent)
        finally:
            place.leave()

    def admit(self, client: str) -> Place:
        """A place in the queue.

        Raises:
            Refused: it is full.
        """
        try:
            return self.queue.admit(client)
        except FullError as full:
            raise Refused(
                429, str(full), code="rate_limit_exceeded", retry_after=full.seconds
            ) from None

    def _known(self, request: Accepted, mark: str) -> Accepted:
        if request.fingerprint != mark:
            raise Refused(
                422,
                "this Idempotency-Key came with another request before; use a new key",
                code="idempotency_error",
            )
        self._ensure(request)
        return request

    def _ensure(self, request: Accepted) -> None:
        """Have an open request run by somebody."""
        if request.state == "open" and not self.store.alive(request.owner):
            place = self.admit(request.client)
            if self.store.claim(request) and not self._had_ended(request):
                self._begin(request, place)
            else:
                place.leave()

    def _taking(self) -> AbstractContextManager[None]:
        """Around reading what a client has left, and taking of it."""
        serve = self.parts.settings.serve
        limits = serve.client_calls, serve.client_tokens, serve.client_money
        return nullcontext() if limits == (None, None, None) else self.store.alone()

    def _left(self, client: str) -> Limits:
        """What a client may still spend.

        Raises:
            Refused: nothing.
        """
        serve = self.parts.settings.serve
        limits = serve.client_calls, serve.client_tokens, serve.client_money
        if limits == (None, None, None):
            return Limits()
        spent = self.store.spent(client, serve.client_seconds)
        left = {
            name: most - used
            for name, most, used in zip(Spent._fields, limits, spent, strict=True)
            if most is not None
        }
        for name, rest in left.items():
            if rest <= 0:
                raise Refused(
                    429,
                    f"this client's {name} of {serve.client_seconds:g} seconds are spent, or held "
                    "by requests that run",
                    code="insufficient_quota",
                    retry_after=min(serve.client_seconds, 60.0),
                )
        return msgspec.convert(left, Limits)

    def _begin(self, request: Accepted, place: Place, *, fresh: bool = False) -> None:
        job = self.jobs[request.episode] = Job(request, fresh=fresh)
        job.task = asyncio.create_task(self._run(job, place), name=request.episode)

    async def _run(self, job: Job, place: Place) -> None:
        """Run a request to its end; says in the store, and to those who watch, how it ended."""
        request, began = job.request, None
        problem: Refused | None = None
        try:
            await place.turn()
            began = time.monotonic()
            solution = await self._solve(job)
            more = solution.status in RESUMABLE
            self.store.end(request, "done", solution.usage, keep=more)
        except asyncio.CancelledError:
            problem = self._cancelled(job)
        except JournalError as error:
            problem = _unwritable(error)
            with suppress(JournalError):
                self.store.release(request)
        except (CenterError, Refused) as error:
            reason = by_name(str(error), decode(request.body).attachments)
            problem = error if isinstance(error, Refused) else Refused(400, reason)
            self._fail(job, reason)
        except Exception:
            log.exception("episode %s", request.episode)
            problem = Refused(500, "the server failed; its log says why", code="server_error")
            self._fail(job, problem.message)
        finally:
            place.leave(None if began is None else time.monotonic() - began)
            self.jobs.pop(request.episode, None)
            job.end(problem)

    async def _solve(self, job: Job) -> Solution:
        parts, request = self.parts, job.request
        order = decode(request.body)

        def say(line: str) -> None:
            job.note = line

        if order.attachments or order.library:
            say("reading what is attached")
            sources = await asyncio.to_thread(parts.sources_of, order, say)
            say("")
        else:
            sources = parts.sources_of(order)
        center: Center = parts.center
        if order.sampled is not None:
            center = SampledCenter(
                center, order.sampled.temperature, order.sampled.top_p, logprobs=True
            )

        journal = OpenedJournal(parts.journal)
        past = 0 if job.fresh else len(journal.events(request.episode))

        def tell(event: Event) -> None:
            job.tell(event)
            if len(job.events) > past:  # a resumed episode begins by telling what it was
                for listener in self.listeners:
                    listener(request.episode, event)

        return await solve(
            objective_of(order),
            center=center,
            sources=sources,
            memory=parts.memory_of(request.client),
            journal=journal,
            review=None if order.looked is None else self._review(job, order.looked),
            options=_assembly.options_of(parts.settings, order.seed),
            episode=request.episode,
            setup=parts.setup(request.client, order),
            on_event=tell,
        )

    def _review(self, job: Job, looked: Looked) -> Review:
        """What a person said of the plan; while nobody has, the request stops here."""

        async def review(plan: Plan) -> Reviewed:
            if not looked.plan:
                self._stop(job.request.episode, ITS_PLAN)
                await asyncio.Future[None]()  # until it is cancelled: at once
            edited = parse_plan(looked.plan) if looked.plan else plan
            return Reviewed(edited, looked.by, looked.why, looked.rating)

        return review

    def _cancelled(self, job: Job) -> Refused | None:
        try:
            if not job.left:
                self.store.release(job.request)
                return _stopping()
            spent = fold(job.events).usage
            self.store.end(job.request, "cancelled", spent, job.reason, keep=True)
        except JournalError as error:
            return _unwritable(error)
        return None

    def _fail(self, job: Job, reason: str) -> None:
        try:
            usage = fold(job.events).usage
            self.store.end(job.request, "failed", usage, reason, keep=True)
        except JournalError as error:
            log.error("%s", error)

    async def follow(self, request: Accepted) -> AsyncGenerator[Event]:
        """The events of a request, until it has ended; whoever runs it.

        Raises:
            Refused: it has no answer.
        """
        seen = 0
        while True:
            job = self.jobs.get(request.episode)
            if job is not None:
                job.watchers += 1
                try:
                    async for event in job.follow(seen):
                        yield event
                finally:
                    job.watchers -= 1
                return
            async for event in follow_elsewhere(request, self.store, self.parts.journal, seen):
                seen += 1
                yield event
            now = self.store.again(request)
            if now is None or now.state != "open":
                return
            if self.stopping:
                raise _stopping()
            self._ensure(now)  # its worker died meanwhile

    def leave(self, request: Accepted) -> None:
        """A client has left; where nobody else waits for it and it has no key, that cancels it."""
        job = self.jobs.get(request.episode)
        if job is not None and request.key is None and not job.watchers:
            self.cancel(request)

    def cancel(self, request: Accepted, reason: str = CANCELLED) -> bool:
        """Stop a request, whichever worker has it; it can be resumed. False where it has ended."""
        return self._stop(request.episode, reason) or self.store.want_cancelled(request)

    def _stop(self, episode: str, reason: str = CANCELLED) -> bool:
        job = self.jobs.get(episode)
        if job is None or job.task is None:
            return False
        job.left, job.reason = True, reason
        job.task.cancel()
        return True

    def used(self, request: Accepted) -> Used:
        """What the episode of a request has used of its limits so far."""
        past = past_of(OpenedJournal(self.parts.journal).events(request.episode))
        spent = past.spent + past.lost + past.cut_off
        return Used(spent.calls, spent.tokens, past.seconds, spent.cost)

    def resume(
        self, request: Accepted, looked: Looked | None = None, asked: Limits = NO_LIMITS
    ) -> None:
        """Go on with a request that was cancelled, failed or ran out of budget; with what a person
        said of its plan, and limits that are `asked` in the place of its own.

        Raises:
            Refused: it runs, or has been answered; or the client's budget is spent.
        """
        if self.stopping:
            raise _stopping()
        if request.state == "open" or not request.body:
            state = "running" if request.state == "open" else "answered"
            raise Refused(409, f"episode {request.episode} is {state}, so it cannot go on")
        order, used = decode(request.body), self.used(request)
        if looked is not None:
            order = msgspec.structs.replace(order, looked=looked)
        place = self.admit(request.client)
        try:
            with self._taking():
                left = self._left(request.client)
                order = going_on(order, asked, self.parts.cap, left, used)
                request = replace(request, body=encode(order))
                if not self.store.reopen(request, _reserved(order)):
                    raise Refused(409, f"episode {request.episode} goes on already")
        except BaseException:
            place.leave()
            raise
        self._begin(request, place)


def _reserved(order: Order) -> Spent:
    """What an order may spend."""
    limits = order.limits
    return Spent(limits.calls or 0, limits.tokens or 0, limits.money or 0.0)


def _stopping() -> Refused:
    return Refused(
        503,
        "the server is stopping; what it has accepted goes on when it starts again",
        code="server_error",
        retry_after=5,
    )


def _unwritable(error: JournalError) -> Refused:
    return Refused(503, f"the record cannot be written: {error}", code="server_error",
                   retry_after=30)  # fmt: skip
