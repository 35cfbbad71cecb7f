"""Attachments that clients send: checked, bounded, and kept by content in the data folder."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from centerlm.library.readers import SUFFIXES
from centerlm.models.weights import write_atomically
from centerlm.serving.chat import FilePart
from centerlm.serving.order import Refused
from centerlm.serving.tidying import uploads

MAX_FILES = 16
MAX_NAME = 100
_UNSAFE = re.compile(r"[^\w .()-]+", re.ASCII)
_DATA_URL = re.compile(r"data:[\w.+/-]*(?:;[\w=.-]+)*;base64,", re.ASCII)


def store(files: Sequence[FilePart]) -> list[str]:
    """Keep attached documents; their paths.

    A name says the kind of a file and nothing else: no folder of it is used.

    Raises:
        Refused: there are too many, one is of a kind that is not read, or is not base64.
    """
    if len(files) > MAX_FILES:
        raise Refused(400, f"more than {MAX_FILES} files are attached; put them into a library")
    return [str(_store(file, number)) for number, file in enumerate(files, start=1)]


def _store(file: FilePart, number: int) -> Path:
    if file.file_data is None:
        raise Refused(400, f"attached file {number} has no file_data; send it as a data URL")
    name = safe_name(file.filename or "")
    if Path(name).suffix.lower() not in SUFFIXES:
        raise Refused(
            400,
            f"attached file {number} is of a kind that is not read; name it as one of "
            f"{', '.join(sorted(SUFFIXES))}",
            param="messages",
        )
    text = file.file_data
    head = _DATA_URL.match(text[:200])
    if head is None and text.startswith("data:"):
        raise Refused(400, f"attached file {number} is a data URL without base64; encode it so")
    try:
        data = base64.b64decode(text[head.end() if head else 0 :], validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, f"attached file {number} is not base64; encode it again") from None
    if not data.strip():
        raise Refused(400, f"attached file {number} is empty; nothing to read")
    path = uploads() / hashlib.sha256(data).hexdigest()[:32] / name
    try:
        in_use(path.parent)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_atomically(path, data)
    except OSError as error:
        raise not_kept(name, error) from None
    return path


def in_use(folder: Path) -> None:
    """Keep a folder, if it is there, from being removed in the next moments."""
    with suppress(FileNotFoundError):
        os.utime(folder)


def not_kept(name: str, error: OSError) -> Refused:
    """The answer to a file that the disk has no room for, or that the data folder does not take."""
    return Refused(507, f"{name} cannot be kept ({error.strerror}); make room", code="server_error")


def safe_name(name: str) -> str:
    """The last part of a file name, of plain characters, not hidden, at most 100 long."""
    last = re.split(r"[/\\]", name)[-1]
    stem, dot, suffix = _UNSAFE.sub("_", last).strip(". ").rpartition(".")
    return f"{stem[: MAX_NAME - 12]}{dot}{suffix[:10]}" if stem else f"file.{suffix[:10]}"
