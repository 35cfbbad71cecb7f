"""Running the application: one process or several workers, stopped so that nothing is lost."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click
import msgspec

from centerlm.config import ServeSettings, default_file
from centerlm.errors import CenterError, InputError, MissingExtraError
from centerlm.printing import complain
from centerlm.serving.guard import Guard, HideTokens, Rules, Sessions, tokens_of
from centerlm.serving.metrics import SHARED, Metrics, forget_worker
from centerlm.serving.parts import Given, Parts
from centerlm.serving.service import Listener, Service
from centerlm.serving.tracing import Tracing, configured_tracer

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer
    from starlette.types import ASGIApp, Receive, Scope, Send

NOT_STARTED = 64
"""Added to the exit code of a worker that could not start: another one could not either."""
log = logging.getLogger("centerlm.serving")


class Studio(msgspec.Struct, frozen=True):
    """What the pages are given: further `libraries` to choose from, and the folder of `reports`."""

    libraries: tuple[str, ...] = ()
    reports: str = "."


class Plan(msgspec.Struct, frozen=True):
    """What a worker is started with: plain data. Tokens stay in the environment."""

    given: Given
    serve: ServeSettings
    mcp: bool = False
    studio: Studio | None = None


def plan_of(
    *,
    host: str | None = None,
    port: int | None = None,
    workers: int | None = None,
    roots: tuple[str, ...] = (),
    mcp: bool = False,
    studio: Studio | None = None,
    **given: Any,
) -> Plan:
    """The plan of a command line: what it says goes over the settings; with `mcp`, MCP as well,
    with `studio`, its pages.

    Raises:
        ConfigError: the settings cannot be read, or others could listen without a token.
    """
    if not given.get("config") and (file := default_file()) is not None:
        given["config"] = str(file)
    for name in ("config", "library", "journal"):
        if given.get(name):
            given[name] = str(Path(given[name]).resolve())
    start = Given(**given)
    over = {"host": host, "port": port, "workers": workers, "roots": roots or None}
    serve = msgspec.structs.replace(
        start.settings().serve, **{k: v for k, v in over.items() if v is not None}
    )
    tokens_of(serve, os.environ)
    return Plan(start, serve, mcp, studio)


class Worker:
    """The ASGI application of one process; the service lives between its startup and shutdown."""

    def __init__(self, plan: Plan, environment: Mapping[str, str] = os.environ) -> None:
        self._plan = plan
        self._tokens = tokens_of(plan.serve, environment)
        self._app: ASGIApp | None = None
        self.service: Service | None = None
        self.problem: CenterError | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        assert self._app is not None  # the server starts the lifespan first
        await self._app(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with self.opened():
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except CenterError as error:
            self.problem = error
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # it is said once
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Service]:
        """Open the service and the application over it.

        Raises:
            CenterError: a part cannot be opened.
        """
        from centerlm.serving.app import application

        serve, metrics, studio = self._plan.serve, Metrics.new(), self._plan.studio
        rules = Rules.of(serve, self._tokens, Sessions() if studio else None)
        async with AsyncExitStack() as stack:
            service = await stack.enter_async_context(
                opened_service(self._plan, metrics.tell, apart=len(self._tokens) > 1)
            )
            service.queue.watch = metrics.watch
            metrics.watch(service.queue.busy, len(service.queue))  # what was taken up
            more: list[Any] = []
            if self._plan.mcp:
                server = mcp_server(service, serve.roots)
                more = mcp_routes(server, serve.max_body)
                await stack.enter_async_context(server.session_manager.run())
            if studio is not None:
                from centerlm.studio.routes import studio_routes

                more += studio_routes(service, metrics, rules, studio)
            self._app = Guard(application(service, metrics, *more), rules)
            self.service = service
            yield service

    def hide_tokens(self) -> None:
        """Keep the tokens out of every log of this process."""
        for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "centerlm.serving"):
            logging.getLogger(name).addFilter(HideTokens(self._tokens))


@asynccontextmanager
async def opened_service(
    plan: Plan, *listeners: Listener, apart: bool = False
) -> AsyncGenerator[Service]:
    """The service of a plan, started; stopped and closed at the end.

    Raises:
        CenterError: a part cannot be opened.
    """
    parts = Parts.open(plan.given, apart=apart)
    parts.settings = msgspec.structs.replace(parts.settings, serve=plan.serve)
    tracer = configured_tracer()
    if tracer is not None:
        listeners = (*listeners, Tracing(tracer, parts.center.model.name).tell)
    service = Service.open(parts, listeners)
    await service.start()
    try:
        yield service
    finally:
        await service.stop(0.0)
        await service.close()


def mcp_server(service: Service, roots: tuple[str, ...]) -> MCPServer:
    """The MCP server over a service.

    Raises:
        MissingExtraError: the SDK is not installed.
        InputError: a root is no folder.
    """
    try:
        from centerlm.mcp.server import build
    except ImportError:
        raise MissingExtraError("mcp", "mcp") from None
    return build(service, roots)


def mcp_routes(server: MCPServer, max_body: int) -> list[Any]:
    """The routes of MCP over HTTP. Hosts and origins are the guard's business, once."""
    from mcp.server.transport_security import TransportSecuritySettings

    open_to_all = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(
        stateless_http=True, max_request_body_size=max_body, transport_security=open_to_all
    )
    return list(app.routes)


