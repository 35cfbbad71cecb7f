"""Episodes on the workers of a Ray cluster; the journal stays here, in its usual form.

A worker is a process that opens models and libraries of its own. It is sent a job and what the
journal holds of the job's episode, and sends back what was added. An episode is finished when that
is committed here: a worker that is killed loses none, and what it was at is done again by the one
that takes its place. Workers start in the folder this process is in, so relative paths mean the
same on one machine, or on several that share it.
"""

from __future__ import annotations

import asyncio
import fcntl
import importlib
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import ExitStack, closing, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeAlias, cast

from centerlm.errors import CenterError, InputError, MissingExtraError
from centerlm.events import Event, decode_event, encode_event
from centerlm.journal import Journal, MemoryJournal, SqliteJournal
from centerlm.many import OpenedJournal

LOCAL = "local"
TRIES = 3
"""How often a worker may be killed at one episode."""
_CONNECT = 10.0
_STARTS = 3
_TELL_EVERY = 30.0

Files: TypeAlias = Mapping[str, bytes]
"""Content by path below a folder."""


class WorkerError(CenterError):
    """A worker ended, or could not do its work; what is finished is kept."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class EpisodeSolver(Protocol):
    """What a worker does. It is opened on the worker, and used on one event loop."""

    async def solve(self, job: Any, episode: str, journal: Journal) -> None:
        """Solve the episode of a job into `journal`.

        Raises:
            CenterError: it cannot be solved; the sentence is passed on.
        """
        ...

    def files(self) -> Files:
        """Files to be kept beside the journal, each given once."""
        ...


@contextmanager
def one_at_a_time(folder: Path) -> Generator[None]:
    """Only one process of a machine is inside, for each folder: the first makes what all use."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".opening").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


Opener: TypeAlias = Callable[[], EpisodeSolver]
"""Opens a solver on a worker; it is sent there, so it is picklable."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A job, and what is known of its episode: events, and content by hash."""

    job: Any
    episode: str
    events: list[bytes]
    blobs: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class _Problem:
    """An error of this package, to be raised on the other side."""

    sentence: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class _Reply:
    """The events that were added with their content, files to keep, and what went wrong."""

    added: list[tuple[bytes, dict[str, bytes] | None]]
    files: dict[str, bytes]
    problem: _Problem | None


class _Carried(MemoryJournal):
    """The journal of one episode on a worker; `added` is what the other side lacks."""

    def __init__(self, sent: _Sent) -> None:
        super().__init__()
        for data in sent.events:
            super().append(sent.episode, decode_event(data))
        self._blobs.update(sent.blobs)
        self.added: list[tuple[bytes, dict[str, bytes] | None]] = []

    def append(self, episode: str, event: Event, blobs: dict[str, bytes] | None = None) -> None:
        super().append(episode, event, blobs)
        self.added.append((encode_event(event), blobs))


class _Worker:
    """The actor. Errors of this package travel as data: not all can be pickled."""

    def __init__(self, opener: Opener, folder: str, version: str) -> None:
        self._opener = opener
        self._folder = folder
        self._version = version
        self._solver: EpisodeSolver | None = None

    async def open(self) -> _Problem | None:
        return self._open()

    def _open(self) -> _Problem | None:
        if self._solver is not None:
            return None
        host = socket.gethostname()
        mine = metadata.version("centerlm")
        if mine != self._version:
            return _Problem(
                f"the worker on {host} has centerlm {mine}, not {self._version}; install the same",
                InputError.exit_code,
            )
        try:
            os.chdir(self._folder)
            self._solver = self._opener()
        except CenterError as error:
            return _Problem(f"the worker on {host}: {error}", error.exit_code)
        except FileNotFoundError as error:
            return _Problem(
                f"the worker on {host} has no {error.filename}; start in a folder that all "
                "machines share",
                InputError.exit_code,
            )
        return None

    async def solve(self, sent: _Sent) -> _Reply:
        # One that takes a killed one's place has not been opened yet.
        if (problem := self._open()) is not None:
            return _Reply([], {}, problem)
        journal = _Carried(sent)
        assert self._solver is not None
        try:
            await self._solver.solve(sent.job, sent.episode, OpenedJournal(journal))
        except CenterError as error:
            problem = _Problem(str(error), error.exit_code)
        return _Reply(journal.added, dict(self._solver.files()), problem)


