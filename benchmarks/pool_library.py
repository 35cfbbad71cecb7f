"""The pooled passages as one centerlm library, built once into a cache folder and reused."""

from __future__ import annotations

from pathlib import Path

from rich.progress import Progress

from centerlm.evaluation.items import PassageKey, passage_key
from centerlm.evaluation.pool import pool_library
from centerlm.library.ingest import Progress as Ingested

__all__ = ["PassageKey", "build_library", "passage_key"]


def build_library(pool: list[tuple[str, str]], cache: Path, progress: Progress) -> Path:
    """The folder of the pool's library; made, or finished, if it is not there.

    Raises:
        LibraryError: it cannot be written.
        OSError: the cache folder cannot be written.
    """
    bars = {
        phase: progress.add_task(f"library: {phase}", total=None, visible=False)
        for phase in ("reading", "embedding")
    }

    def show(at: Ingested) -> None:
        progress.update(bars[at.phase], completed=at.done, total=at.total, visible=True)

    folder = pool_library(pool, cache, progress=show)
    for bar in bars.values():
        progress.remove_task(bar)
    return folder
