"""Bounds for attached files: how many are kept, of how many bytes, for how long.

Each is a folder named by its content, whose time says when it was last sent or needed. What a
request that is open needs is never removed; what one that can go on needs, only after all else.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from centerlm.models.weights import home
from centerlm.serving.accepted import Accepted, AcceptedRequests
from centerlm.serving.order import Refused, decode

DAY = 86400.0
MOST_FILES, MOST_BYTES, MOST_AGE = 4_000, 20_000_000_000, 30 * DAY
"""Of the folders of uploads, and again of the libraries that are made of them."""
YOUNG = 60.0
"""Seconds in which what was sent may not belong to a request yet."""
MARK = YOUNG / 3
"""Seconds between two marks on what an open request needs: it stays younger than that."""
_GONE = ".gone-"


class Kept(NamedTuple):
    """A folder of uploads. `need` is 2 where an open request needs it, 1 where one may go on."""

    need: int
    at: float
    size: int
    folder: Path


def uploads() -> Path:
    """The folder that attached files are kept in."""
    return home() / "uploads"


async def tidy(store: AcceptedRequests) -> None:
    """Remove what is too old or too much.

    Raises:
        JournalError: the requests cannot be read.
    """
    needs = store.going()
    await asyncio.to_thread(_tidy, needs)


async def mark(requests: Sequence[Accepted]) -> None:
    """Mark what open requests need as needed now: a server with another journal does not know of
    them, and may have room to make in the same data folder.
    """
    await asyncio.to_thread(_mark, _needed(requests))


async def make_room(store: AcceptedRequests, files: int, size: int) -> None:
    """Have room for so many more files and bytes.

    Raises:
        Refused: there is none.
        JournalError: the requests cannot be read.
    """
    if await asyncio.to_thread(_fits, files, size):
        return
    needs = store.going()
    if not await asyncio.to_thread(_make_room, needs, files, size):
        raise Refused(
            507,
            "there is no room for more attached files until requests that have some end; send "
            "it again later",
            code="server_error",
            retry_after=60,
        )


def _fits(files: int, size: int) -> bool:
    kept = list(_folders(uploads()))
    return len(kept) + files <= MOST_FILES and sum(one.size for one in kept) + size <= MOST_BYTES


def _make_room(needs: Iterable[Accepted], files: int, size: int) -> bool:
    _remove(uploads(), _needed(needs), files, size, YOUNG)
    return _fits(files, size)


def _tidy(needs: Iterable[Accepted]) -> None:
    needed = _needed(needs)
    _mark(needed)
    _remove(uploads(), needed, 0, 0, YOUNG)
    _remove(home() / "attached", {}, 0, 0, DAY)


def _mark(folders: Iterable[str]) -> None:
    for name in folders:
        with suppress(OSError):
            os.utime(uploads() / name)


def _needed(requests: Iterable[Accepted]) -> dict[str, int]:
    """The folders that requests need."""
    needed: dict[str, int] = {}
    for request in requests:
        with suppress(msgspec.MsgspecError):  # what cannot be read needs nothing
            for path in decode(request.body).attachments:
                name, need = Path(path).parent.name, 2 if request.state == "open" else 1
                needed[name] = max(needed.get(name, 0), need)
    return needed


def _remove(root: Path, needed: dict[str, int], files: int, size: int, young: float) -> None:
    """Remove what is older than MOST_AGE, and then the oldest until so much more fits."""
    now = time.time()
    kept = sorted(one._replace(need=needed.get(one.folder.name, 0)) for one in _folders(root))
    count, total = len(kept) + files, sum(one.size for one in kept) + size
    for one in kept:
        too_much = count > MOST_FILES or total > MOST_BYTES
        too_old = not one.need and now - one.at > MOST_AGE
        if one.need == 2 or now - one.at < young or not (too_much or too_old):
            continue
        if _gone(one.folder, now - young):
            count, total = count - 1, total - one.size


def _gone(folder: Path, before: float) -> bool:
    """Remove a folder; false where it was sent again meanwhile."""
    away = folder.with_name(_GONE + folder.name)
    try:
        folder.rename(away)
        if away.stat().st_mtime > before and not folder.exists():
            away.rename(folder)
            return False
    except OSError:
        return False
    shutil.rmtree(away, ignore_errors=True)
    return True


def _folders(root: Path) -> Iterator[Kept]:
    """The folders; what a killed process left half done is removed."""
    try:
        entries = list(os.scandir(root))
    except OSError:  # there are none; or the next file cannot be kept, and that is said
        return
    for entry in entries:
        with suppress(OSError):  # another process is faster
            at = entry.stat().st_mtime
            if entry.is_dir() and not entry.name.startswith(_GONE):
                size = sum(file.stat().st_size for file in os.scandir(entry.path))
                yield Kept(0, at, size, Path(entry.path))
            elif time.time() - at < DAY:
                pass  # it may be on its way
            elif entry.is_dir():
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink()
