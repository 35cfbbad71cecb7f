"""A tree of two thousand steps: shown level by level, and never long at work on the main thread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from centerlm.events import EpisodeFinished, EpisodeStarted, StepFinished, StepPlanned, StepStarted
from centerlm.events import digest as name_of
from centerlm.finding import found
from centerlm.journal import SqliteJournal
from centerlm.objective import Objective
from centerlm.recorder import finding_blob, to_blob
from studio_parts import Seen, studio

Look = Callable[..., Seen]
AIM = 0.1
"""Seconds of CPU time of the page's main thread that an interaction may take."""
POLLING = 200
"""Milliseconds between two looks at whether it is done: looking is work of the main thread too."""


@pytest.fixture
def large(home: Path) -> Path:
    """A journal with one ended episode of 12 + 144 + 1,872 steps."""
    journal = SqliteJournal(home / "journal.sqlite")
    settings = to_blob({"objective": Objective("What comes of it?"), "setup": None, "sources": []})
    content = finding_blob(found("42", source="calculator"))
    blobs = {name_of(settings): settings, name_of(content): content}
    journal.append("large", EpisodeStarted(question="?", settings=name_of(settings)), blobs)
    seconds = [str(n) for n in range(1, 13)]
    paths = [*seconds, *(f"{a}.{b}" for a in seconds for b in seconds)]
    paths += [f"{above}.{n}" for above in paths[12:] for n in range(1, 14)]
    for path in paths:
        step = path.rpartition(".")[2]
        journal.append("large", StepPlanned(path=path, line=f"{step} [calculator] sum {path}"))
        journal.append("large", StepStarted(path=path, text=f"sum {path}", sources=("calculator",)))
    for path in reversed(paths):
        event = StepFinished(
            path=path, status="found", answer="42", source="calculator", finding=name_of(content)
        )
        journal.append("large", event)
    journal.append("large", EpisodeFinished(status="answered", answer="42"))
    journal.write()
    journal.close()
    return home / "journal.sqlite"


def test_two_thousand_steps_stay_light(look: Look, large: Path) -> None:
    with studio("cli_parts:sums", sources=("calculator",), journal=str(large)) as served:
        seen = look(served.url)
        page = seen.page
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def spent() -> float:
            page.evaluate("() => new Promise((done) => requestAnimationFrame("
                          "() => requestAnimationFrame(done)))")  # fmt: skip
            metrics = session.send("Performance.getMetrics")["metrics"]
            return next(m["value"] for m in metrics if m["name"] == "TaskDuration")

        seen.go("/episodes/large")
        assert page.locator(".tree .row").count() == 12
        assert "168 of 168" in page.inner_text("#s-1 .count")
        works: dict[str, float] = {}
        for path, rows in (("1", 24), ("1.2", 37), ("12", 49)):
            before = spent()
            page.evaluate(
                "(id) => document.getElementById(id).firstElementChild.open = true", f"s-{path}"
            )
            page.wait_for_function(
                "(rows) => document.querySelectorAll('.tree .row').length === rows",
                arg=rows,
                polling=POLLING,
            )
            works[f"open {path}"] = spent() - before
        before = spent()
        page.evaluate("document.querySelector('#s-1\\\\.2\\\\.13 a.asked').click()")
        page.wait_for_function(
            "() => document.querySelector('#detail h2')?.textContent === 'Step 1.2.13'",
            polling=POLLING,
        )
        works["look at a step"] = spent() - before
        assert max(works.values()) < AIM, works
        numbers = page.eval_on_selector_all("#k-1\\.2 > li", "(rows) => rows.map((row) => row.id)")
        assert numbers == [f"s-1.2.{n}" for n in range(1, 14)]
