"""One browser for all tests of the studio, and a data folder of each test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from own_home import home
from studio_parts import Seen, chromium

__all__ = ["home"]


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
