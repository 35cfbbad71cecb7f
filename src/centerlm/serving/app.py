"""The application: its routes, put together from a service.

POST /v1/chat/completions            OpenAI's format; /v1/responses its newer one
GET  /v1/models, /v1/models/centerlm
GET  /v1/episodes/NAME               what became of a request; POST .../cancel, .../resume
GET  /health, /metrics, /openapi.json
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from centerlm.errors import CenterError, InputError, JournalError
from centerlm.serving import uploads
from centerlm.serving.accepted import Accepted
from centerlm.serving.chat import (
    MODEL,
    ChatRequest,
    completion,
    finish_of,
    order_of,
    question_of,
    read_request,
    read_resume,
    text_of,
    usage_of,
)
from centerlm.serving.guard import error_body
from centerlm.serving.metrics import CONTENT_TYPE, Metrics
from centerlm.serving.openapi import specification
from centerlm.serving.order import Refused
from centerlm.serving.responses import Stream, read_responses, response
from centerlm.serving.service import Service
from centerlm.serving.telling import Teller, none_yet
from centerlm.serving.tidying import make_room
from centerlm.serving.wire import EventStream, Json, LeftError, body_of, json_bytes, until_left

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_KEY = re.compile(r"[!-~]{1,200}", re.ASCII)
_LEFT = 499
"""The status of requests whose client left, in the metrics alone: nobody is there to get it."""

Endpoint = Callable[[Request], Awaitable["ASGIApp"]]


@dataclass(slots=True)
class Api:
    """The endpoints over a service."""

    service: Service
    metrics: Metrics

    def routes(self) -> list[Route]:
        return [
            self._route("/v1/chat/completions", self.chat, "POST"),
            self._route("/v1/responses", self.respond, "POST"),
            self._route("/v1/models", self.models),
            self._route("/v1/models/{name:path}", self.model),
            self._route("/v1/episodes/{name}", self.episode),
            self._route("/v1/episodes/{name}/cancel", self.cancel, "POST"),
            self._route("/v1/episodes/{name}/resume", self.resume, "POST"),
            self._route("/health", self.health),
            self._route("/metrics", self.numbers),
            self._route("/openapi.json", self.openapi),
        ]

    def _route(self, path: str, endpoint: Endpoint, method: str = "GET") -> Route:
        return Route(path, Answering(endpoint, path, self.metrics), methods=[method])

    async def chat(self, request: Request) -> ASGIApp:
        """Answer an objective, whole or as a stream."""
        asked = read_request(await body_of(request))
        accepted, more = await self._accepted(request, asked)
        headers = {"Centerlm-Episode": accepted.episode}
        if asked.stream:
            return self._stream(accepted, self._chunks(accepted, asked, more), headers)
        teller = await self._waited(request, accepted)
        reasoning = teller.reasoning() if asked.extension.reasoning else ""
        if asked.traced:
            more |= {"calls": teller.calls()}
        data = completion(_end(teller), int(time.time()), reasoning=reasoning, more=more)
        return Json(data, headers=headers)

    async def respond(self, request: Request) -> ASGIApp:
        """Answer an objective in the responses format, whole or as a stream."""
        asked = read_responses(await body_of(request))
        accepted, more = await self._accepted(request, asked)
        headers = {"Centerlm-Episode": accepted.episode}
        if asked.stream:
            return self._stream(accepted, self._responded(accepted, asked, more), headers)
        teller = await self._waited(request, accepted)
        if asked.extension.reasoning:
            more |= {"reasoning": teller.reasoning()}
        return Json(response(_end(teller), int(time.time()), more), headers=headers)

    async def _accepted(
        self, request: Request, asked: ChatRequest
    ) -> tuple[Accepted, dict[str, Any]]:
        """The request as it was accepted, and what its answer says beside the answer."""
        read = question_of(asked)
        files: list[str] = []
        if read.files:
            size = sum(len(file.file_data or "") for file in read.files) * 3 // 4
            await make_room(self.service.store, len(read.files), size)
            files = await asyncio.to_thread(uploads.store, read.files)
        order = order_of(asked, read.question, files)
        client = request.scope["state"]["client"]
        if client == "local" and asked.user:
            client = f"local {asked.user[:64]}"
        accepted = self.service.accept(client, order, _key(request))
        return accepted, {"unread_messages": read.unread}

    async def _waited(self, request: Request, accepted: Accepted) -> Teller:
        """What a request came to, once it has ended."""
        teller = self._teller(accepted)
        try:
            await until_left(request.receive, self._fold(accepted, teller))
        finally:
            self.service.leave(accepted)
        return teller

    async def _fold(self, accepted: Accepted, teller: Teller) -> None:
        async with aclosing(self.service.follow(accepted)) as events:
            async for event in events:
                teller.take(event)

    def _stream(
        self, accepted: Accepted, events: AsyncGenerator[bytes], headers: Mapping[str, str]
    ) -> ASGIApp:
        return EventStream(
            events,
            headers,
            on_left=lambda: self.service.leave(accepted),
            on_refused=lambda refused: _sse(error_body(refused)),
        )

    async def _chunks(
        self, accepted: Accepted, asked: ChatRequest, more: Mapping[str, Any]
    ) -> AsyncGenerator[bytes]:
        """The stream's events: those of the episode, then the answer, its end, and what it cost."""
        teller, created = self._teller(accepted), int(time.time())
        extension = asked.extension

        def chunk(delta: Mapping[str, Any], finish: str | None = None, /, **extra: Any) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
            return _sse(_chunk(accepted.episode, created, [choice], extra))

        begun = {"kind": "accepted", "episode": accepted.episode, **more}
        yield chunk({"role": "assistant", "content": ""}, centerlm=begun)
        async with aclosing(self.service.follow(accepted)) as events:
            async for event in events:
                teller.take(event)
                told = teller.told(event) if extension.events else None
                line = teller.line(event) if extension.reasoning else ""
                if told is not None or line:
                    extra: dict[str, Any] = {} if told is None else {"centerlm": told}
                    yield chunk({"reasoning_content": line} if line else {}, **extra)
        data = _end(teller)
        if asked.traced:
            data |= {"calls": teller.calls()}
        yield chunk({"content": text_of(data)})
        yield chunk({}, finish_of(data["status"]), centerlm={"kind": "ended", **data})
        if asked.stream_options is not None and asked.stream_options.include_usage:
            usage = usage_of(data)
            yield _sse(_chunk(accepted.episode, created, [], {"usage": usage}))

    async def _responded(
        self, accepted: Accepted, asked: ChatRequest, more: Mapping[str, Any]
    ) -> AsyncGenerator[bytes]:
        """The events of the responses format."""
        teller, stream = self._teller(accepted), Stream(accepted.episode, int(time.time()))
        for begun in stream.begun():
            yield _sse(begun)
        async with aclosing(self.service.follow(accepted)) as events:
            async for event in events:
                teller.take(event)
                told = teller.told(event) if asked.extension.events else None
                line = teller.line(event) if asked.extension.reasoning else ""
                if told is not None or line:
                    yield _sse(stream.told(told, line))
        for ended in stream.ended(_end(teller), more):
            yield _sse(ended)

    def _teller(self, accepted: Accepted) -> Teller:
        parts = self.service.parts
        root = [parts.library.resolve()] if parts.library else []
        ids = getattr(parts.center.model, "prompt_ids", None)
        return Teller(accepted.episode, parts.journal.blob, root, ids)

    async def models(self, request: Request) -> ASGIApp:
        """The one model that is served."""
        del request
        return Json({"object": "list", "data": [self._model()]})

    async def model(self, request: Request) -> ASGIApp:
        name: str = request.path_params["name"]
        if name != MODEL:
            raise Refused(
                404, f"there is no model {name[:80]!r} here; use {MODEL!r}", code="model_not_found"
            )
        return Json(self._model())

    def _model(self) -> dict[str, Any]:
        parts = self.service.parts
        sources = [
            {"name": card.name, "knows": card.knows, "limits": card.limits, "effect": card.effect}
            for card in (source.card for source in parts.sources)
        ]
        return {
            "id": MODEL,
            "object": "model",
            "created": 0,
            "owned_by": "centerlm",
            "centerlm": {"center": parts.center.model.name, "sources": sources},
        }

    async def episode(self, request: Request) -> ASGIApp:
        """What became of a request of this client, so far."""
        accepted = self._own(request)
        teller = self._teller(accepted)
        job = self.service.jobs.get(accepted.episode)
        try:
            known = job.events if job else self.service.parts.journal.events(accepted.episode)
        except InputError:
            known = []
        for event in known:
            teller.take(event)
        data = _end(teller) if known or accepted.state != "open" else _waiting(accepted.episode)
        return Json({"state": accepted.state, **data})

    async def cancel(self, request: Request) -> ASGIApp:
        """Stop a request; it can be resumed."""
        accepted = self._own(request)
        if not self.service.cancel(accepted):
            raise Refused(409, f"episode {accepted.episode} has ended ({accepted.state})")
        return Json({"episode": accepted.episode, "state": "cancelled"}, 202)

    async def resume(self, request: Request) -> ASGIApp:
        """Go on with a request that was cancelled, failed or ran out of budget."""
        asked = read_resume(await body_of(request))
        accepted = self._own(request)
        self.service.resume(accepted, asked=asked)
        return Json({"episode": accepted.episode, "state": "open"}, 202)

    def _own(self, request: Request) -> Accepted:
        """Raises Refused where the client has no such request."""
        name: str = request.path_params["name"]
        accepted = self.service.store.of_episode(request.scope["state"]["client"], name)
        if accepted is None:
            raise Refused(404, f"there is no episode {name[:80]!r} of this client")
        return accepted

    async def health(self, request: Request) -> ASGIApp:
        """Whether requests are taken."""
        del request
        stopping = self.service.stopping
        return Json({"status": "stopping" if stopping else "ok"}, 503 if stopping else 200)

    async def numbers(self, request: Request) -> ASGIApp:
        """Metrics in Prometheus' text format."""
        from starlette.responses import Response

        del request
        return Response(self.metrics.render(), headers={"content-type": CONTENT_TYPE})

    async def openapi(self, request: Request) -> ASGIApp:
        del request
        return Json(specification())