@dataclass(slots=True)
class Cluster:
    """The workers of a Ray cluster, while this context is open.

    `address` is HOST:PORT, "ray://HOST:PORT", "auto" (the cluster this machine is part of) or
    "local" (one that is started for this alone, and sends no statistics anywhere). There are as
    many workers as its machines have room for at `cpus` each; each works on `concurrency` episodes
    at a time. Ray tells of workers that died on standard output, which belongs to results:
    meanwhile all of it goes to standard error.

    Raises (on entering):
        MissingExtraError: the extra `ray` is not installed.
        InputError: there is no cluster at the address.
        WorkerError: a worker cannot open what it needs.
    """

    address: str
    opener: Opener
    concurrency: int = 4
    cpus: int = 1
    say: Callable[[str], None] = lambda line: None
    _busy: dict[Any, int] = field(default_factory=dict[Any, int], init=False)
    _began: bool = field(default=False, init=False)
    _held: ExitStack = field(default_factory=ExitStack, init=False)

    @property
    def slots(self) -> int:
        """Episodes that all workers together work on at a time."""
        return len(self._busy) * self.concurrency

    async def __aenter__(self) -> Cluster:
        ray = _ray()
        self._held.enter_context(redirect_stdout(sys.stderr))
        try:
            if not ray.is_initialized():
                connect(ray, self.address)
                self._began = True
            count = self._room(ray)
            made = ray.remote(
                num_cpus=self.cpus,
                max_restarts=-1,
                max_task_retries=TRIES - 1,
                max_concurrency=self.concurrency,
            )(_Worker)
            version = metadata.version("centerlm")
            for _ in range(count):
                self._busy[made.remote(self.opener, str(Path.cwd()), version)] = 0
            await self._opened()
        except BaseException:
            self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        """The workers end with the connection, or here where it is not ours."""
        ray = _ray()
        if self._began:
            ray.shutdown()
        else:
            for worker in self._busy:
                ray.kill(worker)
        self._busy.clear()
        self._held.close()

    def _room(self, ray: Any) -> int:
        """Workers that fit, machine by machine: one never spans two."""
        machines: list[Any] = [node for node in ray.nodes() if node["Alive"]]
        have: list[float] = [node["Resources"].get("CPU", 0) for node in machines]
        room = sum(int(cpus // self.cpus) for cpus in have)
        if not room:
            raise InputError(
                f"no worker fits into the Ray cluster: one needs {self.cpus} CPUs (threads of the "
                f"model) on one machine, and the largest has {max(have, default=0):g}"
            )
        return room

    async def _opened(self) -> None:
        waiting = {asyncio.ensure_future(_answer(w.open.remote())) for w in self._busy}
        try:
            while waiting:
                done, waiting = await asyncio.wait(
                    waiting, timeout=_TELL_EVERY, return_when=asyncio.FIRST_COMPLETED
                )
                for one in done:
                    _raise(cast("_Problem | None", one.result()))
                if not done:
                    there = len(self._busy) - len(waiting)
                    self.say(f"waiting for Ray: {there} of {len(self._busy)} workers are there")
        finally:
            for one in waiting:
                one.cancel()

    async def solve(
        self,
        job: Any,
        episode: str,
        journal: SqliteJournal,
        keep: Callable[[Files], None] = lambda files: None,
    ) -> None:
        """Have an episode solved by a worker and written to `journal`; `keep` gets its files.

        Raises:
            WorkerError: it could not be; what was written before is kept.
            JournalError: the journal cannot be written, or another process runs the episode.
        """
        journal.lock(episode)
        worker = min(self._busy, key=lambda one: self._busy[one])
        self._busy[worker] += 1
        try:
            past = [encode_event(event) for event in OpenedJournal(journal).events(episode)]
            sent = _Sent(job, episode, past, journal.content(episode))
            reply = cast("_Reply", await _answer(worker.solve.remote(sent)))
            keep(reply.files)
            for data, blobs in reply.added:
                journal.append(episode, decode_event(data), blobs)
            await journal.commit()
        finally:
            self._busy[worker] -= 1
            journal.unlock(episode)
        _raise(reply.problem)

    def into(
        self, journal: SqliteJournal, keep: Callable[[Files], None] = lambda files: None
    ) -> Callable[[Any, str], Awaitable[None]]:
        """What solves a job's episode into this journal."""
        return lambda job, episode: self.solve(job, episode, journal, keep)


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError:
        raise MissingExtraError("ray", "ray") from None


def connect(ray: Any, address: str, **options: Any) -> None:
    """Begin Ray at an address, as `Cluster` takes it, with `options` of `ray.init` besides.

    Raises:
        InputError: there is no cluster, it does not start, or its versions are others.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"} | options
    if address == LOCAL:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        quiet["include_dashboard"] = False
    elif address != "auto":
        _reach(address)
    before = signal.getsignal(signal.SIGTERM)
    try:
        _begin(ray, address, quiet)
        if signal.getsignal(signal.SIGTERM) != before:
            signal.signal(signal.SIGTERM, before)  # Ray took it; a run has its own way to stop
    except Exception as error:  # noqa: BLE001 - Ray raises bare ones where a node does not start
        told = " ".join(str(error).split())[:200]
        advice = (
            "try again when this machine has less to do"
            if address == LOCAL
            else "start a cluster with: ray start --head; set RAY_AUTH_MODE=token and the token "
            "here where it asks for one"
        )
        raise InputError(f"Ray cannot be used at {address!r} ({told}); {advice}") from None


def _begin(ray: Any, address: str, options: dict[str, Any]) -> None:
    """A node of our own gets more than one try: Ray gives up after 30 s on a busy machine."""
    for left in reversed(range(_STARTS if address == LOCAL else 1)):
        try:
            ray.init(address=address, **options)
            return
        except Exception:
            if not left:
                raise
            ray.shutdown()


def _reach(address: str) -> None:
    """Ray itself waits for minutes where nothing listens."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"{address[:80]!r} is no address of Ray; write HOST:PORT, auto or local")
    try:
        with closing(socket.create_connection((host, int(port)), timeout=_CONNECT)):
            pass
    except (OSError, OverflowError) as error:
        raise InputError(
            f"nothing answers at {address} ({getattr(error, 'strerror', None) or error}); start "
            "Ray there with: ray start --head"
        ) from None


async def _answer(reference: Any) -> object:
    """The answer of a worker.

    Raises:
        WorkerError: it was killed too often, or failed in a way that nobody foresaw.
    """
    exceptions = importlib.import_module("ray.exceptions")
    try:
        return await reference
    except exceptions.RayTaskError as error:
        lines = [line for line in str(error).splitlines() if line.strip()] or ["no word of it"]
        raise WorkerError(f"a Ray worker failed: {lines[-1].strip()}") from None
    except exceptions.RayError as error:
        told = next((line for line in str(error).splitlines() if line.strip()), "")
        raise WorkerError(
            f"a Ray worker ended {TRIES} times over the same episodes ({told.strip()[:200]}); what "
            "is finished is kept: look for memory and ray logs, then run the same command to go on"
        ) from None


def _raise(problem: _Problem | None) -> None:
    if problem is not None:
        raise WorkerError(problem.sentence, problem.exit_code)
