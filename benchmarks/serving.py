"""Serving: how much of the model server's own speed is left, and whether a request is ever lost.

    python benchmarks/serving.py [--parts speed,losses,fuzz] [--clients 64] [--latency-ms 200]
        [--seconds 20] [--requests 1000] [--examples 200] [--out DIR]

speed: N clients send objectives one after the other to `centerlm serve`, whose center is a fake
model server of fixed latency, and the same clients make the same model calls at that server alone.
Where LangGraph is installed (see `serving_peer.py`), a server of a graph of the same steps as well.
losses: clients send requests with an Idempotency-Key, leave in the middle of some, and send them
again; the model server fails now and then; half way the server is killed with SIGKILL and started
again. fuzz: schemathesis on the OpenAPI description. Writes serving.json and serving.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import msgspec

from centerlm.errors import InputError
from centerlm.events import EpisodeFinished, EpisodeResumed, EpisodeStarted, SeekFinished
from centerlm.journal import SqliteJournal
from centerlm.models.fake_server import FakeServer, Fault
from reporting import command_line, run_benchmark, versions, write
from serving_script import model

HERE = Path(__file__).parent
PARTS = ("speed", "losses", "fuzz")
ALONE, SERVED, PEER = "the model server alone", "centerlm serve", "a LangGraph server"
PACKAGES = (
    *("centerlm", "starlette", "uvicorn", "uvloop", "aiohttp", "schemathesis"),
    *("langgraph", "langgraph-checkpoint-sqlite", "langchain-openai"),
)


@dataclass(frozen=True, slots=True)
class Speed:
    """Solves (or as many model calls as one makes) a second, and times of one in seconds."""

    rate: float
    p50: float
    p99: float
    number: int
    calls: float
    cpu: float
    waited: float
    """Seconds a solve that the server, the model server and the clients were ready to run and had
    no CPU: what a busy machine costs. 0 where the system does not say (not Linux)."""


@dataclass(frozen=True, slots=True)
class Losses:
    requests: int
    answered: int
    failed: int
    lost: int
    twice: int
    dropped: int
    faults: int
    kills: int
    resumed: int
    asked_again: int


class Serving:
    """`centerlm serve` as a process group in a folder, on one port over all its lives."""

    def __init__(self, folder: Path, base_url: str, **environment: str) -> None:
        self._folder = folder
        self._arguments = [
            *("--model", "openai:fake", "--base-url", base_url, "--no-memory"),
            *("--source", "serving_script:lookup", "--config", str(folder / "centerlm.toml")),
        ]
        self._environment = os.environ | environment
        paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment |= {"PYTHONPATH": os.pathsep.join(paths), "CENTERLM_HOME": str(folder)}
        self._process: subprocess.Popen[str] | None = None
        self.port = 0
        (folder / "centerlm.toml").write_text(
            "[serve]\nconcurrency = 64\nwaiting = 4096\nwaiting_each = 4096\n"
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"

    def start(self) -> None:
        command = [sys.executable, "-m", "centerlm", "serve", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, *self._arguments],
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            raise InputError("centerlm serve did not start; run it by hand to see why")
        self.port = int(line.rpartition(":")[2].partition("/")[0])

    def kill(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid


def used(pid: int) -> tuple[float, float]:
    """Seconds that a process has run, and has waited for a CPU, so far; zeros but on Linux."""
    ran = waited = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        first, second, _ = task.read_text().split()
        ran, waited = ran + int(first), waited + int(second)
    return ran / 1e9, waited / 1e9


@dataclass(frozen=True, slots=True)
class Fake:
    """The fake model server: where it is, and its process."""

    url: str
    pid: int


@contextmanager
def fake_model(latency_ms: float) -> Generator[Fake]:
    """The fake model server as a process of its own."""
    command = [sys.executable, "-m", "centerlm.models.fake_server"]
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [*command, "--latency-ms", str(latency_ms), "--script", "serving_script:model"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Fake(process.stdout.readline().strip(), process.pid)
    finally:
        process.kill()
        process.wait()


@contextmanager
def peer(base_url: str, folder: Path) -> Generator[Fake]:
    """The LangGraph server as a process of its own."""
    command = [sys.executable, str(HERE / "serving_peer.py"), "--base-url", base_url]
    process = subprocess.Popen(
        [*command, "--folder", str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        if not url:
            raise InputError("the LangGraph server did not start; run serving_peer.py by hand")
        yield Fake(url, process.pid)
    finally:
        process.kill()
        process.wait()


def body_of(question: str) -> dict[str, Any]:
    return {"model": "centerlm", "messages": [{"role": "user", "content": question}]}


async def _until(clients: int, seconds: float, once: Any, apart: float) -> list[float]:
    """`once(session, n)` again and again by each client until the time is up; times of each.

    Clients start spread over `apart` seconds: with a fixed latency they would stay in step.
    """
    times: list[float] = []
    end = time.monotonic() + seconds
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def client(number: int) -> None:
            turn = 0
            await asyncio.sleep(apart * number / clients)
            while time.monotonic() < end:
                began = time.monotonic()
                await once(session, f"{number}-{turn}")
                times.append(time.monotonic() - began)
                turn += 1

        async with asyncio.TaskGroup() as group:
            for number in range(clients):
                group.create_task(client(number))
    return times


def _speed(times: Sequence[float], clients: int, calls: float, cpu: float, waited: float) -> Speed:
    """The rate of N clients that never pause is N over the mean time of one."""
    cuts = statistics.quantiles(times, n=100)
    rate, n = clients / statistics.fmean(times), len(times)
    return Speed(rate, cuts[49], cuts[98], n, calls, cpu / n, waited / n)


def measure_speed(clients: int, latency_ms: float, seconds: float) -> dict[str, Speed]:
    """Served, and the model server alone, in turn: alone before and after. The peer in between."""
    spent: list[int] = []
    rows: dict[str, Speed] = {}

    async def ask(session: aiohttp.ClientSession, url: str, name: str) -> Any:
        async with session.post(url, json=body_of(f"question {name}?")) as answer:
            data = await answer.json()
            assert data["choices"][0]["message"]["content"].startswith("the answer"), data
            return data

    async def solve(session: aiohttp.ClientSession, name: str) -> None:
        data = await ask(session, serving.url, name)
        spent.append(data["centerlm"]["usage"]["calls"] - 1)  # less the one to the source

    with TemporaryDirectory() as folder, fake_model(latency_ms) as fake:
        calls, base = 2, fake.url

        def timed(
            seconds: float, once: Any, server: int | None
        ) -> tuple[list[float], float, float]:
            """Times of each, CPU of the server, and what all three waited for one."""
            pids = [os.getpid(), fake.pid, *([server] if server else [])]
            before = [used(pid) for pid in pids]
            times = asyncio.run(_until(clients, seconds, once, calls * latency_ms / 1e3))
            after = [used(pid) for pid in pids]
            waited = sum(b[1] - a[1] for a, b in zip(before, after, strict=True))
            return times, after[2][0] - before[2][0] if server else 0.0, waited

        async def alone(session: aiohttp.ClientSession, name: str) -> None:
            messages = [{"role": "user", "content": f"Question: {name}"}]
            for _ in range(calls):
                body = {"model": "fake", "messages": messages, "max_tokens": 256}
                async with session.post(f"{base}/chat/completions", json=body) as answer:
                    await answer.json()

        serving = Serving(Path(folder), base)
        serving.start()
        asyncio.run(_until(clients, min(seconds, 3.0), solve, 0.0))  # warm
        calls = round(statistics.fmean(spent))
        first, _, waited = timed(seconds / 2, alone, None)
        served, cpu, waited_served = timed(seconds, solve, serving.pid)
        serving.stop()
        second, _, more = timed(seconds / 2, alone, None)
        rows[ALONE] = _speed(first + second, clients, calls, 0.0, waited + more)
        rows[SERVED] = _speed(served, clients, statistics.fmean(spent), cpu, waited_served)
        if find_spec("langgraph") is None:
            print("LangGraph is not installed: it was not measured", file=sys.stderr)
            return rows
        with peer(base, Path(folder)) as graph:

            async def through(session: aiohttp.ClientSession, name: str) -> None:
                await ask(session, graph.url, name)

            asyncio.run(_until(clients, min(seconds, 3.0), through, 0.0))  # warm
            times, cpu, waited = timed(seconds, through, graph.pid)
        rows[PEER] = _speed(times, clients, calls, cpu, waited)
    return rows


def measure_losses(requests: int, seed: int) -> Losses:
    """Every request by a client that does not give up, with what goes wrong in between."""
    rng = random.Random(seed)
    faults = [
        rng.choice([Fault(), Fault("close"), Fault("truncated"), Fault("not_json")])
        if rng.random() < 0.03
        else None
        for _ in range(requests * 4)
    ]
    told: dict[str, str] = {}
    dropped = 0

    async def run(folder: Path) -> int:
        nonlocal dropped
        async with FakeServer(model, latency=0.02, faults=faults, keep=False) as fake:
            log = folder / "lookups"
            serving = Serving(folder, fake.base_url, LOOKUP_LOG=str(log))
            await asyncio.to_thread(serving.start)
            slots = asyncio.Semaphore(64)

            async def client(session: aiohttp.ClientSession, name: str) -> None:
                nonlocal dropped
                headers = {"Idempotency-Key": name}
                async with slots:
                    for attempt in range(60):
                        leaves = attempt == 0 and rng.random() < 0.2
                        limit = rng.uniform(0.005, 0.08) if leaves else 60.0
                        try:
                            async with session.post(
                                serving.url,
                                json=body_of(name),
                                headers=headers,
                                timeout=aiohttp.ClientTimeout(total=limit),
                            ) as answer:
                                data = await answer.json()
                                if answer.status == 200:
                                    told[name] = data["choices"][0]["message"]["content"]
                                    return
                        except TimeoutError:
                            dropped += leaves
                        except (aiohttp.ClientError, ValueError):
                            pass
                        await asyncio.sleep(min(0.05 * 2**attempt, 1.0))

            async def killer() -> None:
                while len(told) < requests // 2:  # noqa: ASYNC110 - several write it
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(serving.kill)
                await asyncio.to_thread(serving.start)

            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
                asyncio.TaskGroup() as group,
            ):
                group.create_task(killer())
                for number in range(requests):
                    group.create_task(client(session, f"request-{number}"))
            await asyncio.to_thread(serving.stop)
            return sum(fault is not None for fault in faults[: fake.stats.calls])

    with TemporaryDirectory() as place:
        folder = Path(place)
        met = asyncio.run(run(folder))
        twice, resumed, again = _twice(folder)
    right = sum(said.startswith(f"the answer to {name}") for name, said in told.items())
    failed, lost = len(told) - right, requests - len(told)
    return Losses(requests, right, failed, lost, twice, dropped, met, 1, resumed, again)


def _twice(folder: Path) -> tuple[int, int, int]:
    """Requests that were run twice, that were resumed, and lookups that a kill made to be asked
    again (one in flight has no committed end, and reading is repeated).
    """
    journal = SqliteJournal(folder / "journal.sqlite")
    begun, twice, resumed = Counter[str](), 0, 0
    for row in journal.summaries(1_000_000):
        events = journal.events(row.name)
        begun[row.question] += sum(isinstance(event, EpisodeStarted) for event in events)
        ends = sum(isinstance(e, EpisodeFinished) and e.status == "answered" for e in events)
        sought = Counter((e.path, e.attempt) for e in events if isinstance(e, SeekFinished))
        twice += ends > 1 or any(number > 1 for number in sought.values())
        resumed += any(isinstance(event, EpisodeResumed) for event in events)
    journal.close()
    twice += sum(number > 1 for number in begun.values())
    asked = Counter((folder / "lookups").read_text().splitlines())
    return twice, resumed, sum(number - 1 for number in asked.values())


def fuzz(examples: int) -> dict[str, int]:
    """Statuses that schemathesis got, by number."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings

    statuses = Counter[str]()
    with TemporaryDirectory() as folder, fake_model(0) as fake:
        serving = Serving(Path(folder), fake.url)
        serving.start()
        root = serving.url.partition("/v1")[0]
        schema = schemathesis.openapi.from_url(f"{root}/openapi.json")
        for found in schema.get_all_operations():
            operation = found.ok()
            number = examples if operation.method == "post" else max(examples // 10, 5)

            @settings(
                max_examples=number,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy())
            def ask(case: Any) -> None:
                statuses[str(case.call(base_url=root, timeout=30).status_code)] += 1

            ask()
        serving.stop()
    return dict(sorted(statuses.items()))


def page(report: Mapping[str, Any]) -> str:
    lines = [
        "# Serving",
        "",
        f"Made by `{report['command']}` on {report['cpus']} cores, load average "
        f"{report['load'][0]:.1f} before and {report['load'][1]:.1f} after.",
    ]
    if speeds := report.get("speed"):
        alone, served = speeds[ALONE], speeds[SERVED]
        lines += [
            "",
            "## Speed",
            "",
            f"{report['clients']} clients, each sends the next when it has its answer; a model "
            f"server of {report['latency_ms']:g} ms a call; a solve makes "
            f"{alone['calls']:g} model calls and one to a source.",
            "",
            "| | solves/s | p50, s | p99, s | number | CPU ms a solve | waited for a CPU, ms a "
            "solve |",
            "|---|---|---|---|---|---|---|",
        ]
        for name, s in speeds.items():
            cpu = f"{1e3 * s['cpu']:.1f}" if s["cpu"] else ""
            lines.append(
                f"| {name} | {s['rate']:.1f} | {s['p50']:.3f} | {s['p99']:.3f} | {s['number']:,} "
                f"| {cpu} | {1e3 * s['waited']:.1f} |"
            )
        lines += [
            "",
            "CPU is that of the server; waiting is that of server, model server and clients "
            "together: what other work on the machine took from them.",
            "",
            f"- {100 * served['rate'] / alone['rate']:.1f} % of the model server alone (aim: 95 %)",
        ]
        if graph := speeds.get(PEER):
            lines.append(
                f"- {served['rate'] / graph['rate']:.2f} times the solves of the LangGraph server, "
                f"at {graph['cpu'] / max(served['cpu'], 1e-9):.1f} times less CPU a solve"
            )
    if losses := report.get("losses"):
        lines += ["", "## Losses", "", "| what | number |", "|---|---|"]
        names = {
            "requests": "requests",
            "answered": "answered, rightly",
            "failed": "answered that a part failed, because the model server did",
            "lost": "lost (aim: 0)",
            "twice": "run twice (aim: 0)",
            "dropped": "times a client left in the middle",
            "faults": "faults of the model server",
            "kills": "`kill -9` and restart",
            "resumed": "episodes resumed",
            "asked_again": "requests to the source in flight at the kill, asked again",
        }
        lines += [f"| {about} | {losses[name]:,} |" for name, about in names.items()]
    if statuses := report.get("fuzz"):
        bad = sum(n for status, n in statuses.items() if int(status) >= 500)
        shown = ", ".join(f"{status}: {n}" for status, n in statuses.items())
        lines += [
            "",
            "## Fuzzing",
            "",
            f"schemathesis on `/openapi.json`: {sum(statuses.values()):,} requests ({shown}); "
            f"{bad} server errors (aim: 0).",
        ]
    lines += ["", ", ".join(f"{k} {v}" for k, v in report["versions"].items()), ""]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="speed, losses, fuzz")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--latency-ms", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    given = parser.parse_args()

    def run() -> Path:
        parts = given.parts.split(",")
        if wrong := [part for part in parts if part not in PARTS]:
            raise InputError(f"there is no part {wrong[0]!r}; use {', '.join(PARTS)}")
        before = os.getloadavg()[0]
        report: dict[str, Any] = {"command": command_line(), "cpus": os.cpu_count()}
        report |= {"clients": given.clients, "latency_ms": given.latency_ms}
        measures: dict[str, Callable[[], Any]] = {
            "speed": lambda: measure_speed(given.clients, given.latency_ms, given.seconds),
            "losses": lambda: measure_losses(given.requests, given.seed),
            "fuzz": lambda: fuzz(given.examples),
        }
        written = given.out / "serving.md"
        for part in parts:  # written after each: what was measured is kept
            report[part] = msgspec.to_builtins(measures[part]())
            report |= {"load": [before, os.getloadavg()[0]], "versions": versions(PACKAGES)}
            written = write(given.out, "serving", report, page(report))
        return written

    return run_benchmark(run, interrupted="the parts that had ended are written")


if __name__ == "__main__":
    sys.exit(main())