def serve_stdio(plan: Plan) -> int:
    """Serve MCP on standard input and output, until it ends; the exit code."""

    async def run() -> None:
        async with opened_service(plan) as service:
            await mcp_server(service, plan.serve.roots).run_stdio_async()

    try:
        asyncio.run(run())
    except KeyboardInterrupt:
        return 130
    return 0


def serve(plan: Plan) -> int:
    """Serve until stopped; the exit code.

    Raises:
        InputError: the address cannot be listened on, or a setting cannot be used.
        MissingExtraError: uvicorn, or another part of the extra, is not installed.
    """
    _needs("studio" if plan.studio else "serve")
    tokens = tokens_of(plan.serve, os.environ)
    listening = listen(plan.serve)
    host, port = listening.getsockname()[:2]
    where = f"[{host}]" if ":" in host else host
    guarded = f", {len(tokens)} token{'s' if len(tokens) > 1 else ''}" if tokens else ""
    path = "" if plan.studio else "mcp" if plan.mcp else "v1"

    def announce() -> None:
        click.echo(f"http://{where}:{port}/{path}{guarded}")
        sys.stdout.flush()

    if plan.serve.workers == 1:
        return run_worker(plan, listening, started=announce)
    announce()
    return _supervise(plan, listening)


def _needs(extra: str) -> None:
    """Raises MissingExtraError where what serves is not installed."""
    for name in ("uvicorn", "starlette", *(("jinja2",) if extra == "studio" else ())):
        try:
            __import__(name)
        except ImportError:
            raise MissingExtraError(name, extra) from None


def listen(settings: ServeSettings) -> socket.socket:
    """A socket on the address of the settings.

    Raises:
        InputError: it cannot be listened on.
    """
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, settings.port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise InputError(
            f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}); choose "
            "another --port, or 0 for any"
        ) from None
    listening.set_inheritable(True)
    return listening


def run_worker(
    plan: Plan,
    listening: socket.socket,
    ended: Callable[[], bool] | None = None,
    started: Callable[[], None] | None = None,
) -> int:
    """Serve on a socket in this process, until a signal comes or `ended` says so.

    `started` is called once requests are answered. Returns the exit code.

    Raises:
        CenterError: it could not start.
    """
    import uvicorn

    from centerlm.serving.connections import Connection

    worker, lost = Worker(plan), list[str]()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started and started is not None:
                started()

        async def on_tick(self, counter: int) -> bool:
            if ended is not None and ended():
                self.should_exit = True
            if worker.service is not None and worker.service.lost:
                lost.append("the journal's connection is lost; start the server again")
                self.should_exit = True
            return await super().on_tick(counter)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            for server in self.servers:
                server.close()
            if worker.service is not None:
                await worker.service.stop(0.0 if self.force_exit else plan.serve.grace)
            await super().shutdown(sockets)

    config = uvicorn.Config(
        worker,
        log_level="warning",
        access_log=False,
        lifespan="on",
        http=Connection,  # by h11, which bounds the size of headers; httptools does not
        timeout_graceful_shutdown=5,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=64 << 10,
    )
    worker.hide_tokens()
    server = Server(config)
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        return 130
    except SystemExit:  # it could not start
        if worker.problem is None:
            raise
    if worker.problem is not None:
        raise worker.problem
    if lost:
        complain(lost[0])
        return 1
    return 0


def _supervise(plan: Plan, listening: socket.socket) -> int:
    """Run the workers, start those anew that die, and stop them when this process is stopped."""
    spawn = multiprocessing.get_context("spawn")
    stop = threading.Event()

    def stopping(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopping)
    with tempfile.TemporaryDirectory(prefix="centerlm-metrics-") as folder:
        os.environ[SHARED] = folder

        def start() -> Any:
            process = spawn.Process(target=_work, args=(plan, listening, os.getpid()))
            process.start()
            return process

        workers = [start() for _ in range(plan.serve.workers)]
        code = 0
        while not stop.wait(0.2):
            for at, worker in enumerate(workers):
                if worker.is_alive():
                    continue
                if worker.exitcode > NOT_STARTED:
                    code = worker.exitcode - NOT_STARTED
                    stop.set()
                    break
                log.warning("a worker ended (%s); another one is started", worker.exitcode)
                forget_worker(worker.pid)
                workers[at] = start()
        for worker in workers:
            if worker.is_alive():
                worker.terminate()
        for worker in workers:
            worker.join(plan.serve.grace + 15)
            if worker.is_alive():
                worker.kill()
    return code


def _work(plan: Plan, listening: socket.socket, parent: int) -> None:
    """A worker's process; it ends with its parent."""
    try:
        code = run_worker(plan, listening, lambda: os.getppid() != parent)
    except CenterError as error:
        complain(str(error))
        code = NOT_STARTED + error.exit_code
    sys.exit(code)
