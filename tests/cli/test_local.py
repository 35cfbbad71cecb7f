"""The default model at the command line: needs the local extra and its weights."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from centerlm.errors import MissingWeightsError
from centerlm.models.weights import find
from cli_run import Run

pytestmark = pytest.mark.local
FOUND = os.environ.get("CENTERLM_HOME", "")


@pytest.fixture
def weights(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights of the real data folder (or of an installed package), linked into the test's."""
    pytest.importorskip("xllamacpp", reason="the local extra is not installed")
    monkeypatch.setenv("CENTERLM_HOME", FOUND) if FOUND else monkeypatch.delenv("CENTERLM_HOME")
    try:
        file = find("default")
    except MissingWeightsError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("CENTERLM_HOME", str(home))
    at = home / "models" / "default" / file.name
    at.parent.mkdir(parents=True)
    at.symlink_to(file)


def test_the_default_center_solves_and_its_episode_replays(
    run: Run, weights: None, library: Path
) -> None:
    done = run(
        "solve", "How long is the river Ister?", "--library", library,
        "--budget", "calls=5,seconds=60,depth=1", "--json",
    )  # fmt: skip
    data = json.loads(done.out)
    assert done.code in (0, 1)
    assert data["plan"].startswith("1 [") and data["steps"]  # valid, whatever it is worth
    assert 0 < data["usage"]["calls"] <= 5
    if data["status"] in ("answered", "partial", "nothing"):
        assert run("replay", "last", "--json").out == run("show", "last", "--json").out


def test_doctor_finds_the_default_model(run: Run, weights: None) -> None:
    checks = {c["what"]: c for c in json.loads(run("doctor", "--json").out)["checks"]}
    assert checks["model default"]["ok"]
