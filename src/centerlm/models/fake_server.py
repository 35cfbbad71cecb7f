"""A fake OpenAI-compatible server for tests and benchmarks, on 127.0.0.1 only.

    python -m centerlm.models.fake_server --port 8123 --latency-ms 20 --text DONE

It answers `/chat/completions` under any path from a script (as `ScriptedModel`), after a fixed
latency, plain or streamed, and fails on demand. `GET /stats` gives and resets the number of calls
and their peak concurrency; `GET /models` lists the models it knows.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from centerlm.errors import CenterError, InputError
from centerlm.models.base import Message, Prompt, Role, Sampling
from centerlm.models.scripted import (
    Script,
    answer,
    count_tokens,
    cut,
    load_script,
    prompt_text,
)

if TYPE_CHECKING:
    from aiohttp import web

FaultKind = Literal["status", "not_json", "empty", "truncated", "hang", "close"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail.

    "status" answers with `status` and `retry_after` (the header's value); "not_json" with a page of
    HTML; "empty" without choices; "truncated" stops in the middle of the answer; "hang" never
    answers; "close" closes the connection at once.
    """

    kind: FaultKind = "status"
    status: int = 500
    retry_after: str | None = None
    message: str = "the server was told to fail"


class RequestMessage(msgspec.Struct):
    """`content` is text, or a list of parts, of which only the text is answered."""

    role: Role
    content: str | list[dict[str, Any]]

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "\n".join(str(p["text"]) for p in self.content if p.get("type") == "text")


class Request(msgspec.Struct):
    model: str
    messages: list[RequestMessage]
    max_tokens: int = 1 << 20
    max_completion_tokens: int | None = None
    temperature: float = 1.0
    seed: int = 0
    n: int = 1
    stop: tuple[str, ...] = ()
    logprobs: bool = False
    stream: bool = False
    grammar: str | None = None
    response_format: dict[str, Any] | None = None


@dataclass(slots=True)
class Stats:
    """`calls` received, `live` now, `peak` at once, `bytes_in` of request bodies."""

    calls: int = 0
    live: int = 0
    peak: int = 0
    bytes_in: int = 0


