"""What benchmarks/studio.py runs: a center that plans a wide tree, the studio, and the browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerlm.errors import InputError
from centerlm.models.base import Prompt, Sampling
from centerlm.models.scripted import ScriptedModel

LEVELS = (12, 12, 13)
"""Steps of a level, from the root down: 12 + 144 + 1,872 are 2,028 steps."""
_PART = re.compile(r"part ([\d.]+)")


def _plan(prompt: Prompt, sampling: Sampling) -> str:
    """Hands 12 parts to the center, each of which hands on 12, each of which makes 13 sums."""
    del sampling
    if not prompt.messages[0].text.startswith("Break"):
        return "42"
    asked = _PART.search(prompt.messages[-1].text.rpartition("Question: ")[2])
    at = asked[1].split(".") if asked else []
    count = LEVELS[len(at)]
    if len(at) + 1 == len(LEVELS):
        number = "1" + "".join(f"{int(part):02}" for part in at)
        return "".join(f"{n} [calculator] {n} + {number}\n" for n in range(1, count + 1))
    return "".join(
        f"{n} [center] What comes of part {'.'.join([*at, str(n)])} of the work?\n"
        for n in range(1, count + 1)
    )


wide = ScriptedModel(_plan)


@contextmanager
def studio(home: Path) -> Generator[str]:
    """A studio in a process of its own; its address."""
    environment = os.environ | {
        "CENTERLM_HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
    }
    command = [sys.executable, "-m", "centerlm", "studio", "--port", "0", "--no-memory"]
    command += ["--model", "scripted:studio_pages:wide", "--source", "calculator"]
    process = subprocess.Popen(
        command, cwd=home, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip().rstrip("/")
        if not url:
            raise InputError("the studio did not start; run centerlm studio to see why")
        yield url
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def chromium() -> Generator[tuple[Any, str]]:
    """The browser of this machine, and its version.

    Raises:
        InputError: there is none, or nothing to drive it with.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise InputError("playwright is not installed; run: pip install playwright") from None
    found = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if found is None:
        raise InputError("no Chromium is installed; install one with the system's packages")
    sandbox = [] if os.geteuid() else ["--no-sandbox"]  # root may not use it
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=sandbox)
        try:
            yield browser, browser.version
        finally:
            browser.close()


@dataclass(frozen=True, slots=True)
class Work:
    """What something cost the page: CPU time of its main thread, and time on the wall, in ms."""

    main: float
    wall: float


@dataclass(slots=True)
class Page:
    """A page of the browser whose main thread is timed (by its CPU time, not by the wall: other
    work of the machine does not count).
    """

    page: Any
    session: Any

    @classmethod
    def new(cls, browser: Any) -> Page:
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        page.set_default_timeout(300_000)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        return cls(page, session)

    def close(self) -> None:
        self.page.context.close()

    def metrics(self) -> dict[str, float]:
        given = self.session.send("Performance.getMetrics")["metrics"]
        return {one["name"]: one["value"] for one in given}

    def work(self, do: Callable[[], None]) -> Work:
        """What it costs to do something and paint what comes of it."""
        self.settle()
        before, began = self.metrics()["TaskDuration"], time.monotonic()
        do()
        self.settle()
        wall, spent = time.monotonic() - began, self.metrics()["TaskDuration"]
        if spent >= before:  # else the page has moved to another process, which begins at 0
            spent -= before
        return Work(1e3 * spent, 1e3 * wall)

    def settle(self) -> None:
        """Wait until what was changed is painted."""
        self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def painted(self) -> float:
        """Milliseconds from the request of the page to its first content."""
        return float(
            self.page.evaluate(
                "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
            )
        )
