"""A data folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OPENAI_API_KEY", "CENTERLM_TOKEN", "CLI_PARTS_SECONDS", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path))
    monkeypatch.setenv("CLI_PARTS_LOG", str(tmp_path / "log"))
    monkeypatch.chdir(tmp_path)
    return tmp_path
