"""The studio in a real browser: first paint and main-thread time of a tree of 2,000 steps.

    python benchmarks/studio.py [--runs 5] [--out DIR] [--name studio]

A scripted center plans a tree of 2,028 steps, which the studio's page shows while it grows. Then
the page of the whole tree is opened, levels are opened, steps are looked at, with few rows shown
and with all of them, and what each costs the page's main thread is measured by its CPU time
(Chromium's TaskDuration in thread ticks). Writes studio.json and studio.md.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from options import add_files, parser_of
from reporting import command_line, run_benchmark, table, versions, write
from studio_pages import LEVELS, Page, Work, chromium, studio

POLLING = 50
"""Milliseconds between two looks at whether it is done: looking is work of the main thread too."""
AIM = 100.0
"""Milliseconds of main-thread time that an interaction may take."""


@dataclass(frozen=True, slots=True)
class Arguments:
    runs: int
    out: Path
    name: str


def parse(argv: Sequence[str]) -> Arguments:
    parser = parser_of(__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each measure (%(default)s)")
    add_files(parser, "studio")
    given: argparse.Namespace = parser.parse_args(argv)
    return Arguments(given.runs, given.out, given.name)


def grow(browser: Any, url: str) -> tuple[str, dict[str, float]]:
    """Ask, and watch the tree grow; the episode's path, and what watching costs."""
    page = Page.new(browser)
    page.page.goto(url)
    page.page.fill("#question", "What comes of all the work?")
    page.page.click("button.main")
    page.page.wait_for_url("**/episodes/*")
    page.page.wait_for_selector(".step")
    before, began = page.metrics()["TaskDuration"], time.monotonic()
    page.page.wait_for_function("() => document.querySelector('.outcome.is-answered')", polling=500)
    seconds = time.monotonic() - began
    spent = page.metrics()["TaskDuration"] - before
    path = page.page.url.removeprefix(url)
    page.close()
    return path, {"seconds": seconds, "main_seconds": spent, "share": spent / seconds}


def measured(browser: Any, url: str, runs: int) -> tuple[dict[str, list[Work]], list[float]]:
    """The interactions with the page of a whole tree, and its first paints."""
    works: dict[str, list[Work]] = {}
    paints: list[float] = []

    def note(name: str, work: Work) -> None:
        works.setdefault(name, []).append(work)

    for run in range(runs):
        page = Page.new(browser)
        note("open the page", page.work(partial(page.page.goto, url)))
        paints.append(page.painted())
        first = run % LEVELS[0] + 1
        note("open a level of 12", page.work(_opening(page.page, str(first), LEVELS[1])))
        note("open a level of 13", page.work(_opening(page.page, f"{first}.1", LEVELS[2])))
        _interact(page, note, f"{first}.1", "few rows shown")
        _open_all(page.page)
        _interact(page, note, f"{first}.2", "all rows shown")
        page.close()
    return works, paints


def _opening(shown: Any, path: str, count: int) -> Callable[[], None]:
    def do() -> None:
        at = path.replace(".", "\\.")
        shown.evaluate("(at) => document.querySelector(at).open = true", f"#s-{at} > details")
        shown.wait_for_function(
            "([at, count]) => document.getElementById(at).children.length === count",
            arg=[f"k-{path}", count],
            polling=POLLING,
        )

    return do


def _open_all(shown: Any) -> None:
    for _ in LEVELS[1:]:
        shown.evaluate("() => { for (const one of document.querySelectorAll('.tree details'))"
                       " one.open = true; }")  # fmt: skip
        shown.wait_for_function(
            "() => [...document.querySelectorAll('.tree details[open] > ul')]"
            ".every((level) => level.children.length)",
            polling=POLLING,
        )


