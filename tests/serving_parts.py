"""Models, and a server in a thread or a process, for the tests of serving."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

import cli_parts
from centerlm.config import ServeSettings
from centerlm.models.base import Prompt, Reply, Sampling
from centerlm.models.scripted import ScriptedModel
from centerlm.serving.parts import Given
from centerlm.serving.server import Plan, listen, run_worker
from centerlm.sources.function import source
from cli_run import process

if TYPE_CHECKING:  # servers of tests import this too
    from postgres_parts import Store

WAIT = 90.0
WAITS = ("serving_parts:waits",)


def _plan(prompt: Prompt, sampling: Sampling) -> str:
    """One step to the source `waits`, with the question."""
    del sampling
    return f"1 [waits] {prompt.messages[-1].text.rpartition('Question: ')[2]}\n"


waiting = ScriptedModel(_plan)
long = cli_parts.many | {"": "so far [1]"}
hostile = {
    "Break the question": "1 [hostile_source] say it\n",
    "": "<script>document.title='owned'</script><img src=x onerror=alert(1)> [1]",
}


class _Traced(ScriptedModel):
    """Gives token ids and log-probabilities as a local model does: a character a token."""

    async def complete(self, prompt: Prompt, sampling: Sampling, **more: Any) -> Reply:
        reply = await super().complete(prompt, sampling, **more)
        if not sampling.logprobs:
            return reply
        choices = tuple(
            replace(c, token_ids=tuple(map(ord, c.text)), logprobs=(-0.5,) * len(c.text))
            for c in reply.choices
        )
        return replace(reply, choices=choices)

    def prompt_ids(self, prompt: Prompt) -> tuple[int, ...]:
        return tuple(len(message.text) for message in prompt.messages)


traced = _Traced({"Break the question": "1 [calculator] 2 + 3\n2 [calculator] #1 * 2\n"})


@source
async def waits(question: str) -> str:
    """Waits as many seconds as the question says last, or until the log has the line "go on"; and
    notes when it began and ended.
    """
    _note(f"began {question}")
    last = question.split()[-1]
    try:
        if last == "told":
            log = Path(os.environ["CLI_PARTS_LOG"])
            while "go on" not in log.read_text():  # noqa: ASYNC110 - written by another process
                await asyncio.sleep(0.05)
        else:
            await asyncio.sleep(float(last))
    except asyncio.CancelledError:
        _note(f"stopped {question}")
        raise
    _note(f"ended {question}")
    return f"waited for {question}"


@source
def hostile_source(question: str) -> str:
    """Says what a page could take for its own."""
    del question
    return "</pre><script>document.title='owned'</script><img src=x onerror=\"document.title='x'\">"


def _note(line: str) -> None:
    if path := os.environ.get("CLI_PARTS_LOG"):
        with Path(path).open("a") as log:
            log.write(line + "\n")


def noted(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


@dataclass(frozen=True)
class Served:
    """A running server."""

    url: str

    def ask(self, question: str = "What?", **more: Any) -> dict[str, Any]:
        """The body of a request."""
        return {"model": "centerlm", "messages": [{"role": "user", "content": question}], **more}

    def post(self, question: str = "What?", *, headers: Any = None, **more: Any) -> httpx.Response:
        return httpx.post(
            f"{self.url}/chat/completions",
            json=self.ask(question, **more),
            headers=headers,
            timeout=WAIT,
        )

    def get(self, path: str, **more: Any) -> httpx.Response:
        return httpx.get(self.url.removesuffix("/v1") + path, timeout=WAIT, **more)


@contextmanager
def served(model: str, *, sources: tuple[str, ...] = (), **settings: Any) -> Iterator[Served]:
    """A server in a thread, stopped at the end."""
    given = Given(
        model=model if model.startswith("local:") else f"scripted:{model}",
        sources=sources,
        library=settings.pop("library", None),
        budget=settings.pop("budget", None),
        journal=settings.pop("journal", None),
        no_memory=settings.pop("no_memory", True),
    )
    mcp, studio = settings.pop("mcp", False), settings.pop("studio", None)
    plan = Plan(given, ServeSettings(port=0, **({"grace": 0.1} | settings)), mcp, studio)
    listening, over, codes = listen(plan.serve), threading.Event(), list[int]()
    port = listening.getsockname()[1]

    def run() -> None:
        codes.append(run_worker(plan, listening, over.is_set))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    with suppress(httpx.HTTPError):
        # Answered once the worker has read the environment, which tests change afterwards.
        httpx.get(f"http://127.0.0.1:{port}/health", timeout=WAIT)
    try:
        yield Served(f"http://127.0.0.1:{port}/v1")
    finally:
        over.set()
        thread.join(WAIT)
        assert not thread.is_alive()


@contextmanager
def serving_process(home: Path, *arguments: object, **more: Any) -> Iterator[tuple[Any, Served]]:
    """`centerlm serve` as a process of its own, killed at the end if it still runs."""
    started: subprocess.Popen[str] = process(home, "serve", "--port", 0, *arguments, **more)
    assert started.stdout is not None
    url = started.stdout.readline().strip().partition(",")[0]
    assert url, started.communicate()
    try:
        yield started, Served(url)
    finally:
        if started.poll() is None:
            started.terminate()
            try:
                started.wait(WAIT)
            except subprocess.TimeoutExpired:
                started.kill()
        started.communicate()


def until(check: Any, seconds: float = WAIT) -> Any:
    """What `check` gives, once it is true."""
    end = time.monotonic() + seconds
    while not (value := check()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)
    return value


def go_on(log: Path) -> None:
    """End what waits until it is told."""
    with log.open("a") as file:
        file.write("go on\n")


def newest_episode(store: Store) -> str | None:
    """The name of the episode that was begun last."""
    journal = store.open()
    rows = journal.summaries()
    journal.close()
    return rows[0].name if rows else None
