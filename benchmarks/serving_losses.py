"""Whether serving loses a request or runs one twice, whatever goes wrong."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from centerlm.events import EpisodeFinished, EpisodeResumed, EpisodeStarted, SeekFinished
from centerlm.journal import SqliteJournal
from centerlm.models.fake_server import FakeServer, Fault
from serving_processes import Serving, body_of
from serving_script import model


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
            slots, half = asyncio.Semaphore(64), asyncio.Event()

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
                                    if len(told) >= requests // 2:
                                        half.set()
                                    return
                        except TimeoutError:
                            dropped += leaves
                        except (aiohttp.ClientError, ValueError):
                            pass
                        await asyncio.sleep(min(0.05 * 2**attempt, 1.0))

            async def killer() -> None:
                if requests // 2:
                    await half.wait()
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
