"""Paragraphs as one library, built once into a folder and reused.

A paragraph is one passage, so that what is found can be compared with what sets name as support.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from centerlm.evaluation.items import Paragraph
from centerlm.library import Library
from centerlm.library.ingest import Progress
from centerlm.models.weights import write_atomically

PARAGRAPH_WORDS = 10_000


def _quiet(progress: Progress) -> None:
    del progress


def unique(paragraphs: Iterable[Paragraph]) -> list[Paragraph]:
    """Paragraphs without doubled spaces, each once, in order."""
    made = (Paragraph(" ".join(p.title.split()), " ".join(p.text.split())) for p in paragraphs)
    return list(dict.fromkeys(made))


def pool_hash(paragraphs: Iterable[tuple[str, str]]) -> str:
    """SHA-256 of the paragraphs, in order."""
    digest = hashlib.sha256()
    for title, text in paragraphs:
        digest.update(f"{title}\t{text}\n".encode())
    return digest.hexdigest()


def pool_library(
    paragraphs: list[tuple[str, str]] | list[Paragraph],
    folder: Path,
    *,
    embedder: Literal["installed"] | None = "installed",
    progress: Callable[[Progress], None] = _quiet,
) -> Path:
    """The folder of the paragraphs' library below `folder`; made, or finished, if it is not there.

    Raises:
        LibraryError, OSError: it cannot be written.
    """
    words = "" if embedder else "-words"
    place = folder / f"pool-{pool_hash(paragraphs)[:12]}{words}"
    source = place / "pool.jsonl"
    if not source.is_file():
        lines = (json.dumps({"title": title, "text": text}) for title, text in paragraphs)
        write_atomically(source, "".join(f"{line}\n" for line in lines).encode())
    with Library.open(place / "library", create=True, embedder=embedder) as library:
        library.ingest([source], progress=progress, max_words=PARAGRAPH_WORDS)
    return place / "library"
