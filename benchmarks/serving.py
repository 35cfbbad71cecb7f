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
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from centerlm.errors import InputError
from reporting import command_line, run_benchmark, versions, write
from serving_losses import measure_losses
from serving_processes import Serving, fake_model
from serving_report import page
from serving_speed import measure_speed

PARTS = ("speed", "losses", "fuzz")
PACKAGES = (
    *("centerlm", "starlette", "uvicorn", "uvloop", "aiohttp", "schemathesis"),
    *("langgraph", "langgraph-checkpoint-sqlite", "langchain-openai"),
)


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
