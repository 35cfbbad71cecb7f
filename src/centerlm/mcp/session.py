"""A connection to an MCP server that is opened when it is needed, and again when it was lost.

What the server says is data. It gets no more of the environment than it is given by name, and what
it writes to its standard error is dropped. Its requests to us (sampling, roots) are not answered.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from centerlm.config import McpSettings
from centerlm.errors import ConfigError, MissingExtraError, SourceError
from centerlm.finding import short_answer
from centerlm.many import first_error

if TYPE_CHECKING:
    from mcp.types import CallToolResult, Tool

    from mcp import Client

FAILURES = 3
"""So many starts and calls in a row without an answer, and the server is left alone for PAUSE
seconds; then it is tried once, and left alone again where that fails too.
"""
PAUSE = 30.0
CLOSING = 10.0
"""Seconds that servers have to end in."""
MAX_TOOLS = 128
_MIN_SECRET = 6


@dataclass(slots=True, eq=False)
class _Held:
    """A connection that is open: its client, what ends it, and how many calls it has."""

    client: Client
    holder: asyncio.Task[None]
    over: asyncio.Event
    calls: int = 0


class McpConnection:
    """The connection to one server, for one event loop. Calls may run at once.

    Raises:
        ConfigError: the settings name no server, or two.
    """

    def __init__(
        self, name: str, settings: McpSettings, environment: Mapping[str, str] = os.environ
    ) -> None:
        if bool(settings.command) == bool(settings.url):
            raise ConfigError(f"[mcp.{name}] needs either a command to start or a url, not both")
        self.name = name
        self._settings = settings
        self._given = {key: environment[key] for key in settings.env if key in environment}
        missing = [key for key in (*settings.env, settings.token_env) if key not in environment]
        if missing := [key for key in missing if key]:
            raise ConfigError(f"[mcp.{name}] names the variable {missing[0]}, which is not set")
        self._token = environment.get(settings.token_env, "") if settings.token_env else ""
        self._held: _Held | None = None
        self._opened: set[_Held] = set()
        self._lock: asyncio.Lock | None = None
        self._failures = 0
        self._until = 0.0

    @property
    def seconds(self) -> float:
        """How long a call may take."""
        return self._settings.seconds

    def hide(self, text: str) -> str:
        """The text without what the server was given as secrets."""
        for secret in (*self._given.values(), self._token):
            if len(secret) >= _MIN_SECRET:
                text = text.replace(secret, "***")
        return text

    async def tools(self) -> list[Tool]:
        """The server's tools, at most MAX_TOOLS.

        Raises:
            SourceError: it cannot be reached, or does not answer in time.
        """
        client = (await self._open()).client
        found: list[Tool] = []
        cursor: str | None = None
        try:
            async with asyncio.timeout(self.seconds):
                while len(found) < MAX_TOOLS:
                    page = await client.list_tools(cursor=cursor, cache_mode="refresh")
                    found += page.tools
                    cursor = page.next_cursor
                    if not cursor or not page.tools:
                        break
        except Exception as error:  # noqa: BLE001 - another program's answer: anything may come
            await self.close()
            raise self._failed("list its tools", error) from None
        self._failures = 0
        return found[:MAX_TOOLS]

    async def call(
        self, tool: str, arguments: dict[str, Any], *, seconds: float, again: bool
    ) -> CallToolResult:
        """Call a tool; with `again`, once more over a new connection where this one was lost.

        After a call without an answer in time the next one gets a new connection: a server that
        hangs would answer none of them.

        Raises:
            SourceError: no answer, or none in time.
        """
        for attempt in (1, 2):
            held = await self._open()
            held.calls += 1
            try:
                async with asyncio.timeout(seconds):
                    result = await held.client.call_tool(tool, arguments)
                self._failures = 0
                return result
            except Exception as error:  # noqa: BLE001 - another program's answer: anything may come
                late, lost = _is_late(error), self._lost(error)
                if held is self._held and (late or lost):
                    self._held = None
                    if late:
                        self._count_failure()
                if late:
                    why = f"answer within {seconds:g} seconds"
                    raise self._failed(why, TimeoutError()) from None
                if not lost:
                    self._failures = 0
                if not (lost and again and attempt == 1):
                    raise self._failed(f"do {tool!r}", error, unknown=lost) from None
            finally:
                held.calls -= 1
                if held is not self._held and not held.calls:
                    held.over.set()
        raise AssertionError("two attempts return or raise")

    def _count_failure(self) -> None:
        self._failures += 1
        self._until = time.monotonic() + PAUSE

    def _lost(self, error: Exception) -> bool:
        """Whether the connection is of no more use."""
        from mcp.types import CONNECTION_CLOSED

        from mcp import MCPError

        return not isinstance(error, MCPError) or error.code == CONNECTION_CLOSED

    def _failed(self, what: str, error: Exception, *, unknown: bool = False) -> SourceError:
        # The SDK's tasks only say that something happened in one of them.
        cause: BaseException = error
        if isinstance(error, ExceptionGroup):
            cause = first_error(error)  # pyright: ignore[reportUnknownArgumentType]
        told = short_answer(self.hide(str(cause)) or type(cause).__name__)
        more = "; whether it was done is not known" if unknown else ""
        why = "" if isinstance(error, TimeoutError) else f": {told}"
        return SourceError(f"the MCP server {self.name!r} did not {what}{why}{more}")

    async def _open(self) -> _Held:
        """Raises SourceError where the server cannot be reached."""
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            if self._held is not None:
                return self._held
            if self._failures >= FAILURES and time.monotonic() < self._until:
                raise SourceError(
                    f"the MCP server {self.name!r} failed {self._failures} times in a row; it is "
                    f"left alone for {PAUSE:g} seconds"
                )
            await self._ended([held for held in self._opened if not held.calls])
            ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
            over = asyncio.Event()
            holder = asyncio.create_task(self._hold(ready, over))
            try:
                async with asyncio.timeout(self.seconds):
                    client = await asyncio.shield(ready)
            except BaseException as error:
                holder.cancel()  # also where who asked is cancelled: nobody else ends it
                if not isinstance(error, Exception):
                    raise
                self._count_failure()
                with suppress(BaseException):
                    await holder
                raise self._failed("start", error) from None
            held = self._held = _Held(client, holder, over)
            self._opened.add(held)
            holder.add_done_callback(lambda _: self._opened.discard(held))
            return held

    async def _hold(self, ready: asyncio.Future[Client], over: asyncio.Event) -> None:
        """Keep the connection: the SDK wants it closed by the task that opened it."""
        try:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(
                    _client(self._settings, self._given, self._token)
                )
                if not ready.done():
                    ready.set_result(client)
                await over.wait()
        except Exception as error:  # noqa: BLE001 - another program: anything may come
            if not ready.done():
                ready.set_exception(error)
                ready.exception()  # it is taken, if anybody waits

    async def close(self) -> None:
        """Close the connection, and those before it that still have calls; the next call opens
        another.
        """
        self._held = None
        for held in self._opened:
            held.over.set()
        await self._ended(self._opened)

    async def _ended(self, opened: Collection[_Held]) -> None:
        """Wait until the servers of these connections have ended, but not for ever."""
        if opened:
            await asyncio.wait([held.holder for held in opened], timeout=CLOSING)


def _is_late(error: Exception) -> bool:
    """Whether an answer did not come in time: the SDK has a time-out of its own."""
    from mcp.types import REQUEST_TIMEOUT

    from mcp import MCPError

    late = isinstance(error, MCPError) and error.code == REQUEST_TIMEOUT
    return late or isinstance(error, TimeoutError)


@asynccontextmanager
async def _client(
    settings: McpSettings, given: Mapping[str, str], token: str
) -> AsyncGenerator[Client]:
    """A connected client."""
    try:
        from mcp.client.streamable_http import streamable_http_client
        from mcp.shared._httpx_utils import create_mcp_http_client

        from mcp import Client, StdioServerParameters, stdio_client
    except ImportError:
        raise MissingExtraError("mcp", "mcp") from None
    async with AsyncExitStack() as stack:
        transport: AbstractAsyncContextManager[Any]
        if settings.url is not None:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            http = await stack.enter_async_context(create_mcp_http_client(headers=headers))
            transport = streamable_http_client(settings.url, http_client=http)
        else:
            nowhere = stack.enter_context(os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
            command, *arguments = settings.command
            server = StdioServerParameters(command=command, args=arguments, env=dict(given))
            transport = stdio_client(server, errlog=nowhere)
        yield await stack.enter_async_context(
            Client(transport, read_timeout_seconds=settings.seconds, cache=None)
        )
