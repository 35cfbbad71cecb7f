"""Which files an ingest is about: paths given by the user into files of kinds that can be read.

Folders are walked without following links to folders, so a loop of links cannot trap it; hidden
files and kinds that are no documents are passed over.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from centerlm.library.document import Problem
from centerlm.library.media import can_watch, is_media
from centerlm.library.readers import SUFFIXES


@dataclass(frozen=True, slots=True)
class Walk:
    """What was found: files in a fixed order, problems, how many files were passed over, and how
    many of these for want of the extra `media`.

    `folders` are the folders that were really walked, and `gone` the files given that are no more:
    a stored file that is in either without being in `files` has been removed by its owner.
    """

    files: tuple[Path, ...]
    problems: tuple[Problem, ...]
    ignored: int
    unwatched: int
    folders: tuple[Path, ...]
    gone: tuple[Path, ...]

    def removed(self, stored: Iterable[str]) -> list[str]:
        """Those of the stored paths whose file has been removed."""
        here = {str(path) for path in self.files}
        missing = {str(path) for path in self.gone}
        return [
            path
            for path in stored
            if path in missing or (path not in here and self._covers(path) and is_gone(path))
        ]

    def _covers(self, path: str) -> bool:
        return any(Path(path).is_relative_to(folder) for folder in self.folders)


def find_files(paths: Iterable[str | Path]) -> Walk:
    """The files that `paths` (files and folders) stand for; a file given by name is always read."""
    files: dict[Path, None] = {}
    problems: list[Problem] = []
    folders: list[Path] = []
    gone: list[Path] = []
    ignored = unwatched = 0
    for given in paths:
        path = _absolute(given)
        if path is None:
            problems.append(Problem(str(given), f"{str(given)!r} is not a path; check it"))
        elif os.path.isdir(path):  # noqa: PTH112  is_dir() raises where a folder may not be looked into
            folders.append(path)
            some, media = _walk(path, files, problems)
            ignored, unwatched = ignored + some, unwatched + media
        else:
            # A file that is missing is a problem here; its passages go with it only if its folder
            # is still there, not when a disk was unplugged.
            if is_gone(path) and path.parent.is_dir():
                gone.append(path)
            _add(path, files, problems)
    return Walk(tuple(files), tuple(problems), ignored, unwatched, tuple(folders), tuple(gone))


def is_gone(path: str | Path) -> bool:
    """Whether there is no such file; one in a folder that may not be looked into may be there."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _absolute(given: str | Path) -> Path | None:
    try:
        path = Path(given).expanduser()
        os.fsencode(path)
        if "\0" in str(path):
            return None
        return Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow links and lose the name
    except (ValueError, RuntimeError):  # no file name at all, or an unknown ~user
        return None


def _walk(folder: Path, files: dict[Path, None], problems: list[Problem]) -> tuple[int, int]:
    """How many files were passed over, and how many of them could be watched with the extra."""
    ignored = unwatched = 0
    watching = can_watch()

    def unreadable(error: OSError) -> None:
        where = error.filename or folder
        problems.append(
            Problem(str(where), f"{where} cannot be listed ({error.strerror}); check permissions")
        )

    for root, names, members in os.walk(folder, onerror=unreadable):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for member in sorted(members):
            if member.startswith("."):
                continue
            path = Path(root, member)
            if path.suffix.lower() in SUFFIXES or (watching and is_media(path)):
                _add(path, files, problems)
            else:
                ignored += 1
                unwatched += is_media(path)
    return ignored, unwatched


def _add(path: Path, files: dict[Path, None], problems: list[Problem]) -> None:
    """Take a file, unless its name is no text: none could be stored, printed or cited."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        name = os.fsencode(path).decode(errors="replace")
        problems.append(Problem(name, f"the name of {name} is not UTF-8; rename it"))
        return
    files[path] = None
