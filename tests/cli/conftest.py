"""A folder of the test's own as data folder and current folder, a small library, and `run`."""

from __future__ import annotations

from pathlib import Path

import pytest

from centerlm.library import Library
from cli_run import Run, runner

ARTICLES = {
    "norburg.md": "# Norburg\nThe river Ister flows through Norburg, a town of the north.\n",
    "ister.md": "# Ister\nThe Ister is a river; it is 420 km long.\n",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OPENAI_API_KEY", "EDITOR", "VISUAL", "CLI_PARTS_LOG", "CLI_PARTS_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return runner(monkeypatch, capsys)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A library of two articles, searched by words."""
    folder = tmp_path / "articles"
    folder.mkdir()
    for name, text in ARTICLES.items():
        (folder / name).write_text(text)
    with Library.open(tmp_path / "library", create=True, embedder=None) as library:
        library.ingest([folder])
    return tmp_path / "library"
