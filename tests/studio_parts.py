"""A studio in a thread, and a real browser to look at it with."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from centerlm.serving.server import Studio
from serving_parts import Served, served

PATIENCE = 90_000
"""Milliseconds that the browser waits for something to show: the machine may be busy."""


@contextmanager
def studio(model: str, **settings: Any) -> Iterator[Served]:
    """A running studio; `url` is that of its first page."""
    given = settings.pop("studio", Studio())
    with served(model, studio=given, **settings) as server:
        yield Served(server.url.removesuffix("/v1"))


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser of this machine; skips the tests where there is none."""
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium is installed: the studio is not looked at in a browser")
    sandbox = [] if os.geteuid() else ["--no-sandbox"]  # root may not use it
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=sandbox)
        try:
            yield browser
        finally:
            browser.close()


class Seen:
    """A page of the browser, and what went wrong in it."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.url = url
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._console)

    def _console(self, message: Any) -> None:
        refused = re.search(r"status of 4\d\d|Error Code 4\d\d", message.text)
        if message.type == "error" and refused is None:
            self.errors.append(message.text)

    def go(self, path: str = "/") -> Any:
        self.page.goto(self.url + path)
        return self.page

    def ask(self, question: str, *, plan: bool = False) -> str:
        """Ask on the first page; the path of the episode."""
        page = self.go()
        page.fill("#question", question)
        name = "See the plan first" if plan else "Ask"
        page.get_by_role("button", name=name, exact=True).click()
        page.wait_for_url("**/episodes/*")
        return page.url.removeprefix(self.url)
