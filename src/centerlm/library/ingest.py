"""Files into a library: only what changed is read, and every step is a transaction of its own.

Text first, vectors after: a library can be searched by words as soon as a file is stored, and an
ingest that was interrupted goes on where it stopped. A file that cannot be read leaves what the
library had of it, and is named in the report.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from centerlm.library.document import Problem
from centerlm.library.embed import Embedder
from centerlm.library.embedding import embed_missing
from centerlm.library.media import passed_over
from centerlm.library.store import Store
from centerlm.library.walk import find_files
from centerlm.library.writing import Writer

COMMON_SHARE = 100  # a term is common when more than 1 passage in 100 has it


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ingest is: files read, seconds of a file watched, or passages embedded, of how
    many.
    """

    phase: Literal["reading", "watching", "embedding"]
    done: float
    total: float
    file: str = ""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did, in files, and how large the library is now.

    `ignored` counts files in folders that are no documents; `problems` are files or parts of files
    that could not be read; `without_vectors` counts passages found by words only; `note` says why.
    `remarks` say what of a book that was read now is not noted, or passed over in folders, and why.
    """

    added: int
    changed: int
    unchanged: int
    removed: int
    ignored: int
    problems: tuple[Problem, ...]
    documents: int
    passages: int
    without_vectors: int
    seconds: float
    note: str = ""
    remarks: tuple[str, ...] = ()


def ingest(
    store: Store,
    paths: Iterable[str | Path],
    *,
    embedder: Embedder | None,
    max_words: int,
    max_bytes: int,
    progress: Callable[[Progress], None],
) -> IngestReport:
    """Bring the library up to date with `paths` (files and folders).

    Raises:
        LibraryError: the library cannot be written; what was committed before stays.
    """
    started = time.monotonic()
    walk = find_files(paths)

    def watching(path: Path, done: float, total: float) -> None:
        progress(Progress("watching", done, total, str(path)))

    writer = Writer(store, max_words, max_bytes, list(walk.problems), watching)
    with store.errors():
        try:
            for number, path in enumerate(walk.files):
                progress(Progress("reading", number, len(walk.files), str(path)))
                writer.refresh(path)
            progress(Progress("reading", len(walk.files), len(walk.files)))
            writer.remove(walk.removed(writer.known))
            writer.commit()
        finally:
            writer.abandon()
        if writer.touched:
            _tidy(store)
        if embedder is not None:
            embed_missing(
                store, embedder, lambda done, total: progress(Progress("embedding", done, total))
            )
        count = store.connection().execute
        documents = count("SELECT count(*) FROM documents").fetchone()[0]
        passages = count("SELECT count(*) FROM passages").fetchone()[0]
        with_vectors = count("SELECT count(*) FROM codes").fetchone()[0]
    return IngestReport(
        added=writer.added,
        changed=writer.changed,
        unchanged=writer.unchanged,
        removed=writer.removed,
        ignored=walk.ignored,
        problems=tuple(writer.problems),
        documents=documents,
        passages=passages,
        without_vectors=passages - with_vectors,
        seconds=time.monotonic() - started,
        remarks=(*writer.remarks, *([passed_over(walk.unwatched)] if walk.unwatched else ())),
    )


def _tidy(store: Store) -> None:
    """Merge the word index and count common terms, where the library has grown enough for it.

    Both go through the whole index, so they wait until a tenth of the passages are new.
    """
    with store.write() as connection:
        passages: int = connection.execute("SELECT count(*) FROM passages").fetchone()[0]
        before = int(store.meta("tidied_at") or 0)
        if abs(passages - before) <= 0.1 * before:
            return
        connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        connection.execute("DELETE FROM common_terms")
        connection.execute(
            "INSERT INTO common_terms SELECT term, doc FROM terms WHERE doc * ? > ?",
            (COMMON_SHARE, passages),
        )
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('tidied_at', ?)", (str(passages),))
