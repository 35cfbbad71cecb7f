"""Files that people drop in: kept by content in the data folder, shown as previews, never run."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerlm.assembly import is_medium
from centerlm.errors import InputError
from centerlm.library import Library
from centerlm.library.readers import SUFFIXES
from centerlm.serving.order import Refused
from centerlm.serving.tidying import make_room, uploads
from centerlm.serving.uploads import in_use, not_kept, safe_name
from centerlm.studio.site import Site
from centerlm.studio.steps import medium_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

_KEPT = re.compile(r"[0-9a-f]{32}", re.ASCII)
_SANDBOX = "default-src 'none'; img-src 'self'; media-src 'self'; sandbox"


async def take(site: Site, request: Request) -> ASGIApp:
    """Keep a file that is sent as it is; answers with its preview.

    Raises:
        Refused: it is of a kind that is not read, or empty, or the disk is full.
    """
    from starlette.requests import ClientDisconnect

    name = safe_name(request.query_params.get("name", ""))
    path = Path(name)
    if path.suffix.lower() not in SUFFIXES and not is_medium(path):
        raise Refused(
            400, f"{name} is of a kind that is not read; give text, PDF, EPUB, HTML or a medium"
        )
    folder = uploads()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, draft = tempfile.mkstemp(dir=folder)
    except OSError as error:
        raise not_kept(name, error) from None
    hashed, size = hashlib.sha256(), 0
    try:
        with os.fdopen(handle, "wb") as file:
            async for piece in request.stream():
                hashed.update(piece)
                size += len(piece)
                await asyncio.to_thread(file.write, piece)
        if not size:
            raise Refused(400, f"{name} is empty; nothing to read")
        kept = folder / hashed.hexdigest()[:32] / name
        await make_room(site.service.store, 1, size)
        await asyncio.to_thread(_keep, Path(draft), kept)
    except ClientDisconnect:
        raise Refused(400, "the file ended before it was whole; drop it again") from None
    except OSError as error:
        raise not_kept(name, error) from None
    finally:
        _drop(Path(draft))
    at = f"{kept.parent.name}/{name}"
    kind = medium_of(path) if is_medium(path) else None
    return site.part("attached.html", at=at, name=name, size=size, kind=kind)


def _keep(draft: Path, kept: Path) -> None:
    in_use(kept.parent)
    kept.parent.mkdir(exist_ok=True, mode=0o700)
    draft.replace(kept)


def _drop(draft: Path) -> None:
    draft.unlink(missing_ok=True)


def kept_file(at: str) -> Path:
    """A kept file by its content's hash and its name.

    Raises:
        InputError: there is none.
    """
    digest, _, name = at.partition("/")
    path = uploads() / digest / name
    if not _KEPT.fullmatch(digest) or name != safe_name(name) or not path.is_file():
        raise InputError(f"the attached file {name[:80]!r} is not here any more; drop it in again")
    return path


async def give(request: Request) -> ASGIApp:
    """A kept file, for its preview."""
    return served(kept_file(f"{request.path_params['digest']}/{request.path_params['name']}"))


def has_file(setup: Mapping[str, Any], path: Path) -> bool:
    """Whether an episode, put together so, was asked about a file: attached, or of its library."""
    if str(path) in (setup.get("attachments") or ()):
        return True
    folder = setup.get("library")
    if not folder:
        return False
    with Library.open(folder, embedder=None) as library:
        return path in library.media()


def served(path: Path) -> Response:
    """A file for a page: a medium as what it is, anything else as plain text; sandboxed.

    Raises:
        Refused: it is not there any more.
    """
    from starlette.responses import FileResponse

    if not path.is_file():
        raise Refused(404, f"{path.name} is not where it was; put it back, or ask again")
    kind = mimetypes.guess_type(path.name)[0] if is_medium(path) else None
    headers = {"content-security-policy": _SANDBOX}
    return FileResponse(path, media_type=kind or "text/plain; charset=utf-8", headers=headers)
