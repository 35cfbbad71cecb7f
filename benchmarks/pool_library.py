"""The pooled passages as one centerlm library, built once into a cache folder and reused.

A paragraph of the sets is one passage, so that what is found can be compared with what the sets
name as support. Title and beginning of the text tell which paragraph a passage is: the engine cuts
what is longer.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from rich.progress import Progress

from centerlm.finding import short_answer
from centerlm.library import Library
from centerlm.library.document import safe_text
from centerlm.library.ingest import Progress as Ingested
from pool import pool_hash

PARAGRAPH_WORDS = 10_000
TITLE, BEGINNING = 100, 1000


class PassageKey(NamedTuple):
    title: str
    beginning: str


def passage_key(title: str, text: str) -> PassageKey:
    """What tells one paragraph of the pool from the others, however it was stored and cut."""
    return PassageKey(short_answer(title)[:TITLE], " ".join(safe_text(text).split())[:BEGINNING])


def build_library(pool: list[tuple[str, str]], cache: Path, progress: Progress) -> Path:
    """The folder of the pool's library; made, or finished, if it is not there.

    Raises:
        LibraryError: it cannot be written.
        OSError: the cache folder cannot be written.
    """
    folder = cache / f"pool-{pool_hash(pool)[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "pool.jsonl"
    if not source.is_file():
        fresh = source.with_suffix(".tmp")
        with fresh.open("w", encoding="utf-8") as lines:
            for title, text in pool:
                lines.write(json.dumps({"title": title, "text": text}) + "\n")
        fresh.replace(source)
    bars = {
        phase: progress.add_task(f"library: {phase}", total=None, visible=False)
        for phase in ("reading", "embedding")
    }

    def show(at: Ingested) -> None:
        progress.update(bars[at.phase], completed=at.done, total=at.total, visible=True)

    with Library.open(folder / "library", create=True) as library:
        library.ingest([source], progress=show, max_words=PARAGRAPH_WORDS)
    for bar in bars.values():
        progress.remove_task(bar)
    return folder / "library"
