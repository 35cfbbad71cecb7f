"""One browser for all tests of the studio, and a data folder of each test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from studio_parts import Seen, chromium


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OPENAI_API_KEY", "CENTERLM_TOKEN", "CLI_PARTS_SECONDS", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path))
    monkeypatch.setenv("CLI_PARTS_LOG", str(tmp_path / "log"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


class _Shared:
    """The browser, opened for the first test that looks, closed after the last one of this folder:
    while playwright is open no other test of the process could run an event loop.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._browser: Any = None

    def browser(self) -> Any:
        if self._browser is None:
            self._browser = self._stack.enter_context(chromium())
        return self._browser

    def close(self) -> None:
        self._browser = None
        self._stack.close()


_shared = _Shared()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    del item
    if nextitem is None or not nextitem.path.is_relative_to(Path(__file__).parent):
        _shared.close()


@pytest.fixture
def browser() -> Any:
    return _shared.browser()


@pytest.fixture
def look(browser: Any) -> Iterator[Callable[..., Seen]]:
    """Opens a page of a studio; at the end, none may have had an error."""
    opened: list[tuple[Any, Seen]] = []

    def open_(url: str, **how: Any) -> Seen:
        context = browser.new_context(**how)
        seen = Seen(context.new_page(), url)
        opened.append((context, seen))
        return seen

    yield open_
    for context, seen in opened:
        context.close()
        assert seen.errors == []
