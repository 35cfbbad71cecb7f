"""The doctor: what it finds, what it says is missing, and how to mend it."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from centerlm import doctor
from centerlm.models.weights import REGISTRY


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CENTERLM_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights that are installed as packages are not seen."""

    def nowhere(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "files", nowhere)


def _checks() -> dict[str, dict[str, Any]]:
    return {check["what"]: check for check in doctor.examine()["checks"]}


def test_the_report_has_one_shape() -> None:
    report = doctor.examine()
    assert set(report) == {"ready", "checks"}
    for check in report["checks"]:
        assert set(check) == {"what", "ok", "found", "remedy", "needed"}
        assert check["ok"] or check["remedy"], check
    assert report["ready"] == all(check["ok"] for check in report["checks"] if check["needed"])


def test_what_is_there_is_found() -> None:
    checks = _checks()
    assert checks["Python"]["ok"] and checks["SQLite"]["found"].endswith("with FTS5")
    assert checks["data folder"]["ok"] and checks["plugins"]["ok"]
    assert checks["settings"]["found"] == "no centerlm.toml here: the defaults"
    assert {f"model {name}" for name in REGISTRY} <= set(checks)


def test_a_module_has_the_version_of_the_package_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(doctor.EXTRAS, "media", ("pictures",))
    (tmp_path / "pictures.py").touch()
    about = tmp_path / "easel-1.2.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: easel\nVersion: 1.2\n")
    (about / "top_level.txt").write_text("pictures\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert _checks()["extra [media]"]["found"] == "pictures 1.2"


def test_missing_weights_are_named_with_their_command(no_packages: None) -> None:
    checks = _checks()
    assert not checks["model default"]["ok"]
    assert checks["model default"]["remedy"].endswith("run: centerlm models get default")
    assert checks["model embeddings"]["remedy"].endswith("run: centerlm models get embeddings")
    assert not doctor.examine()["ready"]


def test_a_truncated_model_is_not_taken_for_one(no_packages: None, home: Path) -> None:
    file = REGISTRY["default"].files[0]
    path = home / "models" / "default" / file.name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GGUF")
    assert "is truncated or changed (4 bytes" in _checks()["model default"]["remedy"]


def test_missing_modules_are_named_with_their_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.EXTRAS, "local", ("numpy_of_nowhere", "json"))
    check = _checks()["extra [local]"]
    assert not check["ok"] and check["needed"]
    assert check["remedy"] == "numpy_of_nowhere missing; run: pip install 'centerlm[local]'"


def test_a_data_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTERLM_HOME", "/proc/none")
    check = _checks()["data folder"]
    assert not check["ok"]
    assert check["remedy"] == "set CENTERLM_HOME to a folder you may write to"


def test_settings_that_are_wrong(tmp_path: Path) -> None:
    (tmp_path / "centerlm.toml").write_text("[cnter]\n")
    check = _checks()["settings"]
    assert not check["ok"] and "did you mean center?" in check["remedy"]


def test_plugins_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    from centerlm.sources import registry

    point = metadata.EntryPoint("broken", "nowhere:source", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    check = _checks()["plugin"]
    assert not check["needed"]
    assert "plugin 'broken' (nowhere:source) cannot be loaded" in check["remedy"]