def _interact(page: Page, note: Callable[[str, Work], None], path: str, when: str) -> None:
    shown = page.page
    link = f'a.asked[href$="/steps/{path}.3"]'

    def look() -> None:
        shown.evaluate("(at) => document.querySelector(at).click()", link)
        shown.wait_for_function(
            "(said) => document.querySelector('#detail h2')?.textContent === said",
            arg=f"Step {path}.3",
            polling=POLLING,
        )

    def key() -> None:
        shown.keyboard.press("ArrowDown")
        shown.wait_for_function(
            "(at) => document.activeElement?.closest('li')?.id === at",
            arg=f"s-{path}.4",
            polling=POLLING,
        )

    if not shown.locator(link).count():
        _opening(shown, path, LEVELS[2])()
    note(f"look at a step, {when}", page.work(look))
    shown.evaluate("(at) => document.querySelector(at).focus()", link)
    note(f"arrow key, {when}", page.work(key))
    close = f"#s-{path.replace('.', chr(92) + '.')} > details"
    note(
        f"close a level, {when}",
        page.work(lambda: shown.evaluate("(at) => document.querySelector(at).open = false", close)),
    )
    note(
        f"open it again, {when}",
        page.work(lambda: shown.evaluate("(at) => document.querySelector(at).open = true", close)),
    )


def run(arguments: Arguments) -> Path:
    load = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="centerlm-studio-") as home,
        studio(Path(home)) as url,
        chromium() as (browser, version),
    ):
        path, growing = grow(browser, url)
        works, paints = measured(browser, url + path, arguments.runs)
    report = {
        "steps": LEVELS[0] * (1 + LEVELS[1] * (1 + LEVELS[2])),
        "growing": growing,
        "first_paint_ms": _spread(paints),
        "interactions": {
            name: {
                "main_ms": _spread([work.main for work in each]),
                "wall_ms": _spread([work.wall for work in each]),
            }
            for name, each in works.items()
        },
        "config": {
            "command": command_line(),
            "date": date.today().isoformat(),
            "chromium": version,
            "runs": arguments.runs,
            "machine load at the start": round(load, 1),
            "versions": versions(("centerlm", "starlette", "jinja2", "playwright")),
        },
    }
    return write(arguments.out, arguments.name, report, page_of(report))


def _spread(numbers: Sequence[float]) -> dict[str, float]:
    return {"median": statistics.median(numbers), "most": max(numbers)}


def page_of(report: Mapping[str, Any]) -> str:
    """The page of a report."""
    config, growing, paint = report["config"], report["growing"], report["first_paint_ms"]
    worst = max(cell["main_ms"]["most"] for name, cell in _after_opening(report))
    verdict = "met" if worst < AIM else "not met"
    rows = [
        [
            name,
            *(
                f"{cell[part][of]:.0f}"
                for part in ("main_ms", "wall_ms")
                for of in ("median", "most")
            ),
        ]
        for name, cell in report["interactions"].items()
    ]
    return "\n".join(
        [
            "# The studio in a browser",
            "",
            f"{config['date']}, Chromium {config['chromium']}, "
            f"{', '.join(f'{k} {v}' for k, v in config['versions'].items())}; machine load "
            f"{config['machine load at the start']} at the start.",
            "",
            f"    PYTHONPATH=src {config['command']}",
            "",
            f"A tree of {report['steps']:,} steps. Aim: less than {AIM:.0f} ms of main-thread time "
            f"an interaction; **{verdict}**: the most was {worst:.0f} ms. First paint of its page: "
            f"**{paint['median']:.0f} ms** (most {paint['most']:.0f}), on the wall.",
            "",
            "Main-thread time is CPU time of the page's main thread, until what came of the "
            "interaction is painted; time on the wall depends on what else the machine does.",
            "",
            *table(
                ["", "main thread, ms: median", "most", "on the wall, ms: median", "most"], rows
            ),
            "",
            f"While it grew, in {growing['seconds']:.1f} s, the page spent "
            f"{growing['main_seconds']:.2f} s of main-thread time, "
            f"{100 * growing['share']:.0f} % of the time.",
            "",
        ]
    )


def _after_opening(report: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The interactions: all but opening the page."""
    return [pair for pair in report["interactions"].items() if pair[0] != "open the page"]


if __name__ == "__main__":
    import sys

    given = parse(sys.argv[1:])
    sys.exit(run_benchmark(lambda: run(given), interrupted="run it again"))