class Answering:
    """An endpoint as ASGI: what it raises becomes an error of the OpenAI format."""

    def __init__(self, endpoint: Endpoint, route: str, metrics: Metrics) -> None:
        self._endpoint = endpoint
        self._route = route
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.monotonic(), 500

        async def sending(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            answer = await self._answered(Request(scope, receive))
            await answer(scope, receive, sending)
        except LeftError:
            status = _LEFT
        finally:
            self._metrics.requests.labels(self._route, str(status)).inc()
            self._metrics.seconds.labels(self._route).observe(time.monotonic() - began)

    async def _answered(self, request: Request) -> ASGIApp:
        try:
            return await self._endpoint(request)
        except Refused as refused:
            self._metrics.refused.labels(refused.code).inc()
            return self.refusal(request, refused)
        except JournalError as error:
            refused = Refused(503, str(error), code="server_error", retry_after=30)
            return self.refusal(request, refused)
        except CenterError as error:
            return self.refusal(request, Refused(400, str(error)))

    def refusal(self, request: Request, refused: Refused) -> ASGIApp:
        """The answer to a request that is not taken."""
        del request
        return Json(error_body(refused), refused.status, later(refused))


def later(refused: Refused) -> dict[str, str]:
    """The header that says when to come again."""
    if refused.retry_after is None:
        return {}
    return {"Retry-After": str(max(round(refused.retry_after), 1))}


def _key(request: Request) -> str | None:
    """Raises Refused where the key cannot be one."""
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise Refused(400, "the Idempotency-Key is not 1 to 200 plain characters without spaces")
    return key


def _end(teller: Teller) -> dict[str, Any]:
    if not teller.state.settings:
        return dict(none_yet(teller.name))
    return teller.end()


def _waiting(name: str) -> dict[str, Any]:
    return {**none_yet(name), "status": "waiting", "reason": "it has not begun"}


def _chunk(
    episode: str, created: int, choices: list[dict[str, Any]], extra: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{episode}",
        "object": "chat.completion.chunk",
        "created": created,
        "model": MODEL,
        "choices": choices,
        **extra,
    }


def _sse(data: Mapping[str, Any]) -> bytes:
    return b"data: " + json_bytes(data) + b"\n\n"


async def _no_route(request: Request, error: Exception) -> Any:
    """What the router refuses, in the API's own format."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path[:80]
    problem = f"{request.method} is not for {path}" if status == 405 else f"nothing is at {path}"
    allowed = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse(error_body(Refused(status, problem, code="not_found")), status, allowed)


async def _broken(request: Request, error: Exception) -> Any:
    del request, error  # Starlette logs it
    refused = Refused(500, "the server failed; its log says why", code="server_error")
    return JSONResponse(error_body(refused), 500)


def application(service: Service, metrics: Metrics, *more: Any) -> Starlette:
    """The application, without its guard; `more` are further routes."""
    return Starlette(
        routes=[*Api(service, metrics).routes(), *more],
        exception_handlers={HTTPException: _no_route, Exception: _broken},
    )
