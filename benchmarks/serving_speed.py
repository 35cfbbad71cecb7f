"""Speed of serving: N clients that never pause, at the server, the model server alone, a peer."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from serving_processes import Serving, body_of, fake_model, peer, used

ALONE, SERVED, PEER = "the model server alone", "centerlm serve", "a LangGraph server"


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
