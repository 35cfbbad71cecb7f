"""Pictures, recordings and videos in a library: their observations as passages with times.

What a file is called decides that it is watched and not read as text; its content decides how.
Nothing of the extra `media` is imported before such a file is met.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from centerlm.errors import MissingExtraError
from centerlm.library.document import Document, Problem, Timed, one_line
from centerlm.media.loading import installed

SUFFIXES = frozenset(
    {
        *(".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"),
        *(".wav", ".mp3", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".aac", ".aiff"),
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".flv", ".wmv", ".3gp"),
    }
)
MAX_WORDS = 60
MAX_SECONDS = 30.0


def is_media(path: Path) -> bool:
    """Whether a file is called like a picture, recording or video."""
    return path.suffix.lower() in SUFFIXES


def passed_over(files: int) -> str:
    """What to do about so many media files in folders that cannot be watched here."""
    named = (
        "a picture, recording or video was"
        if files == 1
        else (f"{files:,} pictures, recordings and videos were")
    )
    return f"{named} passed over: {MissingExtraError('av', 'media')}"


def can_watch() -> bool:
    """Whether pictures, recordings and videos can be decoded here."""
    return installed("av")


def media_digest(path: Path) -> str:
    """SHA-256 of a media file, which may be larger than memory; of it and of the captions beside it
    where there are any.

    Raises:
        MediaError: it cannot be read, or is no regular file: a pipe may never end.
    """
    from centerlm.errors import MediaError
    from centerlm.media.captions import captions_beside
    from centerlm.models.weights import file_sha256

    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise MediaError(f"{path} is not a file that can be read; give documents or folders")
        digest, beside = file_sha256(path), captions_beside(path)
        if beside is None:
            return digest
        return hashlib.sha256(f"{digest} {file_sha256(beside)}".encode()).hexdigest()
    except OSError as error:
        raise MediaError(f"{path} cannot be read ({error.strerror}); check the path") from None


def read_media(path: Path, tell: Callable[[float, float], None]) -> Iterator[Document | Problem]:
    """The document of a media file, and its problems. `tell` gets seconds done and in all.

    Raises:
        MediaError: nothing of it can be decoded.
        MissingExtraError: a package that decodes is missing.
    """
    from centerlm.media.observation import in_words
    from centerlm.media.processing import process

    processed = process(path, progress=lambda step: tell(step.done, step.total))
    for note in processed.notes:
        yield Problem(str(path), note)
    passages: list[Timed] = []
    for observation in processed.observations:
        text = in_words(observation)
        last = passages[-1] if passages else None
        if (
            last is not None
            and len(last.text.split()) + len(text.split()) <= MAX_WORDS
            and observation.end - last.start <= MAX_SECONDS
        ):
            end = max(last.end, observation.end)
            passages[-1] = Timed(last.start, end, f"{last.text} {text}")
        else:
            passages.append(Timed(observation.start, observation.end, text))
    if not passages:
        kind = processed.info.kind
        nothing = "nothing that moves, no text and no speech was found"
        passages.append(Timed(0.0, processed.info.seconds, f"This is a {kind}; {nothing} in it."))
    title = one_line(path.stem.replace("_", " ")) or "untitled"
    yield Document(
        title,
        "",
        str(path),
        processed.sha256,
        timed=tuple(passages),
        unfinished=processed.unfinished,
    )
