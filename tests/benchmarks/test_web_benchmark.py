"""The benchmark of the knowledge web, as small as it gets: only the web differs, and it goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def path() -> Iterator[None]:
    """Benchmarks are programs, not a package: their folder is on the path while they run."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def test_batches_begin_with_one_thing_and_share_no_question() -> None:
    import web
    from centerlm.learning.worlds import make_world

    first, second = web.batches(make_world(7_200_002, split="test", people=20), 4)
    assert len(first) == len(second) == 4
    assert not {q.text for q in first} & {q.text for q in second}


def test_what_was_found_is_not_sought_again_and_a_second_run_reads_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import web

    size = ("--worlds", "1", "--people", "40", "--questions", "8", "--words")
    command = ["web.py", "--work", str(tmp_path / "work"), "--out", str(tmp_path), *size]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setattr(web, "FIRST_SEED", 7_200_001)
    assert web.main() == 0
    report = json.loads((tmp_path / "web.json").read_text())
    off, on = report["arms"]["no web"], report["arms"]["web"]
    assert off["known share"] == 0 < on["known share"]
    assert on["calls"]["value"] < off["calls"]["value"]
    assert on["right"]["value"] >= off["right"]["value"] > 0.8
    assert "of them known" in (tmp_path / "web.md").read_text()

    async def never(*given: object, **more: object) -> None:
        raise AssertionError("it was kept")

    monkeypatch.setattr(web, "world_rows", never)
    assert web.main() == 0
    assert json.loads((tmp_path / "web.json").read_text())["arms"] == report["arms"]
