"""ASGI answers: JSON, server-sent events, and noticing that a client has left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from centerlm.errors import CenterError
from centerlm.serving.order import Refused

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

T = TypeVar("T")
QUIET = 15.0
"""Seconds without an event after which a stream says that it is alive."""
DONE = b"data: [DONE]\n\n"


class LeftError(Exception):
    """The client has gone."""


def json_bytes(data: Any) -> bytes:
    """JSON; lone surrogates become question marks."""
    try:
        return msgspec.json.encode(data)
    except UnicodeEncodeError:
        import json

        return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")


class Json:
    """A JSON answer."""

    def __init__(
        self, data: Any, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        self._body = json_bytes(data)
        self._status = status
        self._headers = headers or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        await send(_start(self._status, "application/json", self._headers, len(self._body)))
        await send({"type": "http.response.body", "body": self._body})


class EventStream:
    """Server-sent events as they come; `on_left` is called where the client leaves before the end.

    What `events` raises as Refused is sent as a last event: the status is on its way already.
    """

    def __init__(
        self,
        events: AsyncGenerator[bytes],
        headers: Mapping[str, str],
        on_left: Callable[[], None],
        on_refused: Callable[[Refused], bytes],
    ) -> None:
        self._events = events
        self._headers = headers
        self._on_left = on_left
        self._on_refused = on_refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        await send(_start(200, "text/event-stream; charset=utf-8", self._headers))
        try:
            await until_left(receive, self._send_all(send))
        except (LeftError, OSError):
            return
        finally:
            await self._events.aclose()
            self._on_left()

    async def _send_all(self, send: Send) -> None:
        async def put(data: bytes, *, more: bool = True) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": more})

        coming: asyncio.Task[bytes] | None = None
        try:
            while True:
                coming = coming or asyncio.ensure_future(anext(self._events))
                done, _ = await asyncio.wait((coming,), timeout=QUIET)
                if not done:
                    await put(b": working\n\n")
                    continue
                task, coming = coming, None
                try:
                    data = task.result()
                except StopAsyncIteration:
                    break
                except Refused as refused:
                    data = self._on_refused(refused)
                except CenterError as error:
                    data = self._on_refused(Refused(503, str(error), code="server_error"))
                await put(data)
            await put(DONE, more=False)
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)


def _start(
    status: int, kind: str, headers: Mapping[str, str], length: int | None = None
) -> dict[str, Any]:
    given = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    if length is not None:
        given.append((b"content-length", str(length).encode()))
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [(b"content-type", kind.encode()), *given],
    }


async def until_left(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, stopped where the client leaves meanwhile.

    Raises:
        LeftError: it left.
    """
    task = asyncio.ensure_future(work)
    left = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise LeftError
    finally:
        for each in (task, left):
            each.cancel()
        await asyncio.gather(task, left, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def body_of(request: Request) -> bytes:
    """The whole body; the guard has bounded it.

    Raises:
        Refused: the client went away before it was whole.
    """
    from starlette.requests import ClientDisconnect

    try:
        return await request.body()
    except ClientDisconnect:
        raise Refused(400, "the request ended before it was whole") from None
