"""Citations of pictures and videos as small pictures: the frame in the middle of the cited span."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from centerlm.errors import InputError, MediaError
from centerlm.finding import Citation
from centerlm.media.captioner import jpeg_of
from centerlm.media.decode import frames
from centerlm.models.weights import write_atomically

SIDE = 320


def thumbnail(path: Path, start: float, end: float, *, side: int = SIDE) -> bytes | None:
    """The frame in the middle of a span (seconds) as JPEG; None where there is no picture.

    Raises:
        MediaError: the file cannot be opened.
        MissingExtraError: a package of the extra `media` is not installed.
    """
    middle = (start + max(end, start)) / 2
    for at in (middle, start, 0.0):  # a span may end after the last frame
        for frame in frames(path, start=at, step=1.0):
            return jpeg_of(frame.pixels, side)
    return None


def write_thumbnails(citations: Iterable[Citation], folder: Path) -> list[Path]:
    """A JPEG for each cited span of seconds, called after its file and time; the paths, in order.

    Citations of other files, of sound, and of files that are gone have none. Of files with one name
    the later ones are numbered.

    Raises:
        InputError: the folder cannot be written.
    """
    written: dict[Path, None] = {}
    names: dict[str, list[Path]] = {}
    for citation in citations:
        path = Path(citation.file)
        if citation.unit != "seconds" or not citation.file or not path.is_file():
            continue
        alike = names.setdefault(path.stem, [])
        if path not in alike:
            alike.append(path)
        number = f"-{alike.index(path) + 1}" if alike[0] != path else ""
        at = folder / f"{path.stem}{number}-{citation.start:.1f}-{citation.end:.1f}s.jpg"
        if at in written:
            continue
        try:
            picture = thumbnail(path, citation.start, citation.end)
        except MediaError:
            continue
        if picture is None:
            continue
        try:
            write_atomically(at, picture)
        except OSError as error:
            raise InputError(f"{at} cannot be written ({error.strerror}); check --frames") from None
        written[at] = None
    return list(written)
