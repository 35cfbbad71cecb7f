"""The arithmetic of the overhead report, on rows whose figures can be checked by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from overhead import report


def row(client: str, load: str, wall_ms: float, calls: int, number: int = 1) -> dict[str, Any]:
    return {
        "client": client,
        "load": load,
        "wall_ms": wall_ms,
        "cpu_ms": wall_ms / 10,
        "calls": calls,
        "rss_mb": 30,
        "round": number,
    }


ROWS = [
    row("raw sockets", "chain10", 220.0, 11),
    row("raw sockets", "chain50", 1020.0, 51),
    row("raw-sockets", "chain10", 231.0, 11),
    row("centerlm", "chain10", 231.0, 11),
    row("centerlm", "chain10", 462.0, 11, number=2),
    row("centerlm", "chain50", 1122.0, 51),
    row("slow peer", "chain10", 341.0, 11),
]


def test_a_figure_is_the_least_of_the_rounds() -> None:
    figures = report.best(ROWS)
    assert figures["centerlm", "chain10"]["wall_ms"] == 231.0
    assert figures["centerlm", "chain10"]["spread"] == 2.0


def test_each_client_is_compared_with_its_own_floor() -> None:
    figures = report.best(ROWS)
    assert report.over(figures, "centerlm", "chain10") == pytest.approx(1.0)
    assert report.over(figures, "slow peer", "chain10") == pytest.approx(10.0)
    assert report.over(figures, "slow peer", "chain50") is None


def test_growth_is_told_for_each_hundred_calls() -> None:
    figures = report.best(ROWS)
    assert report.slope(figures, "centerlm") == pytest.approx(100 * (2.0 - 1.0) / 40)
    assert report.slope(figures, "slow peer") is None


def test_the_report_has_a_line_a_client_and_only_the_parts_measured() -> None:
    text = report.write({"http": {"config": config(), "rows": ROWS}})
    assert "| slow peer | 10.00 | - |" in text
    assert "## Calls over HTTP" in text
    assert "## Long episodes" not in text


def config() -> dict[str, Any]:
    return {
        "date": "2026-01-01",
        "machine": "a machine",
        "machine_load": [0.1, 0.1, 0.1],
        "rounds": 1,
        "runs": 1,
        "latency_ms": 20.0,
        "nice": 0,
        "versions": {"centerlm": {"aiohttp": "3"}},
    }
