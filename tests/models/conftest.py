"""The default model's file, where it is on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from centerlm.errors import MissingWeightsError
from centerlm.models.weights import find


@pytest.fixture(autouse=True)
def centerlm_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A data folder of the test's own, except for weights that were fetched into the real one."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("CENTERLM_HOME", str(home))
    return home


@pytest.fixture(scope="session")
def default_gguf() -> Path:
    """Path of the default model; the test is skipped where it or the local extra is missing."""
    pytest.importorskip("tokenizers", reason="the local extra is not installed")
    pytest.importorskip("xllamacpp", reason="the local extra is not installed")
    try:
        return find("default")
    except MissingWeightsError as error:
        pytest.skip(str(error))