@dataclass(slots=True)
class FakeServer:
    """A fake server: `async with FakeServer({"capital": "Paris"}) as server: server.base_url`.

    `latency` is seconds a call. `faults` are used up in order, one a call (None: no fault).
    With `key` every other key is refused (401), with `models` every other model (404). `requests`
    holds what was asked, in order, when `keep` is true.
    """

    script: Script
    latency: float = 0.0
    faults: Sequence[Fault | None] = ()
    key: str | None = None
    models: Sequence[str] | None = None
    port: int = 0
    keep: bool = True
    stats: Stats = field(default_factory=Stats, init=False)
    requests: list[Request] = field(default_factory=list[Request], init=False)
    _runner: web.ServerRunner | None = field(default=None, init=False, repr=False)
    _turn: int = field(default=0, init=False, repr=False)
    _fault: int = field(default=0, init=False, repr=False)
    _decoder: msgspec.json.Decoder[Request] = field(
        default_factory=lambda: msgspec.json.Decoder(Request), init=False, repr=False
    )

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def __aenter__(self) -> FakeServer:
        from aiohttp import web

        loop = asyncio.get_running_loop()

        def taking(
            message: Any, payload: Any, protocol: Any, writer: Any, task: Any
        ) -> web.BaseRequest:
            return web.BaseRequest(
                message, payload, protocol, writer, task, loop, client_max_size=64 << 20
            )

        self._runner = web.ServerRunner(
            web.Server(self._handle, request_factory=taking, access_log=None),
            shutdown_timeout=0.1,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise InputError(
                f"port {self.port} cannot be used ({error.strerror}); choose another, or 0 for any"
            ) from None
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner:
            await self._runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "GET":
            return self._look(request.path)
        stats = self.stats
        stats.calls += 1
        stats.live += 1
        stats.peak = max(stats.peak, stats.live)
        try:
            body = await request.read()
            stats.bytes_in += len(body)
            return await self._chat(request, body)
        except CenterError as error:
            return _error(500, str(error))
        finally:
            stats.live -= 1

    def _look(self, path: str) -> web.Response:
        if path.endswith("/stats"):
            stats, live = self.stats, self.stats.live
            self.stats = Stats(live=live, peak=live)
            return _json(msgspec.json.encode(stats))
        if path.endswith("/models"):
            data = [{"id": name, "object": "model"} for name in self.models or ("fake",)]
            return _json(msgspec.json.encode({"object": "list", "data": data}))
        return _error(404, f"there is nothing at {path}")

    async def _chat(self, http: web.BaseRequest, body: bytes) -> web.StreamResponse:
        if not http.path.endswith("/chat/completions"):
            return _error(404, f"there is nothing at {http.path}")
        if self.key is not None and http.headers.get("Authorization") != f"Bearer {self.key}":
            return _error(401, "the key is not valid")
        try:
            request = self._decoder.decode(body)
        except msgspec.DecodeError as error:
            return _error(400, f"the request cannot be read: {error}")
        if self.models is not None and request.model not in self.models:
            return _error(404, f"there is no model {request.model!r}")
        if self.keep:
            self.requests.append(request)
        fault = self._next_fault()
        if fault:
            return await self._fail(http, fault)
        return await self._answer(http, request)

    def _next_fault(self) -> Fault | None:
        at, self._fault = self._fault, self._fault + 1
        return self.faults[at] if at < len(self.faults) else None

    async def _answer(
        self, http: web.BaseRequest, request: Request, *, truncate: bool = False
    ) -> web.StreamResponse:
        prompt = Prompt(tuple(Message(m.role, m.text) for m in request.messages))
        sampling = Sampling(
            max_tokens=request.max_completion_tokens or request.max_tokens,
            temperature=request.temperature,
            stop=request.stop,
            seed=request.seed,
            n=request.n,
            grammar=request.grammar,
            logprobs=request.logprobs,
        )
        choices: list[dict[str, Any]] = []
        spent = 0
        for index in range(request.n):
            turn, self._turn = self._turn, self._turn + 1
            choice = cut(answer(self.script, prompt, sampling, turn), sampling)
            spent += count_tokens(choice.text)
            message = {"role": "assistant", "content": choice.text}
            choices.append({"index": index, "message": message, "finish_reason": choice.finish})
        if self.latency:
            await asyncio.sleep(self.latency)
        prompt_tokens = count_tokens(prompt_text(prompt))
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": spent}
        if request.stream:
            return await _stream(http, request.model, choices, usage, truncate=truncate)
        data = msgspec.json.encode(
            {
                "id": "fake",
                "object": "chat.completion",
                "created": 0,
                "model": request.model,
                "choices": choices,
                "usage": usage,
            }
        )
        if truncate:
            return await _truncated(http, data)
        return _json(data)

    async def _fail(self, http: web.BaseRequest, fault: Fault) -> web.StreamResponse:
        from aiohttp import web

        match fault.kind:
            case "status":
                response = _error(fault.status, fault.message)
                if fault.retry_after is not None:
                    response.headers["Retry-After"] = fault.retry_after
                return response
            case "not_json":
                return web.Response(text="<html>This is a page.</html>", content_type="text/html")
            case "empty":
                return _json(b'{"choices": [], "usage": null}')
            case "truncated":
                return await self._answer(
                    http, self._decoder.decode(await http.read()), truncate=True
                )
            case "hang":
                await asyncio.sleep(3600)
                return web.Response()
            case "close":
                if http.transport:
                    http.transport.close()
                return web.Response()


def _json(data: bytes) -> web.Response:
    from aiohttp import web

    return web.Response(body=data, content_type="application/json")


def _error(status: int, message: str) -> web.Response:
    response = _json(msgspec.json.encode({"error": {"message": message, "type": "fake"}}))
    response.set_status(status)
    return response


async def _truncated(http: web.BaseRequest, data: bytes) -> web.StreamResponse:
    from aiohttp import web

    response = web.StreamResponse(headers={"Content-Length": str(len(data))})
    await response.prepare(http)
    await response.write(data[: len(data) // 2])
    if http.transport:
        http.transport.close()
    return response


async def _stream(
    http: web.BaseRequest,
    model: str,
    choices: list[dict[str, Any]],
    usage: dict[str, int],
    *,
    truncate: bool,
) -> web.StreamResponse:
    """Server-sent events, a word each; a truncated stream ends after the first half."""
    from aiohttp import web

    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(http)

    async def send(choices: list[dict[str, Any]], **more: Any) -> None:
        event = {"object": "chat.completion.chunk", "model": model, "choices": choices, **more}
        await response.write(b"data: " + msgspec.json.encode(event) + b"\n\n")

    for choice in choices:
        pieces = re.findall(r"\S+\s*|\s+", choice["message"]["content"])
        if truncate:
            pieces = pieces[: len(pieces) // 2]
        for piece in pieces:
            await send([{"index": choice["index"], "delta": {"content": piece}}])
        if truncate:
            return response
        end: dict[str, Any] = {
            "index": choice["index"],
            "delta": {},
            "finish_reason": choice["finish_reason"],
        }
        await send([end])
    await send([], usage=usage)
    await response.write(b"data: [DONE]\n\n")
    return response


async def _serve(script: Script, port: int, latency: float) -> None:
    async with FakeServer(script, latency, port=port, keep=False) as fake:
        sys.stdout.write(f"{fake.base_url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; runs until interrupted."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m centerlm.models.fake_server")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free)")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="time a call takes")
    parser.add_argument("--text", default="DONE", help="what it answers")
    parser.add_argument("--script", help="MODULE:OBJECT, a script, in place of a text")
    given = parser.parse_args(arguments)
    try:
        script: Script = load_script(given.script) if given.script else {"": given.text}
        asyncio.run(_serve(script, given.port, given.latency_ms / 1e3))
    except KeyboardInterrupt:
        return 130
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
