"""Timing of one client in its own process; prints a JSON line a workload, like the peers' scripts.

A line: `client`, `load`, `wall_ms` (median), `wall_min`, `cpu_ms` and `cpu_min` (this process),
`calls` the server counted, `peak` of them at once, `kb_in`, `rss_mb` (peak of the process so far).
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

PORT = int(os.environ.get("FAKE_PORT", "8123"))
BASE_URL = f"http://127.0.0.1:{PORT}/v1"
TOOL_SECONDS = 0.020
CHAINS = (10, 25, 50, 100, 200)

Workload = Callable[[], Awaitable[object]]


def server_stats() -> dict[str, int]:
    """Calls, peak concurrency and bytes since the last look; the look resets them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/stats") as reply:
        return json.load(reply)


async def timed(work: Workload, runs: int, warm: int) -> list[tuple[float, float, dict[str, int]]]:
    """Wall and CPU seconds, and the server's counts, of each run after the warm-up."""
    rows: list[tuple[float, float, dict[str, int]]] = []
    for index in range(warm + runs):
        server_stats()
        cpu, wall = time.process_time(), time.perf_counter()
        await work()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if index >= warm:
            rows.append((wall, cpu, server_stats()))
    return rows


def row(client: str, load: str, rows: list[tuple[float, float, dict[str, int]]]) -> dict[str, Any]:
    walls = [1e3 * wall for wall, _, _ in rows]
    stats = rows[-1][2]
    return {
        "client": client,
        "load": load,
        "wall_ms": round(statistics.median(walls), 2),
        "wall_min": round(min(walls), 2),
        "cpu_ms": round(1e3 * statistics.median(cpu for _, cpu, _ in rows), 2),
        "cpu_min": round(1e3 * min(cpu for _, cpu, _ in rows), 2),
        "calls": stats["calls"],
        "peak": stats["peak"],
        "kb_in": round(stats["bytes_in"] / 1024, 1),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


async def measure(client: str, workloads: Mapping[str, Workload]) -> None:
    """Time the workloads named in the first argument (comma-separated; all without one)."""
    only = sys.argv[1].split(",") if len(sys.argv) > 1 else list(workloads)
    runs = int(os.environ.get("RUNS", "25"))
    for load, work in workloads.items():
        if load not in only:
            continue
        heavy = load == "load64" or (load.startswith("chain") and load != "chain10")
        rows = await timed(work, max(2, runs // 4) if heavy else runs, 1 if heavy else 4)
        sys.stdout.write(json.dumps(row(client, load, rows)) + "\n")
        sys.stdout.flush()


async def at_once(work: Workload, times: int) -> None:
    """So many runs of one workload side by side."""
    async with asyncio.TaskGroup() as group:
        for _ in range(times):
            group.create_task(_one(work))


async def _one(work: Workload) -> None:
    await work()
