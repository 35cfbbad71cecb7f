"""One browser for all tests of the studio, and a data folder of each test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


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
