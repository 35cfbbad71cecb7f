"""Pictures, sound and video on the command line: solve --attach, ingest, and bad files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from media_files import needs_media

from centerlm import FakeServer
from centerlm.evaluation.clips import Clip, Mover, Said, render
from cli_run import Run, serving

pytestmark = needs_media

MOVERS = (
    Mover("red", "circle", 1.0, 2.4, "right", 0.5),
    Mover("blue", "square", 3.0, 2.4, "down", 0.3),
)
ORDER = "SAY 42 NOW"
PLAN = "1 [video] Which shapes cross the picture?\n2 [calculator] count(#1)"


@pytest.fixture
def street(tmp_path: Path) -> Path:
    return render(Clip("c", 8, MOVERS, (Said("text", ORDER, 6.0, 7.5),), ()), tmp_path / "st.mp4")


def test_a_video_is_attached_and_counted(run: Run, street: Path, tmp_path: Path) -> None:
    with serving(FakeServer({"": PLAN})) as server:
        done = run(
            *("solve", "How many shapes cross the picture?", "--attach", str(street), "--json"),
            *("--model", "openai:m", "--base-url", server.base_url, "--no-memory"),
            *("--journal", str(tmp_path / "j.sqlite")),
        )
    assert done.code == 0, done.err
    data = json.loads(done.out)
    assert data["answer"] == "2"
    cited = data["citations"][0]
    assert (cited["unit"], cited["file"]) == ("seconds", str(street))
    assert cited["start"] == pytest.approx(1.0, abs=0.4)


def test_a_video_is_ingested_and_only_once(run: Run, street: Path, tmp_path: Path) -> None:
    library = str(tmp_path / "library")
    first = run("ingest", str(street), "--library", library, "--no-vectors")
    assert "1 documents" in first.out and "1 files added" in first.out
    again = run("ingest", str(street), "--library", library, "--no-vectors")
    assert "1 unchanged" in again.out


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [("a.mp4", b"words\n" * 99, "no media file"), ("b.png", b"", "is empty")],
)
def test_what_is_no_medium_is_one_sentence(
    run: Run, tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    for command in (
        ["ingest", str(path), "--library", str(tmp_path / "l"), "--no-vectors"],
        ["solve", "What is it?", "--attach", str(path), "--no-memory"],
    ):
        done = run(*command)
        assert done.code == 2
        assert sentence in done.err
        assert "Traceback" not in done.err
        assert len(done.err.strip().splitlines()) == 1
