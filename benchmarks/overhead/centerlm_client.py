"""centerlm over HTTP with its journal on: whole episodes, each with a plan call first.

    FAKE_PORT=8123 PYTHONPATH=src:benchmarks python -m overhead.centerlm_client [chain10,load64]

chain n is one call for the plan and n expert calls, each needing the answer before: n + 1 calls, as
an agent loop of n tool turns makes. fan16 is a call for the plan, 16 tools of 20 ms at once, and a
call to absorb. In experts16 the plan is scripted, so that the 16 calls are all there is.
"""

from __future__ import annotations

import asyncio
import tempfile
from functools import partial
from pathlib import Path

from centerlm.center import CenterLM
from centerlm.journal import SqliteJournal
from centerlm.models.openai import OpenAIModel
from centerlm.models.provider import Provider
from centerlm.models.scripted import ScriptedModel
from centerlm.objective import Objective
from centerlm.solver import solve
from overhead.parts import Expert, GivenPlan, Work, chain_text, fan_text
from overhead.timing import BASE_URL, CHAINS, TOOL_SECONDS, at_once, measure


async def episode(center: GivenPlan, source: Expert | Work, journal: SqliteJournal) -> None:
    objective = Objective("What does the work give in the end?")
    solution = await solve(objective, center=center, sources=(source,), journal=journal)
    assert solution.status == "answered", solution


async def main() -> None:
    provider = Provider(BASE_URL, concurrency=1000)
    model = OpenAIModel("fake", provider, constraint="none")
    expert, tool = Expert(model), Work(TOOL_SECONDS)
    with tempfile.TemporaryDirectory() as folder:
        journal = SqliteJournal(Path(folder) / "journal.db")

        def chain(steps: int) -> partial[object]:
            text = chain_text(steps, "expert")
            center = GivenPlan(CenterLM(model), lambda _: text)
            return partial(episode, center, expert, journal)

        fan = GivenPlan(CenterLM(model), lambda _: fan_text(16, "work"))
        quick = ScriptedModel(lambda _prompt, _sampling: "DONE", constraint="none")
        experts = GivenPlan(CenterLM(quick), lambda _: fan_text(16, "expert"))
        await measure(
            "centerlm",
            {
                **{f"chain{n}": chain(n) for n in CHAINS},
                "fan16": partial(episode, fan, tool, journal),
                "experts16": partial(episode, experts, expert, journal),
                "load64": partial(at_once, chain(10), 64),
            },
        )
        journal.close()
    await model.close()


if __name__ == "__main__":
    asyncio.run(main())
